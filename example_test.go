package skep_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/firewall"
)

// Load a program of an object, put something into a map, run it on a packet, and look at its counters.
func Example() {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Object))
	if err != nil {
		panic(err)
	}
	var objs struct {
		Firewall *skep.Program `ebpf:"firewall"`
		Closed   *skep.Map     `ebpf:"closed_ports"`
		Counters *skep.Map     `ebpf:"counters"`
	}
	if err := skep.LoadAndAssign(spec, &objs, nil); err != nil {
		panic(err)
	}
	defer objs.Firewall.Close()
	defer objs.Closed.Close()
	defer objs.Counters.Close()

	// TCP port 23, the port in network order.
	if err := objs.Closed.Put([]byte{0, 23, 6, 0}, uint32(0)); err != nil {
		panic(err)
	}
	action, _, err := objs.Firewall.Test(telnet)
	if err != nil {
		panic(err)
	}
	fmt.Println("drop:", action == 1)

	var counts []struct{ Packets, Bytes uint64 } // of each CPU
	if err := objs.Counters.Lookup(uint32(3), &counts); err != nil {
		panic(err)
	}
	fmt.Println("closed port:", counts[0].Packets, "packet of", counts[0].Bytes, "bytes")
	// Output:
	// drop: true
	// closed port: 1 packet of 54 bytes
}

// Judge the programs of an object and say why one is refused.
func ExampleVerify() {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Broken))
	if err != nil {
		panic(err)
	}
	verdicts, err := skep.Verify(spec, nil)
	if err != nil {
		panic(err)
	}
	for _, v := range verdicts {
		if x := v.Explain(); x != nil {
			fmt.Println(v.Name+":", x.Message)
			fmt.Printf("line %d: %s\n", x.Line.Line, bytes.TrimSpace([]byte(x.Line.Text)))
		}
	}
	// Output:
	// firewall_broken: R1 offset is outside of the packet
	// line 46: if (tcp->dest == bpf_htons(23))
}

// A collection refuses what the verifier refuses, with cilium/ebpf's error.
func ExampleNewCollection() {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Broken))
	if err != nil {
		panic(err)
	}
	_, err = skep.NewCollection(spec, nil)
	var ve *ebpf.VerifierError
	fmt.Println(errors.As(err, &ve))
	// Output: true
}

// telnet is a TCP SYN to port 23, in an Ethernet frame.
var telnet = append([]byte{
	2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, // Ethernet
	0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1, // IPv4
	0xc0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, // TCP
}, 0, 0, 0, 0)
