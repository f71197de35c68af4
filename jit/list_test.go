package jit_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/jit/disasm"
)

// TestList lists the programs of the set for each architecture, on any host: the parts are all of the code, in its order, they
// consist of instructions that can be read, and each instruction of the program that may run is in one of them.
func TestList(t *testing.T) {
	for _, b := range bench.Programs {
		p := load(t, b.Name, skep.EngineAuto)
		for _, arch := range jit.Archs() {
			l, err := p.NativeCode(arch)
			if err != nil {
				t.Fatal(err)
			}
			at, seen := 0, map[int]bool{}
			for i, part := range l.Parts {
				end := len(l.Code)
				if i+1 < len(l.Parts) {
					end = l.Parts[i+1].Start
				}
				if part.Start != at || end < at {
					t.Fatalf("%s, %s: part %d from %d to %d, want it to start at %d", b.Name, arch, i, part.Start, end, at)
				}
				for at < end {
					text, n := disasm.Next(arch, l.Code[at:end], at, strconv.Itoa)
					if strings.HasPrefix(text, ".") {
						t.Errorf("%s, %s, %#x: %s", b.Name, arch, at, text)
					}
					at += n
				}
				for k := range part.Count {
					seen[part.Insn+k] = true
				}
			}
			proof := p.Verdict().Proof
			for pc := range proof.Program().Insns {
				if proof.Facts(pc) != 0 && !seen[pc] {
					t.Errorf("%s, %s: instruction %d is in no part", b.Name, arch, pc)
				}
			}
		}
	}
	if _, err := load(t, "empty", skep.EngineAuto).NativeCode("pdp11"); err == nil {
		t.Error("code for a PDP-11")
	}
	if _, err := load(t, "empty", skep.EngineInterp).NativeCode("amd64"); err == nil {
		t.Error("code of a program for the interpreter")
	}
}
