package oracle

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	figures := "verification time 7 usec\nstack depth 16+0+8\n" +
		"processed 12 insns (limit 1000000) max_states_per_insn 1 total_states 2 peak_states 3 mark_read 4\n"
	stats := Stats{Processed: 12, MaxPerInsn: 1, TotalStates: 2, PeakStates: 3, MarkRead: 4, StackDepth: "16+0+8", VerificationTime: 7 * time.Microsecond}

	message, st := Summary("0: (95) exit\nR0 !read_ok\n" + figures)
	require.Equal(t, "R0 !read_ok", message)
	require.Equal(t, stats, st)
	require.True(t, st.Ran())

	message, st = Summary("R0 has no newline " + figures)
	require.Equal(t, "R0 has no newline", message)
	require.Equal(t, stats, st)

	message, st = Summary("")
	require.Empty(t, message)
	require.False(t, st.Ran())
}

func TestNormalize(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"map", "0: (18) r1 = 0xffff88810aa64600      ; R1=map_ptr(map=m,ks=4,vs=4)\n", "0: (18) r1 = <addr> ; R1=map_ptr(map=m,ks=4,vs=4)\n"},
		{"other addresses", "0: (18) r1 = 0x1000 ; R1_w=map_value(map=m,ks=4,vs=4)\n", "0: (18) r1 = <addr> ; R1_w=map_value(map=m,ks=4,vs=4)\n"},
		{"no state", "      4: 0......... (18) r1 = 0xffffc900001a6000\n", "      4: 0......... (18) r1 = <addr>\n"},
		{"constant", "0: (18) r1 = 0xffffffff80000000 ; R1=0xffffffff80000000\n", "0: (18) r1 = 0xffffffff80000000 ; R1=0xffffffff80000000\n"},
		{"time", "verification time 69 usec\n", "verification time <t> usec\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, Normalize(c.in))
			require.Equal(t, c.want+strings.Repeat("x\n", 2), Normalize(c.in+"x\nx\n"))
		})
	}
}
