// Package layout places native code: an encoder appends instructions without caring where they will stand, and names
// what they jump to by labels; Place then chooses the shortest form of each jump that reaches, and fixes all addresses.
// The result depends on the input alone, and does not depend on where it will be loaded.
package layout

import (
	"errors"
	"fmt"
)

// A Label is a place in the code, before or after it is known.
type Label int32

// A Kind says how a Site is written. It is the encoder's, who knows the sizes.
type Kind uint8

// Align is the Kind of a Site that fills up to a multiple of Arg bytes.
const Align Kind = 0

// A Site is a piece of code whose bytes depend on addresses: a jump, a call, an alignment.
type Site struct {
	At    int32 // bytes of Code before it
	To    Label // unused if Kind is Align
	Kind  Kind
	Arg   uint8 // the encoder's, such as a condition
	Extra uint8 // Align: do nothing if more bytes than this were to be filled
	long  bool
}

// An Encoding is what an architecture has to say about sites.
type Encoding interface {
	// Size is the number of bytes of the short or the long form of a site. They may be equal.
	Size(s *Site, long bool) int
	// Reaches tells that the short form reaches a target that is rel bytes after the start of the site.
	Reaches(s *Site, rel int) bool
	// Append writes the site: rel is the distance of its target from its start.
	Append(b []byte, s *Site, long bool, rel int) ([]byte, error)
	// Fill appends n bytes that do nothing.
	Fill(b []byte, n int) []byte
}

// A Builder collects code.
type Builder struct {
	Code  []byte // all of it but the sites
	Sites []Site

	labels []mark
	starts []int32 // memory of Place
	placed []byte
}

// A mark is where a label is bound: bytes of code and number of sites before it. The zero mark's sites are one less.
type mark struct{ at, sites int32 }

// unbound marks labels that stand nowhere yet.
const unbound = -1

// Reset empties the builder, and makes n labels.
func (b *Builder) Reset(n int) {
	b.Code, b.Sites = b.Code[:0], b.Sites[:0]
	if cap(b.labels) < n {
		b.labels = make([]mark, 0, n+n/4)
	}
	b.labels = b.labels[:n]
	for i := range b.labels {
		b.labels[i].at = unbound
	}
}

// Label makes a label.
func (b *Builder) Label() Label {
	b.labels = append(b.labels, mark{at: unbound})
	return Label(len(b.labels) - 1)
}

// Bind puts a label here.
func (b *Builder) Bind(l Label) { b.labels[l] = mark{int32(len(b.Code)), int32(len(b.Sites))} }

// Site puts a site here.
func (b *Builder) Site(kind Kind, arg uint8, to Label) {
	b.Sites = append(b.Sites, Site{At: int32(len(b.Code)), To: to, Kind: kind, Arg: arg})
}

// Align puts an alignment to n bytes here, a power of two up to 128, that is left out if it took more than most bytes.
func (b *Builder) Align(n, most int) {
	b.Sites = append(b.Sites, Site{At: int32(len(b.Code)), Kind: Align, Arg: uint8(n), Extra: uint8(most)})
}

// ErrUnbound is the error of a jump to a label that stands nowhere.
var ErrUnbound = errors.New("layout: a label stands nowhere")

// A Placed is code with its addresses fixed. It holds until the Builder is used again.
type Placed struct {
	Code   []byte
	starts []int32 // bytes that sites took, before each
	labels []mark
}

// Offset is where a label is, in bytes from the start of the code; -1 if it was never bound.
func (p *Placed) Offset(l Label) int {
	m := p.labels[l]
	if m.at == unbound {
		return -1
	}
	return int(m.at + p.starts[m.sites])
}

// Place chooses the forms of the sites and gives the code. Sites start short and grow until all reach: that ends, because
// none shrinks, and gives the smallest code but for alignments.
func (b *Builder) Place(e Encoding) (*Placed, error) {
	if n := len(b.Sites) + 1; cap(b.starts) < n {
		b.starts = make([]int32, n+n/4)
	}
	starts := b.starts[:len(b.Sites)+1]
	p := &Placed{starts: starts, labels: b.labels}
	for i := range b.Sites {
		s := &b.Sites[i]
		if s.Kind != Align && b.labels[s.To].at == unbound {
			return nil, fmt.Errorf("%w: %d", ErrUnbound, s.To)
		}
	}
	for grown := true; grown; {
		grown = false
		sum := int32(0)
		for i := range b.Sites {
			starts[i] = sum
			sum += int32(b.size(e, i, sum))
		}
		starts[len(b.Sites)] = sum
		for i := range b.Sites {
			s := &b.Sites[i]
			if s.Kind == Align || s.long {
				continue
			}
			if rel := p.Offset(s.To) - int(s.At+starts[i]); !e.Reaches(s, rel) {
				s.long, grown = true, true
			}
		}
	}
	out := b.placed[:0]
	from := int32(0)
	var err error
	for i := range b.Sites {
		s := &b.Sites[i]
		out = append(out, b.Code[from:s.At]...)
		from = s.At
		if s.Kind == Align {
			out = e.Fill(out, int(starts[i+1]-starts[i]))
			continue
		}
		if out, err = e.Append(out, s, s.long, p.Offset(s.To)-len(out)); err != nil {
			return nil, err
		}
	}
	p.Code = append(out, b.Code[from:]...)
	b.placed = p.Code
	return p, nil
}

// size is the number of bytes that a site takes if those before it take sum.
func (b *Builder) size(e Encoding, i int, sum int32) int {
	s := &b.Sites[i]
	if s.Kind != Align {
		return e.Size(s, s.long)
	}
	n := int(-(s.At + sum)) & (int(s.Arg) - 1)
	if n > int(s.Extra) {
		return 0
	}
	return n
}
