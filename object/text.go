package object

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// A TextError is what is wrong with a program's text.
type TextError struct {
	Line int // from 1
	Text string
	Err  error
}

// Error names the line and what is wrong with it.
func (e *TextError) Error() string { return fmt.Sprintf("line %d: %v: %q", e.Line, e.Err, e.Text) }

// Unwrap gives what is wrong.
func (e *TextError) Unwrap() error { return e.Err }

// Parse reads a program written as text: directives, a line each, and then instructions as isa.Parse reads them.
// It is what scripts and documents have.
//
//	# Counts the packets.
//	prog xdp
//	map counters array key=4 value=8 entries=1
//		*(u32 *)(r10 -4) = 0
//		r1 = counters ll
//		r2 = r10
//		r2 += -4
//		call bpf_map_lookup_elem
//		if r0 == 0 goto out
//		r1 = 1
//		lock *(u64 *)(r0 +0) += r1
//	out:
//		r0 = 2
//		exit
//
// Directives:
//
//	prog TYPE        the program's type: xdp, sched_cls, tracing, … It must be there.
//	name NAME
//	attach TYPE      the expected attach type: xdp, trace_raw_tp, cgroup_inet_egress, …, or a number
//	to NAME          the kernel's type that the program is for: btf_trace_sched_switch, bpf_iter_task, …
//	license NAME     GPL if there is none
//	flags NAME …     sleepable, xdp_has_frags, strict_alignment, any_alignment, test_rnd_hi32, test_state_freq,
//	                 test_reg_invariants, or a number
//	map NAME TYPE [key=N] [value=N] [entries=N] [flags=N] [extra=N] [inner=NAME] [data=HEX] [frozen]
//
// A map's inner is the template of a map of maps, a map defined before; its data is the value of the element whose
// key is zero. Only maps that instructions name are the program's, in the order in which they do. Empty lines and
// lines that begin with "#" or, as in txtar files, "-- " mean nothing before the first instruction.
func Parse(text string, o Options) (*Program, error) {
	p, err := parse(text, &o)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	return p, nil
}

func parse(text string, o *Options) (*Program, error) {
	t := &textParser{l: &linker{opts: o}, p: &Program{License: "GPL"}, maps: map[string]*Map{}}
	head, body := 0, text
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) > 0 && !strings.HasPrefix(words[0], "#") && words[0] != "--" {
			do, ok := directives[words[0]]
			if !ok || len(words) > 1 && strings.ContainsAny(words[1], "=:") {
				break // an instruction or a label
			}
			if err := do(t, words[1:]); err != nil {
				return nil, &TextError{Line: head + 1, Text: strings.TrimSpace(line), Err: err}
			}
		}
		head++
		body = body[len(line):]
	}
	if !t.typed {
		return nil, errors.New("a program needs a type: prog xdp")
	}
	return t.p, t.body(body, head)
}

// A textParser is what has been read so far.
type textParser struct {
	l     *linker // for names of the kernel
	p     *Program
	typed bool
	maps  map[string]*Map
	err   error // of a name among the instructions
}

var directives = map[string]func(t *textParser, args []string) error{
	"prog": func(t *textParser, args []string) (err error) {
		t.typed = true
		t.p.Type, err = one(args, func(n uint32) string { return linux.ProgType(n).String() })
		return err
	},
	"attach": func(t *textParser, args []string) (err error) {
		t.p.AttachType, err = one(args, func(n uint32) string { return linux.AttachType(n).String() })
		return err
	},
	"name": func(t *textParser, args []string) error { return word(args, &t.p.Name) },
	"to":   func(t *textParser, args []string) error { return t.attachTo(args) },
	"license": func(t *textParser, args []string) error {
		t.p.License = strings.Join(args, " ")
		return nil
	},
	"flags": func(t *textParser, args []string) error {
		for _, a := range args {
			f, ok := progFlags[strings.TrimSuffix(a, ",")]
			if !ok {
				n, err := strconv.ParseUint(a, 0, 32)
				if err != nil {
					return fmt.Errorf("no flag %s", a)
				}
				f = uint32(n)
			}
			t.p.Flags |= f
		}
		return nil
	},
	"map": func(t *textParser, args []string) error { return t.newMap(args) },
}

// progFlags are the flags of BPF_PROG_LOAD, BPF_F_* without the frame.
var progFlags = map[string]uint32{
	"strict_alignment": 1 << 0, "any_alignment": 1 << 1, "test_rnd_hi32": 1 << 2, "test_state_freq": 1 << 3,
	"sleepable": 1 << 4, "xdp_has_frags": 1 << 5, "xdp_dev_bound_only": 1 << 6, "test_reg_invariants": 1 << 7,
}

