package beside_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/internal/beside"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

const eperm = 1

func said(verdict string, errno int, message string) *beside.Judgement {
	return &beside.Judgement{Verdict: corpus.Verdict{Verdict: verdict, Errno: errno, Message: message, Processed: 5, StackDepth: "8"}}
}

func TestCompare(t *testing.T) {
	accept := said(corpus.Accept, 0, "")
	costly := said(corpus.Accept, 0, "")
	costly.Processed, costly.StackDepth = 6, "16"
	forbidden := said(corpus.Reject, eperm, "func#0 @0")
	forbidden.Processed = 0
	for _, c := range []struct {
		name         string
		skep, kernel *beside.Judgement
		cause        beside.Cause
		why          string
	}{
		{"equal", accept, accept, beside.Equal, ""},
		{"false accept", accept, said(corpus.Reject, 13, "R1 !read_ok"), beside.FalseAccept, "errno 13: R1 !read_ok"},
		{"false reject", said(corpus.Reject, 22, "no"), accept, beside.FalseReject, "errno 22: no"},
		{"errno before message", said(corpus.Reject, 22, "no"), said(corpus.Reject, 13, "yes"), beside.Errno, "22 instead of 13"},
		{"message", said(corpus.Reject, 22, "no"), said(corpus.Reject, 22, "yes"), beside.Message, `"no" instead of "yes"`},
		{"ids of this build", said(corpus.Reject, 22, "call f#1234"), said(corpus.Reject, 22, "call f#4321"), beside.Equal, ""},
		{"cost", costly, accept, beside.Cost, "processed, stack depth"},
		{"unsupported", said(corpus.Unsupported, 0, "arena"), accept, beside.Unsupported, "arena"},
		{"failed", said(corpus.Failed, 0, "panic: x"), accept, beside.Failed, "panic: x"},
		{"a map", accept, said(oracle.Refused, 22, "map m: invalid argument"), beside.NotJudged, "map m: invalid argument"},
		{"policy", accept, forbidden, beside.NotJudged, "BPF_PROG_LOAD: operation not permitted, without a message"},
		{"no memory", accept, said(corpus.Reject, eperm, "4: (95) exit"), beside.NotJudged, "no memory for native code"},
		{"a verdict of the verifier's", accept, said(corpus.Reject, eperm, "cannot do that"), beside.FalseAccept, "errno 1: cannot do that"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := beside.Compare(c.skep, c.kernel, false)
			require.Equal(t, c.cause, got.Cause, "%v", got.Cause)
			require.Equal(t, c.why, got.Why)
		})
	}
}

func TestCompareStates(t *testing.T) {
	with := func(log string) *beside.Judgement {
		j := said(corpus.Accept, 0, "")
		j.Log = log
		return j
	}
	const log = "0: R1=ctx() R10=fp0\n0: (b7) r0 = 0                        ; R0=0\n1: (95) exit\n"
	a, b := with(log), with("0: R1=ctx() R10=fp0\n0: (b7) r0 = 0                        ; R0=1\n1: (95) exit\n")
	require.Equal(t, beside.Equal, beside.Compare(a, b, false).Cause)
	require.Equal(t, beside.Equal, beside.Compare(a, a, true).Cause)
	c := beside.Compare(a, b, true)
	require.Equal(t, beside.State, c.Cause)
	require.Equal(t, 0, c.At.Insn)
	b.Truncated = true
	c = beside.Compare(a, b, true)
	require.Equal(t, beside.Equal, c.Cause)
	require.NotEmpty(t, c.NoStates)
}

// TestBoth asks both of a program.
func TestBoth(t *testing.T) {
	insns, err := isa.Parse("r0 = r2\nexit")
	require.NoError(t, err)
	p := &object.Program{Type: 1, License: "GPL", Insns: insns}
	ours := beside.Judge(p, verifier.Options{LogLevel: verifier.LogStates})
	require.Equal(t, corpus.Reject, ours.Verdict.Verdict)
	require.Equal(t, "R2 !read_ok", ours.Message)
	k, err := oracle.Open()
	if err != nil {
		t.Skip("no kernel to ask: ", err)
	}
	defer k.Close()
	theirs, err := beside.Ask(k, p, oracle.Options{LogLevel: oracle.LogStates | oracle.LogStats})
	require.NoError(t, err)
	require.Equal(t, beside.Equal, beside.Compare(ours, theirs, true).Cause)
}
