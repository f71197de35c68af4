package linux_test

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	. "github.com/skepbpf/skep/linux"
)

// liveProgs are the program types that the kernel loads without further ado, with a BTF target where one is needed.
func liveProgs() (out []request) {
	for pt := ProgTypeSocketFilter; pt <= ProgTypeNetfilter; pt++ {
		for at := range AttachType(58) {
			p := Default.Prog(pt, at, "")
			if p == nil || !p.Is(Probed) || p.Attach != at {
				continue
			}
			r := request{typ: pt, attach: at, sleepable: p.Is(MustSleep)}
			switch {
			case pt == ProgTypeTracing && at == AttachTraceRawTP:
				r.target = "btf_trace_sys_enter"
			case pt == ProgTypeTracing && at == AttachTraceIter:
				r.target = "bpf_iter_task"
			case pt == ProgTypeStructOps:
				r.target = "tcp_congestion_ops"
			}
			out = append(out, r)
		}
	}
	return out
}

// TestLiveContexts asks the kernel about random accesses to each context, also where nobody asked before.
func TestLiveContexts(t *testing.T) {
	needKernel(t)
	rng := rand.New(rand.NewSource(1))
	asked := 0
	for _, r := range liveProgs() {
		p := Default.Prog(r.typ, r.attach, "")
		if p.Ctx().Args {
			continue
		}
		ret := int32(0)
		if p.Return.Kind == ReturnRange {
			ret = p.Return.Min
		}
		for range 30 {
			off, w := rng.Intn(360)-16, rng.Intn(4)
			if rng.Intn(8) == 0 {
				off = rng.Intn(1<<16) - 1<<15
			}
			if rng.Intn(2) == 0 {
				off &^= 1<<w - 1
			}
			kind := AccessKind(rng.Intn(4))
			if kind == LoadSX && w == 3 {
				continue
			}
			r.code = code([]slot{loadMem(w, 6, 1, off), loadSX(w, 6, 1, off), storeReg(w, 1, 0, off), storeImm(w, 1, off)}[kind])
			r.code = append(code(movImm(0, ret)), append(r.code, code(movImm(0, ret), exit)...)...)
			log, err := load(r)
			field, ok := p.Ctx().Access(off, 1<<w, kind)
			asked++
			if (err == nil) != ok {
				t.Errorf("%v/%v: access %d of %d at %d: allowed %v, but the kernel: %v: %s", r.typ, r.attach, kind, 1<<w, off, ok, err, message(log))
				continue
			}
			want := fmt.Sprintf("invalid bpf_context access off=%d size=%d", off, 1<<w)
			if err != nil && message(log) != want {
				t.Errorf("%v/%v: refused with %q, want %q", r.typ, r.attach, message(log), want)
			}
			if ok && kind == Load && field != FieldScalar && !strings.Contains(log, "R6="+field.String()) && !strings.Contains(log, "R6_w="+field.String()) {
				t.Errorf("%v/%v: load of %d at %d does not yield %v:\n%s", r.typ, r.attach, 1<<w, off, field, log)
			}
		}
	}
	t.Logf("%d accesses agree with the kernel", asked)
}

// TestLiveHelpers asks the kernel which helpers each program type may call.
func TestLiveHelpers(t *testing.T) {
	needKernel(t)
	asked := 0
	for _, r := range liveProgs() {
		p := Default.Prog(r.typ, r.attach, r.target)
		for id := int32(0); id <= NumHelpers; id++ {
			for _, r.license = range []string{"GPL", "Proprietary"} {
				if r.license != "GPL" && (p.Is(NeedsGPL) || id%4 != int32(r.typ)%4) {
					continue // a sample
				}
				use := p.Helper(Default, id)
				r.code = code(call(id), movImm(0, 0), exit)
				log, _ := load(r)
				got, want := message(log), ""
				switch {
				case id >= NumHelpers:
					want = fmt.Sprintf("invalid func unknown#%d", id)
				case use == 0:
					want = fmt.Sprintf("program of this type cannot use helper %s#%d", HelperName(id), id)
				case r.license != "GPL" && use&HelperGPL != 0:
					want = "cannot call GPL-restricted function from non-GPL compatible program"
				case use&HelperByTarget != 0:
					want = "helper call is not allowed in probe"
				case use&HelperSleeps != 0 && !r.sleepable:
					want = "helper call might sleep in a non-sleepable prog"
				}
				asked++
				if want != "" && !strings.HasPrefix(got, want) {
					t.Errorf("%v/%v %s: %s: %q, want %q", r.typ, r.attach, r.target, HelperName(id), got, want)
				}
				if want == "" && (strings.HasPrefix(got, "invalid func ") || strings.HasPrefix(got, "program of") || strings.Contains(got, "GPL") || strings.HasPrefix(got, "helper call")) {
					t.Errorf("%v/%v %s: %s should be allowed: %q", r.typ, r.attach, r.target, HelperName(id), got)
				}
			}
		}
	}
	t.Logf("%d pairs of program and helper agree with the kernel", asked)
}
