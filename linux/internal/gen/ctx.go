package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A layout is what may be accessed of a context or object, by offset and width.
type layout struct {
	name   string
	size   int
	args   bool
	end    int
	below  bool         // negative offsets are like the last block
	blocks [][32]string // cells as Go expressions, by 8-byte block
	btf    map[int]string
	used   []string // who has it, for the comment
}

// layoutSet is the distinct layouts and where they are used.
type layoutSet struct {
	all  []layout
	args int            // index of the layout of contexts that BTF describes
	by   map[string]int // BPF_PROG_TYPE_X/BPF_X
}

// of is the index of the layout of a row's context; zero is the layout that refuses everything.
func (s *layoutSet) of(r progRow) int {
	switch r.ProgType {
	case "BPF_PROG_TYPE_TRACING", "BPF_PROG_TYPE_LSM", "BPF_PROG_TYPE_STRUCT_OPS":
		return s.args
	}
	return s.by[r.ProgType+"/"+r.Attach]
}

// ctxLayouts makes the layouts of all contexts that do not depend on a BTF target.
func ctxLayouts(f *facts) (*layoutSet, error) {
	s := &layoutSet{by: map[string]int{}, args: 1}
	s.all = []layout{{used: []string{"contexts that were not probed"}}, {args: true, used: []string{"contexts that BTF describes"}}}
	for _, r := range f.ctx.Rows {
		switch r.ProgType {
		case "BPF_PROG_TYPE_TRACING", "BPF_PROG_TYPE_STRUCT_OPS":
			continue
		}
		l, err := makeLayout(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.ProgType, err)
		}
		l.name, l.size = ctxStruct(f, r.ProgType)
		if l.size == 0 && r.Uniform == nil {
			l.size = l.end
		}
		at := slices.IndexFunc(s.all, func(o layout) bool { return o.name == l.name && o.end == l.end && slices.Equal(o.blocks, l.blocks) })
		if at < 0 {
			at = len(s.all)
			s.all = append(s.all, l)
		}
		for _, a := range r.AppliesTo {
			s.by[r.ProgType+"/"+a.Attach] = at
			use := strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(r.ProgType, "BPF_PROG_TYPE_")+"/"+strings.TrimPrefix(a.Attach, "BPF_")), "/")
			if !slices.Contains(s.all[at].used, use) {
				s.all[at].used = append(s.all[at].used, use)
			}
		}
	}
	return s, nil
}

// ctxStruct is the name and size of a program type's context.
func ctxStruct(f *facts, typ string) (string, int) {
	for _, r := range f.structs.Rows {
		if r.ProgType == typ {
			return strings.TrimPrefix(r.Struct, "struct "), r.Size
		}
	}
	return "", 0
}

// loadKinds are the register types that loads were seen to yield.
var loadKinds = map[string]string{
	"scalar":              "FieldScalar",
	"pkt(r=0)":            "FieldPacket",
	"pkt_end":             "FieldPacketEnd",
	"pkt_meta(r=0)":       "FieldPacketMeta",
	"sock":                "FieldSock",
	"sock_or_null":        "FieldSockOrNull",
	"sock_common_or_null": "FieldSockCommonOrNull",
	"flow_keys":           "FieldFlowKeys",
	"tp_buffer":           "FieldTPBuffer",
}

// makeLayout turns what was accepted at each offset into blocks. It refuses facts that Layout cannot say: a
// sign-extending load or a store of a constant that does not follow from the loads and stores there.
func makeLayout(r ctxRow) (layout, error) {
	l := layout{btf: map[int]string{}}
	cells := r.Accepted
	if r.Uniform != nil {
		// Where negative offsets are accepted, it is because the bound is the size of a pointer, compared
		// without a sign: the first 8 bytes are refused instead.
		l.below = *r.Uniform < 0
		cells = nil
		for _, c := range r.Period {
			c.Off -= *r.Uniform
			if l.below {
				c.Off += 8
			}
			cells = append(cells, c)
		}
	}
	for _, c := range cells {
		if c.Off < 0 {
			return l, fmt.Errorf("accepts offset %d", c.Off)
		}
		for c.Off>>3 >= len(l.blocks) {
			l.blocks = append(l.blocks, [32]string{})
		}
		sx := []int{}
		for w := range 4 {
			size := 1 << w
			kind := "FieldNone"
			if typ := c.Load[strconv.Itoa(size)]; typ != "" {
				kind = loadKinds[typ]
				if name, ok := strings.CutPrefix(typ, "trusted_ptr_"); ok && kind == "" {
					kind, l.btf[c.Off] = "FieldBTF", name
				}
				if kind == "" {
					return l, fmt.Errorf("load at %d yields %q", c.Off, typ)
				}
			}
			if kind == "FieldScalar" && size < 8 {
				sx = append(sx, size)
			}
			if kind != "FieldNone" || slices.Contains(c.Store, size) {
				l.end = max(l.end, c.Off+size)
			}
			cell := kind
			if slices.Contains(c.Store, size) {
				cell += "|cellStore"
			}
			if cell != "FieldNone" {
				l.blocks[c.Off>>3][c.Off&7<<2|w] = cell
			}
		}
		if r.Pointer == "" && !slices.Equal(sx, append([]int{}, c.SignExt...)) || !slices.Equal(c.Store, c.StoreImm) {
			return l, fmt.Errorf("offset %d: %+v does not follow the rule", c.Off, c)
		}
	}
	if r.Uniform != nil {
		// The probe ended at the last aligned offset that an instruction can hold.
		if l.end = r.End["8"]; l.end == 1<<15-8 {
			l.end = 1 << 15
		}
	}
	return l, nil
}

