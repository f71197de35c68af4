// Package beside asks skep and the running kernel about one program and tells how what they say differs. Whatever
// compares the two goes through here: skep diff, and the tools that make programs to compare.
package beside

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

// A Judgement is what one of the two says of a program.
type Judgement struct {
	corpus.Verdict // of the kernel also oracle.Refused

	MaxPerInsn int // states of an instruction, at most
	Log        string
	Truncated  bool // Log has only the end of what there was to say
}

// Judge asks skep. A panic of the verifier is a Failed verdict, so that one program does not hide the others.
func Judge(p *object.Program, o verifier.Options) (j *Judgement) {
	defer func() {
		if r := recover(); r != nil {
			j = &Judgement{Verdict: corpus.Verdict{Verdict: corpus.Failed, Message: fmt.Sprint("panic: ", r), Stack: string(debug.Stack())}}
		}
	}()
	return judgement(verifier.Verify(p, o))
}

func judgement(proof *verifier.Proof, err error) *Judgement {
	var refused *verifier.Error
	var unsupported *verifier.UnsupportedError
	var c verifier.Cost
	j := &Judgement{}
	switch {
	case err == nil:
		j.Verdict.Verdict, c, j.Log = corpus.Accept, proof.Cost, proof.Log
	case errors.As(err, &refused):
		j.Verdict.Verdict, j.Errno, j.Message = corpus.Reject, refused.Errno, refused.Message
		c, j.Log = refused.Cost, refused.Log
	case errors.As(err, &unsupported):
		j.Verdict.Verdict, j.Message = corpus.Unsupported, unsupported.Feature
		c, j.Log = unsupported.Cost, unsupported.Log
	default:
		j.Verdict.Verdict, j.Message = corpus.Failed, err.Error()
	}
	j.Processed, j.TotalStates, j.PeakStates, j.MaxPerInsn = c.Processed, c.TotalStates, c.PeakStates, c.MaxStatesPerInsn
	depth := make([]string, len(c.StackDepth))
	for i, d := range c.StackDepth {
		depth[i] = strconv.Itoa(d)
	}
	j.StackDepth = strings.Join(depth, "+")
	return j
}

// Ask asks the running kernel. Where it was short of memory for native code, which it gives back late, it is asked again.
func Ask(k *oracle.Kernel, p *object.Program, o oracle.Options) (*Judgement, error) {
	for _, m := range p.Maps {
		switch linux.MapType(m.Type) { // they belong to the first kind of program that uses them
		case linux.MapTypeProgArray, linux.MapTypeDevMap, linux.MapTypeDevMapHash, linux.MapTypeCPUMap:
			o.FreshMaps = true
		}
	}
	r, err := k.Load(p, o)
	for range 20 {
		if err != nil || r.Errno != syscall.EPERM || r.Processed == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
		r, err = k.Load(p, o)
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return &Judgement{
		Verdict: corpus.Verdict{Verdict: r.Verdict, Errno: int(r.Errno), Message: r.Message, Processed: r.Processed,
			TotalStates: r.TotalStates, PeakStates: r.PeakStates, StackDepth: r.StackDepth},
		MaxPerInsn: r.MaxPerInsn, Log: r.Log, Truncated: r.Truncated,
	}, nil
}

// NotJudged tells why what the kernel said is no verdict of its verifier: a map or BTF was refused, the policy of this
// machine forbids such programs, or there was no memory for native code. It is "" for a verdict.
func (j *Judgement) NotJudged() string {
	switch {
	case j.Verdict.Verdict == oracle.Refused:
		return j.Message
	case j.Verdict.Verdict != oracle.Reject || j.Errno != int(syscall.EPERM) || oracle.IsMessage(j.Message):
		return ""
	case j.Processed > 0:
		return "no memory for native code"
	}
	return "BPF_PROG_LOAD: operation not permitted, without a message"
}
