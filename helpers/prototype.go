// Package helpers declares the functions that programs may call: what the verifier believes about each, its
// [Prototype], and what the engines run.
package helpers

//go:generate go run ../linux/internal/gen -facts ../../shared/facts -out ../linux

// A Prototype is what the verifier checks of a call to a helper. It is part of the tables: not to be changed.
type Prototype struct {
	ID   int32
	Name string // "bpf_map_lookup_elem"
	Args [5]Arg
	Ret  Ret

	GPLOnly    bool // some programs may call it only if their license is compatible with the GPL: linux.HelperUse tells
	PktAccess  bool // packet pointers may be passed as memory
	MightSleep bool
	FastCall   bool // the registers R1 to R5 keep their values: spills and fills around the call may go

	Traits Traits

	// Which programs get this prototype, where a helper has several.
	forTypes     uint64 // program types, one bit each
	forAttach    uint64 // attach types, one bit each; 0: all
	forSleepable bool   // only sleepable programs
}

// NumArgs is the number of arguments.
func (p *Prototype) NumArgs() int {
	for i, a := range p.Args {
		if a.Kind == ArgNone {
			return i
		}
	}
	return len(p.Args)
}

// Has reports whether all of the traits hold.
func (p *Prototype) Has(t Traits) bool { return p.Traits&t == t }

// An Arg is what an argument must be.
type Arg struct {
	Kind    ArgKind
	Flags   ArgFlags
	BTFType string // struct that a pointer must be to; AtCall if the call decides; "" if any
	Size    uint32 // bytes of memory behind a pointer with FixedSize
}

// AtCall is the BTFType of what is decided by the other arguments of a call, as bpf_kptr_xchg's.
const AtCall = "?"

// An ArgKind says what an argument is. Names are those of the kernel without ARG_ and PTR_TO_.
type ArgKind uint8

const (
	ArgNone                 ArgKind = iota // no argument
	ArgAnything                            // any initialized value
	ArgScalar                              // any scalar, but no pointer
	ArgConstMapPtr                         // a map
	ArgMapKey                              // as many bytes as a key of the map passed before
	ArgMapValue                            // as many bytes as a value of the map passed before
	ArgMem                                 // memory; its size is the next argument, or fixed
	ArgConstSize                           // size of the memory before; not zero
	ArgConstSizeOrZero                     // size of the memory before
	ArgConstAllocSizeOrZero                // known size of the memory that is returned
	ArgCtx                                 // the context
	ArgBTFID                               // a kernel object, by BTF
	ArgBTFIDSockCommon                     // a socket, by BTF or not
	ArgSockCommon                          // a socket, not by BTF
	ArgSocket                              // a full socket
	ArgSpinLock
	ArgFunc   // a callback
	ArgStack  // a stack address, of any kind
	ArgDynptr // a dynptr on the stack
	ArgTimer
	ArgRingbufMem  // what bpf_ringbuf_reserve returned
	ArgPerCPUBTFID // a per-CPU kernel variable
	ArgConstStr    // a string in a read-only map, ending in zero
	ArgKptrXchgDest
	numArgKinds
)

var argKindNames = [...]string{
	ArgNone: "none", ArgAnything: "anything", ArgScalar: "scalar", ArgConstMapPtr: "const_map_ptr",
	ArgMapKey: "map_key", ArgMapValue: "map_value", ArgMem: "mem", ArgConstSize: "const_size",
	ArgConstSizeOrZero: "const_size_or_zero", ArgConstAllocSizeOrZero: "const_alloc_size_or_zero", ArgCtx: "ctx",
	ArgBTFID: "btf_id", ArgBTFIDSockCommon: "btf_id_sock_common", ArgSockCommon: "sock_common", ArgSocket: "socket",
	ArgSpinLock: "spin_lock", ArgFunc: "func", ArgStack: "stack", ArgDynptr: "dynptr", ArgTimer: "timer",
	ArgRingbufMem: "ringbuf_mem", ArgPerCPUBTFID: "percpu_btf_id", ArgConstStr: "const_str",
	ArgKptrXchgDest: "kptr_xchg_dest",
}

