package bpftest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/bpftest"
	"github.com/skepbpf/skep/examples/firewall"
)

// block closes a port of the firewall: code under test, which does not know where it runs.
func block(ports bpftest.Map, port uint16, protocol uint8) error {
	key := append(binary.BigEndian.AppendUint16(nil, port), protocol, 0)
	return ports.Update(key, uint32(0), ebpf.UpdateNoExist)
}

// total adds up what the CPUs have counted.
func total(counters bpftest.Map) (packets uint64, err error) {
	var reason uint32
	var each []struct{ Packets, Bytes uint64 }
	for it := bpftest.Iterate(counters); ; {
		if !it.Next(&reason, &each) {
			return packets, it.Err()
		}
		for _, c := range each {
			packets += c.Packets
		}
	}
}

// syn is a TCP segment to a port.
func syn(port byte) []byte {
	return append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1,
		0xc0, 0, 0, port, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff}, 0, 0, 0, 0)
}

// TestEach runs one table of cases in this process and on the kernel.
func TestEach(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Object))
	require.NoError(t, err)
	bpftest.Each(t, spec, nil, func(t *testing.T, c bpftest.Collection) {
		ports := c.Map("closed_ports")
		require.NoError(t, block(ports, 23, 6))
		require.ErrorIs(t, block(ports, 23, 6), ebpf.ErrKeyExist)
		require.Nil(t, c.Map("no such map"))
		require.Nil(t, c.Program("no such program"))
		for _, test := range []struct {
			name   string
			packet []byte
			want   uint32
		}{
			{"a port that is open", syn(80), 2},
			{"one that is closed", syn(23), 1},
			{"cut off", syn(80)[:40], 1},
			{"not IP", make([]byte, 60), 2},
		} {
			got, out, err := c.Program("firewall").Test(test.packet)
			require.NoError(t, err, test.name)
			require.Equal(t, test.want, got, test.name)
			require.Equal(t, test.packet, out, test.name)
		}
		n, err := total(c.Map("counters"))
		require.NoError(t, err)
		require.EqualValues(t, 4, n)
		var dry byte
		require.NoError(t, c.Variable("dry_run").Get(&dry))
		require.Zero(t, dry)
		require.Equal(t, "dry_run", c.Variable("dry_run").Type().Name)
		ret, each, err := c.Program("firewall").Benchmark(syn(80), 100, nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, ret)
		require.Positive(t, each)
		require.Positive(t, c.CPUs())
		_, err = c.Program("firewall").Run(&ebpf.RunOptions{Data: make([]byte, 13)})
		require.Error(t, err, "too short")
	})
}

// rings is a program that writes its packet's length to a ring buffer and to a perf event array.
func rings() *ebpf.CollectionSpec {
	length := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R1, 4, asm.Word), // data_end
		asm.LoadMem(asm.R3, asm.R1, 0, asm.Word), // data
		asm.Sub.Reg(asm.R2, asm.R3),
		asm.StoreMem(asm.R10, -8, asm.R2, asm.DWord),
		asm.LoadMapPtr(asm.R1, 0).WithReference("ring"),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -8),
		asm.Mov.Imm(asm.R3, 8),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, 0).WithReference("events"),
		asm.LoadImm(asm.R3, 0xffffffff, asm.DWord),
		asm.Mov.Reg(asm.R4, asm.R10),
		asm.Add.Imm(asm.R4, -8),
		asm.Mov.Imm(asm.R5, 8),
		asm.FnPerfEventOutput.Call(),
		asm.Mov.Imm(asm.R0, 2),
		asm.Return(),
	}
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			"ring":   {Name: "ring", Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())},
			"events": {Name: "events", Type: ebpf.PerfEventArray},
		},
		Programs: map[string]*ebpf.ProgramSpec{"length": {Name: "length", Type: ebpf.XDP, Instructions: length, License: "GPL"}},
	}
}

// TestReaders: deadlines, flushes, lost records and the end are alike.
func TestReaders(t *testing.T) {
	bpftest.Each(t, rings(), nil, func(t *testing.T, c bpftest.Collection) {
		ring, err := c.RingReader("ring")
		require.NoError(t, err)
		perf, err := c.PerfReader("events", os.Getpagesize())
		require.NoError(t, err)
		_, err = c.RingReader("events")
		require.Error(t, err)

		past := time.Now().Add(-time.Second)
		ring.SetDeadline(past)
		perf.SetDeadline(past)
		_, err = ring.Read()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = perf.Read()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		ring.SetDeadline(time.Time{})
		perf.SetDeadline(time.Time{})

		_, _, err = c.Program("length").Test(make([]byte, 77))
		require.NoError(t, err)
		sample, err := ring.Read()
		require.NoError(t, err)
		require.EqualValues(t, 77, binary.NativeEndian.Uint64(sample))
		rec, err := perf.Read()
		require.NoError(t, err)
		require.EqualValues(t, 77, binary.NativeEndian.Uint64(rec.RawSample))

		// More than there is room for.
		const n = 400
		for range n {
			_, _, err = c.Program("length").Test(make([]byte, 64))
			require.NoError(t, err)
		}
		require.NoError(t, perf.Flush())
		samples, lost := 0, 0
		for {
			rec, err := perf.Read()
			if err != nil {
				break
			}
			if rec.RawSample != nil {
				samples++
			}
			lost += int(rec.LostSamples)
		}
		require.Positive(t, samples)
		require.Less(t, samples, n)

		require.NoError(t, ring.Flush())
		samples = 0
		for {
			_, err := ring.Read()
			if err != nil {
				break
			}
			samples++
		}
		require.Equal(t, os.Getpagesize()/16-1, samples, "records of 16 bytes; a ring is never full")
		require.Zero(t, ring.AvailableBytes())

		done := make(chan error, 1)
		go func() {
			_, err := ring.Read()
			done <- err
		}()
		require.NoError(t, ring.Close())
		require.True(t, errors.Is(<-done, os.ErrClosed))
		require.NoError(t, perf.Close())
	})
}
