package verifier

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/verifier/domain"
	"github.com/skepbpf/skep/verifier/internal/prepare"
)

// A regType is what a register or a spilled slot holds.
type regType uint8

const (
	notInit    regType = iota
	scalar             // a number
	ptrCtx             // the program's context
	constMap           // a map itself
	mapValue           // a value in a map
	mapKey             // a key of a map, in a for_each callback
	ptrStack           // a frame of the stack; frame says whose
	pktMeta            // metadata before the packet
	pkt                // the packet
	pktEnd             // one past the packet
	flowKeys           // struct bpf_flow_keys of a flow dissector
	sock               // full socket
	sockCommon         // part that every socket has
	tcpSock            // TCP part
	xdpSock            // AF_XDP socket
	tpBuffer           // buffer of a writable raw tracepoint
	btfPtr             // kernel (or local) object with a BTF type
	mem                // memory of a known size
	buf                // buffer whose size is checked at attach time
	funcPtr            // address of a subprogram
	dynptrPtr          // a dynptr that a function was given
	arenaPtr           // pointer into an arena
	iterator           // slots only: an open-coded iterator
	irqFlag            // slots only: saved interrupt flags
	numRegTypes
)

// A regFlags qualifies a regType.
type regFlags uint16

const (
	maybeNull  regFlags = 1 << iota // NULL until compared; id ties the copies together
	rdOnly                          // no stores
	ringbufMem                      // reserved in a ring buffer, from its start
	userMem                         // memory of user space
	perCPU                          // one for each CPU
	untrusted                       // may point to freed memory: only faulting-safe loads
	trusted                         // valid while the program runs
	rcu                             // valid within the RCU section
	alloc                           // allocated by the program
	nonOwnRef
)

// A mapInfo is what the walk knows of a map: what the program was given, or for a map looked up in another the
// template of its inner map.
type mapInfo struct {
	*object.Map
	fields *prepare.Fields
	inner  *mapInfo // template of a map in map
	index  int      // in Program.Maps, -1 for a template
	// readOnly says that programs may not write values: the map's creator, or its type, does.
	readOnly bool
}

// A btfRef is a type in one of the type spaces that a program knows. There is one btfRef for each, so that they
// can be compared by address.
type btfRef struct {
	space *object.BTF // the kernel's BTF, or the program's (a map's)
	id    uint32
	name  string
	typ   btf.Type // without modifiers

	fields  *prepare.Fields // of a local object's type
	scanned bool            // for them
}

// A reg is what is known of a register or a spilled slot on one path. The zero reg is not initialised.
type reg struct {
	// num is the value of a scalar; for a pointer, the variable part of its offset.
	num domain.Scalar

	typ   regType
	flags regFlags
	// precise marks a scalar whose exact range mattered on some path from here, so that pruning must compare it.
	precise bool
	// delta marks a scalar that is its linked scalars' value plus off; with delta32 the sum is of their low halves.
	delta, delta32 bool
	frame          uint8 // ptrStack: number of the frame pointed to
	// off is the fixed part of a pointer's offset; for a scalar with delta, the constant distance.
	off int32

	// id ties together registers that hold the same unknown: copies of a maybe-NULL pointer, packet pointers with the
	// same variable offset, scalars copied from one another. 0: none.
	id uint32
	// ref is the id of the reference this pointer keeps alive (0: none).
	ref uint32

	// rng: pkt, pktMeta: bytes from the pointer's variable part that are proven to exist, or beyondEnd, atEnd.
	rng     int32
	memSize uint32  // mem: size of the object in bytes; iterator: how often it has moved on
	dyn     uint32  // mem: id of the dynptr that it was got from, 0 if it outlives that
	form    form    // of a dynptr or iterator
	first   bool    // of the slots of a dynptr or iterator, the lowest
	mapUID  uint32  // mapValue, constMap of an inner map: which lookup it came from
	subprog int32   // funcPtr
	btf     *btfRef // btfPtr
	m       *mapInfo
}

// Values of reg.rng for a packet pointer that a comparison with the packet's end has shown not to be readable.
const (
	atEnd     = -1
	beyondEnd = -2
)

func (r *reg) isPtr() bool     { return r.typ > scalar }
func (r *reg) isNull() bool    { return r.typ == scalar && r.num.IsConst() && r.num.Bits.Value == 0 }
func (r *reg) isPkt() bool     { return r.typ == pkt || r.typ == pktMeta }
func (r *reg) canBeNull() bool { return r.flags&maybeNull != 0 }

// isConst tells that r is a scalar with one possible value.
func (r *reg) isConst() bool { return r.typ == scalar && r.num.IsConst() }

// val is the value of a constant scalar.
func (r *reg) val() uint64 { return r.num.Bits.Value }

// isSock tells whether the pointer is to one of the socket views.
func (t regType) isSock() bool { return t >= sock && t <= xdpSock }

// width is how many bits a scalar may have set from the lowest on.
func (r *reg) width() int {
	n := 0
	for m := r.num.UMax; m != 0; m >>= 1 {
		n++
	}
	return n
}

func constReg(v uint64) reg { return reg{typ: scalar, num: domain.Const(v)} }

func unknownReg() reg { return reg{typ: scalar, num: domain.Unknown()} }

// ptrReg is a pointer of type t to offset 0.
func ptrReg(t regType, f regFlags) reg { return reg{typ: t, flags: f, num: domain.Const(0)} }

// setUnknown makes r an unknown scalar without identity.
func (r *reg) setUnknown() { *r = unknownReg() }

// setConst makes r a known scalar without identity.
func (r *reg) setConst(v uint64) { *r = constReg(v) }

// typeName is how the verifier log names the type in messages: "map_value_or_null", "fp", "trusted_ptr_".
func (r *reg) typeName() string { return typeName(r.typ, r.flags) }

var typeNames = [numRegTypes]string{
	notInit: "?", scalar: "scalar", ptrCtx: "ctx", constMap: "map_ptr", mapValue: "map_value", mapKey: "map_key",
	ptrStack: "fp", pktMeta: "pkt_meta", pkt: "pkt", pktEnd: "pkt_end", flowKeys: "flow_keys", sock: "sock",
	sockCommon: "sock_common", tcpSock: "tcp_sock", xdpSock: "xdp_sock", tpBuffer: "tp_buffer", btfPtr: "ptr_",
	mem: "mem", buf: "buf", funcPtr: "func", dynptrPtr: "dynptr_ptr", arenaPtr: "arena",
}

func typeName(t regType, f regFlags) string {
	s := typeNames[t]
	if f == 0 {
		return s
	}
	if f&maybeNull != 0 {
		if t == btfPtr {
			s += "or_null_"
		} else {
			s += "_or_null"
		}
	}
	for _, p := range typePrefixes {
		if f&p.flag != 0 {
			s = p.text + s
		}
	}
	return s
}

// typePrefixes are in the reverse of the order in which they are written.
var typePrefixes = []struct {
	flag regFlags
	text string
}{{rcu, "rcu_"}, {trusted, "trusted_"}, {untrusted, "untrusted_"}, {perCPU, "percpu_"}, {userMem, "user_"},
	{ringbufMem, "ringbuf_"}, {rdOnly, "rdonly_"}}
