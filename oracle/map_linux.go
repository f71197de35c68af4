package oracle

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/object"
)

const mapTypeArena = 33 // BPF_MAP_TYPE_ARENA

// cacheSize is how many maps and BTF blobs each are kept for later loads.
const cacheSize = 256

// A held descriptor is one that several loads may share.
type held struct {
	fd    int
	refs  int        // loads and Results that use it
	arena [2]uintptr // where an arena is mapped, and its length
}

func (h *held) close() {
	if h.arena[1] != 0 {
		unix.Syscall(unix.SYS_MUNMAP, h.arena[0], h.arena[1], 0)
	}
	unix.Close(h.fd)
}

// A lease is what one load holds of the Kernel's descriptors.
type lease struct {
	k     *Kernel
	fresh bool // maps are not shared
	held  []*held
	maps  map[*object.Map]*held // fresh ones
}

// release gives everything back; fresh maps are closed.
func (l *lease) release() {
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	for _, h := range l.held {
		h.refs--
	}
	for _, h := range l.maps {
		h.close()
	}
	l.held, l.maps = nil, nil
	evict(l.k.maps)
	evict(l.k.btfs)
}

// evict closes what nobody uses once there is too much of it.
func evict[K comparable](m map[K]*held) {
	if len(m) <= cacheSize {
		return
	}
	for k, h := range m {
		if h.refs == 0 {
			h.close()
			delete(m, k)
		}
	}
}

// btf gives the descriptor of a blob, 0 for nil. The Kernel is locked.
func (l *lease) btf(b *object.BTF) (int, error) {
	if b == nil {
		return 0, nil
	}
	h := l.k.btfs[b]
	if h == nil {
		fd, err := btfLoad(b.Raw)
		if err != nil {
			return -1, err
		}
		h = &held{fd: fd}
		l.k.btfs[b] = h
	}
	h.refs++
	l.held = append(l.held, h)
	return h.fd, nil
}

// createMap gives the descriptor of a map; typ is the type of the program that uses it. The Kernel is locked.
func (l *lease) createMap(m *object.Map) (int, error) {
	cache := l.k.maps
	if l.fresh {
		cache = l.maps
	}
	h := cache[m]
	if h == nil {
		fd, err := l.newMap(m)
		if err != nil {
			return -1, err
		}
		h = &held{fd: fd}
		cache[m] = h // before the contents: a program in a prog array may refer to the array
		if err := l.fill(m, h); err != nil {
			h.close()
			delete(cache, m)
			return -1, err
		}
	}
	if !l.fresh {
		h.refs++
		l.held = append(l.held, h)
	}
	return h.fd, nil
}

func (l *lease) newMap(m *object.Map) (int, error) {
	a := mapCreateAttr{mapType: m.Type, keySize: m.KeySize, valueSize: m.ValueSize, maxEntries: m.MaxEntries,
		flags: m.Flags, extra: m.Extra}
	copy(a.name[:15], m.Name)
	if m.BTF != nil {
		fd, err := l.btf(m.BTF)
		if err != nil {
			return -1, fmt.Errorf("BTF: %w", err)
		}
		a.btfFD, a.btfKey, a.btfValue = uint32(fd), m.KeyID, m.ValueID
	}
	if m.Inner != nil {
		fd, err := l.createMap(m.Inner)
		if err != nil {
			return -1, fmt.Errorf("inner map %s: %w", m.Inner.Name, err)
		}
		a.innerFD = uint32(fd)
	}
	fd, err := bpf(unix.BPF_MAP_CREATE, &a)
	if err != nil {
		return -1, err
	}
	return moveUp(fd), nil
}

// fill writes what a map holds before a program is loaded.
func (l *lease) fill(m *object.Map, h *held) error {
	for _, e := range m.Contents {
		value := e.Value
		switch {
		case e.Program != nil && l.k.crashes(e.Program):
			return fmt.Errorf("program %x calls bpf_wq_init", e.Key)
		case e.Program != nil:
			r := l.load(e.Program, Options{NoLog: true})
			if r.Verdict != Accept {
				return fmt.Errorf("program %x: %w", e.Key, r.Errno)
			}
			defer unix.Close(r.FD) // the array keeps it, until our array's last descriptor is closed
			value = binary.LittleEndian.AppendUint32(nil, uint32(r.FD))
		case e.Map != nil:
			fd, err := l.createMap(e.Map)
			if err != nil {
				return fmt.Errorf("map %s: %w", e.Map.Name, err)
			}
			value = binary.LittleEndian.AppendUint32(nil, uint32(fd))
		}
		if err := MapUpdate(h.fd, e.Key, value, 0); err != nil {
			return fmt.Errorf("element %x: %w", e.Key, err)
		}
	}
	if m.Type == mapTypeArena && m.Extra == 0 { // the verifier wants to know the user's address
		n := uintptr(m.MaxEntries) * uintptr(unix.Getpagesize())
		p, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, uintptr(h.fd), 0)
		if errno == 0 {
			h.arena = [2]uintptr{p, n}
		}
	}
	if m.Frozen {
		return MapFreeze(h.fd)
	}
	return nil
}

// CreateMap creates a map of the program's own, with its contents; CloseMap closes it.
func (k *Kernel) CreateMap(m *object.Map) (int, error) {
	l := &lease{k: k, fresh: true, maps: map[*object.Map]*held{}}
	k.mu.Lock()
	fd, err := l.createMap(m)
	delete(l.maps, m)
	k.mu.Unlock()
	l.release()
	return fd, err
}

// CloseMap closes a map that CreateMap made.
func CloseMap(fd int) { unix.Close(fd) }
