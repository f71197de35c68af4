package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
)

// csumFamily are the helpers on checksums: ones' complement sums of 16-bit words, in the byte order of the packet.
var csumFamily = map[int32]Func{
	10:  l3Replace,
	11:  l4Replace,
	28:  csumDiff,
	40:  csumUpdate,
	135: csumLevel,
}

// csumAdd adds in ones' complement.
func csumAdd(a, b uint32) uint32 {
	s := uint64(a) + uint64(b)
	return uint32(s) + uint32(s>>32)
}

func csumSub(a, b uint32) uint32 { return csumAdd(a, ^b) }

// csum32to16 folds a sum, without inverting it.
func csum32to16(s uint32) uint16 {
	s = s>>16 + s&0xffff
	s += s >> 16
	return uint16(s)
}

// csumFold is a checksum as it stands in a header.
func csumFold(s uint32) uint16 { return ^csum32to16(s) }

// csumOf is the sum of bytes, an odd last one padded with a zero.
func csumOf(b []byte, s uint32) uint32 {
	for ; len(b) >= 4; b = b[4:] {
		s = csumAdd(s, binary.NativeEndian.Uint32(b))
	}
	var rest [4]byte
	copy(rest[:], b)
	return csumAdd(s, binary.NativeEndian.Uint32(rest[:]))
}

// Flags of the helpers that replace checksums.
const (
	hdrFieldMask  = 0xf
	pseudoHdr     = 1 << 4
	markMangled0  = 1 << 5
	markEnforce   = 1 << 6
	csumIPv6      = 1 << 7
	mangledZeroes = 0xffff
)

// replace updates a checksum for a field of size bytes that changes from one value to another; with size 0, to is the
// difference. It is false for other sizes.
func replace(sum uint16, size uint64, from, to uint32) (uint16, bool) {
	switch size {
	case 0:
		if from != 0 {
			return 0, false
		}
		return csumFold(csumAdd(to, uint32(^sum))), true
	case 2:
		from, to = uint32(uint16(from)), uint32(uint16(to))
		fallthrough
	case 4:
		return csumFold(csumAdd(csumSub(uint32(^sum), from), to)), true
	}
	return 0, false
}

// l3Replace is bpf_l3_csum_replace(skb, offset, from, to, size).
func l3Replace(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	off, flags := uint32(c.Args[1]), c.Args[4]
	if flags&^hdrFieldMask != 0 {
		return fail(maps.EINVAL)
	}
	at := p.span(off, 2)
	if off > 0xffff || off&1 != 0 || at == nil {
		return fail(maps.EFAULT)
	}
	sum, ok := replace(binary.NativeEndian.Uint16(at), flags, uint32(c.Args[2]), uint32(c.Args[3]))
	if !ok {
		return fail(maps.EINVAL)
	}
	binary.NativeEndian.PutUint16(at, sum)
	return 0, nil
}

// l4Replace is bpf_l4_csum_replace(skb, offset, from, to, flags): the size, and how a checksum of zero is meant.
func l4Replace(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	off, flags := uint32(c.Args[1]), c.Args[4]
	if flags&^(hdrFieldMask|pseudoHdr|markMangled0|markEnforce|csumIPv6) != 0 {
		return fail(maps.EINVAL)
	}
	at := p.span(off, 2)
	if off > 0xffff || off&1 != 0 || at == nil {
		return fail(maps.EFAULT)
	}
	old := binary.NativeEndian.Uint16(at)
	if flags&markMangled0 != 0 && flags&markEnforce == 0 && old == 0 {
		return 0, nil // a UDP packet without a checksum stays so
	}
	sum, ok := replace(old, flags&hdrFieldMask, uint32(c.Args[2]), uint32(c.Args[3]))
	if !ok {
		return fail(maps.EINVAL)
	}
	if flags&markMangled0 != 0 && sum == 0 {
		sum = mangledZeroes
	}
	binary.NativeEndian.PutUint16(at, sum)
	return 0, nil
}

// csumDiff is bpf_csum_diff(from, from_size, to, to_size, seed): the sum of what is added, less what is taken away.
func csumDiff(c *Call) (uint64, error) {
	fromSize, toSize := uint32(c.Args[1]), uint32(c.Args[3])
	if fromSize%4 != 0 || toSize%4 != 0 {
		return fail(maps.EINVAL)
	}
	sum := uint32(c.Args[4])
	if toSize > 0 {
		b := c.mem(c.Args[2], toSize)
		if b == nil {
			return bad(2, errNoMem)
		}
		sum = csumOf(b, sum)
	}
	if fromSize > 0 {
		b := c.mem(c.Args[0], fromSize)
		if b == nil {
			return bad(0, errNoMem)
		}
		sum = csumSub(sum, csumOf(b, 0))
	}
	return uint64(csum32to16(sum)), nil
}

// What is known about the checksums of a packet: nothing, that they are right, or the sum of all of it.
const (
	csumNone = iota
	csumUnnecessary
	csumComplete
)

// csumUpdate is bpf_csum_update(skb, csum): only packets whose sum is known have one to update.
func csumUpdate(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	if p.summed != csumComplete {
		return fail(maps.ENOTSUPP)
	}
	p.csum = csumAdd(p.csum, uint32(c.Args[1]))
	return uint64(p.csum), nil
}

// csumLevel is bpf_csum_level(skb, what): how many checksums are known to be right: ask (0), one more (1), one less (2), none
// (3).
func csumLevel(c *Call) (uint64, error) {
	p, err := c.skb()
	if err != nil {
		return 0, err
	}
	const most = 3
	switch known := p.summed == csumUnnecessary; c.Args[1] {
	case 0:
		if !known {
			return fail(maps.EACCES)
		}
		return uint64(p.level), nil
	case 1:
		if known {
			p.level = min(p.level+1, most)
		} else if p.summed == csumNone {
			p.summed, p.level = csumUnnecessary, 0
		}
	case 2:
		if known && p.level > 0 {
			p.level--
		} else if known {
			p.summed = csumNone
		}
	case 3:
		p.summed, p.level = csumNone, 0
	default:
		return fail(maps.EINVAL)
	}
	return 0, nil
}
