package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier"
)

// A textPrinter prints verdicts for people. Errors of its writer are not looked at: there is nobody to tell.
type textPrinter struct {
	w   io.Writer
	log bool // print the logs, too
}

func (p *textPrinter) printf(format string, args ...any) { fmt.Fprintf(p.w, format, args...) }

// object prints the verdicts of an object, with its name if there are several.
func (p *textPrinter) object(o *verifiedObject, named bool) {
	if named && len(o.verdicts) > 0 {
		p.printf("%s\n", o.Path)
	}
	for _, v := range o.verdicts {
		p.verdict(v)
	}
}

func (p *textPrinter) verdict(v *skep.Verdict) {
	if log := v.Log(); log != "" && p.log {
		p.printf("%s", log)
		if !strings.HasSuffix(log, "\n") {
			p.printf("\n")
		}
	}
	kind := v.Section
	if v.Program != nil {
		kind = linux.ProgType(v.Program.Type).String()
	}
	if v.Accepted() {
		p.printf("%-11s %s (%s): %s\n", accept, v.Name, kind, costText(v.Cost()))
		return
	}
	x := v.Explain()
	switch {
	case len(x.Lines) > 1:
		p.printf("%-11s %s (%s):\n", verdictName(v), v.Name, kind)
		for _, l := range x.Lines {
			p.printf("    %s\n", l)
		}
	case x.Message == "":
		p.printf("%-11s %s (%s): %s\n", verdictName(v), v.Name, kind, x.Code)
	default:
		p.printf("%-11s %s (%s): %s\n", verdictName(v), v.Name, kind, x.Message)
	}
	p.place(v, x)
	p.wrapped("why", x.Why)
	p.wrapped("help", x.Help)
	if e := v.Refused(); e != nil {
		p.printf("    code %s; errno %d (%v); %s\n", x.Code, e.Errno, maps.Errno(e.Errno), costText(e.Cost))
	}
}

// place prints where in the program it is.
func (p *textPrinter) place(v *skep.Verdict, x *skep.Explanation) {
	if x.Line != nil {
		p.printf("    %s\n", lineName(x.Line))
		p.printf("%8d | %s\n", x.Line.Line, strings.TrimRight(x.Line.Text, " \t"))
	}
	if x.Insn >= 0 && v.Program != nil && x.Insn < len(v.Program.Insns) {
		p.printf("    at instruction %d: %s\n", x.Insn, names.Format(v.Program.Insns, x.Insn))
	}
	const most = 8 // lines of the path: the last ones say most
	path := x.Path
	if len(path) > most {
		path = path[len(path)-most:]
	}
	if len(path) > 1 {
		p.printf("    on the path that ends:\n")
		for _, l := range path {
			p.printf("%8d | %s\n", l.Line, strings.TrimRight(l.Text, " \t"))
		}
	}
}

// lineName names a source line as compilers do.
func lineName(l *object.LineInfo) string {
	s := l.File + ":" + strconv.Itoa(int(l.Line))
	if l.Col > 0 {
		s += ":" + strconv.Itoa(int(l.Col))
	}
	return s
}

// wrapped prints a paragraph, if there is one.
func (p *textPrinter) wrapped(title, text string) {
	const width = 96 // columns of text
	if text == "" {
		return
	}
	line, lead := "", fmt.Sprintf("    %-5s", title+":")
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			p.printf("%s %s\n", lead, line)
			line, lead = "", "         "
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	p.printf("%s %s\n", lead, line)
}

// costText is what verifying took.
func costText(c verifier.Cost) string {
	s := fmt.Sprintf("processed %d insns, %d states (%d at a time)", c.Processed, c.TotalStates, c.PeakStates)
	if len(c.StackDepth) > 0 {
		s += ", stack " + depthText(c.StackDepth)
	}
	return s
}

// depthText is the stack depth as the kernel prints it: "16+0+8".
func depthText(depth []int) string {
	parts := make([]string, len(depth))
	for i, d := range depth {
		parts[i] = strconv.Itoa(d)
	}
	return strings.Join(parts, "+")
}

// names are those that instructions are printed with.
var names = &isa.Names{Helper: linux.HelperName}
