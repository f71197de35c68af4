package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
)

// TestHelperDocs: docs/helpers.md is what the tables say. With -update it is written.
func TestHelperDocs(t *testing.T) {
	const path = "../../docs/helpers.md"
	var b bytes.Buffer
	works := 0
	for id := int32(1); id < linux.NumHelpers; id++ {
		if h := helpers.Lookup(id); h != nil && h.Call != nil {
			works++
		}
	}
	fmt.Fprintf(&b, `# Helpers

Which helpers programs can call when skep runs them: %d of %d. The verifier knows all of them. This is what "skep features"
prints of Linux 6.18; "go test ./cmd/skep -run TestHelperDocs -update" writes it.

| id | helper | since | works |
|---|---|---|---|
`, works, linux.NumHelpers-1)
	for id := int32(1); id < linux.NumHelpers; id++ {
		h := helpers.Lookup(id)
		runs := "yes"
		if h == nil || h.Call == nil {
			runs = "no: " + h.Why
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", id, strings.ReplaceAll(linux.HelperName(id), "_", `\_`), linux.HelperSince(id), runs)
	}
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(got))
	require.GreaterOrEqual(t, works, 160)
}
