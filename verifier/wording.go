package verifier

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/skepbpf/skep/linux"
)

// This file puts refusals into the words of other kernels than 6.18, where they say the same in others.

// A wording is a message, or a part of one, and what kernels before a version said.
type wording struct {
	before    linux.Version
	now, then string // a regular expression, and what stands for what it finds
}

// newWords are what kernels after 6.18 say, as 7.3.4 does.
var newWords = []wording{
	{0, `^((?s:.*)Unreleased reference .*)\n(BPF_EXIT instruction in main prog|bpf_throw) would lead to reference leak$`, "$1"},
	{0, `(R\d+) offset is outside of the packet$`, "$1 min value is outside of the allowed memory range"},
	{0, `\bbuf, trusted_ptr_$`, "buf, trusted_ptr_, ctx"},
}

// newArgs are where such a kernel names the register of an argument, and not its number.
var newArgs = regexp.MustCompile(`(?:(as )arg #|(trusted )arg)(\d+)`)

// newOffset is where it adds up the known parts of an offset.
var newOffset = regexp.MustCompile(`^(misaligned (?:context|stack|value) access off )(-?\d+)\+(-?\d+)(\+-?\d+ size \d+)$`)

// wordings were found in the messages of 5.10.262, 6.1.192 and 6.12.117.
var wordings = []wording{
	{linux.V(6, 18), `^((?s:.*)Unreleased reference .*)\n(BPF_EXIT instruction in main prog|bpf_throw) would lead to reference leak$`, "$1"},
	{linux.V(6, 18), `BPF_LD_\[ABS\|IND\] would lead to reference leak$`, "BPF_LD_[ABS|IND] cannot be mixed with socket references"},
	{linux.V(6, 18), `type ID argument must be of a struct or void$`, "type ID argument must be of a struct"},
	{linux.V(6, 12), `^(Caller passes invalid args into func#\d+) \('.*'\)$`, "$1"},
	{linux.V(6, 1), `^negative offset (ctx ptr R\d+ off=-\d+ disallowed)$`, "dereference of modified $1"},
	{linux.V(6, 12), `^(invalid variable-offset indirect access .*) off=-?\d+( size=-?\d+)$`, "$1$2"},
	{linux.V(6, 12), `percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_$`, "percpu_ptr_"},
	{linux.V(6, 12), `\b(trusted|rcu)_ptr_`, "ptr_"},
	{linux.V(6, 12), `\bringbuf_mem`, "alloc_mem"},
	{linux.V(6, 1), `\balloc_mem`, "mem"},
	{linux.V(6, 1), `on ((sock|sock_common|tcp_sock|mem)_or_null) prohibited, null-check it first$`, "on $1 prohibited"},
	{linux.V(6, 1), `\bBPF_ATOMIC stores into`, "BPF_XADD stores into"},
	{linux.V(6, 1), `(mem access '|type=)scalar\b`, "${1}inv"},
}

var wordingNow, newNow = compiled(wordings), compiled(newWords)

func compiled(all []wording) (out []*regexp.Regexp) {
	for _, w := range all {
		out = append(out, regexp.MustCompile(w.now))
	}
	return out
}

// otherWords is the message as the kernel words it.
func (w *walk) otherWords(text string) string {
	if w.k.Version < linux.Default.Version {
		return w.oldWords(text)
	}
	for i := range newWords {
		text = newNow[i].ReplaceAllString(text, newWords[i].then)
	}
	text = newArgs.ReplaceAllStringFunc(text, func(s string) string {
		m := newArgs.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[3])
		return fmt.Sprintf("%sR%d", m[1]+m[2], n+1)
	})
	if m := newOffset.FindStringSubmatch(text); m != nil {
		a, _ := strconv.Atoi(m[2])
		b, _ := strconv.Atoi(m[3])
		text = m[1] + strconv.Itoa(a+b) + m[4]
	}
	return text
}

// knownOffset is the offset in a message about alignment, if it is known: older kernels spell it as they do others.
var knownOffset = regexp.MustCompile(`^(misaligned .*access off (?:\d+\+)?)(-?\d+)(\+-?\d+\+-?\d+ size \d+)$`)

// oldWords is otherWords of a kernel before 6.18.
func (w *walk) oldWords(text string) string {
	for i := range wordings {
		if w.k.Version < wordings[i].before {
			text = wordingNow[i].ReplaceAllString(text, wordings[i].then)
		}
	}
	if m := knownOffset.FindStringSubmatch(text); m != nil && w.k.Version < linux.V(6, 12) {
		if v, err := strconv.ParseInt(m[2], 10, 64); err == nil {
			text = fmt.Sprintf("%s(%#x; 0x0)%s", m[1], uint64(v), m[3])
		}
	}
	return text
}
