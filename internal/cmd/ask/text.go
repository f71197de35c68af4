package main

import (
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// asmOptions are the flags for programs given as text.
type asmOptions struct {
	file, hex, like string
	attach, flags   uint
	license, target string
	maps            []*object.Map
	data, ctx       string
}

func (a *asmOptions) define() {
	flag.StringVar(&a.file, "asm", "", "load this assembler text (- is standard input)")
	flag.StringVar(&a.hex, "hex", "", "load these instructions")
	flag.StringVar(&a.like, "like", "", "with -asm: the case of the corpus to take all but the instructions from")
	flag.UintVar(&a.attach, "attach", 0, "with -asm: expected attach type")
	flag.UintVar(&a.flags, "flags", 0, "with -asm: prog_flags")
	flag.StringVar(&a.license, "license", "", "with -asm: license (default GPL)")
	flag.StringVar(&a.target, "target", "", "with -asm: kernel type to attach to")
	flag.Func("map", "with -asm: a map, TYPE:KEY:VALUE:ENTRIES[:FLAGS]", func(s string) error {
		m, err := parseMap(s)
		if err == nil {
			m.Name = fmt.Sprintf("map%d", len(a.maps))
			a.maps = append(a.maps, m)
		}
		return err
	})
	flag.StringVar(&a.data, "data", "", "with -asm: run on this packet (hexadecimal)")
	flag.StringVar(&a.ctx, "ctx", "", "with -asm: run with this context (hexadecimal)")
}

func (a *asmOptions) given() bool { return a.file != "" || a.hex != "" }

// mapTypes are the names of the map types in the order of their numbers, from 1.
var mapTypes = strings.Fields("hash array prog_array perf_event_array percpu_hash percpu_array stack_trace cgroup_array lru_hash " +
	"lru_percpu_hash lpm_trie array_of_maps hash_of_maps devmap sockmap cpumap xskmap sockhash cgroup_storage " +
	"reuseport_sockarray percpu_cgroup_storage queue stack sk_storage devmap_hash struct_ops ringbuf inode_storage " +
	"task_storage bloom_filter user_ringbuf cgrp_storage arena")

// progTypes are the names of the program types in the order of their numbers, from 1.
var progTypes = strings.Fields("socket_filter kprobe sched_cls sched_act tracepoint xdp perf_event cgroup_skb cgroup_sock lwt_in lwt_out " +
	"lwt_xmit sock_ops sk_skb cgroup_device sk_msg raw_tracepoint cgroup_sock_addr lwt_seg6local lirc_mode2 sk_reuseport flow_dissector " +
	"cgroup_sysctl raw_tracepoint_writable cgroup_sockopt tracing struct_ops ext lsm sk_lookup syscall netfilter")

// number gives what a name in the list stands for, or the number that is written.
func number(names []string, s string) (uint32, error) {
	for i, n := range names {
		if n == s {
			return uint32(i) + 1, nil
		}
	}
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is none of: %s", s, strings.Join(names, " "))
	}
	return uint32(n), nil
}

func parseMap(s string) (*object.Map, error) {
	f := strings.Split(s, ":")
	if len(f) < 4 || len(f) > 5 {
		return nil, fmt.Errorf("want TYPE:KEY:VALUE:ENTRIES[:FLAGS]")
	}
	typ, err := number(mapTypes, f[0])
	if err != nil {
		return nil, err
	}
	m := &object.Map{Type: typ}
	for i, to := range []*uint32{&m.KeySize, &m.ValueSize, &m.MaxEntries, &m.Flags} {
		if i+1 == len(f) {
			break
		}
		n, err := strconv.ParseUint(f[i+1], 0, 32)
		if err != nil {
			return nil, err
		}
		*to = uint32(n)
	}
	return m, nil
}

// askText loads the program that the flags describe; they change p.
func askText(k *oracle.Kernel, p *object.Program, o *options) error {
	p, err := o.asm.program(k, p, o.typ)
	if err != nil {
		return err
	}
	r, err := load(k, p, o)
	if err != nil {
		return err
	}
	defer r.Close()
	if r.Verdict != oracle.Accept || o.asm.data == "" && o.asm.ctx == "" {
		return nil
	}
	data, err := hex.DecodeString(o.asm.data)
	if err != nil {
		return err
	}
	ctx, err := hex.DecodeString(o.asm.ctx)
	if err != nil {
		return err
	}
	run, err := oracle.TestRun(r.FD, data, ctx, uint32(min(1, len(data))))
	if err != nil {
		return err
	}
	fmt.Printf("r0 = %#x\n", run.Retval)
	if len(run.Data) > 0 {
		fmt.Printf("packet %x\n", run.Data)
	}
	if len(run.Ctx) > 0 {
		fmt.Printf("context %x\n", run.Ctx)
	}
	return nil
}

// program completes a program with what the flags say.
func (a *asmOptions) program(k *oracle.Kernel, p *object.Program, typ string) (*object.Program, error) {
	var err error
	switch {
	case typ != "":
		if p.Type, err = number(progTypes, typ); err != nil {
			return nil, err
		}
	case a.like == "":
		p.Type = 1 // socket_filter
	}
	if a.attach != 0 {
		p.AttachType = uint32(a.attach)
	}
	if a.flags != 0 {
		p.Flags = uint32(a.flags)
	}
	if a.license != "" {
		p.License = a.license
	}
	if len(a.maps) > 0 {
		p.Maps = a.maps
	}
	if a.target != "" {
		p.AttachTo = a.target
		if p.AttachID, err = findTarget(k, a.target); err != nil {
			return nil, err
		}
	}
	had := len(p.Insns)
	if p.Insns, err = a.insns(); err != nil {
		return nil, err
	}
	if len(p.Insns) != had {
		p.Funcs, p.FuncsRaw, p.Lines, p.LinesRaw = nil, nil, nil, nil
	}
	return p, nil
}

func (a *asmOptions) insns() ([]isa.Insn, error) {
	if a.hex != "" {
		b, err := hex.DecodeString(a.hex)
		if err != nil {
			return nil, err
		}
		return isa.DecodeProgram(b)
	}
	in := os.Stdin
	if a.file != "-" {
		f, err := os.Open(a.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	return isa.Parse(string(text))
}

// findTarget gives the id of the first kernel type of that name that can be attached to.
func findTarget(k *oracle.Kernel, name string) (uint32, error) {
	b, err := k.BTF()
	if err != nil {
		return 0, err
	}
	if b.Err != nil {
		return 0, b.Err
	}
	types, err := b.Spec.AnyTypesByName(name)
	if err != nil {
		return 0, fmt.Errorf("target %s: %w", name, err)
	}
	for _, t := range types {
		if id, err := b.Spec.TypeID(t); err == nil && attachable(t) {
			return uint32(id), nil
		}
	}
	return 0, fmt.Errorf("target %s: nothing there to attach to", name)
}

// attachable tells that a program may name the type: a function, the typedef of a tracepoint, a struct of operations.
func attachable(t btf.Type) bool {
	switch t := t.(type) {
	case *btf.Func:
		return true
	case *btf.Typedef:
		return strings.HasPrefix(t.Name, "btf_trace_")
	case *btf.Struct:
		return !strings.HasPrefix(t.Name, "bpf_iter_") // an iterator is its function
	}
	return false
}
