package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skepbpf/skep/internal/beside"
)

// A diffGroup is a line of the table: the objects of a project.
type diffGroup struct {
	name    string
	objects map[string]bool
	diffCount
}

func (t *diffTally) groupOf(c candidate) *diffGroup {
	i := slices.IndexFunc(t.groups, func(g *diffGroup) bool { return g.name == c.group })
	if i < 0 {
		t.groups = append(t.groups, &diffGroup{name: c.group, objects: map[string]bool{}})
		i = len(t.groups) - 1
	}
	t.groups[i].objects[c.object] = true
	return t.groups[i]
}

func (g *diffGroup) add(c compared) { g.diffCount.add(c.Comparison) }

// table prints the counts by project in Markdown, and below them what is not equal, by cause.
func (t *diffTally) table() {
	p := func(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }
	p("| objects of | objects | programs | judged by %s | verdict equal | unsupported | message equal | processed equal |", t.release)
	p("|---|---|---|---|---|---|---|---|")
	row := func(name string, objects int, n *diffCount) {
		p("| %s | %d | %d | %d | %s | %d | %d of %d | %d of %d |", name, objects, n.programs(), n.judged(), of(n.verdicts, n.judged()),
			n.causes[beside.Unsupported], n.messages, n.rejects, n.processed, n.accepts)
	}
	slices.SortFunc(t.groups, func(a, b *diffGroup) int { return strings.Compare(a.name, b.name) })
	objects := 0
	for _, g := range t.groups {
		objects += len(g.objects)
		row(g.name, len(g.objects), &g.diffCount)
	}
	row("all", objects, &t.count)
	for _, cause := range beside.Causes() {
		if t.count.causes[cause] == 0 || cause == beside.Equal {
			continue
		}
		p("\n%s (%d):\n", cause, t.count.causes[cause])
		byWhy := map[string][]string{}
		var order []string
		for _, c := range t.others {
			if c.Cause != cause {
				continue
			}
			why := c.Why
			if byWhy[why] == nil {
				order = append(order, why)
			}
			name := strings.TrimSuffix(filepath.Base(c.object), ".o")
			if i := strings.LastIndexByte(c.id, ':'); i >= 0 {
				name += ":" + c.id[i+1:]
			}
			byWhy[why] = append(byWhy[why], name)
		}
		slices.SortStableFunc(order, func(a, b string) int { return len(byWhy[b]) - len(byWhy[a]) })
		for _, why := range order {
			p("- %d: %s (%s)", len(byWhy[why]), why, some(byWhy[why]))
		}
	}
}

// some are the first few names.
func some(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}