// String returns the name in lower case.
func (k ArgKind) String() string {
	if int(k) < len(argKindNames) {
		return argKindNames[k]
	}
	return "unknown"
}

// Expected returns the types of register that the argument may be, in the order and spelling of the kernel's message
// ("R1 type=scalar expected=fp, pkt, pkt_meta"); nil for kinds that no type of register is wrong for.
func (k ArgKind) Expected() []string {
	if int(k) < len(expected) {
		return expected[k]
	}
	return nil
}

// IsSize reports whether the argument is the size of the memory passed before it.
func (k ArgKind) IsSize() bool { return k == ArgConstSize || k == ArgConstSizeOrZero }

// ArgFlags refine an ArgKind or a RetKind.
type ArgFlags uint16

const (
	MaybeNull     ArgFlags = 1 << iota // NULL is allowed, or may be returned
	RdOnly                             // memory is only read
	Write                              // memory is written
	Uninit                             // memory need not be initialized: the helper does it
	FixedSize                          // memory of Arg.Size bytes
	Aligned                            // memory must be aligned to its size
	Release                            // the reference passed is released
	DynptrRingbuf                      // a dynptr of a ring buffer
	DynptrLocal                        // a dynptr of the program's memory
	RingbufMem                         // memory of a ring buffer
	Trusted                            // a trusted pointer
)

// Is reports whether all of the flags are set.
func (f ArgFlags) Is(flags ArgFlags) bool { return f&flags == flags }

// A Ret is what r0 is after a call.
type Ret struct {
	Kind    RetKind
	Flags   ArgFlags
	BTFType string // struct that a pointer is to; AtCall if the call decides
}

// A RetKind says what a helper returns. Names are those of the kernel without RET_ and PTR_TO_.
type RetKind uint8

const (
	RetInteger RetKind = iota
	RetVoid
	RetMapValue   // a value of the map passed
	RetSocket     // sock
	RetSockCommon // sock_common
	RetTCPSock    // tcp_sock
	RetMem        // memory whose size an argument gave
	RetMemOrBTFID // a per-CPU variable: memory, or by BTF if it is a struct
	RetBTFID      // a kernel object, by BTF
)

// Traits are what else a call does to the state of a program.
type Traits uint16

const (
	ChangesPacket       Traits = 1 << iota // packet pointers become invalid
	Acquires                               // the result is a reference, to be released
	AcquiresFromSockMap                    // so if the map is a sockmap or sockhash
	Releases                               // a reference passed is released
	PtrCast                                // the result is the same reference as the argument
	StorageGet                             // of local storage
	SyncCallback                           // the callback runs during the call
	AsyncCallback                          // the callback runs later
	DynptrSlice                            // the result lives as long as the dynptr passed
)

// NumHelpers is one more than the highest id.
const NumHelpers = len(byID)

// ByID returns the prototype of a helper; of several, that which most programs get. It is nil if there is none.
func ByID(id int32) *Prototype {
	if id <= 0 || int(id) >= len(byID) || byID[id][1] == 0 {
		return nil
	}
	return &prototypes[byID[id][1]-1]
}

// ForProg returns the prototype of a helper for programs of a type, attach type and, if they are, sleepable ones. It
// is nil if there is no such helper. Whether the program may call it is for package linux to say; a program that may
// not gets the prototype that most programs get.
func ForProg(id int32, progType, attachType uint32, sleepable bool) *Prototype {
	if id <= 0 || int(id) >= len(byID) || byID[id][1] == 0 {
		return nil
	}
	from, to := byID[id][0], byID[id][1]
	for i := from; i < to-1; i++ {
		p := &prototypes[i]
		if p.forTypes>>(progType&63)&1 != 0 &&
			(p.forAttach == 0 || p.forAttach>>(attachType&63)&1 != 0) &&
			(!p.forSleepable || sleepable) {
			return p
		}
	}
	return &prototypes[to-1]
}
