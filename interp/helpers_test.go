package interp_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// scriptTypes are the types of programs that call helpers in these tests, those that Linux runs for a test first.
var scriptTypes = []struct {
	typ    linux.ProgType
	attach linux.AttachType
	tested bool // Linux has test runs of them
}{
	{linux.ProgTypeSchedCLS, 0, true}, {linux.ProgTypeXDP, 0, true}, {linux.ProgTypeCGroupSKB, 0, true},
	{linux.ProgTypeLWTXmit, 0, true}, {linux.ProgTypeLWTIn, 0, true}, {linux.ProgTypeRawTracepoint, 0, true}, {linux.ProgTypeSyscall, 0, true},
	{linux.ProgTypeKprobe, 0, false}, {linux.ProgTypePerfEvent, 0, false}, {linux.ProgTypeSkSKB, 0, false}, {linux.ProgTypeSockOps, 0, false},
	{linux.ProgTypeCGroupSockAddr, linux.AttachCGroupInet4Connect, false}, {linux.ProgTypeCGroupSockopt, linux.AttachCGroupSetsockopt, false},
	{linux.ProgTypeCGroupSysctl, 0, false}, {linux.ProgTypeTracing, linux.AttachTraceIter, false}, {linux.ProgTypeTracing, linux.AttachTraceFexit, false},
	{linux.ProgTypeLSM, linux.AttachLSMMAC, false}, {linux.ProgTypeSkLookup, linux.AttachSkLookup, true},
}

// scriptMaps are maps that helpers are called with.
var scriptMaps = []*object.Map{
	{Type: uint32(maps.Array), KeySize: 4, ValueSize: 64, MaxEntries: 4},
	{Type: uint32(maps.PerCPUArray), KeySize: 4, ValueSize: 64, MaxEntries: 4},
	{Type: uint32(maps.Queue), ValueSize: 64, MaxEntries: 4},
	{Type: uint32(maps.RingBuf), MaxEntries: 4096},
	{Type: uint32(maps.PerfEventArray), KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Type: uint32(maps.ProgArray), KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Type: uint32(maps.StackTrace), KeySize: 4, ValueSize: 64, MaxEntries: 4},
	{Type: uint32(maps.CgroupArray), KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Type: uint32(maps.DevMap), KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Type: uint32(maps.CgroupStorage), KeySize: 16, ValueSize: 64},
}

// byChance are the helpers whose result is the host's own: time, chance, identity, addresses.
var byChance = []string{"bpf_ktime_get_ns", "bpf_ktime_get_boot_ns", "bpf_ktime_get_coarse_ns", "bpf_ktime_get_tai_ns", "bpf_jiffies64",
	"bpf_get_prandom_u32", "bpf_get_smp_processor_id", "bpf_get_current_pid_tgid", "bpf_get_current_comm", "bpf_get_current_task",
	"bpf_get_current_task_btf", "bpf_get_ns_current_pid_tgid", "bpf_get_current_cgroup_id", "bpf_get_hash_recalc", "bpf_get_socket_cookie",
	"bpf_get_netns_cookie", "bpf_get_stack", "bpf_get_stackid"}

// numbers are the arguments that are numbers, where 0 is not what makes a helper work: by helper, then by register.
var numbers = map[string]map[int]int{}

// callScript makes a script that calls a helper once, with arguments by their kinds; false if some cannot be made like that.
func callScript(h *helpers.Helper) (p *object.Program, tested, ok bool) {
	k := linux.For(linux.V(6, 18))
	for _, st := range scriptTypes {
		row := k.Prog(st.typ, st.attach, "")
		if row == nil || row.Helper(k, h.ID) == 0 || row.Helper(k, h.ID)&linux.HelperByTarget != 0 {
			continue
		}
		proto := helpers.ForProg(h.ID, uint32(st.typ), uint32(st.attach), false)
		if proto.MightSleep && st.tested && st.typ != linux.ProgTypeSyscall {
			continue
		}
		var args []any
		var extra *object.Map
		for i := range proto.NumArgs() {
			switch a := proto.Args[i]; a.Kind {
			case helpers.ArgConstMapPtr:
				for _, m := range scriptMaps {
					if info := k.Map(linux.MapType(m.Type)); extra == nil && info != nil && info.Accepts(h.ID, row) {
						extra = m
					}
				}
				if extra == nil {
					return nil, false, false
				}
				args = append(args, extraMap{})
			case helpers.ArgCtx:
				args = append(args, ctx)
			case helpers.ArgMapKey:
				args = append(args, buf(0))
			case helpers.ArgMapValue:
				args = append(args, buf(64))
			case helpers.ArgMem:
				args = append(args, buf(128+64*i))
			case helpers.ArgConstStr:
				args = append(args, str(0))
			case helpers.ArgConstSize, helpers.ArgConstSizeOrZero, helpers.ArgConstAllocSizeOrZero:
				args = append(args, 8)
			case helpers.ArgAnything, helpers.ArgScalar:
				args = append(args, 0)
			default:
				return nil, false, false
			}
			if n, given := numbers[h.Name][i+1]; given {
				args[i] = n
			}
		}
		p := script(st.typ, []step{{strings.TrimPrefix(h.Name, "bpf_"), args}}, nil, []byte("%d\x00"), 1)
		p.AttachType = uint32(st.attach)
		if st.typ == linux.ProgTypeSyscall {
			p.Flags = 1 << 4 // BPF_F_SLEEPABLE
		}
		if extra != nil {
			m := *extra
			m.Name = "extra"
			p.Maps = append(p.Maps, &m)
		}
		if proto.Ret.Kind != helpers.RetInteger {
			// Whether it is NULL, not where it is. It comes before the result is stored.
			at := len(p.Insns) - 3
			p.Insns = slices.Insert(p.Insns, at, isa.Branch(isa.Jeq, 8, 0, 0, 1), isa.Binary(isa.Mov, 8, 0, 1))
			if proto.Ret.Kind == helpers.RetVoid {
				p.Insns[at], p.Insns[at+1] = isa.Binary(isa.Mov, 8, 0, 0), isa.Binary(isa.Mov, 8, 0, 0)
			}
		}
		return p, st.tested, true
	}
	return nil, false, false
}

