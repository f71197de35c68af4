// Package bench has the programs that the engines are measured on: see README.md.
package bench

import "embed"

//go:generate go run ../examples/internal/cc empty.c xorshift.c modpow.c sort.c csum.c siphash.c steer.c bytescan.c firewall.c
//go:generate go run ../examples/internal/cc calls.c bsearch.c arraymap.c pktcount.c hashmap.c
//go:generate go run ../examples/internal/cc lookup/hlookup4.c lookup/hlookup8.c lookup/hlookup16.c

// Files are the objects, NAME.o, and the packets that they are run on, packets/NAME.pkt. Those of lookup are templates: see
// lookup/hlookup.h.
//
//go:embed *.o packets lookup/*.o
var Files embed.FS

// A Program is one of the set.
type Program struct {
	Name string
	// Want is what it returns on its packet, from the second run on.
	Want uint32
	// Maps tells that it uses maps, which the geometric means of the engines leave out.
	Maps bool
}

// First is what it returns when it runs for the first time: hashmap then finds nothing.
func (p Program) First() uint32 {
	if p.Name == "hashmap" {
		return 0
	}
	return p.Want
}

// Programs are the set.
var Programs = []Program{
	{"empty", 0, false}, {"xorshift", 3590099179, false}, {"modpow", 2206735699, false}, {"sort", 647770404, false},
	{"csum", 2143126875, false}, {"siphash", 3382249092, false}, {"steer", 62182113, false}, {"bytescan", 500, false},
	{"firewall", 108, false}, {"calls", 2276667694, false}, {"bsearch", 875588429, false},
	{"arraymap", 3481, true}, {"pktcount", 2, true}, {"hashmap", 1, true},
}
