package hook

import (
	"encoding/binary"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
)

// A context is a struct of the kernel's that programs get, with its fields by name.
type context struct {
	s     *linux.StructInfo
	bytes []byte
	sock  *helpers.Sock // of the field sk, if the struct has one
}

// newContext makes one of zeros.
func newContext(name string) *context {
	s := linux.Struct(name)
	return &context{s: s, bytes: make([]byte, s.Size)}
}

// at is the bytes of a field.
func (c *context) at(field string) []byte {
	f := c.s.Field(field)
	return c.bytes[f.Off : f.Off+f.Size]
}

// set sets a field of 2, 4 or 8 bytes.
func (c *context) set(field string, v uint64) {
	switch b := c.at(field); len(b) {
	case 2:
		binary.NativeEndian.PutUint16(b, uint16(v))
	case 4:
		binary.NativeEndian.PutUint32(b, uint32(v))
	case 8:
		binary.NativeEndian.PutUint64(b, v)
	}
}

// get reads such a field.
func (c *context) get(field string) uint64 {
	switch b := c.at(field); len(b) {
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	}
	return 0
}

// setup gives a run the context.
func (c *context) setup(r *helpers.Run) error {
	if c.sock != nil {
		a, err := r.Socket(c.sock)
		if err != nil {
			return err
		}
		c.set("sk", uint64(a))
	}
	return r.SetContext(c.bytes)
}

// result takes the context as a program left it.
func (c *context) result(r *helpers.Run) error {
	copy(c.bytes, r.Context())
	return nil
}
