// Package pcap reads the packets of a capture file: pcap in both byte orders and both resolutions, and pcapng as far as
// captures of one kind of link go. It is here so that programs can be run on captures without a library for all of
// their formats.
package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// A Packet is one packet of a capture.
type Packet struct {
	Time time.Time
	Data []byte // as captured: Len bytes unless it was cut
	Len  int    // bytes on the wire
	Link int    // LINKTYPE_*: 1 is Ethernet
}

// Ethernet is the Link of packets with an Ethernet header.
const Ethernet = 1

// maxPacket bounds what a file may claim a packet to be, so that a broken one does not take all memory.
const maxPacket = 1 << 20

// magics are the first four bytes of pcap files.
const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
	magicNG    = 0x0a0d0d0a
)

// Is tells whether a file that starts with these bytes is a capture that Read reads.
func Is(start []byte) bool {
	if len(start) < 4 {
		return false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(start) {
		case magicMicro, magicNano, magicNG:
			return true
		}
	}
	return false
}

// Read reads all packets of a capture.
func Read(r io.Reader) ([]Packet, error) {
	b := bufio.NewReader(r)
	magic, err := b.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("pcap: %w", noEOF(err))
	}
	var out []Packet
	if binary.LittleEndian.Uint32(magic) == magicNG {
		out, err = readNG(b)
	} else {
		out, err = readClassic(b)
	}
	if err != nil {
		return nil, fmt.Errorf("pcap: after %d packets: %w", len(out), err)
	}
	return out, nil
}

// readClassic reads the old format: a header of 24 bytes, then packets with headers of 16.
func readClassic(r io.Reader) ([]Packet, error) {
	var h [24]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, noEOF(err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	magic := order.Uint32(h[:])
	if magic != magicMicro && magic != magicNano {
		order = binary.BigEndian
		magic = order.Uint32(h[:])
	}
	unit := time.Microsecond
	switch magic {
	case magicMicro:
	case magicNano:
		unit = time.Nanosecond
	default:
		return nil, errors.New("not a capture: no known magic number")
	}
	link := int(order.Uint32(h[20:]) & 0xffff)
	var out []Packet
	for {
		var ph [16]byte
		if _, err := io.ReadFull(r, ph[:]); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, err
		}
		n := order.Uint32(ph[8:])
		if n > maxPacket {
			return out, fmt.Errorf("a packet of %d bytes", n)
		}
		p := Packet{Time: time.Unix(int64(order.Uint32(ph[:])), int64(order.Uint32(ph[4:]))*int64(unit)),
			Data: make([]byte, n), Len: int(order.Uint32(ph[12:])), Link: link}
		if _, err := io.ReadFull(r, p.Data); err != nil {
			return out, noEOF(err)
		}
		out = append(out, p)
	}
}

// noEOF makes the end of the file an error, where more had to come.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
