package memory

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// Words are counters outside of Go's heap, a cache line of them, so that native code may hold their address.
type Words struct {
	Word   [7]atomic.Uint64
	mapped uint64 // not 0: they are outside of Go's heap
}

// wordsChunk is how many bytes are mapped at a time: what hosts map at least.
const wordsChunk = 64 << 10

var words struct {
	mu   sync.Mutex
	free []*Words
}

// NewWords makes Words, all zero. Where no memory can be mapped they are Go's, and have no address.
func NewWords() *Words {
	words.mu.Lock()
	defer words.mu.Unlock()
	if len(words.free) == 0 {
		r, err := reserve(wordsChunk)
		if err != nil {
			return new(Words)
		}
		if err := r.commit(0, wordsChunk); err != nil {
			_ = r.release()
			return new(Words)
		}
		for off := uint64(0); off < wordsChunk; off += uint64(unsafe.Sizeof(Words{})) {
			words.free = append(words.free, (*Words)(r.at(off)))
		}
	}
	last := len(words.free) - 1
	w := words.free[last]
	words.free = words.free[:last]
	w.mapped = 1
	return w
}

// Free gives them back. Nobody may use them after that.
func (w *Words) Free() {
	if w.mapped == 0 {
		return
	}
	*w = Words{}
	words.mu.Lock()
	words.free = append(words.free, w)
	words.mu.Unlock()
}

// Addr is the address of a word in the host's memory; 0 if native code must not hold it.
func (w *Words) Addr(n int) uintptr {
	if w.mapped == 0 {
		return 0
	}
	return uintptr(unsafe.Pointer(&w.Word[n]))
}
