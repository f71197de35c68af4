package memory

import "testing"

// TestWords: words have addresses of their own, and are zero when they are had again.
func TestWords(t *testing.T) {
	a, b := NewWords(), NewWords()
	if a.Addr(0) == 0 {
		t.Skip("this host can map no memory")
	}
	if a.Addr(0) == b.Addr(0) || a.Addr(1) != a.Addr(0)+8 || a.Addr(0)%64 != 0 {
		t.Errorf("words at %#x, %#x and %#x", a.Addr(0), a.Addr(1), b.Addr(0))
	}
	a.Word[1].Add(3)
	at := a.Addr(0)
	a.Free()
	c := NewWords()
	if c.Addr(0) != at || c.Word[1].Load() != 0 || b.Word[1].Load() != 0 {
		t.Errorf("words at %#x with %d; those freed were at %#x", c.Addr(0), c.Word[1].Load(), at)
	}
	if new(Words).Addr(0) != 0 {
		t.Error("words of Go's have an address for native code")
	}
	b.Free()
	c.Free()
}
