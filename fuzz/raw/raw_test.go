package raw

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/examples/classifier"
	"github.com/skepbpf/skep/examples/execlog"
	"github.com/skepbpf/skep/examples/firewall"
	"github.com/skepbpf/skep/examples/ratelimit"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// objects are the examples' objects.
var objects = [][]byte{firewall.Object, firewall.Broken, classifier.Object, execlog.Object, ratelimit.Object}

// FuzzObject: whatever the bytes, loading them gives programs or an error, and what it gives can be verified.
func FuzzObject(f *testing.F) {
	for _, o := range objects {
		f.Add(o)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := object.LoadReader(bytes.NewReader(data), object.Options{})
		if err != nil {
			return
		}
		for _, p := range c.Programs {
			if _, err := Judge(p, verifier.Options{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzBTF: type information at random parses or does not.
func FuzzBTF(f *testing.F) {
	for _, o := range objects {
		c, err := object.LoadReader(bytes.NewReader(o), object.Options{})
		require.NoError(f, err)
		for _, p := range c.Programs {
			f.Add(p.BTF.Raw, p.FuncsRaw, p.LinesRaw)
		}
	}
	f.Fuzz(func(t *testing.T, raw, funcs, lines []byte) {
		b := object.ParseBTF(raw)
		b.Funcs(funcs, 8)
		b.Lines(lines, 16)
		b.String(uint32(len(raw)))
		p := Program([]byte{0, 0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0})
		p.BTF, p.FuncsRaw, p.FuncRec, p.LinesRaw, p.LineRec = b, funcs, 8, lines, 16
		p.Funcs, p.Lines = b.Funcs(funcs, 8), b.Lines(lines, 16)
		if _, err := Judge(p, verifier.Options{}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDecode: a slot is decoded without loss, and its text is read back.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s[1:])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:len(data)/8*8]
		insns, err := isa.DecodeProgram(data)
		if err != nil {
			return
		}
		var back []byte
		for pc := range insns {
			e := insns[pc].Encode()
			back = append(back, e[:]...)
			isa.Format(insns, pc)
		}
		if !bytes.Equal(back, data) {
			t.Fatalf("%x is encoded as %x", data, back)
		}
		isa.CheckAll(insns)
		text := isa.Source(insns)
		again, err := isa.Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(again) != len(insns) {
			t.Fatalf("%d slots become %d\n%s", len(insns), len(again), text)
		}
		for i := range again {
			if again[i].Encode() != insns[i].Encode() {
				t.Fatalf("slot %d: %x becomes %x\n%s", i, insns[i].Encode(), again[i].Encode(), text)
			}
		}
	})
}

// FuzzText: any text is a program or an error.
func FuzzText(f *testing.F) {
	for _, s := range seeds(f) {
		p := Program(s)
		f.Add("prog xdp\nmap m hash key=4 value=8 entries=1 data=00 frozen\n" + isa.Source(p.Insns))
	}
	f.Add("name x\nattach 3\nlicense GPL\nflags sleepable\nprog syscall\nl: goto l\n.insn 0x0011223344556677\nr1 = m ll\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := object.Parse(text, object.Options{})
		if err != nil {
			return
		}
		if _, err := Judge(p, verifier.Options{}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzVerifier: slots at random get a verdict.
func FuzzVerifier(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Judge(Program(data), verifier.Options{LogLevel: verifier.LogStates | verifier.LogStats}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzInterp: slots at random return or trap, and what the verifier accepts does not trap.
func FuzzInterp(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, []byte("a packet"))
	}
	r, err := NewRunner()
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, r.Close()) })
	f.Fuzz(func(t *testing.T, data, packet []byte) {
		p := Program(data)
		proof, err := Judge(p, verifier.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Run(p, packet, 1<<16, nil); err != nil && proof != nil && !exhausted(err) {
			t.Fatalf("accepted, but: %v\n%s", err, isa.Source(p.Insns))
		}
	})
}

// exhausted tells that a run ended because it took long, which accepted programs may.
func exhausted(err error) bool { return strings.Contains(err.Error(), "budget") }

// seeds are small programs as Program takes them.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var out [][]byte
	for _, o := range objects {
		c, err := object.LoadReader(bytes.NewReader(o), object.Options{})
		require.NoError(f, err)
		for _, p := range c.Programs {
			s := []byte{0}
			for _, i := range p.Insns {
				e := i.Encode()
				s = append(s, e[:]...)
			}
			out = append(out, s)
		}
	}
	for _, text := range strings.Fields(small) {
		b, err := hex.DecodeString(text)
		require.NoError(f, err)
		out = append(out, append([]byte{1}, b...))
	}
	return out
}

// small are programs in hexadecimal: r0 = 0; a division; a load of the context; a store; an atomic operation; a loop.
const small = `
b7000000000000009500000000000000
b70000000700000037000000020000009500000000000000
61100000000000009500000000000000
7b1af8ff0000000079a0f8ff000000009500000000000000
b7010000010000007b1af8ff00000000db1af8ff0100000079a0f8ff000000009500000000000000
b7000000000000000700000001000000a500feff0a0000009500000000000000
`
