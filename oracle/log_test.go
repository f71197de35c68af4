package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func walk(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "walk.log"))
	require.NoError(t, err)
	return string(b)
}

func TestParseLine(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want Line
	}{
		{"12: (07) r1 += -8                      ; R1=fp-8", Line{Kind: Insn, Insn: 12, From: -1, Text: "(07) r1 += -8", State: "R1=fp-8"}},
		{"12: (85) call bpf_loop#181", Line{Kind: Insn, Insn: 12, From: -1, Text: "(85) call bpf_loop#181"}},
		{"7: (85) call f#63514   ;", Line{Kind: Insn, Insn: 7, From: -1, Text: "(85) call f#63514"}},
		{"5: (bf) r0 = r1 ; frame1: R0=scalar(var_off=(0x0; 0xff))", Line{Kind: Insn, Insn: 5, From: -1, Text: "(bf) r0 = r1", State: "frame1: R0=scalar(var_off=(0x0; 0xff))"}},
		{"5: R0=scalar() fp-8=mmmmmmmm", Line{Kind: StateAt, Insn: 5, From: -1, Text: "5: R0=scalar() fp-8=mmmmmmmm", State: "R0=scalar() fp-8=mmmmmmmm"}},
		{"5: frame2: R1_w=3", Line{Kind: StateAt, Insn: 5, From: -1, Text: "5: frame2: R1_w=3", State: "frame2: R1_w=3"}},
		{"5: ", Line{Kind: StateAt, Insn: 5, From: -1, Text: "5: "}},
		{"5: safe", Line{Kind: Safe, Insn: 5, From: -1, Text: "5: safe"}},
		{"from 7 to 9: safe", Line{Kind: Safe, Insn: 9, From: 7, Text: "from 7 to 9: safe"}},
		{"from 7 to 9: R0=0 R10=fp0", Line{Kind: From, Insn: 9, From: 7, Text: "from 7 to 9: R0=0 R10=fp0", State: "R0=0 R10=fp0"}},
		{" R10=fp0 cb", Line{Kind: Frame, Insn: -1, From: -1, Text: " R10=fp0 cb", State: "R10=fp0 cb"}},
		{"to caller at 5:", Line{Kind: ToCaller, Insn: 5, From: -1, Text: "to caller at 5:"}},
		{"; x = 1: 2 @ f.c:12", Line{Kind: Source, Insn: -1, From: -1, Text: "; x = 1: 2 @ f.c:12"}},
		{"mark_precise: frame0: regs=r2 stack= before 3: (b7) r3 = 0", Line{Kind: Precise, Insn: -1, From: -1, Text: "mark_precise: frame0: regs=r2 stack= before 3: (b7) r3 = 0"}},
		{"frame 1: propagating r6,fp-8", Line{Kind: Precise, Insn: -1, From: -1, Text: "frame 1: propagating r6,fp-8"}},
		{"(0,4) frame 0 insn 5 +live -8", Line{Kind: Liveness, Insn: -1, From: -1, Text: "(0,4) frame 0 insn 5 +live -8"}},
		{"SCC enter (1)", Line{Kind: Liveness, Insn: -1, From: -1, Text: "SCC enter (1)"}},
		{"R1 !read_ok", Line{Kind: Text, Insn: -1, From: -1, Text: "R1 !read_ok"}},
		{"from here to there: what", Line{Kind: Text, Insn: -1, From: -1, Text: "from here to there: what"}},
		{"frame1 bpf_loop iteration limit reached", Line{Kind: Text, Insn: -1, From: -1, Text: "frame1 bpf_loop iteration limit reached"}},
	} {
		t.Run(c.raw, func(t *testing.T) {
			c.want.Raw = c.raw
			require.Equal(t, c.want, parseLine(c.raw))
		})
	}
}

func TestParseState(t *testing.T) {
	const text = "frame1: R0_rw=5 R1=scalar(id=1,var_off=(0x0; 0xff)) fp-8=????mmmm fp-16=iter_num(ref_id=2,state=active,depth=1) refs=2,4 cb"
	st := ParseState(text)
	require.Equal(t, State{
		Frame: 1,
		Items: []Item{{"R0", "rw", "5"}, {"R1", "", "scalar(id=1,var_off=(0x0; 0xff))"}, {"fp-8", "", "????mmmm"},
			{"fp-16", "", "iter_num(ref_id=2,state=active,depth=1)"}},
		Refs: "2,4", Flags: []string{"cb"},
	}, st)
	require.Equal(t, text, st.String())
	require.Empty(t, DiffStates(st, ParseState(text)))
	require.Equal(t, []string{"frame: 0 instead of 1", "R0: 6 instead of 5", "fp-8: nothing instead of ????mmmm",
		"fp-16: nothing instead of iter_num(ref_id=2,state=active,depth=1)", "R2: 1 instead of nothing", "refs: nothing instead of 2,4", "flags: nothing instead of cb"},
		DiffStates(ParseState("R2=1 R0=6 R1=scalar(id=1,var_off=(0x0; 0xff))"), st))
}

