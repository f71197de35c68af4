package isa_test

import (
	"encoding/hex"
	"encoding/json"
	"math/bits"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skepbpf/skep/isa"
)

// alu32 and alu64 are what Go's own arithmetic says of the operations.
func alu64(op isa.Op, d, s uint64) uint64 {
	switch op {
	case isa.Add:
		return d + s
	case isa.Sub:
		return d - s
	case isa.Mul:
		return d * s
	case isa.Or:
		return d | s
	case isa.And:
		return d & s
	case isa.Xor:
		return d ^ s
	case isa.Mov:
		return s
	case isa.Neg:
		return -d
	case isa.Lsh:
		return d << (s & 63)
	case isa.Rsh:
		return d >> (s & 63)
	case isa.Arsh:
		return uint64(int64(d) >> (s & 63))
	case isa.Div:
		if s == 0 {
			return 0
		}
		return d / s
	case isa.Mod:
		if s == 0 {
			return d
		}
		return d % s
	case isa.SDiv:
		switch {
		case s == 0:
			return 0
		case int64(s) == -1:
			return -d
		}
		return uint64(int64(d) / int64(s))
	case isa.SMod:
		switch {
		case s == 0:
			return d
		case int64(s) == -1:
			return 0
		}
		return uint64(int64(d) % int64(s))
	}
	panic("no such operation")
}

func alu8(op isa.Op, d, s uint8) uint8 {
	switch op {
	case isa.Lsh:
		return d << (s & 7)
	case isa.Rsh:
		return d >> (s & 7)
	case isa.Arsh:
		return uint8(int8(d) >> (s & 7))
	case isa.SDiv, isa.SMod:
		return uint8(alu64(op, uint64(int64(int8(d))), uint64(int64(int8(s)))))
	}
	return uint8(alu64(op, uint64(d), uint64(s)))
}

var aluOps = []isa.Op{isa.Add, isa.Sub, isa.Mul, isa.Div, isa.SDiv, isa.Or, isa.And, isa.Lsh, isa.Rsh, isa.Neg, isa.Mod,
	isa.SMod, isa.Xor, isa.Mov, isa.Arsh}

var condOps = []isa.Op{isa.Jeq, isa.Jgt, isa.Jge, isa.Jset, isa.Jne, isa.Jsgt, isa.Jsge, isa.Jlt, isa.Jle, isa.Jslt, isa.Jsle}

// TestALU8 goes through every pair of bytes, with rubbish above them.
func TestALU8(t *testing.T) {
	for _, op := range aluOps {
		for d := range 256 {
			for s := range 256 {
				got := isa.ALU(op, 8, uint64(d)|0xabc00, uint64(s)|0xdef00)
				if want := uint64(alu8(op, uint8(d), uint8(s))); got != want {
					t.Fatalf("%d %s %d = %d, not %d", d, op.Info().Name, s, got, want)
				}
			}
		}
	}
}

func TestALUWide(t *testing.T) {
	edge := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1 << 32, 1 << 63, 1<<63 - 1, 1<<64 - 1}))
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom(aluOps).Draw(t, "op")
		d, s := edge.Draw(t, "d"), edge.Draw(t, "s")
		require.Equal(t, alu64(op, d, s), isa.ALU(op, 64, d, s))
		want := alu64(op, uint64(uint32(d)), uint64(uint32(s)))
		switch op {
		case isa.SDiv, isa.SMod:
			want = alu64(op, uint64(int32(d)), uint64(int32(s)))
		case isa.Lsh:
			want = uint64(uint32(d) << (s & 31))
		case isa.Rsh:
			want = uint64(uint32(d) >> (s & 31))
		case isa.Arsh:
			want = uint64(int32(d) >> (s & 31))
		}
		require.Equal(t, uint64(uint32(want)), isa.ALU(op, 32, d, s))
	})
}

