package jit

// maxInlineKey is the longest key that a stub compares; longer ones go to Go.
const maxInlineKey = 64

// A piece is a part of a key that one instruction compares: 8, 4, 2 or 1 bytes.
type piece struct {
	at   int32
	size int
}

// pieces cuts a key up.
func pieces(n uint32) (out []piece) {
	at := int32(0)
	for size := 8; size > 0; size /= 2 {
		for n >= uint32(size) {
			out = append(out, piece{at, size})
			at += int32(size)
			n -= uint32(size)
		}
	}
	return out
}