func TestSteps(t *testing.T) {
	l := ParseLog(walk(t))
	require.Equal(t, "R0 !read_ok", l.Message)
	require.Equal(t, 12, l.Stats.Processed)
	var got []string
	for _, s := range l.Steps() {
		got = append(got, s.String())
	}
	require.Equal(t, []string{
		"0: R1=ctx() R10=fp0",
		"0: (bf) r6 = r1 ; R1=ctx() R6=ctx()",
		"1: (b7) r1 = 4 ; R1=4",
		"2: (85) call pc+6",
		"caller: R6=ctx() R10=fp0 callee: frame1: R1=4 R10=fp0",
		"9: (bf) r0 = r1 ; frame1: R0=4 R1=4",
		"10: (0f) r0 += r0 ; frame1: R0=8",
		"11: (95) exit",
		"returning from callee: frame1: R0=8 R1=4 R10=fp0 to caller at 3: R0=8 R6=ctx() R10=fp0",
		"from 11 to 3: R0=8 R6=ctx() R10=fp0",
		"3: (18) r2 = <addr> ; R2=map_ptr(map=m,ks=4,vs=8)",
		"5: (79) r3 = *(u64 *)(r10 -8) ; R3=scalar(smin=0,smax=umax=255,var_off=(0x0; 0xff)) R10=fp0 fp-8=scalar(id=1) refs=2 cb",
		"6: (15) if r3 == 0x0 goto pc+1 ; R3=scalar(id=1)",
		"7: (85) call bpf_task_release#<id>",
		"8: (95) exit",
		"from 6 to 8: R0=8 R3=0 R6=ctx() R10=fp0",
		"8: safe",
		"from 2 to 8: safe",
	}, got)
}

func TestDiff(t *testing.T) {
	log := walk(t)
	edit := func(old, new string) string {
		t.Helper()
		require.Contains(t, log, old)
		return strings.Replace(log, old, new, 1)
	}
	without := func(prefix string) string {
		var b strings.Builder
		for l := range strings.Lines(log) {
			if !strings.HasPrefix(l, prefix) {
				b.WriteString(l)
			}
		}
		return b.String()
	}
	for _, c := range []struct {
		name, got string
		insn      int
		what      []string
	}{
		{name: "itself", got: log},
		{name: "no precision", got: without("mark_precise")},
		{name: "no source", got: without(";")},
		{name: "no figures", got: log[:strings.Index(log, "verification time")]},
		{name: "state on its line", got: strings.NewReplacer("10: (0f) r0 += r0\n", "10: (0f) r0 += r0 ; frame1: R0=8\n", "11: frame1: R0=8\n", "").Replace(without("mark_precise"))},
		{name: "address", got: edit("0xffff88810aa64600", "0x2")},
		{name: "order", got: edit("; R1=ctx() R6=ctx()", "; R6=ctx() R1=ctx()")},
		{name: "a register", got: edit("; R1=4", "; R1=5"), insn: 1, what: []string{"R1: 5 instead of 4"}},
		{name: "torn state", got: edit("11: frame1: R0=8", "11: frame1: R0=9"), insn: 10, what: []string{"R0: 9 instead of 8"}},
		{name: "caller", got: edit("R6=ctx() R10=fp0\ncallee", "R10=fp0\ncallee"), insn: -1, what: []string{"caller's R6: nothing instead of ctx()"}},
		{name: "not pruned", got: edit("8: safe\n\nfrom 2", "8: (95) exit\n\nfrom 2"), insn: 8, what: []string{"8: (95) exit, instead of 8: safe"}},
		{name: "ends early", got: edit("\nfrom 2 to 8: safe", ""), insn: 8, what: []string{"the walk ends, instead of from 2 to 8: safe"}},
		{name: "message", got: edit("R0 !read_ok", "R1 !read_ok"), insn: -1, what: []string{"the message"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Diff(c.got, log)
			if c.what == nil {
				require.Nil(t, d, "%s", d)
				return
			}
			require.NotNil(t, d)
			require.Equal(t, c.insn, d.Insn)
			require.Equal(t, c.what, d.What)
		})
	}
	d := Compare(ParseLog(edit("11: frame1: R0=8", "11: frame1: R0=9")), ParseLog(log))
	require.Equal(t, `the logs part at instruction 10, after 6 equal steps
      0: R1=ctx() R10=fp0
      0: (bf) r6 = r1 ; R1=ctx() R6=ctx()
      1: (b7) r1 = 4 ; R1=4
      2: (85) call pc+6
      caller: R6=ctx() R10=fp0 callee: frame1: R1=4 R10=fp0
      9: (bf) r0 = r1 ; frame1: R0=4 R1=4
  -   10: (0f) r0 += r0 ; frame1: R0=8
  +   10: (0f) r0 += r0 ; frame1: R0=9
  differs: R0: 9 instead of 8
`, d.String())
}

// TestLogsOfTheKernel reads the level-2 logs of the corpus: every line that belongs to the walk must be
// understood, and two loads of a program must agree.
func TestLogsOfTheKernel(t *testing.T) {
	k, s := kernel(t), shared(t)
	b, err := k.BTF()
	require.NoError(t, err)
	here, err := s.KernelOf(k.Release(), b)
	require.NoError(t, err)
	compared := 0
	for _, c := range s.Cases {
		p, err := c.ProgramFor(here)
		if err != nil || c.Calls("bpf_wq_init") || c.Want.Processed > 2000 {
			continue
		}
		var logs [2]*Log
		for i := range logs {
			r, err := k.Load(p, Options{LogLevel: LogStates | LogStats, FreshMaps: true})
			require.NoError(t, err)
			logs[i] = ParseLog(r.Log)
			require.Equal(t, r.Processed, logs[i].Stats.Processed)
			r.Close()
		}
		for _, l := range logs[0].Lines {
			if l.Kind == Text && (l.Raw[0] == ' ' || strings.HasPrefix(l.Raw, "from ") || l.Raw[0] <= '9' && l.Raw[0] >= '0') {
				t.Errorf("%s: not understood: %q", c.ID, l.Raw)
			}
		}
		compared++
		if d := Compare(logs[0], logs[1]); d != nil {
			t.Errorf("%s: %s", c.ID, d)
		}
	}
	require.NotZero(t, compared)
}
