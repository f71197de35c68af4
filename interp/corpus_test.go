package interp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/linux"
)

// TestCorpusRetvals runs the accepted programs of the corpus whose return value a kernel recorded, on the same packets.
func TestCorpusRetvals(t *testing.T) {
	set, err := corpus.Open(shared(t, "corpus"))
	if err != nil {
		t.Fatal(err)
	}
	agree, all := 0, 0
	for _, c := range set.Cases {
		if c.Want == nil || len(c.Want.Retvals) == 0 {
			continue
		}
		for i := range c.Want.Retvals {
			all++
			got, err := runCase(t, c, c.Want.Retvals[i].Data)
			switch {
			case err != nil && missing(err):
				t.Logf("%s: %v", c.ID, err)
			case err != nil:
				t.Errorf("%s: %v", c.ID, err)
			case uint32(got) != c.Want.Retvals[i].Retval:
				t.Errorf("%s: run %d: %#x, want %#x", c.ID, i, uint32(got), c.Want.Retvals[i].Retval)
			default:
				agree++
			}
		}
	}
	t.Logf("%d of %d runs agree (%.1f%%)", agree, all, 100*float64(agree)/float64(all))
}

// runCase runs a case on a fresh world.
func runCase(t *testing.T, c *corpus.Case, data []byte) (uint64, error) {
	p, err := c.Program()
	if err != nil {
		return 0, err
	}
	names := map[int32]string{}
	for _, r := range c.Relos {
		if r.Kind == "kfunc" && r.Insn < len(p.Insns) {
			names[p.Insns[r.Insn].Imm] = r.Name
		}
	}
	w, err := newWorld(t, p, interp.Options{Budget: 100 << 20, Kfunc: func(id int32, _ int16) *helpers.KernelFunc {
		return helpers.Kfunc(names[id])
	}})
	if err != nil {
		return 0, err
	}
	defer w.close(t)
	if err := w.run.SetTestRun(data, nil); err != nil {
		return 0, fmt.Errorf("set up: %w", err)
	}
	return w.m.Run(w.run)
}

// TestCorpusRuns runs every accepted program of the corpus that works on packets: none of them may do what the verifier
// promises that it does not.
func TestCorpusRuns(t *testing.T) {
	set, err := corpus.Open(shared(t, "corpus"))
	if err != nil {
		t.Fatal(err)
	}
	ran, all := 0, 0
	for _, c := range set.Cases {
		typ := linux.ProgType(c.ProgType)
		if c.Want == nil || c.Want.Verdict != corpus.Accept || !packetTypes[typ] {
			continue
		}
		all++
		data := make([]byte, 64)
		data[12], data[14] = 8, 0x45
		_, err := runCase(t, c, data)
		if err == nil {
			ran++
			continue
		}
		if missing(err) {
			t.Logf("%s: %v", c.ID, err)
		} else {
			t.Errorf("%s: %v", c.ID, err)
		}
	}
	t.Logf("%d of %d accepted programs ran to their end", ran, all)
}

// missing tells that a program needs what is not there yet: a type of map, a helper, a kernel function, the fields of a
// struct bpf_map.
func missing(err error) bool {
	for _, s := range []string{"not simulated", "no kernel function", "no kernel variable", "kernel object"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// packetTypes are the types of programs that SetTestRun gives packets.
var packetTypes = map[linux.ProgType]bool{
	linux.ProgTypeXDP: true, linux.ProgTypeSchedCLS: true, linux.ProgTypeSchedACT: true, linux.ProgTypeSocketFilter: true,
	linux.ProgTypeCGroupSKB: true, linux.ProgTypeLWTIn: true, linux.ProgTypeLWTOut: true, linux.ProgTypeLWTXmit: true,
}
