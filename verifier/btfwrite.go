package verifier

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/linux"
)

// This file implements stores to kernel objects: a few programs may change a few fields.

// writeBTF is a store through a pointer to a kernel object.
func (w *walk) writeBTF(r *reg, off int, a *access) error {
	name := r.btf.name
	var table string
	switch {
	case w.prog.Type == linux.ProgTypeStructOps && w.p.AttachTo == "tcp_congestion_ops":
		table = "tcp_sock"
	case w.prog.Type == linux.ProgTypeStructOps:
		return unsupported("stores to kernel objects by programs for %s", w.p.AttachTo)
	case w.prog.Type == linux.ProgTypeSchedCLS, w.prog.Type == linux.ProgTypeSchedACT, w.prog.Type == linux.ProgTypeXDP:
		table = "nf_conn"
		if name == "nf_conn___init" {
			name = table // the same, before it is known to others
		}
	}
	if name != table {
		return w.refuse(eacces, "btf-write", "only read is supported")
	}
	t, err := w.kernelStruct(table)
	if err != nil {
		return err
	}
	for _, f := range linux.WritableFields(table) {
		at, size, ok := memberAt(t.typ, f)
		if !ok {
			return unsupported("struct %s of this kernel", table)
		}
		if off != at && (f[len(f)-1] != "icsk_ca_priv" || off < at || off >= at+size) {
			continue
		}
		if off+a.size > at+size {
			return w.refuse(eacces, "btf-write-field", "write access at off %d with size %d beyond the member of %s ended at %d", off, a.size,
				r.btf.name, at+size)
		}
		return nil
	}
	return w.refuse(eacces, "btf-write-field", "no write support to %s at off %d", r.btf.name, off)
}

// memberAt finds a member of a struct by its path: offset and size in bytes. Members of structs without a name count as
// the outer one's.
func memberAt(t btf.Type, path []string) (off, size int, ok bool) {
	_, _, list, _, _ := members(btf.UnderlyingType(t))
	for i := range list {
		m := &list[i]
		at := int(m.Offset.Bytes())
		rest := path
		if m.Name != "" {
			if m.Name != path[0] {
				continue
			}
			rest = slices.Clone(path[1:])
		}
		if len(rest) == 0 {
			n, err := btf.Sizeof(m.Type)
			return at, n, err == nil
		}
		if o, n, found := memberAt(m.Type, rest); found {
			return at + o, n, true
		}
	}
	return 0, 0, false
}
