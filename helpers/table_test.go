package helpers_test

import (
	"testing"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
)

// TestTable checks that every helper either works or says why not, and counts them.
func TestTable(t *testing.T) {
	works, all := 0, 0
	for id := int32(1); id < int32(helpers.NumHelpers); id++ {
		h := helpers.Lookup(id)
		if h == nil {
			if helpers.ByID(id) != nil {
				t.Errorf("helper %d has a prototype and no row", id)
			}
			continue
		}
		all++
		if h.ID != id || h.Name != linux.HelperName(id) {
			t.Errorf("row %d is %s#%d", id, h.Name, h.ID)
		}
		switch {
		case (h.Call != nil) == (h.Why != ""):
			t.Errorf("%s: works: %v, why not: %q", h.Name, h.Call != nil, h.Why)
		case h.Call != nil:
			works++
		}
		if c, ok := helpers.ForCall(id, uint32(linux.ProgTypeXDP), 0, false); !ok || c.Prototype == nil {
			t.Errorf("%s has no prototype for XDP programs", h.Name)
		}
	}
	for _, id := range []int32{-1, 0, int32(helpers.NumHelpers), 1 << 30} {
		if helpers.Lookup(id) != nil {
			t.Errorf("there is a helper %d", id)
		}
	}
	t.Logf("%d of %d helpers are simulated", works, all)
}
