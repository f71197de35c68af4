package object

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// HostBTF is where Linux has the types of the running kernel.
const HostBTF = "/sys/kernel/btf/vmlinux"

// maxBTF bounds a file of type information. A kernel's takes 5 to 20 MiB.
const maxBTF = 256 << 20

// LoadBTF reads the types of a kernel from a file: raw BTF, such as HostBTF or a .btf file; an ELF file with a
// .BTF section, such as vmlinux; or either of them compressed by gzip.
//
// A file is read once: later calls, from any goroutine, give the same BTF as long as the file has the same
// size and time.
func LoadBTF(path string) (*BTF, error) {
	b, err := loadBTF(path)
	if err != nil {
		return nil, fmt.Errorf("object: types of a kernel: %w", err)
	}
	return b, nil
}

// btfCache has the files read so far.
var btfCache struct {
	sync.Mutex
	files map[string]*btfFile
}

type btfFile struct {
	once sync.Once
	size int64
	time time.Time
	btf  *BTF
	err  error
}

func loadBTF(path string) (*BTF, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	btfCache.Lock()
	f := btfCache.files[path]
	if f == nil || f.size != info.Size() || !f.time.Equal(info.ModTime()) {
		f = &btfFile{size: info.Size(), time: info.ModTime()}
		if btfCache.files == nil {
			btfCache.files = map[string]*btfFile{}
		}
		btfCache.files[path] = f
	}
	btfCache.Unlock()
	f.once.Do(func() { f.btf, f.err = readBTF(path) })
	return f.btf, f.err
}

func readBTF(path string) (b *BTF, err error) {
	raw, err := readAll(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if bytes.HasPrefix(raw, []byte(elf.ELFMAG)) {
		if raw, err = btfOfELF(raw); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	b = ParseBTF(raw)
	if b.Err != nil {
		return nil, fmt.Errorf("%s: %w", path, b.Err)
	}
	return b, nil
}

// readAll reads a file, decompressing it.
func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := readMost(f)
	if err != nil {
		return nil, err
	}
	return gunzip(raw)
}

// gunzip decompresses what is compressed.
func gunzip(raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return readMost(r)
}

// readMost reads all there is, up to a bound.
func readMost(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxBTF+1))
	if err == nil && len(raw) > maxBTF {
		err = fmt.Errorf("it is larger than %d bytes", maxBTF)
	}
	return raw, err
}

// btfOfELF is the .BTF section of an ELF file.
func btfOfELF(raw []byte) (out []byte, err error) {
	defer recovered(&err, "ELF")
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	s := f.Section(".BTF")
	if s == nil {
		return nil, fmt.Errorf("it has no section .BTF")
	}
	if s.FileSize > uint64(len(raw)) || s.Size > maxBTF {
		return nil, fmt.Errorf("section .BTF of %d bytes in a file of %d", s.Size, len(raw))
	}
	return s.Data()
}
