package main

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A proto is one distinct prototype of a helper and the programs that get it.
type proto struct {
	text      string // without the programs
	types     uint64 // program types, one bit each
	attach    uint64 // attach types, one bit each; 0: all
	sleepable bool   // only sleepable programs
}

// multiAttach are the attach types of kprobe programs on many functions at once.
const multiAttach = 1<<42 | 1<<48 | 1<<56 | 1<<57

// laterTypes are program types to which 6.18 gives a helper that 6.12 did not, where the helper has several
// prototypes: each was found by calling it.
var laterTypes = map[string][]string{
	"bpf_get_cgroup_classid_curr_proto":  {"*"},
	"bpf_get_task_stack_proto":           {"*"},
	"bpf_get_task_stack_sleepable_proto": {"*"},
}

// alsoWritten are arguments (from 1) whose memory 6.18 takes for written by the helper and 6.12 did not say so: each was
// found by what the stack holds after a call.
var alsoWritten = map[string]int{
	"bpf_fib_lookup": 2, "bpf_sysctl_get_name": 2, "bpf_read_branch_records": 2, "bpf_d_path": 2, "bpf_snprintf_btf": 1,
	"bpf_snprintf": 1,
}

func emitPrototypes(f *facts) (string, error) {
	var b, index strings.Builder
	b.WriteString("// prototypes are the prototypes by helper id; where a helper has several, the first that fits the program holds.\n")
	b.WriteString("var prototypes = [...]Prototype{\n")
	n := 0
	for _, h := range f.helpers.Rows {
		from := n
		protos, err := distinct(f, h.Name, h.Variants)
		if err != nil {
			return "", err
		}
		for _, p := range protos {
			fmt.Fprintf(&b, "{ID: %d, Name: %q%s", h.ID, h.Name, p.text)
			if t := protoTraits(h.Name, h.Traits); t != "" {
				fmt.Fprintf(&b, ", Traits: %s", t)
			}
			if len(protos) > 1 {
				fmt.Fprintf(&b, ", forTypes: %#x", p.types)
				if p.attach != 0 {
					fmt.Fprintf(&b, ", forAttach: %#x", p.attach)
				}
				if p.sleepable {
					b.WriteString(", forSleepable: true")
				}
			}
			b.WriteString("},\n")
			n++
		}
		fmt.Fprintf(&index, "%d: {%d, %d},", h.ID, from, n)
		if h.ID%8 == 0 {
			index.WriteString("\n")
		}
	}
	b.WriteString("}\n\n// byID are the first prototype of each helper, and the one after its last.\nvar byID = [...][2]uint16{\n")
	b.WriteString(index.String() + "\n}\n\n")
	exp, err := expected(f)
	return b.String() + exp, err
}

