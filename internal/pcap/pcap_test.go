package pcap

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// classic is a capture of the old format with one packet.
func classic(order binary.AppendByteOrder, magic uint32, data []byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = append(b, make([]byte, 12)...)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, Ethernet)
	for _, v := range []uint32{7, 9, uint32(len(data)), uint32(len(data)) + 1} {
		b = order.AppendUint32(b, v)
	}
	return append(b, data...)
}

// block is a block of pcapng.
func block(order binary.AppendByteOrder, typ uint32, body []byte) []byte {
	body = append(body, make([]byte, -len(body)&3)...)
	b := order.AppendUint32(nil, typ)
	b = order.AppendUint32(b, uint32(len(body)+12))
	b = append(b, body...)
	return order.AppendUint32(b, uint32(len(body)+12))
}

// newer is a capture of the newer format with two packets.
func newer(order binary.AppendByteOrder, data []byte) []byte {
	words := func(v ...uint32) (b []byte) {
		for _, w := range v {
			b = order.AppendUint32(b, w)
		}
		return b
	}
	b := block(order, blockSection, words(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff))
	b = append(b, block(order, blockInterface, append(order.AppendUint16(nil, Ethernet), 0, 0, 0, 0, 0, 0))...)
	n := uint32(len(data))
	b = append(b, block(order, blockEnhanced, append(words(0, 0, 7_000_009, n, n+1), data...))...)
	return append(b, block(order, blockSimple, append(words(n), data...))...)
}

func TestRead(t *testing.T) {
	data := []byte("a packet")
	for name, file := range map[string][]byte{
		"little": classic(binary.LittleEndian, magicMicro, data),
		"big":    classic(binary.BigEndian, magicMicro, data),
		"ng":     newer(binary.LittleEndian, data),
		"ng big": newer(binary.BigEndian, data),
	} {
		require.True(t, Is(file), name)
		got, err := Read(bytes.NewReader(file))
		require.NoError(t, err, name)
		require.NotEmpty(t, got, name)
		require.Equal(t, int64(7_000_009), got[0].Time.UnixMicro(), name)
		require.Equal(t, len(data)+1, got[0].Len, name)
		for _, p := range got {
			require.Equal(t, data, p.Data, name)
			require.Equal(t, Ethernet, p.Link, name)
		}
		for cut := range len(file) {
			// What is cut off is an error or a shorter capture, never a panic.
			_, _ = Read(bytes.NewReader(file[:cut]))
		}
	}
	got, err := Read(bytes.NewReader(classic(binary.LittleEndian, magicNano, data)))
	require.NoError(t, err)
	require.Equal(t, int64(7_000_000_009), got[0].Time.UnixNano())
}

func TestNoCapture(t *testing.T) {
	require.False(t, Is([]byte("no")))
	_, err := Read(bytes.NewReader([]byte("this is no capture at all")))
	require.Error(t, err)
}

func FuzzRead(f *testing.F) {
	f.Add(classic(binary.LittleEndian, magicMicro, []byte("x")))
	f.Add(newer(binary.LittleEndian, []byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = Read(bytes.NewReader(b)) })
}
