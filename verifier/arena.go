package verifier

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
)

// This file implements arenas: memory that a program shares with user space. Any address in it may be used, pages
// appear and go; what lies there is numbers, and so are addresses until they are cast.

// hasArena tells that the program has an arena.
func (w *walk) hasArena() bool {
	for _, m := range w.maps {
		if linux.MapType(m.Type) == linux.MapTypeArena {
			return true
		}
	}
	return false
}

// castSpace walks a cast of an address to the arena (1 to 0) or back (0 to 1).
func (w *walk) castSpace(i *isa.Insn) error {
	if err := w.readReg(i.Src); err != nil {
		return err
	}
	if err := w.writeReg(i.Dst, false); err != nil {
		return err
	}
	if !w.hasArena() {
		return w.refuse(einval, "arena-none", "addr_space_cast insn can only be used in a program that has an associated arena")
	}
	d := w.cur.reg(i.Dst)
	const toArena = 1 // from address space 1, in which the arena is, to the one that loads and stores use
	if i.Imm == toArena {
		*d = ptrReg(arenaPtr, 0)
	} else {
		d.setUnknown()
	}
	return nil
}
