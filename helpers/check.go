package helpers

import (
	"fmt"

	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/memory"
)

// maxSize is the largest size of memory that the verifier lets a program pass: 512 MiB.
const maxSize = 1 << 29

// Check says what is wrong with the arguments of the call by a prototype: nil, or a *BadArg. The verifier's rules about
// where a pointer comes from are not looked at, only whether the call may touch what it is about to.
func (c *Call) Check(p *Prototype) error {
	var mp maps.Map
	for i := range p.Args {
		a := &p.Args[i]
		v := c.Args[i]
		if a.Kind == ArgNone {
			return nil
		}
		if v == 0 && a.Flags.Is(MaybeNull) {
			continue
		}
		err := error(nil)
		switch a.Kind {
		case ArgConstMapPtr:
			if mp = maps.At(c.Run.Space, v); mp == nil {
				err = errNoMap
			}
		case ArgMapKey:
			err = c.checkElem(v, mp, false, memory.Read)
		case ArgMapValue:
			want := memory.Read
			if a.Flags.Is(Write) || a.Flags.Is(Uninit) {
				want = memory.Write
			}
			err = c.checkElem(v, mp, true, want)
		case ArgMem:
			err = c.checkMem(p, i)
		case ArgConstSize:
			if uint32(v) == 0 || v > maxSize {
				err = errBadSize
			}
		case ArgConstSizeOrZero: // of what is to be allocated, any size may be asked for
			if v > maxSize {
				err = errBadSize
			}
		case ArgCtx:
			if v != uint64(c.Run.Ctx) {
				err = errNoCtx
			}
		case ArgFunc:
			if _, ok := FuncInsn(v); !ok {
				err = errNoFunc
			}
		case ArgSpinLock, ArgTimer, ArgDynptr:
			size := [...]uint32{ArgSpinLock: 4, ArgTimer: 16, ArgDynptr: 16}[a.Kind]
			rights := memory.Read | memory.Write
			if a.Flags.Is(RdOnly) {
				rights = memory.Read // a dynptr that a callback is given may only be read
			}
			err = c.Run.Space.Check(v, size, rights)
		case ArgConstStr:
			err = c.checkString(v)
		}
		if err != nil {
			return &BadArg{i + 1, err}
		}
	}
	return nil
}

// checkElem checks a key or value of the map passed before.
func (c *Call) checkElem(v uint64, mp maps.Map, value bool, want memory.Rights) error {
	if mp == nil {
		return errNoMap
	}
	n := mp.Spec().KeySize
	if value {
		n = mp.Spec().ValueSize
	}
	return c.Run.Space.Check(v, n, want)
}

// checkMem checks the memory that argument i points to.
func (c *Call) checkMem(p *Prototype, i int) error {
	a := &p.Args[i]
	n := a.Size
	if !a.Flags.Is(FixedSize) {
		if i+1 == len(p.Args) || !p.Args[i+1].Kind.IsSize() {
			return nil
		}
		size := c.Args[i+1]
		if size > maxSize {
			return &BadArg{i + 2, errBadSize}
		}
		n = uint32(size)
	}
	want := memory.Read
	if a.Flags.Is(Write) {
		want = memory.Write
	}
	if a.Flags.Is(Aligned) && n > 0 && c.Args[i]%uint64(n) != 0 {
		return fmt.Errorf("%#x is not aligned to %d", c.Args[i], n)
	}
	return c.Run.Space.Check(c.Args[i], n, want)
}

// checkString checks that a zero ends the readable bytes at v, or comes before their end.
func (c *Call) checkString(v uint64) error {
	if _, ok := c.text(v); !ok {
		return errNoString
	}
	return nil
}

// maxText bounds the strings that helpers look for the end of.
const maxText = 4096

// text is the string at an address, without the zero that ends it.
func (c *Call) text(v uint64) ([]byte, bool) {
	n := c.Run.Space.Extent(v, maxText, memory.Read)
	b := c.mem(v, n)
	for i, x := range b {
		if x == 0 {
			return b[:i], true
		}
	}
	return nil, false
}