type extraMap struct{}

// TestHelperScripts calls every helper that works, in a program that the verifier of Linux accepts: here, and where Linux has test
// runs of such programs there too. Both must give the same result.
func TestHelperScripts(t *testing.T) {
	k, kernelErr := oracle.Open()
	if kernelErr == nil {
		defer k.Close()
	} else {
		t.Log("no kernel to compare with: ", kernelErr)
	}
	alone, compared := []string{}, 0
	for id := int32(1); id < int32(helpers.NumHelpers); id++ {
		h := helpers.Lookup(id)
		if h == nil || h.Call == nil {
			continue
		}
		var p *object.Program
		tested := true
		if s := textOf(h.Name); s != nil {
			p = text(t, s.text)
			tested = !s.here
			if got := callHere(t, p, testData(p)); got.err != nil || got.ret != s.want {
				t.Errorf("%s returned %#x, %v, not %#x", h.Name, got.ret, got.err, s.want)
				continue
			}
		} else {
			var ok bool
			if p, tested, ok = callScript(h); !ok {
				t.Errorf("%s has no script", h.Name)
				continue
			}
		}
		data := testData(p)
		here := callHere(t, p, data)
		if here.err != nil {
			t.Errorf("%s: %v", h.Name, here.err)
			continue
		}
		if k == nil || !tested || slices.Contains(byChance, h.Name) {
			alone = append(alone, h.Name)
			continue
		}
		there := callThere(t, k, p, data)
		if there.refused {
			t.Errorf("%s: %v", h.Name, there.err)
			continue
		}
		if errors.Is(there.err, syscall.ENOSPC) {
			continue
		}
		if d := here.difference(there, linux.ProgType(p.Type)); d != "" {
			t.Errorf("%s: %s", h.Name, d)
			continue
		}
		compared++
	}
	t.Logf("%d helpers agree with the kernel; without one to ask: %d: %v", compared, len(alone), alone)
}

// textOf is the script of a helper, nil if it has none of its own.
func textOf(name string) *helperText {
	for i := range helperTexts {
		if slices.Contains(helperTexts[i].helpers, strings.TrimPrefix(name, "bpf_")) {
			return &helperTexts[i].helperText
		}
	}
	return nil
}

// testData is the packet for a test run of a program, nil if it takes none.
func testData(p *object.Program) []byte {
	switch linux.ProgType(p.Type) {
	case linux.ProgTypeSchedCLS, linux.ProgTypeXDP, linux.ProgTypeCGroupSKB, linux.ProgTypeLWTXmit, linux.ProgTypeLWTIn:
		data := make([]byte, 64)
		copy(data[12:], []byte{8, 0, 0x45, 0, 0, 50})
		data[23] = 17
		return data
	}
	return nil
}

// testCtx is the context for one, nil if it needs none.
func testCtx(p *object.Program) []byte {
	if linux.ProgType(p.Type) != linux.ProgTypeSkLookup {
		return nil
	}
	c := make([]byte, 72)
	c[8] = 2 // AF_INET
	return c
}

// callHere runs a program here.
func callHere(t *testing.T, p *object.Program, data []byte) *outcome {
	w, err := newWorld(t, p, interp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t)
	o := &outcome{out: make([]byte, outSize), buf: make([]byte, bufSize)}
	if o.err = w.run.SetTestRun(data, testCtx(p)); o.err != nil {
		return o
	}
	r0, err := w.m.Run(w.run)
	o.ret, o.err = uint32(r0), err
	for i, m := range w.maps {
		if to := map[string]*[]byte{"out": &o.out, "buf": &o.buf}[p.Maps[i].Name]; to != nil {
			*to, _ = maps.GetBytes(m, make([]byte, 4))
		}
	}
	if data != nil {
		out, _ := w.run.TestResult()
		o.data = slices.Clone(out)
	}
	return o
}

// callThere runs it in the kernel.
func callThere(t *testing.T, k *oracle.Kernel, p *object.Program, data []byte) *outcome {
	res, err := k.Load(p, oracle.Options{FreshMaps: true})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	if res.FD < 0 {
		return &outcome{refused: true, err: fmt.Errorf("%s: %v", res.Verdict, res.Message)}
	}
	r, err := oracle.TestRun(res.FD, data, testCtx(p), 0)
	if err != nil {
		return &outcome{err: err}
	}
	o := &outcome{ret: r.Retval, out: make([]byte, outSize), buf: make([]byte, bufSize), data: r.Data}
	for i, m := range p.Maps {
		if to := map[string][]byte{"out": o.out, "buf": o.buf}[m.Name]; to != nil {
			if err := oracle.MapLookup(res.Maps[i], make([]byte, 4), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	return o
}
