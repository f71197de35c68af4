package jit

// maxInlineKey is the longest key that a stub compares; longer ones go to Go.
const maxInlineKey = 64

// A piece is a part of a key that one instruction loads: 4, 2 or 1 bytes. Not 8: keys are written to the stack field by field just
// before, mostly in words of 4 bytes, and a processor cannot forward two stores to one load. It waits until they are in the
// cache, and with it all that follows: a lookup took three times as long.
type piece struct {
	at   int32
	size int
}

// pieces cuts a key up.
func pieces(n uint32) (out []piece) {
	at := int32(0)
	for size := 4; size > 0; size /= 2 {
		for n >= uint32(size) {
			out = append(out, piece{at, size})
			at += int32(size)
			n -= uint32(size)
		}
	}
	return out
}

// shift is where a piece is in its word of 8 bytes, which the hash takes as one number: in bits.
func (p piece) shift() uint8 { return uint8(p.at%8) * 8 }

// ends tells that it ends a word.
func (p piece) ends(keySize uint32) bool {
	end := uint32(p.at) + uint32(p.size)
	return end%8 == 0 || end == keySize
}