// distinct folds the variants of a helper into its distinct prototypes. The most particular come first.
func distinct(f *facts, name string, variants []variantFacts) ([]proto, error) {
	var out []proto
	for _, v := range variants {
		text, err := protoText(name, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p := proto{text: text}
		for _, t := range v.ProgTypes {
			if id, ok := f.progIDs[t]; ok {
				p.types |= 1 << id
			} else {
				for _, id := range tableTypes[t] {
					p.types |= 1 << id
				}
			}
		}
		if slices.Contains(laterTypes[v.Proto], "*") {
			p.types = 1<<64 - 1
		}
		if strings.HasSuffix(v.Proto, "_kprobe_multi") || strings.HasSuffix(v.Proto, "_uprobe_multi") {
			p.attach = multiAttach
		}
		p.sleepable = strings.HasSuffix(v.Proto, "_sleepable_proto")
		at := slices.IndexFunc(out, func(o proto) bool { return o.text == p.text && o.attach == p.attach && o.sleepable == p.sleepable })
		if at < 0 {
			out = append(out, p)
		} else {
			out[at].types |= p.types
		}
	}
	rank := func(p proto) int {
		switch {
		case p.sleepable:
			return 0
		case p.attach != 0:
			return 1
		case p.types != 1<<64-1:
			return 2
		}
		return 3
	}
	slices.SortStableFunc(out, func(a, b proto) int {
		return cmp.Or(rank(a)-rank(b), bits.OnesCount64(a.types)-bits.OnesCount64(b.types))
	})
	return out, nil
}

// tableTypes are the program types whose attach targets bring a table of their own.
// onlyWritten are arguments (from 1) whose memory 6.18 takes for written without being read, in all variants.
var onlyWritten = map[string]int{"bpf_get_stack": 2}

var tableTypes = map[string][]int{
	"(bpf_scx_get_func_proto)":       {27},
	"(bpf_tcp_ca_get_func_proto)":    {27},
	"(bpf_iter_tcp_get_func_proto)":  {26},
	"(bpf_iter_unix_get_func_proto)": {26},
}

// protoText is what is particular of a variant, as fields of a composite literal.
func protoText(name string, v variantFacts) (string, error) {
	var b strings.Builder
	if len(v.Args) > 0 {
		b.WriteString(", Args: [5]Arg{")
		for i, a := range v.Args {
			if alsoWritten[name] == i+1 {
				a.Flags = append(slices.Clone(a.Flags), "MEM_WRITE")
			}
			if onlyWritten[name] == i+1 {
				a.Flags = []string{"MEM_UNINIT", "MEM_WRITE"}
			}
			kind, ok := argKinds[a.Base]
			if !ok {
				return "", fmt.Errorf("argument kind %s", a.Base)
			}
			fmt.Fprintf(&b, "{Kind: %s", kind)
			flags, err := argFlags(a.Flags)
			if err != nil {
				return "", err
			}
			if flags != "0" {
				fmt.Fprintf(&b, ", Flags: %s", flags)
			}
			if t := btfType(a.BTFType); t != "" {
				fmt.Fprintf(&b, ", BTFType: %q", t)
			}
			if a.Size != 0 {
				fmt.Fprintf(&b, ", Size: %d", a.Size)
			}
			b.WriteString("}, ")
		}
		b.WriteString("}")
	}
	kind, ok := retKinds[v.Ret.Base]
	if !ok {
		return "", fmt.Errorf("return kind %s", v.Ret.Base)
	}
	fmt.Fprintf(&b, ", Ret: Ret{Kind: %s", kind)
	flags, err := argFlags(v.Ret.Flags)
	if err != nil {
		return "", err
	}
	if flags != "0" {
		fmt.Fprintf(&b, ", Flags: %s", flags)
	}
	if t := btfType(v.Ret.BTFType); t != "" {
		fmt.Fprintf(&b, ", BTFType: %q", t)
	}
	b.WriteString("}")
	for _, x := range []struct {
		name string
		set  bool
	}{{"GPLOnly", v.GPLOnly}, {"PktAccess", v.PktAccess}, {"MightSleep", v.MightSleep}, {"FastCall", v.FastCall}} {
		if x.set {
			fmt.Fprintf(&b, ", %s: true", x.name)
		}
	}
	return b.String(), nil
}

// btfType cleans the name of a BTF type; AtCall stands for one that is decided at the call.
func btfType(s string) string {
	switch s {
	case "BPF_PTR_POISON":
		return "?"
	case "&tcp_sock_id":
		return "tcp_sock"
	}
	return s
}

func argFlags(flags []string) (string, error) {
	var out []string
	for _, f := range flags {
		name, ok := argFlagNames[f]
		if !ok {
			return "", fmt.Errorf("flag %s", f)
		}
		out = append(out, name)
	}
	return or(out), nil
}

func protoTraits(name string, traits []string) string {
	var out []string
	for _, t := range traits {
		out = append(out, traitNames[t])
		if traitNames[t] == "" {
			panic(name + ": trait " + t)
		}
	}
	return strings.Join(out, "|")
}

var argKinds = map[string]string{
	"ARG_ANYTHING":                  "ArgAnything",
	"ARG_SCALAR":                    "ArgScalar",
	"ARG_CONST_MAP_PTR":             "ArgConstMapPtr",
	"ARG_PTR_TO_MAP_KEY":            "ArgMapKey",
	"ARG_PTR_TO_MAP_VALUE":          "ArgMapValue",
	"ARG_PTR_TO_MEM":                "ArgMem",
	"ARG_CONST_SIZE":                "ArgConstSize",
	"ARG_CONST_SIZE_OR_ZERO":        "ArgConstSizeOrZero",
	"ARG_CONST_ALLOC_SIZE_OR_ZERO":  "ArgConstAllocSizeOrZero",
	"ARG_PTR_TO_CTX":                "ArgCtx",
	"ARG_PTR_TO_BTF_ID":             "ArgBTFID",
	"ARG_PTR_TO_BTF_ID_SOCK_COMMON": "ArgBTFIDSockCommon",
	"ARG_PTR_TO_SOCK_COMMON":        "ArgSockCommon",
	"ARG_PTR_TO_SOCKET":             "ArgSocket",
	"ARG_PTR_TO_SPIN_LOCK":          "ArgSpinLock",
	"ARG_PTR_TO_FUNC":               "ArgFunc",
	"ARG_PTR_TO_STACK":              "ArgStack",
	"ARG_PTR_TO_DYNPTR":             "ArgDynptr",
	"ARG_PTR_TO_TIMER":              "ArgTimer",
	"ARG_PTR_TO_RINGBUF_MEM":        "ArgRingbufMem",
	"ARG_PTR_TO_PERCPU_BTF_ID":      "ArgPerCPUBTFID",
	"ARG_PTR_TO_CONST_STR":          "ArgConstStr",
	"ARG_KPTR_XCHG_DEST":            "ArgKptrXchgDest",
}

var retKinds = map[string]string{
	"RET_INTEGER":              "RetInteger",
	"RET_VOID":                 "RetVoid",
	"RET_PTR_TO_MAP_VALUE":     "RetMapValue",
	"RET_PTR_TO_SOCKET":        "RetSocket",
	"RET_PTR_TO_SOCK_COMMON":   "RetSockCommon",
	"RET_PTR_TO_TCP_SOCK":      "RetTCPSock",
	"RET_PTR_TO_MEM":           "RetMem",
	"RET_PTR_TO_MEM_OR_BTF_ID": "RetMemOrBTFID",
	"RET_PTR_TO_BTF_ID":        "RetBTFID",
}

var argFlagNames = map[string]string{
	"PTR_MAYBE_NULL":      "MaybeNull",
	"MEM_RDONLY":          "RdOnly",
	"MEM_WRITE":           "Write",
	"MEM_UNINIT":          "Uninit",
	"MEM_FIXED_SIZE":      "FixedSize",
	"MEM_ALIGNED":         "Aligned",
	"OBJ_RELEASE":         "Release",
	"DYNPTR_TYPE_RINGBUF": "DynptrRingbuf",
	"DYNPTR_TYPE_LOCAL":   "DynptrLocal",
	"MEM_RINGBUF":         "RingbufMem",
	"PTR_TRUSTED":         "Trusted",
}

var traitNames = map[string]string{
	"changes_packet_data":                     "ChangesPacket",
	"releases_reference":                      "Releases",
	"acquires_reference":                      "Acquires",
	"acquires_reference_for_sockmap_sockhash": "AcquiresFromSockMap",
	"ptr_cast_keeps_reference":                "PtrCast",
	"storage_get":                             "StorageGet",
	"sync_callback":                           "SyncCallback",
	"async_callback":                          "AsyncCallback",
	"dynptr_slice_ref":                        "DynptrSlice",
}

// expected collects the register types that the kernel lists for each kind of argument. All prototypes must agree.
func expected(f *facts) (string, error) {
	lists := map[string][]string{
		// Kinds that the facts have no answer for; TestLivePrototypes asks for these too.
		"ArgSocket":      {"sock"},
		"ArgPerCPUBTFID": {"percpu_ptr_", "percpu_rcu_ptr_", "percpu_trusted_ptr_"},
	}
	for _, h := range f.helpers.Rows {
		for _, v := range h.Variants {
			for arg, list := range v.Live.Expected {
				kind := argKinds[v.Args[arg[0]-'1'].Base]
				if have := lists[kind]; have != nil && !slices.Equal(have, list) {
					return "", fmt.Errorf("%s: argument %s expects %q, others of its kind %q", h.Name, arg, list, have)
				}
				lists[kind] = list
			}
		}
	}
	var b strings.Builder
	b.WriteString("// expected are the register types that an argument may have, in the kernel's order and spelling.\nvar expected = [...][]string{\n")
	for _, kind := range keys(lists) {
		fmt.Fprintf(&b, "%s: {", kind)
		for _, r := range lists[kind] {
			fmt.Fprintf(&b, "%q, ", r)
		}
		b.WriteString("},\n")
	}
	return b.String() + "}\n", nil
}