// TestSmallWidths says of every width what must hold of all: results fit, and arithmetic modulo 2^w agrees
// with that of more bits.
func TestSmallWidths(t *testing.T) {
	for w := uint(1); w <= 5; w++ {
		n := uint64(1) << w
		sx := func(v uint64) int64 { return int64(v<<(64-w)) >> (64 - w) }
		for d := range n {
			for s := range n {
				for _, op := range aluOps {
					require.Less(t, isa.ALU(op, w, d, s), n)
				}
				require.Equal(t, (d*s)%n, isa.ALU(isa.Mul, w, d, s))
				require.Equal(t, (d+n-s)%n, isa.ALU(isa.Sub, w, d, s))
				require.Equal(t, sx(d) < sx(s), isa.Test(isa.Jslt, w, d, s))
				require.Equal(t, d < s, isa.Test(isa.Jlt, w, d, s))
				if s != 0 {
					q, r := isa.ALU(isa.SDiv, w, d, s), isa.ALU(isa.SMod, w, d, s)
					require.Equal(t, d, (q*s+r)%n, "%d %d", d, s)
				}
			}
			for from := uint(1); from <= w; from++ {
				require.Equal(t, uint64(int64(d<<(64-from))>>(64-from))&(n-1), isa.MoveSX(w, from, d))
			}
		}
	}
	for _, w := range []uint{0, 65, 1000} { // no width is that of 64 bits
		require.Equal(t, uint64(1)<<63, isa.ALU(isa.Lsh, w, 1, 63))
		require.True(t, isa.Test(isa.Jslt, w, 1<<63, 0))
	}
	require.Equal(t, uint64(7), isa.ALU(isa.Exit, 8, 7, 9))
	require.False(t, isa.Test(isa.Add, 8, 7, 7))
}

func TestTestOps(t *testing.T) {
	for _, op := range condOps {
		for d := range uint64(16) {
			for s := range uint64(16) {
				got := isa.Test(op, 4, d, s)
				require.Equal(t, got, isa.Test(op.Swap(), 4, s, d))
				if op != isa.Jset {
					require.Equal(t, !got, isa.Test(op.Negate(), 4, d, s))
				}
				require.Equal(t, got, isa.Test(op, 64, signed4(d, op), signed4(s, op)))
			}
		}
	}
	require.Equal(t, isa.Invalid, isa.Jset.Negate())
	require.Equal(t, isa.Invalid, isa.Add.Swap())
}

// signed4 extends 4 bits to 64 so that comparisons of that kind give the same.
func signed4(v uint64, op isa.Op) uint64 {
	switch op {
	case isa.Jsgt, isa.Jsge, isa.Jslt, isa.Jsle:
		return uint64(int64(v<<60) >> 60)
	}
	return v
}

func TestEndian(t *testing.T) {
	const v = 0x1122334455667788
	for _, op := range []isa.Op{isa.ToBE, isa.Bswap} {
		require.EqualValues(t, 0x8877, isa.Endian(op, 16, v))
		require.EqualValues(t, 0x88776655, isa.Endian(op, 32, v))
		require.Equal(t, bits.ReverseBytes64(v), isa.Endian(op, 64, v))
	}
	require.EqualValues(t, 0x7788, isa.Endian(isa.ToLE, 16, v))
	require.EqualValues(t, 0x55667788, isa.Endian(isa.ToLE, 32, v))
	require.EqualValues(t, v, isa.Endian(isa.ToLE, 64, v))
	require.EqualValues(t, v, isa.Endian(isa.Add, 16, v))
}

// mislabelled are conformance cases that name base32 alone, though an instruction of theirs is of base64 in RFC 9669:
// a negation of 64 bits, sign-extending loads.
var mislabelled = map[string]bool{"neg64": true, "rfc9669_ldxsb": true, "rfc9669_ldxsh": true, "rfc9669_ldxsw": true}

// TestConformanceGroups compares with the groups that the shared conformance cases name.
func TestConformanceGroups(t *testing.T) {
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "conformance", "cases.jsonl"))
	if err != nil {
		t.Skipf("no shared conformance cases (set SKEP_SHARED): %v", err)
	}
	for line := range strings.Lines(string(raw)) {
		var c struct {
			Name   string
			Groups []string
			Insns  string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		b, err := hex.DecodeString(c.Insns)
		require.NoError(t, err)
		insns, err := isa.DecodeProgram(b)
		require.NoError(t, err)
		groups := map[string]bool{}
		for i := range insns {
			if g := insns[i].Conformance(); g != "" {
				groups[g] = true
			}
		}
		got := make([]string, 0, len(groups))
		for g := range groups {
			got = append(got, g)
		}
		sort.Strings(got)
		if mislabelled[c.Name] {
			c.Groups = []string{"base32", "base64"}
		}
		sort.Strings(c.Groups)
		if strings.Join(got, " ") != strings.Join(c.Groups, " ") {
			t.Errorf("%s: %v, not %v\n%s", c.Name, got, c.Groups, isa.Source(insns))
		}
		if _, f := isa.CheckAll(insns); f != nil { // RFC 9669 gives these a meaning, Linux refuses them
			require.Regexp(t, "invalid shift|div by zero", f.Message, c.Name)
		}
	}
}
