package interp_test

import (
	"errors"
	"strings"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

// traps checks that what is no instruction that programs may have ends the run.
func (o *opTester) traps(op isa.Op) {
	i := map[isa.Op]isa.Insn{
		isa.Invalid: slot(0xff, 1, 2, 0, 0), isa.AddrSpaceCast: slot(0xbf, 1, 2, 1, 1),
		isa.MovPerCPU: slot(0xbf, 1, 2, -1, 0), isa.CallX: slot(0x8d, 1, 0, 0, 0), isa.JaX: slot(0x0d, 1, 0, 0, 0),
	}[op]
	if i.Op != op {
		o.t.Fatalf("%v is not the operation", i)
	}
	_, err := o.exec(0, 0, setZero, i, exit)
	var trap *interp.Trap
	if !errors.As(err, &trap) || trap.Insn != 1 {
		o.t.Errorf("error %v, want a trap at instruction 1", err)
	}
}

func (o *opTester) imm64(isa.Op) {
	if got := o.must(0, 0, slot(0x18, 0, 0, 0, -2), second(0x12345678), exit); got != 0x12345678_fffffffe {
		o.t.Errorf("%#x", got)
	}
	// The address of a function.
	if got := o.must(0, 0, slot(0x18, 0, 4, 0, 2), second(0), exit, setZero, exit); got != helpers.FuncAddr(3) {
		o.t.Errorf("%#x", got)
	}
	if _, err := o.exec(0, 0, slot(0x18, 0, 1, 0, 0), second(0), exit); err == nil {
		o.t.Error("a map that is not there did not trap")
	}
}

// second is the second slot of an LdImm64.
func second(imm int32) isa.Insn { return isa.Insn{Op: isa.LdImm64Hi, Imm: imm} }

func (o *opTester) middle(isa.Op) {
	_, err := o.exec(0, 0, slot(0x05, 0, 0, 1, 0), slot(0x18, 0, 0, 0, 0), second(0), exit)
	if err == nil || !strings.Contains(err.Error(), "middle") {
		o.t.Errorf("error %v", err)
	}
}

func (o *opTester) jump(isa.Op) {
	for _, i := range []isa.Insn{slot(0x05, 0, 0, 1, 0), slot(0x06, 0, 0, 0, 1)} {
		if got := o.must(0, 0, setOne, i, setZero, exit); got != 1 {
			o.t.Errorf("%v did not jump", i)
		}
	}
	for _, off := range []int16{-2, 1} {
		if _, err := o.exec(0, 0, slot(0x05, 0, 0, off, 0), exit); err == nil || !strings.Contains(err.Error(), "outside") {
			o.t.Errorf("a jump out of the program: %v", err)
		}
	}
	if _, err := o.exec(0, 0, slot(0x05, 0, 0, -1, 0)); err == nil || !strings.Contains(err.Error(), "budget") {
		o.t.Errorf("an endless loop: %v", err)
	}
	if _, err := o.exec(0, 0, setZero); err == nil || !strings.Contains(err.Error(), "last instruction") {
		o.t.Errorf("no exit: %v", err)
	}
}

func (o *opTester) mayGoto(isa.Op) {
	// r0 += 1; may_goto out; goto back; out: exit
	got := o.must(0, 0, slot(0xb7, 0, 0, 0, 0), slot(0x07, 0, 0, 0, 1), slot(0xe5, 0, 0, 1, 0), slot(0x05, 0, 0, -3, 0), exit)
	if got != 4 {
		o.t.Errorf("the loop ran %d times with a budget of 3", got)
	}
}

func (o *opTester) returns(isa.Op) {
	if got := o.must(7, 0, moveR1, exit); got != 7 {
		o.t.Error(got)
	}
}

func (o *opTester) call(isa.Op) {
	if got := o.must(0, 0, slot(0x85, 0, 0, 0, 8), exit); got != 0 {
		o.t.Errorf("bpf_get_smp_processor_id: %d", got)
	}
	if _, err := o.exec(0, 0, slot(0x85, 0, 0, 0, 9999), exit); err == nil {
		o.t.Error("a helper that does not exist did not trap")
	}
	if _, err := o.exec(1, 2, slot(0x85, 0, 0, 0, 1), exit); err == nil || !strings.Contains(err.Error(), "R1: not a map") {
		o.t.Errorf("a lookup in no map: %v", err)
	}
}

func (o *opTester) kfunc(isa.Op) {
	p := &object.Program{Insns: []isa.Insn{slot(0x85, 0, 2, 3, 77), exit}}
	m, err := interp.New(p, interp.Options{Space: o.space, Kfunc: func(id int32, module int16) *helpers.KernelFunc {
		if id != 77 || module != 3 {
			return nil
		}
		return &helpers.KernelFunc{Name: "add", Call: func(c *helpers.Call) (uint64, error) { return c.Args[0] + c.Args[1], nil }}
	}})
	if err != nil {
		o.t.Fatal(err)
	}
	if got, err := m.Call(o.run, 0, &[5]uint64{40, 2}); got != 42 || err != nil {
		o.t.Error(got, err)
	}
	if _, err := o.exec(0, 0, slot(0x85, 0, 2, 0, 77), exit); err == nil {
		o.t.Error("a kernel function that does not exist did not trap")
	}
}

func (o *opTester) callSub(isa.Op) {
	// The callee has a frame of its own, and what it does to r6 is undone.
	p := text(o.t, `
prog socket_filter
	r6 = 5
	r1 = 3
	*(u64 *)(r10 -8) = 100
	call pc+4
	r0 += r6
	r1 = *(u64 *)(r10 -8)
	r0 += r1
	exit
	r6 = 1000
	*(u64 *)(r10 -8) = 7
	r0 = r1
	r1 = *(u64 *)(r10 -8)
	r0 += r1
	exit
`)
	if got := o.must(0, 0, p.Insns...); got != 3+7+5+100 {
		o.t.Error(got)
	}
	// A function that calls itself.
	_, err := o.exec(0, 0, slot(0x85, 0, 1, 0, -1), exit)
	if err == nil || !strings.Contains(err.Error(), "too deep") {
		o.t.Error(err)
	}
}

func (o *opTester) packet(op isa.Op) {
	data := append(make([]byte, 14), 1, 2, 3, 4, 5)
	if err := o.run.SetSKB(data, &helpers.SKB{}); err != nil {
		o.t.Fatal(err)
	}
	mode := op.Info().Code
	for _, x := range []struct {
		size uint8
		at   int32
		want uint64
	}{{1, 14, 1}, {2, 14, 0x102}, {4, 14, 0x1020304}, {1, 18, 5}, {2, 18, 0}, {1, -0x100000, 1}, {1, -0x200000, 0}, {1, -1, 0}} {
		at, r2 := x.at, uint64(0)
		if op == isa.LdInd {
			at, r2 = at-5, 5
		}
		i := slot(mode|sizeBits(x.size), 0, 0, 0, at)
		if op == isa.LdInd {
			i.Src = 2
		}
		if got := o.must(0, r2, setOne, i, exit); got != x.want {
			o.t.Errorf("%d bytes at %#x: %#x, want %#x", x.size, x.at, got, x.want)
		}
	}
	o.run.Packet = nil
	if _, err := o.exec(0, 0, slot(mode|0x10, 0, 0, 0, 0), exit); err == nil {
		o.t.Error("a load from no packet did not trap")
	}
}
