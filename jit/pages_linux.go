package jit

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// chunkSize is how much executable memory is asked for at a time: a system call costs more than most programs take to
// compile.
const chunkSize = 1 << 20

// A block is a place for code: whole pages.
type block struct {
	chunk *chunk
	addr  uintptr
	size  int
}

// A chunk is mapped memory, handed out in pages.
type chunk struct {
	mem  []byte
	used []bool // pages
}

// A pool has the code of all programs. Pages are writable or executable, never both.
type pool struct {
	mu     sync.Mutex
	chunks []*chunk
}

var pages pool

var pageSize = os.Getpagesize()

// place copies code to executable pages.
func (p *pool) place(text []byte) (block, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := (len(text) + pageSize - 1) / pageSize
	c, at, err := p.take(n)
	if err != nil {
		return block{}, err
	}
	mem := c.mem[at*pageSize : (at+n)*pageSize]
	copy(mem, text)
	if err := unix.Mprotect(mem, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return block{}, fmt.Errorf("jit: make pages executable: %w", err)
	}
	addr := uintptr(unsafe.Pointer(&mem[0]))
	flush(addr, uintptr(len(text)))
	for i := range n {
		c.used[at+i] = true
	}
	return block{c, addr, n * pageSize}, nil
}

// take finds n pages that follow each other.
func (p *pool) take(n int) (*chunk, int, error) {
	for _, c := range p.chunks {
		run := 0
		for i, used := range c.used {
			if run++; used {
				run = 0
			} else if run == n {
				return c, i + 1 - n, nil
			}
		}
	}
	size := max(chunkSize, n*pageSize)
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, 0, fmt.Errorf("jit: map pages for code: %w", err)
	}
	c := &chunk{mem, make([]bool, size/pageSize)}
	p.chunks = append(p.chunks, c)
	return c, 0, nil
}

// free gives pages back: writable, and no longer executable.
func (p *pool) free(b block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := int(b.addr-uintptr(unsafe.Pointer(&b.chunk.mem[0]))) / pageSize
	n := b.size / pageSize
	if unix.Mprotect(b.chunk.mem[at*pageSize:(at+n)*pageSize], unix.PROT_READ|unix.PROT_WRITE) != nil {
		return // they stay what they are, and out of use
	}
	for i := range n {
		b.chunk.used[at+i] = false
	}
}

// newStack makes memory for a context and a native stack, with a page at each end that nobody may touch.
func newStack(size int) ([]byte, error) {
	mem, err := unix.Mmap(-1, 0, size+2*pageSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("jit: map a stack: %w", err)
	}
	if err := unix.Mprotect(mem[pageSize:pageSize+size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		unix.Munmap(mem)
		return nil, fmt.Errorf("jit: map a stack: %w", err)
	}
	return mem, nil
}

// freeStack ends it.
func freeStack(mem []byte) { _ = unix.Munmap(mem) }

// contextAt is the context: at the upper end, where the stack grows away from it.
func contextAt(mem []byte) *context {
	return (*context)(unsafe.Pointer(&mem[len(mem)-pageSize-contextRoom]))
}

// topOf is where the native stack starts to grow downwards.
func topOf(mem []byte) uintptr { return uintptr(unsafe.Pointer(&mem[len(mem)-pageSize-contextRoom])) }

// contextRoom is the room of a context, aligned.
const contextRoom = (int(unsafe.Sizeof(context{})) + 63) &^ 63
