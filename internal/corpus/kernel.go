package corpus

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/object"
)

// A Kernel is one whose BTF the corpus holds.
type Kernel struct {
	Version string
	BTF     *object.BTF // never without a Spec

	recorded bool // the BTF ids in the cases are those of this kernel
}

// Recorded says that this is the kernel behind the cases' Want.
func (k *Kernel) Recorded() bool { return k.recorded }

// Kernel gives the kernel of that version, "" for the recorded one. It is read and parsed once.
func (s *Set) Kernel(version string) (*Kernel, error) {
	rec := s.Recorded()
	if version == "" {
		version = rec
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.kernels[version]; k != nil {
		return k, nil
	}
	name := filepath.Join(s.dir, "btf-kernels", version+".btf.gz")
	if version == rec || rec == "" {
		name = filepath.Join(s.dir, "vmlinux-"+version+".btf.gz")
	}
	raw, err := readGzip(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("corpus: no BTF of kernel %q", version)
	}
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", name, err)
	}
	k := &Kernel{Version: version, BTF: parseBTF(raw), recorded: version == rec || rec == ""}
	if k.BTF.Err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", name, k.BTF.Err)
	}
	s.kernels[version] = k
	return k, nil
}

// KernelOf gives the kernel with that BTF, for instance the running one's (/sys/kernel/btf/vmlinux): builds of
// one version differ in their BTF ids.
func (s *Set) KernelOf(version string, b *object.BTF) (*Kernel, error) {
	if b.Err != nil {
		return nil, fmt.Errorf("corpus: BTF of kernel %s: %w", version, b.Err)
	}
	k := &Kernel{Version: version, BTF: b}
	if rec, err := s.Kernel(""); err == nil {
		k.recorded = bytes.Equal(rec.BTF.Raw, b.Raw)
	}
	return k, nil
}

func readGzip(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// ErrNotThere is wrapped by what ProgramFor answers when the case refers to something that the kernel
// does not have.
var ErrNotThere = errors.New("not in this kernel")

// ProgramFor gives the case as a loader would give it to another kernel: what has a BTF id (kernel
// functions and variables, the attach target) is looked up by name there.
func (c *Case) ProgramFor(k *Kernel) (*object.Program, error) {
	p, err := c.Program()
	if err != nil || k == nil || k.recorded {
		return p, err
	}
	for _, r := range c.Relos {
		if r.Name == "" {
			continue
		}
		id, err := k.find(r.Kind, r.Name)
		if err != nil {
			return nil, fmt.Errorf("corpus: %s: %w", c.ID, err)
		}
		p.Insns[r.Insn].Imm = int32(id)
	}
	if c.Attach == "" {
		return p, nil
	}
	id, err := k.find("attach", c.Attach)
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", c.ID, err)
	}
	p.AttachID = uint32(id)
	if c.AttachMember != "" {
		if p.AttachType, err = k.member(id, c.AttachMember); err != nil {
			return nil, fmt.Errorf("corpus: %s: %w", c.ID, err)
		}
	}
	return p, nil
}

// find gives the id that a name has in the kernel; what is the kind of a Relo, or "attach".
func (k *Kernel) find(what, name string) (btf.TypeID, error) {
	trace, iter := strings.HasPrefix(name, "btf_trace_"), strings.HasPrefix(name, "bpf_iter_")
	wanted := func(t btf.Type) bool {
		switch t.(type) {
		case *btf.Func: // the address of a weak kernel function is asked for like that of a variable
			return what != "attach" || iter
		case *btf.Var:
			return what == "btf_var"
		case *btf.Typedef:
			return what == "attach" && trace
		case *btf.Struct:
			return what == "attach" && !trace && !iter // struct_ops
		}
		return false
	}
	types, err := k.BTF.Spec.AnyTypesByName(name)
	if err != nil && !errors.Is(err, btf.ErrNotFound) {
		return 0, err
	}
	for _, t := range types {
		if wanted(t) {
			return k.BTF.Spec.TypeID(t)
		}
	}
	return 0, fmt.Errorf("%s %s: %w", what, name, ErrNotThere)
}

// member gives the index of a member of a struct.
func (k *Kernel) member(id btf.TypeID, name string) (uint32, error) {
	t, err := k.BTF.Spec.TypeByID(id)
	if err != nil {
		return 0, err
	}
	if s, ok := t.(*btf.Struct); ok {
		for i, m := range s.Members {
			if m.Name == name {
				return uint32(i), nil
			}
		}
	}
	return 0, fmt.Errorf("member %s: %w", name, ErrNotThere)
}
