package domain

import "testing"

// TestText holds lines of a live kernel's log, for hosts without one.
func TestText(t *testing.T) {
	load := func(size uint, signed bool) Scalar {
		x := Unknown()
		if signed {
			x.SignExtend(size, false)
		} else {
			x.Truncate(size)
		}
		return x
	}
	apply := func(x Scalar, op Op, is32 bool, y uint64) Scalar {
		c := Const(y)
		x.ALU(op, is32, &c)
		return x
	}
	minus := func(v int64) uint64 { return uint64(v) }
	tests := []struct {
		x    Scalar
		want string
	}{
		{Const(42), "42"},
		{Const(minus(-4096)), "-4096"},
		{Const(32768), "0x8000"},
		{Const(minus(-32769)), "0xffffffffffff7fff"},
		{Unknown(), "scalar()"},
		{load(1, false), "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"},
		{load(2, false), "scalar(smin=smin32=0,smax=umax=smax32=umax32=0xffff,var_off=(0x0; 0xffff))"},
		{load(4, false), "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"},
		{load(1, true), "scalar(smin=smin32=-128,smax=smax32=127)"},
		{load(4, true), "scalar(smin=0xffffffff80000000,smax=0x7fffffff)"},
		{apply(load(1, false), Sub, false, 0x1ffffff), "scalar(smin=0xfffffffffe000001,smax=0xfffffffffe000100," +
			"umin=0xfffffffffe000001,umax=0xfffffffffe000100,smin32=umin32=0xfe000001,smax32=umax32=0xfe000100," +
			"var_off=(0xfffffffffe000000; 0x1ff))"},
		{apply(load(1, false), Sub, true, 0x2000000), "scalar(smin=umin=smin32=umin32=0xfe000000," +
			"smax=umax=smax32=umax32=0xfe0000ff,var_off=(0xfe000000; 0xff))"},
		{apply(load(2, false), Sub, true, 16385), "scalar(smin=0,smax=umax=0xffffffff,smin32=-16385,smax32=0xbffe,var_off=(0x0; 0xffffffff))"},
		{apply(Unknown(), Lsh, false, 36), "scalar(smax=0x7ffffff000000000,umax=0xfffffff000000000,smin32=0,smax32=umax32=0,var_off=(0x0; 0xfffffff000000000))"},
		{apply(Unknown(), Or, false, minus(-63)), "scalar(smin=smin32=-63,smax=smax32=-1,umin=0xffffffffffffffc1,umin32=0xffffffc1,var_off=(0xffffffffffffffc1; 0x3e))"},
	}
	for _, tt := range tests {
		if got := tt.x.String(); got != tt.want {
			t.Errorf("%s\nshould be\n%s", got, tt.want)
		}
	}
	x := load(1, false)
	if got, want := string(x.AppendText([]byte("R1="), "id=3")), "R1=scalar(id=3,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"; got != want {
		t.Errorf("%s\nshould be\n%s", got, want)
	}
	u := Unknown()
	if got, want := string(u.AppendText(nil, "id=3")), "scalar(id=3)"; got != want {
		t.Errorf("%s\nshould be\n%s", got, want)
	}
	if n := testing.AllocsPerRun(10, func() { x.AppendText(make([]byte, 0, 128), "id=3") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestViolation compares a report of a live kernel: r5 s<= r2 where the known low half says otherwise.
func TestViolation(t *testing.T) {
	x := Scalar{
		Bits: Tnum{1, 0x7fffffff00000000},
		SMin: 3, SMax: 0x7fffffff00000001, UMin: 3, UMax: 0x7fffffff00000001,
		S32Min: 1, S32Max: 1, U32Min: 1, U32Max: 1,
	}
	y := Unknown()
	y.Truncate(4)
	if v := x.Violation(); v != "" {
		t.Error("before:", v)
	}
	if Refine(SLe, false, &x, &y) {
		t.Error("the contradiction went unseen")
	}
	want := "range bounds violation u64=[0x1, 0x1] s64=[0x1, 0x1] u32=[0x3, 0x1] s32=[0x1, 0x1] var_off=(0x1, 0x0)"
	if got := x.Violation(); got != want {
		t.Errorf("%s\nshould be\n%s", got, want)
	}
	x.SetUnbounded()
	if x.String() != "1" || x.SMin != minS[w64]() {
		t.Errorf("unbounded: %+v", x)
	}
}
