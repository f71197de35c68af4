package oracle

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/isa"
)

// logFixed is BPF_LOG_FIXED: a log that is too long keeps its beginning, where the table of live registers
// shows every instruction.
const logFixed = 8

// rxShown matches instructions wherever a log shows them: in the table of live registers ("12: .1........ (07) …"),
// on the walk ("12: (07) …") and in notes on precision ("regs=r1 stack= before 12: (07) …").
var (
	rxShown = regexp.MustCompile(`^(?: +(?:\d+ +)?(\d+): [.0-9]{10} |(\d+): |mark_precise: .* before (\d+): )(\([0-9a-f]{2}\) .*|BUG_[0-9a-f]{2}.*)`)
	rxValue = regexp.MustCompile(`0x[0-9a-f]+$`)
)

// texts counts what the logs of the corpus show.
type texts struct {
	lines, slots, shown int
	early               int                 // instructions of programs that are refused before the table
	differ              map[string][]string // examples by kind
}

// TestText compares the text of every instruction of every case of the corpus with what the kernel's log prints
// for it. Addresses in LdImm64s are compared as <addr>.
func TestText(t *testing.T) {
	k, s := kernel(t), shared(t)
	b, err := k.BTF()
	require.NoError(t, err)
	here, err := s.KernelOf(k.Release(), b)
	require.NoError(t, err)
	names := &isa.Names{Helper: helperNames(t), Kfunc: func(imm int32, _ int16) string {
		typ, err := b.Spec.TypeByID(btf.TypeID(imm))
		if f, ok := typ.(*btf.Func); err == nil && ok {
			return f.Name
		}
		return ""
	}}
	got := texts{differ: map[string][]string{}}
	cases, absent := 0, 0
	for i, c := range s.Cases {
		if i%4 != 0 && os.Getenv("SKEP_FULL") == "" { // all of them take minutes
			continue
		}
		long := c.Want != nil && c.Want.Processed > 20000
		if c.Calls("bpf_wq_init") || long && testing.Short() { // the first crashes some kernels
			continue
		}
		p, err := c.ProgramFor(here)
		if errors.Is(err, corpus.ErrNotThere) {
			absent++
			continue
		}
		require.NoError(t, err, c.ID)
		o := Options{LogLevel: LogStates}
		if long {
			o = Options{LogLevel: LogStates | logFixed, LogMax: 4 << 20}
		}
		r, err := k.Load(p, o)
		require.NoError(t, err, c.ID)
		r.Close()
		got.compare(c.ID, p.Insns, r.Log, names)
		cases++
	}
	t.Logf("%d cases (%d refer to what this kernel has not): %d lines, %d of %d instructions shown, %d in programs refused before that",
		cases, absent, got.lines, got.shown, got.slots, got.early)
	kinds := make([]string, 0, len(got.differ))
	for kind := range got.differ {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		t.Errorf("%s: %d differ\n%s", kind, len(got.differ[kind]), strings.Join(got.differ[kind][:min(3, len(got.differ[kind]))], "\n"))
	}
	require.Greater(t, got.shown, got.slots*9/10)
}

func (x *texts) compare(id string, insns []isa.Insn, log string, names *isa.Names) {
	want := make([]string, len(insns))
	seen := make([]bool, len(insns))
	for pc := range insns {
		if insns[pc].Op != isa.LdImm64Hi {
			x.slots++
			want[pc] = string(names.AppendLog(nil, insns, pc))
		}
	}
	for line := range strings.Lines(log) {
		whole, ok := strings.CutSuffix(line, "\n") // a log cut to its beginning ends within a line
		m := rxShown.FindStringSubmatch(whole)
		if m == nil || !ok {
			continue
		}
		pc, err := strconv.Atoi(m[1] + m[2] + m[3])
		if err != nil || pc >= len(insns) {
			x.differ["no such instruction"] = append(x.differ["no such instruction"], id+": "+line)
			continue
		}
		text := m[4]
		if m[2] != "" {
			text, _, _ = cutState(text)
		}
		text = strings.TrimRight(text, " ")
		if strings.HasSuffix(want[pc], isa.NoAddr) {
			text = rxValue.ReplaceAllString(text, isa.NoAddr)
		}
		x.lines++
		if !seen[pc] {
			seen[pc] = true
			x.shown++
		}
		if text != want[pc] {
			kind := "opcode " + strconv.FormatUint(uint64(insns[pc].Opcode), 16)
			x.differ[kind] = append(x.differ[kind], id+": "+strings.TrimSpace(line)+"\n    we print: "+want[pc])
		}
	}
	x.missing(id, want, seen, log)
}

// missing counts the instructions that no line showed: those of a program refused before the table is printed.
func (x *texts) missing(id string, want []string, seen []bool, log string) {
	for pc, text := range want {
		switch {
		case text == "" || seen[pc]:
		case strings.Contains(log, "Live regs before insn:"):
			x.differ["not shown"] = append(x.differ["not shown"], id+": "+text)
		default:
			x.early++
		}
	}
}

// helperNames reads the names of helpers from the shared facts.
func helperNames(t *testing.T) func(int32) string {
	dir := os.Getenv("SKEP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "facts", "helpers.json"))
	if err != nil {
		t.Skipf("no shared facts (set SKEP_SHARED): %v", err)
	}
	var facts struct {
		Rows []struct {
			ID   int32
			Name string
		}
	}
	require.NoError(t, json.Unmarshal(raw, &facts))
	byID := map[int32]string{0: "bpf_unspec"}
	for _, r := range facts.Rows {
		byID[r.ID] = r.Name
	}
	return func(id int32) string { return byID[id] }
}
