package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// Types of pcapng blocks.
const (
	blockSection   = magicNG
	blockInterface = 1
	blockSimple    = 3
	blockEnhanced  = 6
)

// An ngInterface is what an interface block says.
type ngInterface struct {
	link int
	snap uint32
	rate uint64 // units of time a second
}

// An ngReader reads blocks.
type ngReader struct {
	r          io.Reader
	order      binary.ByteOrder
	interfaces []ngInterface
	out        []Packet
}

// readNG reads the newer format: blocks of a type, a length, a body and the length again.
func readNG(r io.Reader) ([]Packet, error) {
	n := ngReader{r: r, order: binary.LittleEndian}
	for {
		err := n.block()
		if errors.Is(err, io.EOF) {
			return n.out, nil
		}
		if err != nil {
			return n.out, err
		}
	}
}

// block reads one block. At the end of the file it is io.EOF.
func (n *ngReader) block() error {
	var h [12]byte // the third word is the body's first, which of a section block tells the byte order
	if _, err := io.ReadFull(n.r, h[:8]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(h[:]) == blockSection {
		if _, err := io.ReadFull(n.r, h[8:]); err != nil {
			return noEOF(err)
		}
		switch uint32(0x1a2b3c4d) {
		case binary.LittleEndian.Uint32(h[8:]):
			n.order = binary.LittleEndian
		case binary.BigEndian.Uint32(h[8:]):
			n.order = binary.BigEndian
		default:
			return errors.New("a section without a byte order")
		}
		n.interfaces = nil
		_, err := n.body(n.order.Uint32(h[4:]), 12)
		return err
	}
	body, err := n.body(n.order.Uint32(h[4:]), 8)
	if err != nil {
		return err
	}
	switch n.order.Uint32(h[:]) {
	case blockInterface:
		return n.iface(body)
	case blockEnhanced:
		return n.enhanced(body)
	case blockSimple:
		return n.simple(body)
	}
	return nil // statistics, names: nothing that programs see
}

// body reads what is left of a block of that length of which some bytes have been read.
func (n *ngReader) body(length, read uint32) ([]byte, error) {
	if length < read+4 || length%4 != 0 || length > maxPacket+1024 {
		return nil, fmt.Errorf("a block of %d bytes", length)
	}
	b := make([]byte, length-read)
	if _, err := io.ReadFull(n.r, b); err != nil {
		return nil, noEOF(err)
	}
	return b[:len(b)-4], nil
}

func (n *ngReader) iface(b []byte) error {
	if len(b) < 8 {
		return errors.New("a short interface block")
	}
	i := ngInterface{link: int(n.order.Uint16(b)), snap: n.order.Uint32(b[4:]), rate: 1e6}
	for o := b[8:]; len(o) >= 4; {
		code, size := n.order.Uint16(o), int(n.order.Uint16(o[2:]))
		if o = o[4:]; size > len(o) {
			break
		}
		if code == 9 && size >= 1 {
			var err error
			if i.rate, err = rate(o[0]); err != nil {
				return err
			}
		}
		o = o[min(len(o), (size+3)&^3):]
	}
	n.interfaces = append(n.interfaces, i)
	return nil
}

// rate decodes if_tsresol: a power of 10, or with the high bit set, of 2.
func rate(b byte) (uint64, error) {
	if b >= 0x80 && b < 0x80+64 {
		return 1 << (b & 0x7f), nil
	}
	if b > 19 {
		return 0, fmt.Errorf("timestamps of resolution %#x", b)
	}
	r := uint64(1)
	for range b {
		r *= 10
	}
	return r, nil
}

func (n *ngReader) enhanced(b []byte) error {
	if len(b) < 20 {
		return errors.New("a short packet block")
	}
	i := n.order.Uint32(b)
	if int64(i) >= int64(len(n.interfaces)) {
		return fmt.Errorf("a packet of interface %d of %d", i, len(n.interfaces))
	}
	units := uint64(n.order.Uint32(b[4:]))<<32 | uint64(n.order.Uint32(b[8:]))
	rate := n.interfaces[i].rate
	hi, lo := bits.Mul64(units%rate, 1e9)
	nanos, _ := bits.Div64(hi, lo, rate)
	captured := n.order.Uint32(b[12:])
	if int64(captured) > int64(len(b)-20) {
		return errors.New("a packet longer than its block")
	}
	n.out = append(n.out, Packet{Time: time.Unix(int64(units/rate), int64(nanos)), Data: b[20:][:captured],
		Len: int(n.order.Uint32(b[16:])), Link: n.interfaces[i].link})
	return nil
}

func (n *ngReader) simple(b []byte) error {
	if len(b) < 4 || len(n.interfaces) == 0 {
		return errors.New("a packet block without an interface, or short")
	}
	length := n.order.Uint32(b)
	captured := min(length, uint32(len(b)-4))
	if snap := n.interfaces[0].snap; snap != 0 {
		captured = min(captured, snap)
	}
	n.out = append(n.out, Packet{Data: b[4:][:captured], Len: int(length), Link: n.interfaces[0].link})
	return nil
}
