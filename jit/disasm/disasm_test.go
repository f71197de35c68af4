package disasm_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/skepbpf/skep/jit/disasm"
)

// TestAnything: whatever the bytes are, there is a text, and the next instruction is further on and not beyond the end.
func TestAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		b := make([]byte, 1+rng.IntN(20))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if rng.IntN(2) == 0 { // where our own decoders look closer
			copy(b, [...]string{"\xc4\xe2", "\xc4\x63\x7b\xf0", "\x0f\x38\xf0", "\x66\x48\x0f\x38\xf1", "\xf0"}[rng.IntN(5)])
		}
		for _, arch := range []string{"amd64", "arm64"} {
			if text, n := disasm.Next(arch, b, 0, strconv.Itoa); n < 1 || n > len(b) || text == "" {
				t.Fatalf("%s: %x is %q of %d bytes", arch, b, text, n)
			}
		}
	}
}

func TestJumps(t *testing.T) {
	label := func(at int) string { return "L" + strconv.Itoa(at) }
	for _, c := range []struct{ arch, code, want string }{
		{"amd64", "\xeb\x10", "jmp L118"},
		{"amd64", "\x0f\x84\xfa\xff\xff\xff", "je L100"},
		{"amd64", "\xe8\x00\x00\x00\x00", "call L105"},
		{"arm64", "\x04\x00\x00\x14", "b L116"},
		{"arm64", "\xe1\xff\xff\x54", "b.ne L96"},
	} {
		text, _ := disasm.Next(c.arch, []byte(c.code), 100, label)
		if text != c.want {
			t.Errorf("%s %x is %q, want %q", c.arch, c.code, text, c.want)
		}
	}
}
