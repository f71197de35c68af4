package skep_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/firewall"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/maps"
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

// text is a program as text, in the form that object.Parse reads. Programs come from objects otherwise.
func text(s string, opts *skep.Options) *skep.Collection {
	c, err := skep.OpenCollection(strings.NewReader(s), opts)
	if err != nil {
		panic(err)
	}
	return c
}

// Run gives what BPF_PROG_TEST_RUN gives: the return value, the packet and the context after the run.
func ExampleProgram_Run() {
	c := text("prog sched_cls\nname mark\nr2 = 7\n*(u32 *)(r1 +8) = r2\nr0 = *(u32 *)(r1 +0)\nexit\n", nil)
	defer c.Close()
	skb := make([]byte, 192) // a struct __sk_buff
	ret, err := c.Programs["mark"].Run(&skep.RunOptions{Data: make([]byte, 60), ContextOut: skb})
	fmt.Println(ret, skb[8], err)
	_, err = c.Programs["mark"].Run(&skep.RunOptions{Data: make([]byte, 13)})
	fmt.Println(errors.Is(err, maps.EINVAL), "- packets have 14 bytes at least")
	// Output:
	// 60 7 <nil>
	// true - packets have 14 bytes at least
}

// Maps have the methods and errors of cilium/ebpf's.
func ExampleMap() {
	c := text("prog xdp\nmap ports hash key=2 value=4 entries=8\nr1 = ports ll\nr0 = 2\nexit\n", nil)
	defer c.Close()
	ports := c.Maps["ports"]
	for _, port := range []uint16{80, 443} {
		if err := ports.Put(port, uint32(1)); err != nil {
			panic(err)
		}
	}
	err := ports.Update(uint16(80), uint32(2), ebpf.UpdateNoExist)
	fmt.Println(errors.Is(err, ebpf.ErrKeyExist))
	var port uint16
	var n uint32
	sum := 0
	it := ports.Iterate()
	for it.Next(&port, &n) {
		sum += int(port)
	}
	fmt.Println(sum, it.Err())
	fmt.Println(errors.Is(ports.Lookup(uint16(22), &n), ebpf.ErrKeyNotExist))
	// Output:
	// true
	// 523 <nil>
	// true
}

// Variables are those of the object: constants are set in the spec before, the others at any time.
func ExampleVariable() {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Object))
	if err != nil {
		panic(err)
	}
	if err := spec.Variables["dry_run"].Set(byte(1)); err != nil {
		panic(err)
	}
	c, err := skep.NewCollection(spec, nil)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	var dry byte
	v := c.Variables["dry_run"]
	fmt.Println(v.Get(&dry), dry, v.ReadOnly(), errors.Is(v.Set(byte(0)), ebpf.ErrReadOnly))
	// Output: <nil> 1 true true
}

// A reader waits for the records of a ring buffer, up to its deadline.
func ExampleRingReader() {
	c := text(`prog xdp
map ring ringbuf entries=4096
	*(u64 *)(r10 -8) = 42
	r1 = ring ll
	r2 = r10
	r2 += -8
	r3 = 8
	r4 = 0
	call bpf_ringbuf_output
	r0 = 2
	exit
`, nil)
	defer c.Close()
	r, err := skep.NewRingReader(c.Maps["ring"])
	if err != nil {
		panic(err)
	}
	defer r.Close()
	if _, _, err := c.Programs["program"].Test(make([]byte, 64)); err != nil {
		panic(err)
	}
	rec, err := r.Read()
	fmt.Println(rec.RawSample[0], err)
	r.SetDeadline(time.Now())
	_, err = r.Read()
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	// Output:
	// 42 <nil>
	// true
}

// Coverage counts the source lines that runs reach.
func ExampleOptions_cover() {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Object))
	if err != nil {
		panic(err)
	}
	var cover interp.Coverage
	c, err := skep.NewCollection(spec, &skep.Options{Cover: &cover})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if _, _, err := c.Programs["firewall"].Test(telnet); err != nil {
		panic(err)
	}
	var profile bytes.Buffer
	if err := cover.WriteProfile(&profile); err != nil { // "go tool cover -html" reads it
		panic(err)
	}
	line, _ := profile.ReadString('\n')
	fmt.Print(line)
	// Output: mode: count
}

// telnet is a TCP SYN to port 23, in an Ethernet frame.
var telnet = append([]byte{
	2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, // Ethernet
	0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1, // IPv4
	0xc0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, // TCP
}, 0, 0, 0, 0)
