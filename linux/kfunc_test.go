package linux_test

import (
	"math/bits"
	"slices"
	"strings"
	"testing"

	. "github.com/skepbpf/skep/linux"
)

// kfuncFacts is what the running kernel said of a kernel function.
type kfuncFacts struct {
	Ret    string
	Params []struct{ Type string }
	Types  []string `json:"allowed_prog_types"`
	Answer string   `json:"first_rejection_without_args"`
}

// TestKfuncs holds the rows against the kernel's answers, and their flags against signatures: a function that takes a
// callback, say, must tell when it is called. What is missing belongs into the notes of linux/internal/gen.
func TestKfuncs(t *testing.T) {
	if FindKfunc("bpf_no_such_kfunc") != nil {
		t.Error("found what is not there")
	}
	if f := FindKfunc("bpf_obj_new_impl"); f == nil || !f.Is(KfuncAcquire|KfuncRetNull) {
		t.Errorf("bpf_obj_new_impl: %+v", f)
	}
	if f := FindKfunc("bpf_sock_destroy"); !f.Allowed(ProgTypeTracing, AttachTraceIter) || f.Allowed(ProgTypeTracing, AttachTraceFentry) {
		t.Errorf("bpf_sock_destroy is for iterators: %+v", f)
	}
	var facts struct {
		Rows []struct {
			Name string
			Live *kfuncFacts `json:"live_6_18"`
		}
	}
	readFacts(t, "kfuncs.json", &facts)
	for _, r := range facts.Rows {
		f := FindKfunc(r.Name)
		if f == nil {
			t.Errorf("no %s", r.Name)
			continue
		}
		if f.Is(KfuncProbed) != (r.Live != nil) {
			t.Errorf("%s: probed %v", r.Name, f.Is(KfuncProbed))
		}
		if r.Live != nil {
			r.Live.check(t, f)
		}
	}
}

func (k *kfuncFacts) check(t *testing.T, f *Kfunc) {
	at := AttachType(bits.TrailingZeros64(f.Attach) & 63)
	for pt := ProgTypeSocketFilter; pt <= ProgTypeNetfilter; pt++ {
		if want := slices.Contains(k.Types, strings.ToUpper(pt.String())); f.Allowed(pt, at) != want {
			t.Errorf("%s: %v may call it: %v", f.Name, pt, !want)
		}
	}
	takes := func(parts ...string) bool {
		for _, p := range k.Params {
			for _, part := range parts {
				if strings.Contains(p.Type, part) {
					return true
				}
			}
		}
		return false
	}
	named := func(end string) bool {
		return strings.HasPrefix(f.Name, "bpf_iter_") && strings.HasSuffix(f.Name, end)
	}
	for _, c := range []struct {
		what  string
		holds bool
		flags KfuncFlags // one of which must be set if it holds, and none if not
	}{
		{"a callback", takes("(*)", "_callback_t"), KfuncCallback | KfuncAsync},
		{"a program bound to a device", strings.Contains(k.Answer, "device-bound"), KfuncDeviceBound},
		{"an iterator to make", named("_new"), KfuncIterNew},
		{"an iterator to move on", named("_next"), KfuncIterNext},
		{"an iterator to end", named("_destroy"), KfuncIterDestroy},
		{"objects of each CPU", strings.Contains(f.Name, "percpu_obj"), KfuncPerCPU},
	} {
		if c.holds != (f.Flags&c.flags != 0) {
			t.Errorf("%s: %s: %v, but it has flags %#x of %#x", f.Name, c.what, c.holds, f.Flags&c.flags, c.flags)
		}
	}
	if takes("bpf_list_head", "bpf_rb_root") && !f.Is(KfuncLocked) {
		t.Errorf("%s takes what a lock is held for, but is not for callers that hold one", f.Name)
	}
	if (k.Ret == "struct bpf_list_node *" || k.Ret == "struct bpf_rb_node *") && !f.Is(KfuncRetNull) {
		t.Errorf("%s: a list or tree may be empty, but it does not return NULL", f.Name)
	}
}
