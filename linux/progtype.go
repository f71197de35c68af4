package linux

// A Prog is what a kernel knows about programs of one type, for one attach type and, where it matters, one target.
// It is part of the tables: not to be changed.
type Prog struct {
	Type   ProgType
	Attach AttachType // of the row found; a row may stand for several attach types

	// Target is the BTF name that the row is for ("bpf_iter_tcp"); "" if it holds for all.
	Target string

	Return Return
	Traits ProgTraits

	ctx     *Layout
	helpers *helperTable
}

// ProgTraits are the yes/no facts about a program type.
type ProgTraits uint32

const (
	// PacketRead and PacketWrite: packet bytes may be read, written through a packet pointer.
	PacketRead ProgTraits = 1 << iota
	PacketWrite
	// LdAbs: BPF_LD_ABS and BPF_LD_IND are allowed.
	LdAbs
	// MaySleep: the program may be loaded with BPF_F_SLEEPABLE; MustSleep: only so.
	MaySleep
	MustSleep
	// NeedsGPL: the license must be compatible with the GPL.
	NeedsGPL
	// NeedsTarget: attach_btf_id must name a kernel type.
	NeedsTarget
	// TestRun: BPF_PROG_TEST_RUN works.
	TestRun
	// PrivateStack: each frame has its own 512 bytes (with a JIT), so that no limit on the sum applies.
	PrivateStack
	// Tracing: the program may run in any context, with any lock held; see Prog.RefusesMap.
	Tracing
	// NoLocks: no map with a lock (bpf_spin_lock, bpf_res_spin_lock) may be used.
	NoLocks
	// SockMapUpdate and SockMapDelete: bpf_map_update_elem, bpf_map_delete_elem take maps of sockets.
	SockMapUpdate
	SockMapDelete
	// Probed: the row was measured on a running kernel.
	Probed
)

// Is reports whether all of the traits hold.
func (p *Prog) Is(t ProgTraits) bool { return p.Traits&t == t }

// A ReturnKind says what a program's r0 must be when it exits.
type ReturnKind uint8

const (
	// ReturnAny is any initialized value.
	ReturnAny ReturnKind = iota
	// ReturnRange is a scalar known to lie in [Min, Max].
	ReturnRange
	// ReturnTarget depends on the function attached to: see [Kernel.LSMReturn] for LSM hooks. Of a
	// struct_ops member or a function that returns nothing, r0 may even be uninitialized.
	ReturnTarget
)

// A Return is what a program's r0 must be when it exits. Min and Max hold for ReturnRange only.
type Return struct {
	Kind     ReturnKind
	Min, Max int32
}

// Contains reports whether every value in [lo, hi] may be returned.
func (r Return) Contains(lo, hi int64) bool {
	return r.Kind != ReturnRange || int64(r.Min) <= lo && hi <= int64(r.Max)
}

// Prog returns the row for programs of a type and attach type that attach to a BTF target ("btf_trace_sched_switch",
// "bpf_iter_task", "tcp_congestion_ops"; "" if none). It is nil for a type that the tables do not have; an attach type
// that is refused at load (see AttachAllowed) or makes no difference gets the type's first row.
//
// The attach type of a struct_ops program is the index of a member: any value is the same row.
func (k *Kernel) Prog(pt ProgType, at AttachType, target string) *Prog {
	if int(pt) >= len(progIndex) {
		return nil
	}
	var found *Prog
	rows := progIndex[pt]
	for i := rows.from; i < rows.to; i++ {
		p := &progs[i]
		if p.Target != "" {
			if p.Target == target && p.Attach == at {
				return p
			}
			continue
		}
		if found == nil || p.Attach == at {
			found = p
		}
	}
	return found
}

// AttachAllowed reports whether a program of the type may be loaded with this expected_attach_type. Of types whose
// attach type is not looked at when loading, all are allowed. Struct_ops programs are always allowed.
func (k *Kernel) AttachAllowed(pt ProgType, at AttachType) bool {
	if int(pt) >= len(progIndex) {
		return false
	}
	m := progIndex[pt].attach
	return m == anyAttach || at < 64 && m>>at&1 != 0
}

// anyAttach is the set of a type whose attach type is not looked at when loading.
const anyAttach = 1<<64 - 1

// progRows are the rows of a program type in progs, and its allowed attach types, one bit each.
type progRows struct {
	from, to uint8
	attach   uint64
	since    Version
}

// AttachSince returns the release in which an attach type appeared.
func AttachSince(at AttachType) Version {
	if int(at) < len(attachSince) {
		return attachSince[at]
	}
	return Never
}

// Since returns the release in which a program type appeared.
func (p ProgType) Since() Version {
	if int(p) < len(progIndex) && progIndex[p].to > 0 {
		return progIndex[p].since
	}
	return Never
}
