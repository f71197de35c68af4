package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGeneratedFilesUpToDate makes the tables again and compares them with those committed.
func TestGeneratedFilesUpToDate(t *testing.T) {
	root := "../../.." // of the repository
	facts := filepath.Join(root, "../shared/facts")
	if dir := os.Getenv("SKEP_SHARED"); dir != "" {
		facts = filepath.Join(dir, "facts")
	}
	if _, err := os.Stat(facts); err != nil {
		t.Skip("no facts to make the tables from:", err)
	}
	files, err := Generate(facts)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, "linux", name))
		if err != nil {
			t.Error(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the facts give: run go generate ./linux", name)
		}
		total += len(want)
	}
	if total > 1<<20 {
		t.Errorf("the tables take %d bytes of source; think again before they pass 1 MiB", total)
	}
}
