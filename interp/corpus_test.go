package interp_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/interp"
)

// TestCorpusRetvals runs the accepted programs of the corpus whose return value a kernel recorded, on the same packets.
func TestCorpusRetvals(t *testing.T) {
	set, err := corpus.Open(shared(t, "corpus"))
	if err != nil {
		t.Fatal(err)
	}
	agree, all := 0, 0
	why := map[string]int{}
	for _, c := range set.Cases {
		if c.Want == nil || len(c.Want.Retvals) == 0 {
			continue
		}
		for i := range c.Want.Retvals {
			all++
			got, err := runCase(t, c, c.Want.Retvals[i].Data)
			switch {
			case err != nil:
				reason := err.Error()
				why[reason]++
				t.Logf("%s: %v", c.ID, err)
			case uint32(got) != c.Want.Retvals[i].Retval:
				why["differ"]++
				t.Logf("%s: run %d: %#x, want %#x", c.ID, i, uint32(got), c.Want.Retvals[i].Retval)
			default:
				agree++
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(why), func(a, b string) int { return why[b] - why[a] })
	for _, k := range keys[:min(len(keys), 60)] {
		t.Logf("%4d %s", why[k], k)
	}
	t.Logf("%d of %d runs agree (%.1f%%)", agree, all, 100*float64(agree)/float64(all))
}

// runCase runs a case on a fresh world.
func runCase(t *testing.T, c *corpus.Case, data []byte) (uint64, error) {
	p, err := c.Program()
	if err != nil {
		return 0, err
	}
	w, err := newWorld(t, p, interp.Options{Budget: 100 << 20})
	if err != nil {
		return 0, err
	}
	defer w.close(t)
	if err := w.run.SetTestRun(data, nil); err != nil {
		return 0, fmt.Errorf("set up: %w", err)
	}
	return w.m.Run(w.run)
}

var _ = helpers.MaxFrames