// objectRows are the pointers that Layout describes, in the order of the Object constants.
var objectRows = []struct{ constant, pointer, btf string }{
	{"ObjectSock", "sock (bpf_sk_fullsock)", "bpf_sock"},
	{"ObjectSockCommon", "sock_common (skb->sk, null checked)", "bpf_sock"},
	{"ObjectTCPSock", "tcp_sock (bpf_tcp_sock)", "bpf_tcp_sock"},
	{"ObjectXDPSock", "xdp_sock (xskmap lookup)", "bpf_xdp_sock"},
	{"ObjectFlowKeys", "flow_keys", "bpf_flow_keys"},
}

func emitCtx(f *facts) (string, error) {
	set, err := ctxLayouts(f)
	if err != nil {
		return "", err
	}
	var b, p strings.Builder
	seen := map[[32]string]int{{}: 0}
	fmt.Fprintf(&p, "0: {},\n")
	block := func(blocks [][32]string) string {
		var ids []string
		for _, k := range blocks {
			id, ok := seen[k]
			if !ok {
				id = len(seen)
				seen[k] = id
				fmt.Fprintf(&p, "%d: %s,\n", id, patternText(k))
			}
			ids = append(ids, strconv.Itoa(id))
		}
		return "[]uint8{" + strings.Join(ids, ", ") + "}"
	}
	row := func(l layout) string {
		if len(l.blocks) == 0 {
			return fmt.Sprintf("{Args: %v}", l.args)
		}
		text := fmt.Sprintf("{Name: %q, Size: %d, end: %d, block: %s", l.name, l.size, l.end, block(l.blocks))
		if l.below {
			text += fmt.Sprintf(", below: %d", seen[l.blocks[len(l.blocks)-1]])
		}
		if len(l.btf) > 0 {
			text += ", btf: []btfField{"
			for off := range l.end {
				if l.btf[off] != "" {
					text += fmt.Sprintf("{%d, %q}, ", off, l.btf[off])
				}
			}
			text += "}"
		}
		return text + "}"
	}
	b.WriteString("// layouts are the contexts.\nvar layouts = [...]Layout{\n")
	for i, l := range set.all {
		fmt.Fprintf(&b, "// %s\n%d: %s,\n", strings.Join(l.used, ", "), i, row(l))
	}
	b.WriteString("}\n\n// objects are the kernel objects that programs read without BTF.\nvar objects = [numObjects]Layout{\n")
	for _, o := range objectRows {
		at := slices.IndexFunc(f.ctx.Pointers, func(r ctxRow) bool { return r.Pointer == o.pointer })
		if at < 0 {
			return "", fmt.Errorf("no pointer row %q", o.pointer)
		}
		l, err := makeLayout(f.ctx.Pointers[at])
		if err != nil {
			return "", err
		}
		l.name, l.size = o.btf, f.structs.Structs[o.btf].Size
		fmt.Fprintf(&b, "%s: %s,\n", o.constant, row(l))
	}
	b.WriteString("}\n\n// patterns are the distinct 8-byte blocks: rows are offsets, columns widths 1, 2, 4, 8.\nvar patterns = [...]pattern{\n")
	b.WriteString(p.String())
	b.WriteString("}\n\n")
	b.WriteString(emitTargets(f))
	return b.String(), nil
}

// cellLetters abbreviate cells in the table, which would not be readable otherwise.
var cellLetters = []struct{ cell, name string }{
	{"", "__"}, {"FieldScalar", "sc"}, {"FieldScalar|cellStore", "rw"}, {"FieldNone|cellStore", "wo"},
	{"FieldPacket", "pk"}, {"FieldPacketEnd", "pe"}, {"FieldPacketMeta", "pm"}, {"FieldSock", "so"},
	{"FieldSockOrNull", "sn"}, {"FieldSockCommonOrNull", "cn"}, {"FieldFlowKeys", "fk"}, {"FieldTPBuffer", "tp"},
	{"FieldBTF", "bt"},
}

func patternText(k [32]string) string {
	var b strings.Builder
	b.WriteString("{")
	for i, c := range k {
		at := slices.IndexFunc(cellLetters, func(l struct{ cell, name string }) bool { return l.cell == c })
		if i%4 == 0 && i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(cellLetters[at].name + ",")
	}
	return b.String() + "}"
}

// emitTargets emits the arguments of the BTF targets that were probed.
func emitTargets(f *facts) string {
	var b strings.Builder
	b.WriteString("// targetArgs are the loads of 8 bytes from the contexts of BTF targets, as the log spells their type.\n")
	b.WriteString("var targetArgs = map[string][]TargetArg{\n")
	for _, r := range f.ctx.Rows {
		if r.ProgType != "BPF_PROG_TYPE_TRACING" {
			continue
		}
		fmt.Fprintf(&b, "%q: {", target(r.AppliesTo[0].AttachBTF))
		for _, c := range r.Accepted {
			for _, w := range []string{"1", "2", "4", "8"} {
				if c.Load[w] != "" && c.Off%8 == 0 {
					fmt.Fprintf(&b, "{%d, %s, %q}, ", c.Off, w, c.Load[w])
				}
			}
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return b.String()
}
