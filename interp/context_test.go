package interp_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// reader makes a program that copies every field of its context that it may read to the map "buf".
func reader(typ linux.ProgType, attach linux.AttachType) *object.Program {
	p := script(typ, nil, nil, nil, 1)
	p.AttachType = uint32(attach)
	insns := slices.Clone(p.Insns[:len(p.Insns)-2])
	k := &linux.Kernel{Version: linux.V(6, 18)}
	for off := 0; off < 192; off += 4 {
		if kind, ok := k.CtxAccess(typ, attach, off, 4, linux.Load); ok && kind == linux.FieldScalar {
			insns = append(insns, isa.LoadMem(4, 0, 6, int16(off)), isa.StoreMem(4, 8, int16(off), 0))
		}
	}
	p.Insns = append(insns, isa.Binary(isa.Mov, 8, 0, 1), isa.Return())
	return p
}

// TestKernelContexts compares what programs see in their contexts, in a test run, with the running kernel.
func TestKernelContexts(t *testing.T) {
	k := kernel(t)
	r := rand.New(rand.NewPCG(3, 3))
	for _, typ := range []linux.ProgType{linux.ProgTypeXDP, linux.ProgTypeSchedCLS, linux.ProgTypeSchedACT, linux.ProgTypeSocketFilter,
		linux.ProgTypeCGroupSKB, linux.ProgTypeLWTIn, linux.ProgTypeLWTOut, linux.ProgTypeLWTXmit, linux.ProgTypeSkSKB} {
		t.Run(typ.String(), func(t *testing.T) {
			p := reader(typ, 0)
			bad := 0
			for i := range 60 {
				size := 13 + i%50
				data := packet(r, max(size, 14))[:size]
				c := testContext(r, typ, size)
				there := runThere(t, k, p, data, c)
				if there.refused {
					t.Fatal(there.err)
				}
				here := runHere(t, p, data, c)
				if fmt.Sprint(there.err != nil) != fmt.Sprint(here.err != nil) {
					t.Errorf("packet of %d bytes %x: error %v, kernel %v", size, data[min(12, size):], here.err, there.err)
					bad++
				}
				if here.err != nil || there.err != nil {
					continue
				}
				for off := 0; off < 192; off += 4 {
					a, b := binary.NativeEndian.Uint32(here.buf[off:]), binary.NativeEndian.Uint32(there.buf[off:])
					if a != b {
						f := linux.Struct("__sk_buff")
						if typ == linux.ProgTypeXDP {
							f = linux.Struct("xdp_md")
						}
						t.Errorf("packet of %d bytes %x: %s is %#x, kernel %#x", size, data[12:], f.FieldAt(off).Name, a, b)
						bad++
					}
				}
				if d := here.difference(there, typ); d != "" {
					t.Errorf("packet of %d bytes %x: %s", size, data[12:], d)
					bad++
				}
				if bad > 6 {
					t.FailNow()
				}
			}
		})
	}
}

// TestKernelSock compares the socket of a test run with the running kernel's.
func TestKernelSock(t *testing.T) {
	k := kernel(t)
	r := rand.New(rand.NewPCG(3, 3))
	for _, typ := range []linux.ProgType{linux.ProgTypeSchedCLS, linux.ProgTypeCGroupSKB} {
		p := script(typ, nil, nil, nil, 1)
		insns := slices.Clone(p.Insns[:len(p.Insns)-2])
		body := []isa.Insn{isa.BinaryReg(isa.Mov, 8, 7, 0)}
		lk := &linux.Kernel{Version: linux.V(6, 18)}
		for off := 0; off < 80; off += 4 {
			if kind, ok := lk.PtrAccess(linux.ObjectSock, off, 4, linux.Load); ok && kind == linux.FieldScalar {
				body = append(body, isa.LoadMem(4, 0, 7, int16(off)), isa.StoreMem(4, 8, int16(off), 0))
			}
		}
		insns = append(insns, isa.LoadMem(8, 1, 6, 168), isa.Binary(isa.Mov, 8, 0, 0), isa.Branch(isa.Jeq, 8, 1, 0, int16(len(body)+3)))
		insns = append(insns, isa.CallHelper(linux.HelperID("sk_fullsock")), isa.Branch(isa.Jeq, 8, 0, 0, int16(len(body)+1)))
		insns = append(append(insns, body...), isa.Binary(isa.Mov, 8, 0, 1))
		p.Insns = append(insns, isa.Return())
		for i := range 20 {
			data := packet(r, 64+i)
			there := runThere(t, k, p, data, nil)
			if there.refused {
				t.Logf("%v: %v", typ, there.err)
				break
			}
			if d := runHere(t, p, data, nil).difference(there, typ); d != "" {
				t.Fatalf("%v, %x: %s", typ, data[12:34], d)
			}
		}
	}
}
