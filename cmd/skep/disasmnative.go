package main

import (
	"fmt"
	"sort"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/jit"
	"github.com/skepbpf/skep/jit/disasm"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// nativeCode verifies a program, as there is no native code of what is not accepted, and gives its code.
func nativeCode(c *object.Collection, name string, k *linux.Kernel, types *object.BTF, arch string) (*jit.Listing, error) {
	loaded, err := skep.LoadObject(c, &skep.Options{VerifyOptions: skep.VerifyOptions{Kernel: k, Types: types, Programs: []string{name}}})
	if err != nil {
		return nil, err
	}
	defer loaded.Close()
	return loaded.Programs[name].NativeCode(arch)
}

// native prints instructions and the native code below them. What is written together is printed together.
func (l *lister) native(name string, code *jit.Listing) {
	l.head(name)
	fmt.Fprintf(l, ", %d bytes of %s\n", len(code.Code), code.Arch)
	label := func(target int) string { return place(code, target) }
	for i, part := range code.Parts {
		end := len(code.Code)
		if i+1 < len(code.Parts) {
			end = code.Parts[i+1].Start
		}
		for pc := range part.Count {
			if part.What == "" {
				l.insn(part.Insn + pc)
			}
		}
		if part.What == jit.Entry {
			fmt.Fprintf(l, "%s: %d bytes, alike in all programs\n", part.What, end-part.Start)
			continue
		}
		if part.What != "" && end > part.Start {
			fmt.Fprintf(l, "%s:\n", title(part))
		}
		for at := part.Start; at < end; {
			text, n := disasm.Next(code.Arch, code.Code[at:end], at, label)
			fmt.Fprintf(l, "        %5x:  %s\n", at, text)
			at += n
		}
	}
	l.WriteByte('\n')
}

// title says what a part is that is no instruction's in its place.
func title(p jit.Part) string {
	switch {
	case p.Insn < 0:
		return p.What
	case p.Count == 0:
		return fmt.Sprintf("%s of the function at %d", p.What, p.Insn)
	}
	return fmt.Sprintf("%d, %s", p.Insn, p.What)
}

// place says where an offset of the code is: "1f0 (insn 12)".
func place(code *jit.Listing, at int) string {
	i := sort.Search(len(code.Parts), func(i int) bool { return code.Parts[i].Start > at }) - 1
	// Parts may be empty: the first of those that start there is where a jump was to go.
	for i > 0 && code.Parts[i-1].Start == at {
		i--
	}
	if i < 0 || code.Parts[i].Start != at || code.Parts[i].What != "" {
		return fmt.Sprintf("%x", at)
	}
	return fmt.Sprintf("%x (insn %d)", at, code.Parts[i].Insn)
}
