package prepare

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/oracle"
)

// TestAnalyses checks one program with everything in it against what Linux 6.18 logs of it.
func TestAnalyses(t *testing.T) {
	w := newWorld(t)
	p := w.typed(w.program(code(
		one(0xbf, 6, 1, 0, 0),          // 0: r6 = r1
		one(0xb7, 1, 0, 0, 4),          // 1: r1 = 4
		address(isa.PseudoFunc, 13, 0), // 2: r1 = func 16, into r1: only the address matters
		callHelper(5),                  // 4: call bpf_ktime_get_ns
		one(0x25, 0, 0, 3, 9),          // 5: if r0 > 9 goto 9
		one(0x07, 0, 0, 0, 1),          // 6: r0 += 1
		one(0x55, 0, 0, -2, 7),         // 7: if r0 != 7 goto 6
		one(opMayGoto, 0, 0, -5, 0),    // 8: may_goto 4
		one(0xbf, 1, 6, 0, 0),          // 9: r1 = r6
		callSub(2),                     // 10: call 13
		one(opJa, 0, 0, 0, 0),          // 11: goto 12
		bare,                           // 12: exit
		callHelper(31),                 // 13: call bpf_skb_change_proto
		ret0,                           // 14
		callHelper(181),                // 16: call bpf_loop
		ret0,                           // 17
	)), 0, w.funcs[mainFunc], 13, w.funcs[staticFunc], 16, w.funcs[staticVoid])
	p.Type = 3 // sched_cls, which may call all of these
	in, f := Prepare(p, Options{})
	if !assert.Nil(t, f) {
		return
	}
	want := []string{
		"func#0 @0",
		"func#1 @13",
		"func#2 @16",
		"Live regs before insn:",
		"      0: .1........",
		"      1: ......6...",
		"      2: ......6...",
		"  1   4: ......6...",
		"  1   5: 0.23456...",
		"  1   6: 0.23456...",
		"  1   7: 0.23456...",
		"  1   8: ..23456...",
		"      9: ..23456...",
		"     10: .12345....",
		"     11: 0.........",
		"     12: 0.........",
		"     13: .123......",
		"     14: ..........",
		"     15: 0.........",
		"     16: .1234.....",
		"     17: ..........",
		"     18: 0.........",
	}
	got := append(in.HeadLines(), in.LiveTable(func(int) string { return "" })...)
	for i := range got {
		got[i] = strings.TrimRight(got[i], " ")
	}
	assert.Equal(t, want, got)

	const jump = PrunePoint | JumpPoint
	flags := map[int]Flags{
		2: PrunePoint, 4: jump | Target, // the address of a function; after it, and where may_goto goes
		5: jump, 6: jump | Target, 7: PrunePoint, 8: PrunePoint | ForceCheckpoint, 9: jump | Target,
		10: PrunePoint, 11: jump, 12: jump | Target,
		13: jump, 14: jump,
		16: jump | CallsCallback | ForceCheckpoint, 17: jump,
	}
	for pc, f := range in.Flags {
		assert.Equal(t, flags[pc], f, "slot %d", pc)
	}

	s := in.Subprogs
	assert.Equal(t, []int{1}, s[0].Calls)
	assert.Equal(t, []int{2}, s[0].Takes)
	assert.True(t, s[0].ChangesPacket, "by what it calls")
	assert.True(t, s[1].ChangesPacket)
	assert.False(t, s[2].ChangesPacket)
	assert.True(t, s[2].IsCallback)
	assert.Equal(t, "static_func", s[1].Name)
	assert.True(t, s[0].Global)
	assert.False(t, s[1].Global)
	assert.Equal(t, 1, in.Subprog(13))
	assert.Equal(t, -1, in.Subprog(14))

	if w.ask(t) {
		_, log := w.kernelAnswer(t, p, oracle.LogStates)
		assert.Equal(t, want[4:], liveTable(log))
		assert.True(t, strings.HasPrefix(log, strings.Join(want[:4], "\n")))
	}
}
