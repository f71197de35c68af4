package linux

import "math/bits"

// A FieldKind says what a load from a field yields.
type FieldKind uint8

const (
	// FieldNone may not be loaded.
	FieldNone FieldKind = iota
	FieldScalar
	FieldPacket           // pkt(r=0)
	FieldPacketEnd        // pkt_end
	FieldPacketMeta       // pkt_meta(r=0)
	FieldSock             // sock
	FieldSockOrNull       // sock_or_null
	FieldSockCommonOrNull // sock_common_or_null
	FieldFlowKeys         // flow_keys
	FieldTPBuffer         // tp_buffer
	FieldBTF              // trusted_ptr_T: see Layout.BTFName
)

var fieldKindNames = [...]string{
	FieldNone:             "none",
	FieldScalar:           "scalar",
	FieldPacket:           "pkt",
	FieldPacketEnd:        "pkt_end",
	FieldPacketMeta:       "pkt_meta",
	FieldSock:             "sock",
	FieldSockOrNull:       "sock_or_null",
	FieldSockCommonOrNull: "sock_common_or_null",
	FieldFlowKeys:         "flow_keys",
	FieldTPBuffer:         "tp_buffer",
	FieldBTF:              "trusted_ptr_",
}

// String returns the kind as the verifier's log spells the register.
func (k FieldKind) String() string { return enumName(fieldKindNames[:], uint32(k), "FieldKind") }

// An AccessKind is one of the four ways in which an instruction touches a field.
type AccessKind uint8

const (
	Load     AccessKind = iota
	LoadSX              // sign-extending load
	Store               // of a register that holds a scalar
	StoreImm            // of a constant
)

// A Layout says which bytes of a context, or of another object of the kernel, a program may load and store.
// The zero value refuses everything.
type Layout struct {
	Name string // struct as programs know it, "" if it has no fixed one
	Size int    // bytes; 0 if open-ended

	// Args is set where the context is an array of 8-byte arguments whose types are those of the BTF target
	// (tp_btf, fentry, LSM, iterators, struct_ops): the layout then refuses everything, BTF decides.
	Args bool

	end   int32   // accesses end at or before it
	block []uint8 // index in patterns of each 8-byte block; the last repeats up to end
	below uint8   // index in patterns of all blocks at negative offsets
	btf   []btfField
}

// A btfField names the kernel type that a FieldBTF points to.
type btfField struct {
	off  int
	name string
}

// A cell is what the accesses of one width at one offset yield: a FieldKind and whether stores are allowed.
// Sign-extending loads are allowed where loads narrower than 8 bytes yield a scalar, stores of constants
// where stores of registers are: the generator checks that.
type cell uint8

const cellStore cell = 0x80

// Cells by the short names that the table uses.
const (
	__ = cell(FieldNone)
	sc = cell(FieldScalar)
	rw = sc | cellStore
	wo = cellStore
	pk = cell(FieldPacket)
	pe = cell(FieldPacketEnd)
	pm = cell(FieldPacketMeta)
	so = cell(FieldSock)
	sn = cell(FieldSockOrNull)
	cn = cell(FieldSockCommonOrNull)
	fk = cell(FieldFlowKeys)
	tp = cell(FieldTPBuffer)
	bt = cell(FieldBTF)
)

// A pattern is the cells of an 8-byte block: at offset o within it, of width w, [o*4+log2(w)]. The first refuses all.
type pattern [32]cell

// Access says whether the size bytes at off may be accessed, and what a load of them yields (FieldNone for stores).
// Size is 1, 2, 4 or 8.
func (l *Layout) Access(off, size int, kind AccessKind) (FieldKind, bool) {
	if off+size > int(l.end) {
		return FieldNone, false
	}
	block := l.below
	if off >= 0 {
		block = l.block[min(off>>3, len(l.block)-1)]
	}
	c := patterns[block][off&7<<2|bits.TrailingZeros8(uint8(size))&3]
	field := FieldKind(c &^ cellStore)
	switch kind {
	case Load:
		return field, field != FieldNone
	case LoadSX:
		return field, field == FieldScalar && size < 8
	default:
		return FieldNone, c&cellStore != 0
	}
}

// BTFName names the kernel type that the FieldBTF at off points to.
func (l *Layout) BTFName(off int) string {
	for _, f := range l.btf {
		if f.off == off {
			return f.name
		}
	}
	return ""
}

// Ctx returns the layout of the context. It is never nil.
func (p *Prog) Ctx() *Layout { return p.ctx }

// CtxAccess says whether a program of these types may access the size bytes at off of its context, and what a load of
// them yields. [Prog.Ctx] answers the same without looking up the types each time.
func (k *Kernel) CtxAccess(pt ProgType, at AttachType, off, size int, kind AccessKind) (FieldKind, bool) {
	p := k.Prog(pt, at, "")
	if p == nil {
		return FieldNone, false
	}
	return p.ctx.Access(off, size, kind)
}

// An Object is a kind of kernel object that programs hold pointers to and may read, but not by BTF.
type Object uint8

const (
	ObjectSock       Object = iota // sock: struct bpf_sock
	ObjectSockCommon               // sock_common: the part of struct bpf_sock that request sockets have too
	ObjectTCPSock                  // tcp_sock: struct bpf_tcp_sock
	ObjectXDPSock                  // xdp_sock: struct bpf_xdp_sock
	ObjectFlowKeys                 // flow_keys: struct bpf_flow_keys
	numObjects
)

// PtrLayout returns what a program may access of an object. Programs may only read, except flow keys.
func (k *Kernel) PtrLayout(o Object) *Layout { return &objects[o] }

// PtrAccess says whether the size bytes at off of an object may be accessed, and what a load of them yields.
func (k *Kernel) PtrAccess(o Object, off, size int, kind AccessKind) (FieldKind, bool) {
	return objects[o].Access(off, size, kind)
}
