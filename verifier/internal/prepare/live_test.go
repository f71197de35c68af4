package prepare

import (
	"fmt"
	"math/rand"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// rounds is how many random programs a test tries.
func rounds(full int) int {
	if testing.Short() {
		return full / 10
	}
	return full
}

// dump spells a program by its fields.
func dump(p *object.Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "type %d, attach %d, flags %#x, licence %s, functions %v, lines %v\n", p.Type, p.AttachType, p.Flags, p.License, p.FuncsRaw, p.LinesRaw)
	for pc, i := range p.Insns {
		fmt.Fprintf(&b, "%4d: %02x dst %d src %d off %d imm %d\n", pc, i.Opcode, i.Dst, i.Src, i.Off, i.Imm)
	}
	return b.String()
}

func TestRandomProgramsAgainstKernel(t *testing.T) {
	w := newWorld(t)
	if !w.ask(t) {
		t.Skip("no Linux 6.18 to ask")
	}
	faults, tables := 0, 0
	for seed := range int64(rounds(10_000)) {
		m := &maker{Rand: rand.New(rand.NewSource(seed)), w: w}
		p := m.program()
		in, f := Prepare(p, Options{KernelBTF: w.kernel})
		got, head := answer{}, []string(nil)
		if f != nil {
			got, head = answer{f.Errno, f.Message}, f.Lines
		} else {
			head = in.HeadLines()
		}
		want, log := w.kernelAnswer(t, p, oracle.LogStates)
		if strings.HasPrefix(want.message, "func#") { // the head of this log, and no message
			want.message = ""
		}
		require.Equal(t, want, got, "seed %d\n%s", seed, dump(p))
		require.True(t, strings.HasPrefix(log, strings.Join(append(head, ""), "\n")), "%q and not %q\n%s", head, log, dump(p))
		if in == nil {
			require.False(t, strings.HasPrefix(log[len(strings.Join(append(head, ""), "\n")):], "func#"), "%q and not %q", head, log)
			faults++
			continue
		}
		tables++
		require.Equal(t, liveTable(log), tableOf(in), "seed %d\n%s", seed, dump(p))
	}
	t.Logf("%d faults and %d tables of live registers as Linux has them", faults, tables)
}

var rxLive = regexp.MustCompile(`^([ \d]{3} +\d+: [\d.]{10}) `)

// liveTable takes from a log the table of live registers, without the instructions.
func liveTable(log string) []string {
	_, log, _ = strings.Cut(log, "Live regs before insn:\n")
	var out []string
	for line := range strings.Lines(log) {
		m := rxLive.FindStringSubmatch(line)
		if m == nil {
			break
		}
		out = append(out, m[1])
	}
	return out
}

