package verifier_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
	"github.com/skepbpf/skep/verifier"
)

// A script is a small program and what Linux says of it.
//
//	== name
//	type xdp                          default socket_filter
//	attach 5                          expected attach type
//	flags 8                           BPF_F_*
//	license MIT                       default GPL
//	map array 4 8 1                   type, key, value, entries; flags: may be repeated, names are map0, map1
//	funcs                             func_info: the functions after the first are static
//	want accept 13 1 8                processed, total states, stack; or
//	want reject 22 processed message
//	5.10 accept 13 1 0                    what Linux 5.10 says of it, as want
//	--
//	r0 = 0
//	exit
type script struct {
	name string
	line int
	p    *object.Program
	want string
	err  error

	versions map[linux.Version]string // what other versions say

	funcs bool
}

// scripts reads the scripts of a file.
func scripts(path string) (out []*script, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s *script
	text := ""
	inside := false
	finish := func() {
		if s != nil && s.err == nil {
			s.p.Insns, s.err = isa.Parse(text)
			if s.funcs && s.err == nil {
				s.err = giveFuncs(s.p)
			}
		}
	}
	for n, line := range strings.Split(string(b), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "==":
			finish()
			s = &script{name: rest, line: n + 1, p: &object.Program{Type: 1, License: "GPL"}}
			out = append(out, s)
			text, inside = "", false
		case s == nil:
		case inside:
			text += line + "\n"
		case line == "--":
			inside = true
		default:
			if err := s.set(word, rest); err != nil && s.err == nil {
				s.err = fmt.Errorf("line %d: %w", n+1, err)
			}
		}
	}
	finish()
	return out, nil
}

// set takes a line of the head.
func (s *script) set(word, rest string) (err error) {
	number := func(s string) uint32 {
		n, e := strconv.ParseUint(s, 0, 32)
		err = errors.Join(err, e)
		return uint32(n)
	}
	switch word {
	case "", "#":
	case "type":
		for t := range linux.ProgType(40) {
			if t.String() == rest {
				s.p.Type = uint32(t)
				return nil
			}
		}
		s.p.Type = number(rest)
	case "attach":
		s.p.AttachType = number(rest)
	case "flags":
		s.p.Flags = number(rest)
	case "funcs":
		s.funcs = true
	case "license":
		s.p.License = rest
	case "map":
		f := strings.Fields(rest)
		if len(f) < 4 {
			return fmt.Errorf("a map needs four words")
		}
		m := &object.Map{Name: fmt.Sprintf("map%d", len(s.p.Maps)), KeySize: number(f[1]), ValueSize: number(f[2]), MaxEntries: number(f[3])}
		if len(f) > 4 {
			m.Flags = number(f[4])
		}
		for t := range linux.MapType(40) {
			if t.String() == f[0] {
				m.Type = uint32(t)
			}
		}
		if m.Type == 0 {
			m.Type = number(f[0])
		}
		s.p.Maps = append(s.p.Maps, m)
	case "want":
		s.want = rest
	default:
		v, err := linux.ParseVersion(word)
		if err != nil {
			return fmt.Errorf("what is %q", word)
		}
		if s.versions == nil {
			s.versions = map[linux.Version]string{}
		}
		s.versions[v] = rest
	}
	return err
}

// giveFuncs gives the program func_info: int f(void *) for each function, static but for the first.
func giveFuncs(p *object.Program) error {
	starts := map[int]bool{0: true}
	for pc := range p.Insns {
		if i := &p.Insns[pc]; i.Op == isa.CallSub || i.Op == isa.LdImm64 && i.Src == isa.PseudoFunc {
			starts[i.Target(pc)] = true
		}
	}
	integer := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	proto := &btf.FuncProto{Return: integer, Params: []btf.FuncParam{{Name: "a", Type: &btf.Pointer{Target: &btf.Void{}}}}}
	var b btf.Builder
	for n, at := range slices.Sorted(maps.Keys(starts)) {
		f := &btf.Func{Name: fmt.Sprintf("f%d", n), Type: proto, Linkage: btf.StaticFunc}
		if n == 0 {
			f.Linkage = btf.GlobalFunc
		}
		id, err := b.Add(f)
		if err != nil {
			return err
		}
		p.FuncsRaw = binary.LittleEndian.AppendUint32(p.FuncsRaw, uint32(at))
		p.FuncsRaw = binary.LittleEndian.AppendUint32(p.FuncsRaw, uint32(id))
		p.Funcs = append(p.Funcs, object.FuncInfo{Insn: at, Type: uint32(id), Name: f.Name})
	}
	p.FuncRec = 8
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		return err
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	p.BTF = &object.BTF{Raw: raw, Spec: spec}
	return err
}

// answer is a verdict as "want" has it.
func answer(p *object.Program, o verifier.Options) (text, log string) {
	proof, err := verifier.Verify(p, o)
	var refused *verifier.Error
	var unsupported *verifier.UnsupportedError
	switch {
	case err == nil:
		return accepted(proof.Cost.Processed, proof.Cost.TotalStates, depths(proof.Cost.StackDepth)), proof.Log
	case errors.As(err, &refused):
		return rejected(refused.Errno, refused.Cost.Processed, refused.Message), refused.Log
	case errors.As(err, &unsupported):
		return "unsupported " + unsupported.Feature, unsupported.Log
	}
	return err.Error(), ""
}

func accepted(processed, states int, stack string) string {
	return fmt.Sprintf("accept %d %d %s", processed, states, stack)
}

func rejected(errno, processed int, message string) string {
	return fmt.Sprintf("reject %d %d %s", errno, processed, oracle.Normalize(message))
}

func depths(d []int) string {
	var s []string
	for _, n := range d {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, "+")
}

// TestScripts has skep judge the scripts, and the running kernel, if it is of the version they are written for.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	o := verifier.Options{CPUs: 2, LogLevel: verifier.LogStates}
	k, err := oracle.Open()
	if err != nil {
		t.Logf("not compared with the kernel: %v", err)
	} else {
		defer k.Close()
		if !strings.HasPrefix(k.Release(), "6.18.") {
			t.Logf("not compared with the kernel: it is %s", k.Release())
			k = nil
		} else if types, err := k.BTF(); err == nil {
			o.KernelBTF = types
		}
	}
	if k == nil {
		o.KernelBTF = nil
	}
	o.CPUs = 2
	same := runtime.NumCPU() == o.CPUs
	for _, f := range files {
		all, err := scripts(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			t.Run(strings.TrimSuffix(filepath.Base(f), ".txt")+"/"+s.name, func(t *testing.T) {
				if s.err != nil {
					t.Fatalf("%s:%d: %v", f, s.line, s.err)
				}
				got, log := answer(s.p, o)
				if got != s.want {
					t.Errorf("%s:%d:\n got  %s\n want %s", f, s.line, got, s.want)
				}
				if k == nil || !same {
					return
				}
				r, err := k.Load(s.p, oracle.Options{LogLevel: oracle.LogStates | oracle.LogStats})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				said := accepted(r.Processed, r.TotalStates, r.StackDepth)
				if r.Verdict != oracle.Accept {
					said = rejected(int(r.Errno), r.Processed, r.Message)
				}
				if said != s.want {
					t.Errorf("%s:%d: the kernel says\n      %s\n want %s", f, s.line, said, s.want)
				}
				if d := oracle.Diff(log, r.Log); d != nil {
					t.Errorf("%s:%d: %v", f, s.line, d)
				}
			})
		}
	}
}