func word(args []string, to *string) error {
	if len(args) != 1 {
		return fmt.Errorf("wants one word, has %d", len(args))
	}
	*to = args[0]
	return nil
}

// one reads one of the numbers that have a name.
func one(args []string, name func(uint32) string) (uint32, error) {
	var arg string
	if err := word(args, &arg); err != nil {
		return 0, err
	}
	if n, err := strconv.ParseUint(arg, 0, 32); err == nil {
		return uint32(n), nil
	}
	const most = 256 // more than any of them has
	for n := range uint32(most) {
		if name(n) == arg {
			return n, nil
		}
	}
	return 0, fmt.Errorf("there is no %s", arg)
}

func (t *textParser) attachTo(args []string) error {
	if err := word(args, &t.p.AttachTo); err != nil {
		return err
	}
	if t.l.opts.Types == nil {
		return nil
	}
	spec, err := t.l.opts.Types.spec()
	if err != nil {
		return err
	}
	typ, err := spec.AnyTypeByName(t.p.AttachTo)
	if err != nil {
		return err
	}
	id, err := spec.TypeID(typ)
	t.p.AttachID = uint32(id)
	return err
}

func (t *textParser) newMap(args []string) error {
	if len(args) < 2 {
		return errors.New("a map needs a name and a type")
	}
	if t.maps[args[0]] != nil {
		return fmt.Errorf("there is a map %s already", args[0])
	}
	m := &Map{Name: kernelName(args[0])}
	var err error
	if m.Type, err = one(args[1:2], func(n uint32) string { return linux.MapType(n).String() }); err != nil {
		return err
	}
	var data []byte
	for _, a := range args[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "frozen":
			m.Frozen = true
		case "inner":
			if m.Inner = t.maps[value]; m.Inner == nil {
				return fmt.Errorf("there is no map %s before it", value)
			}
		case "data":
			if data, err = hex.DecodeString(value); err != nil {
				return err
			}
		default:
			if err := mapNumber(m, name, value); err != nil {
				return err
			}
		}
	}
	if data != nil {
		const most = 1 << 24 // bytes of a value, so that a short text cannot ask for much memory
		if m.KeySize > 64 || uint64(len(data)) > uint64(m.ValueSize) || m.ValueSize > most {
			return fmt.Errorf("%d bytes of data for values of %d, keys of %d", len(data), m.ValueSize, m.KeySize)
		}
		data = append(data, make([]byte, int(m.ValueSize)-len(data))...)
		m.Contents = []MapKV{{Key: make([]byte, m.KeySize), Value: data}}
	}
	t.maps[args[0]] = m
	return nil
}

// mapNumber sets a number of a map's.
func mapNumber(m *Map, name, value string) error {
	n, err := strconv.ParseUint(value, 0, 64)
	if err != nil {
		return err
	}
	to, ok := map[string]*uint32{"key": &m.KeySize, "value": &m.ValueSize, "entries": &m.MaxEntries, "flags": &m.Flags}[name]
	switch {
	case name == "extra":
		m.Extra = n
	case !ok:
		return fmt.Errorf("maps have no %s", name)
	case n != uint64(uint32(n)):
		return fmt.Errorf("%s has 32 bits, not %d", name, n)
	default:
		*to = uint32(n)
	}
	return nil
}

// body reads the instructions, which start after so many lines.
func (t *textParser) body(text string, before int) error {
	index := map[string]int32{}
	names := isa.Parser{
		Helper: func(name string) (int32, bool) {
			id := linux.HelperID(name)
			return id, id > 0
		},
		Map: func(name string) (int32, bool) {
			i, ok := index[name]
			if m := t.maps[name]; m != nil && !ok {
				i, ok = int32(len(t.p.Maps)), true
				index[name] = i
				t.p.Maps = append(t.p.Maps, m)
			}
			return i, ok
		},
		Kfunc: func(name string) (int32, int16, bool) {
			_, id, err := findType[*btf.Func](t.l, name)
			if err != nil {
				t.err = fmt.Errorf("kernel function %s: %w", name, err)
			}
			return int32(id), 0, err == nil
		},
	}
	var err error
	t.p.Insns, err = names.Parse(text)
	if e := (*isa.ParseError)(nil); errors.As(err, &e) {
		te := &TextError{Line: before + e.Line, Text: e.Text, Err: e.Err}
		if t.err != nil {
			te.Err = t.err
		}
		return te
	}
	return err
}