func tableOf(in *Info) []string {
	lines := in.LiveTable(func(int) string { return "" })[1:]
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// TestPrunePoints walks programs that have one path, and counts the prune points on it: with BPF_F_TEST_STATE_FREQ that is the number
// of states that Linux keeps.
func TestPrunePoints(t *testing.T) {
	w := newWorld(t)
	if !w.ask(t) {
		t.Skip("no Linux 6.18 to ask")
	}
	tried := 0
	for seed := range int64(rounds(3_000)) {
		m := &maker{Rand: rand.New(rand.NewSource(seed)), w: w}
		p := m.straight()
		in, a := prepareAnswer(p, Options{KernelBTF: w.kernel})
		if a != (answer{}) { // a function that nobody calls
			continue
		}
		steps, states := walkStraight(in)
		r, err := w.oracle.Load(p, oracle.Options{LogLevel: oracle.LogStats})
		require.NoError(t, err)
		r.Close()
		require.Equal(t, r.Processed, steps, "seed %d\n%s", seed, dump(p))
		require.Equal(t, r.TotalStates, states, "seed %d\n%s", seed, dump(p))
		tried++
	}
	require.Greater(t, tried, rounds(1_000))
	t.Logf("%d programs", tried)
}

// walkStraight executes a program that straight made. It counts instructions, and those that are prune points.
func walkStraight(in *Info) (steps, prunePoints int) {
	type frame struct {
		regs [10]int32
		back int
	}
	insns := in.Program.Insns
	var now frame
	var callers []frame
	for pc := 0; ; {
		steps++
		if in.Flags[pc]&PrunePoint != 0 {
			prunePoints++
		}
		i := &insns[pc]
		next := pc + slots(i)
		switch {
		case i.Opcode == 0xb7 || i.Opcode == opLdImm64:
			now.regs[i.Dst] = i.Imm
		case i.Opcode == opCall && i.Src == isa.PseudoCallSub:
			now.back = next
			callers = append(callers, now)
			next, _ = callTarget(insns, pc)
		case i.Opcode == opExit:
			if len(callers) == 0 {
				return steps, prunePoints
			}
			now = callers[len(callers)-1]
			callers = callers[:len(callers)-1]
			next = now.back
		case isGoto(i), isJump(i) && (now.regs[i.Dst] == i.Imm) == (i.Opcode != 0x55):
			next = jumpTarget(i, pc)
		}
		pc = next
	}
}

// TestFastcallStack compares how deep stacks are: that shows which saves and restores around a call Linux drops.
func TestFastcallStack(t *testing.T) {
	w := newWorld(t)
	if !w.ask(t) {
		t.Skip("no Linux 6.18 to ask")
	}
	dropped := 0
	for seed := range int64(rounds(3_000)) {
		m := &maker{Rand: rand.New(rand.NewSource(seed)), w: w}
		p := m.saves()
		in, a := prepareAnswer(p, Options{KernelBTF: w.kernel})
		require.Equal(t, answer{}, a)
		want := 0
		s := &in.Subprogs[0]
		spoilt := !s.HasFastcall
		for pc, i := range p.Insns {
			if i.Opcode == opSpill || i.Opcode == opFill {
				want = max(want, -int(i.Off))
				spoilt = spoilt || in.Flags[pc]&FastcallSlot == 0 && i.Off < s.FastcallOff
			}
		}
		if !spoilt {
			want = -int(s.FastcallOff)
			dropped++
		}
		r, err := w.oracle.Load(p, oracle.Options{LogLevel: oracle.LogStats})
		require.NoError(t, err)
		r.Close()
		require.Equal(t, oracle.Accept, r.Verdict, "seed %d: %s\n%s", seed, r.Message, dump(p))
		require.Equal(t, r.StackDepth, fmt.Sprint(want), "seed %d\n%s", seed, dump(p))
	}
	require.NotZero(t, dropped)
	t.Logf("%d with saves that are dropped", dropped)
}

// TestPrototypeOfType: one helper may take other arguments in programs of another type, and leave other registers alone.
func TestPrototypeOfType(t *testing.T) {
	w := newWorld(t)
	asked := w.ask(t)
	for typ, reads := range map[linux.ProgType]uint16{linux.ProgTypeSchedCLS: 1 << isa.R1, linux.ProgTypeSocketFilter: 0} {
		p := w.program(code(callHelper(linux.HelperGetCGroupClassid), ret0))
		p.Type = uint32(typ)
		in, a := prepareAnswer(p, Options{KernelBTF: w.kernel})
		require.Equal(t, answer{}, a)
		require.Equal(t, reads, in.LiveIn[0], "%v", typ)
		if asked {
			_, log := w.kernelAnswer(t, p, oracle.LogStates)
			require.Equal(t, liveTable(log), tableOf(in), "%v", typ)
		}
	}
	// The kernel gives programs of these types the stack depths 0 and 8 if they save and restore a register.
	for typ, fast := range map[linux.ProgType]bool{linux.ProgTypeXDP: true, linux.ProgTypeStructOps: false} {
		p := w.program(callHelper(linux.HelperGetSmpProcessorId))
		p.Type = uint32(typ)
		_, ok := (&Info{Program: p}).fastcall(0)
		require.Equal(t, fast, ok, "%v", typ)
	}
}
