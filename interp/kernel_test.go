package interp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// A step is one call of a helper in a script, whose result goes to memory.
type step struct {
	helper string
	args   []any // int and int64: a number; ctx; buf and str: an offset in a map's value
}

type (
	ctxArg struct{}
	buf    int // in a map that is written
	str    int // in a map of constants
)

var ctx ctxArg

func (s step) String() string {
	var a []string
	for _, x := range s.args {
		switch x := x.(type) {
		case ctxArg:
			a = append(a, "ctx")
		case buf:
			a = append(a, fmt.Sprintf("buf+%d", x))
		case str:
			a = append(a, fmt.Sprintf("str+%d", x))
		default:
			a = append(a, fmt.Sprint(x))
		}
	}
	return s.helper + "(" + strings.Join(a, ", ") + ")"
}

// Sizes of the maps of a script: results, memory, constants.
const (
	outSize = 16 * 8
	bufSize = 512
	strSize = 256
)

// script makes a program of a type that does the steps and returns ret.
func script(typ linux.ProgType, steps []step, memory, constants []byte, ret int32) *object.Program {
	insns := []isa.Insn{isa.BinaryReg(isa.Mov, 8, 6, 1)}
	for i, r := range []isa.Reg{9, 8, 7} {
		c := isa.Const64(r, isa.PseudoMapValue, uint64(i))
		insns = append(insns, c[:]...)
	}
	for i, s := range steps {
		for n, a := range s.args {
			r := isa.Reg(n + 1)
			switch a := a.(type) {
			case ctxArg:
				insns = append(insns, isa.BinaryReg(isa.Mov, 8, r, 6))
			case buf:
				insns = append(insns, isa.BinaryReg(isa.Mov, 8, r, 8), isa.Binary(isa.Add, 8, r, int32(a)))
			case str:
				insns = append(insns, isa.BinaryReg(isa.Mov, 8, r, 7), isa.Binary(isa.Add, 8, r, int32(a)))
			case extraMap:
				c := isa.Const64(r, isa.PseudoMapFD, 3)
				insns = append(insns, c[:]...)
			case int:
				insns = append(insns, isa.Binary(isa.Mov, 8, r, int32(a)))
			case int64:
				c := isa.Const64(r, isa.PseudoNone, uint64(a))
				insns = append(insns, c[:]...)
			}
		}
		insns = append(insns, isa.CallHelper(linux.HelperID(s.helper)), isa.StoreMem(8, 9, int16(8*i), 0))
	}
	insns = append(insns, isa.Binary(isa.Mov, 8, 0, ret), isa.Return())
	m := func(name string, size int, content []byte) *object.Map {
		v := make([]byte, size)
		copy(v, content)
		return &object.Map{Name: name, Type: uint32(maps.Array), KeySize: 4, ValueSize: uint32(size), MaxEntries: 1,
			Contents: []object.MapKV{{Key: make([]byte, 4), Value: v}}}
	}
	p := &object.Program{Name: "script", Type: uint32(typ), License: "GPL", Insns: insns}
	p.Maps = []*object.Map{m("out", outSize, nil), m("buf", bufSize, memory), m("str", strSize, constants)}
	p.Maps[2].Flags, p.Maps[2].Frozen = maps.ReadOnlyProg, true
	return p
}

// An outcome is what a run leaves.
type outcome struct {
	ret       uint32
	out, buf  []byte
	data, ctx []byte
	err       error
	refused   bool
}

// difference says where two outcomes differ; "" if nowhere.
func (o *outcome) difference(k *outcome, typ linux.ProgType) string {
	switch {
	case o.err != nil && k.err != nil:
		return ""
	case o.err != nil || k.err != nil:
		return fmt.Sprintf("error %v, kernel %v", o.err, k.err)
	case o.ret != k.ret:
		return fmt.Sprintf("returned %d, kernel %d", int32(o.ret), int32(k.ret))
	}
	for i := 0; i < outSize; i += 8 {
		a, b := int64(binary.NativeEndian.Uint64(o.out[i:])), int64(binary.NativeEndian.Uint64(k.out[i:]))
		if a != b {
			return fmt.Sprintf("step %d returned %d (%#x), kernel %d (%#x)", i/8, a, a, b, b)
		}
	}
	for _, x := range []struct {
		what string
		a, b []byte
	}{{"memory", o.buf, k.buf}, {"packet", o.data, k.data}, {"context", o.ctx, k.ctx}} {
		if x.what == "context" && len(x.b) == 0 {
			continue // none was asked for
		}
		if len(x.a) != len(x.b) {
			return fmt.Sprintf("%s has %d bytes, kernel %d", x.what, len(x.a), len(x.b))
		}
		for i := range x.a {
			if x.a[i] != x.b[i] {
				end := min(i+32, len(x.a))
				return fmt.Sprintf("%s at %d\n  %x, kernel\n  %x", x.what, i, x.a[i:end], x.b[i:end])
			}
		}
	}
	return ""
}

// runHere runs a script in the interpreter.
func runHere(t *testing.T, p *object.Program, data, ctx []byte) *outcome {
	w, err := newWorld(t, p, interp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t)
	o := &outcome{}
	if o.err = w.run.SetTestRun(data, ctx); o.err != nil {
		return o
	}
	r0, err := w.m.Run(w.run)
	o.ret, o.err = uint32(r0), err
	o.out, _ = maps.GetBytes(w.maps[0], make([]byte, 4))
	o.buf, _ = maps.GetBytes(w.maps[1], make([]byte, 4))
	data, ctx = w.run.TestResult()
	o.data, o.ctx = bytes.Clone(data), bytes.Clone(ctx)
	return o
}

// runThere runs it in the kernel.
func runThere(t *testing.T, k *oracle.Kernel, p *object.Program, data, ctx []byte) *outcome {
	res, err := k.Load(p, oracle.Options{FreshMaps: true})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	if res.FD < 0 {
		return &outcome{refused: true, err: fmt.Errorf("%s: %v", res.Verdict, res.Message)}
	}
	r, err := oracle.TestRun(res.FD, data, ctx, 0)
	if err != nil {
		return &outcome{err: err}
	}
	o := &outcome{ret: r.Retval, out: make([]byte, outSize), buf: make([]byte, bufSize), data: r.Data, ctx: r.Ctx}
	for i, b := range [][]byte{o.out, o.buf} {
		if err := oracle.MapLookup(res.Maps[i], make([]byte, 4), b); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// kernel opens the running kernel, or skips the test.
func kernel(t *testing.T) *oracle.Kernel {
	t.Helper()
	k, err := oracle.Open()
	if err != nil {
		t.Skipf("no kernel to compare with: %v", err)
	}
	t.Cleanup(k.Close)
	return k
}

// compare runs a script on both sides.
func compare(t *testing.T, k *oracle.Kernel, typ linux.ProgType, steps []step, memory, constants, data, ctx []byte) (same bool) {
	t.Helper()
	p := script(typ, steps, memory, constants, 1)
	there := runThere(t, k, p, data, ctx)
	if there.refused {
		t.Errorf("%v: %v\n  refused: %v", typ, steps, there.err)
		return false
	}
	here := runHere(t, p, data, ctx)
	if errors.Is(there.err, syscall.ENOSPC) {
		return true // the packet has outgrown the room for the answer
	}
	if d := here.difference(there, typ); d != "" {
		t.Errorf("%v, packet of %d bytes: %v\n  %s", typ, len(data), steps, d)
		return false
	}
	return true
}
