package explain

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/corpus"
)

func TestOf(t *testing.T) {
	require.Contains(t, Of("packet-range", "R1 offset is outside of the packet").Help, "data_end")
	require.Contains(t, Of("must-sleep", "anything").Why, "BPF_F_SLEEPABLE")
	require.Zero(t, Of("", "no such message"))
	require.Contains(t, Of("", "R0 invalid mem access 'map_value_or_null'").Why, "NULL")
	require.Contains(t, Of("", "R0 invalid mem access 'scalar'").Why, "number")
}

// TestMessages goes through the refusals of the corpus: most have an explanation. The log names the commonest that have none.
func TestMessages(t *testing.T) {
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	set, err := corpus.Open(filepath.Join(dir, "corpus"))
	if err != nil {
		t.Skip("no shared corpus (set SKEP_SHARED): ", err)
	}
	number := regexp.MustCompile(`-?\d+`)
	without := map[string]int{}
	all, explained := 0, 0
	for _, c := range set.Cases {
		if c.Want == nil || c.Want.Verdict != corpus.Reject {
			continue
		}
		all++
		if Of("", c.Want.Message).Why != "" {
			explained++
		} else {
			without[number.ReplaceAllString(c.Want.Message, "N")]++
		}
	}
	names := make([]string, 0, len(without))
	for m := range without {
		names = append(names, m)
	}
	slices.SortFunc(names, func(a, b string) int { return without[b] - without[a] })
	for _, m := range names[:min(len(names), 30)] {
		t.Logf("%d without explanation: %s", without[m], m)
	}
	t.Logf("%d of %d refusals are explained by their message", explained, all)
	require.Greater(t, 10*explained, 7*all)
}
