package memory

import "strconv"

// An Addr is an offset into a Space: the value of a BPF pointer, zero-extended to 64 bits in a
// register. The first NullSize are never mapped, so 0 is NULL.
type Addr uint32

// NullSize is the number of bytes at the bottom of every Space that are never mapped.
const NullSize = 64 << 10

// Rights say what a program may do with the bytes of an object.
type Rights uint8

// The rights. An object without any is an address to hold and to compare, such as that of a map.
const (
	Read Rights = 1 << iota
	Write
)

func (r Rights) String() string {
	return [4]string{"none", "read", "write", "read+write"}[r&3]
}

// A Kind says what an object is, for messages.
type Kind uint8

// The kinds of objects.
const (
	Unknown  Kind = iota
	Stack         // a frame of BPF stack
	Context       // the program's context
	Packet        // packet data
	MapValue      // the value of a map element
	Ring          // a record of a ring buffer
	Mem           // memory handed out by a helper
	Kernel        // a kernel object: an address without rights, or a readable struct
	Global        // a global variable: the value of .data, .bss, .rodata
	Arena         // pages of an arena
	numKinds
)

var kindNames = [numKinds]string{"object", "stack", "context", "packet", "map value", "ring buffer record",
	"memory", "kernel object", "global data", "arena"}

func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// An Object describes one allocation, or one element of one that holds many.
type Object struct {
	Addr   Addr   // first live byte
	Size   uint32 // live bytes
	Rights Rights
	Kind   Kind
	Name   string
	Freed  bool // the object is no more; nothing has taken its place yet

	Base Addr   // what Alloc returned
	Cap  uint32 // bytes allocated from Base on; the live ones lie within

	// Index is the number of the element in an allocation made by AllocElems.
	Index uint32
}

// String gives the object as faults name it: map value "counters" (64 bytes).
func (o Object) String() string {
	b := make([]byte, 0, 64)
	if o.Freed {
		b = append(b, "freed "...)
	}
	b = append(b, o.Kind.String()...)
	if o.Name != "" {
		b = strconv.AppendQuote(append(b, ' '), o.Name)
	}
	b = append(b, " ("...)
	b = appendBytes(b, uint64(o.Size))
	return string(append(b, ')'))
}

func appendBytes(b []byte, n uint64) []byte {
	b = strconv.AppendUint(b, n, 10)
	if n == 1 {
		return append(b, " byte"...)
	}
	return append(b, " bytes"...)
}
