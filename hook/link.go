package hook

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

// A Link is an attachment of a program, which it keeps: the program may be closed after it was attached.
type Link struct {
	h      *Host
	point  string
	cookie uint64
	check  func(*skep.Program) error // what may be attached here
	prog   atomic.Pointer[skep.Program]

	update sync.Mutex // held while the program changes
	closed bool
}

// ErrClosed is the error of using what is closed.
var ErrClosed = maps.ErrClosed

// Program is the name of the program that is attached.
func (l *Link) Program() string { return l.prog.Load().Name() }

// String tells where what is attached.
func (l *Link) String() string { return fmt.Sprintf("%s on %s", l.Program(), l.point) }

// Update puts another program in the place of the one that is attached. Events see either the one or the other. What is
// refused leaves the old one attached. (Linux updates only some kinds of links; here all can be.)
func (l *Link) Update(p *skep.Program) error {
	l.update.Lock()
	defer l.update.Unlock()
	if l.closed {
		return fmt.Errorf("hook: update of %s: %w", l.point, ErrClosed)
	}
	kept, err := l.take(p)
	if err != nil {
		return fmt.Errorf("hook: update of %s: %w", l.point, err)
	}
	return l.prog.Swap(kept).Close()
}

// Close detaches the program. It does not run any more when Close has returned, but for runs that had started before.
func (l *Link) Close() error {
	if l == nil {
		return nil
	}
	l.update.Lock()
	defer l.update.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.h.mu.Lock()
	left := slices.DeleteFunc(slices.Clone(l.h.points[l.point]), func(x *Link) bool { return x == l })
	if len(left) == 0 {
		delete(l.h.points, l.point)
	} else {
		l.h.points[l.point] = left
	}
	l.h.mu.Unlock()
	return l.prog.Load().Close()
}

// take checks a program and makes a handle of it for the link.
func (l *Link) take(p *skep.Program) (*skep.Program, error) {
	if p == nil {
		return nil, errors.New("there is no program")
	}
	if err := l.check(p); err != nil {
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	return p.Clone()
}

// Anchors of AttachTCX and AttachCgroup.
type anchor struct {
	head     bool
	relative *Link // before or after it
	before   bool
}

// An Anchor says where among the programs of a hook one is put.
type Anchor func(*anchor)

// Head is before all others.
func Head() Anchor { return func(a *anchor) { a.head = true } }

// Tail is after all others, as without an Anchor.
func Tail() Anchor { return func(*anchor) {} }

// Before is before the program of a link, which must be of the same hook.
func Before(l *Link) Anchor { return func(a *anchor) { a.relative, a.before = l, true } }

// After is after the program of a link, which must be of the same hook.
func After(l *Link) Anchor { return func(a *anchor) { a.relative = l } }

// An attachment is what attach needs to know.
type attachment struct {
	point  string
	prog   *skep.Program
	cookie uint64
	most   int // programs that the hook takes; 0: any number
	anchor Anchor
	check  func(*skep.Program) error
}

// attach adds a program to what runs at a point. If it fails, nothing has changed.
func (h *Host) attach(at attachment) (*Link, error) {
	l := &Link{h: h, point: at.point, cookie: at.cookie, check: at.check}
	p, err := l.take(at.prog)
	if err != nil {
		return nil, fmt.Errorf("hook: attach to %s: %w", at.point, err)
	}
	l.prog.Store(p)
	if err := h.insert(l, at); err != nil {
		return nil, fmt.Errorf("hook: attach to %s: %w", at.point, errors.Join(err, p.Close()))
	}
	return l, nil
}

func (h *Host) insert(l *Link, at attachment) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	links := h.points[at.point]
	if at.most > 0 && len(links) >= at.most {
		return maps.EBUSY
	}
	var a anchor
	if at.anchor != nil {
		at.anchor(&a)
	}
	i := len(links)
	switch {
	case a.head:
		i = 0
	case a.relative != nil:
		if i = slices.Index(links, a.relative); i < 0 {
			return fmt.Errorf("%w: the anchor is not attached there", maps.ENOENT)
		}
		if !a.before {
			i++
		}
	}
	h.points[at.point] = slices.Insert(slices.Clone(links), i, l) // a copy: events go through the old one
	return nil
}

// at is what is attached to a point, in order. It does not change.
func (h *Host) at(point string) []*Link {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.points[point]
}

// Links are all attachments, by where they are and then in the order in which they run.
func (h *Host) Links() []*Link {
	h.mu.RLock()
	defer h.mu.RUnlock()
	points := make([]string, 0, len(h.points))
	for p := range h.points {
		points = append(points, p)
	}
	slices.Sort(points)
	var out []*Link
	for _, p := range points {
		out = append(out, h.points[p]...)
	}
	return out
}

// ofType checks that a program is of one of some types.
func ofType(types ...ebpf.ProgramType) func(*skep.Program) error {
	return func(p *skep.Program) error {
		if !slices.Contains(types, p.Type()) {
			return fmt.Errorf("%w: a program of type %v is needed", maps.EINVAL, types[0])
		}
		return nil
	}
}

// withAttach checks that a program is of a type, and for an attach type, where programs of the type are loaded for one.
func withAttach(t ebpf.ProgramType, at ebpf.AttachType, strict bool) func(*skep.Program) error {
	of := ofType(t)
	return func(p *skep.Program) error {
		if err := of(p); err != nil {
			return err
		}
		if got := attachType(p); strict && got != at {
			return fmt.Errorf("%w: it was loaded for %v, not for %v", maps.EINVAL, linux.AttachType(got), linux.AttachType(at))
		}
		return nil
	}
}

// attachType is what a program was loaded for.
func attachType(p *skep.Program) ebpf.AttachType {
	return ebpf.AttachType(p.Verdict().Program.AttachType)
}
