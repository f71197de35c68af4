package verifier

import (
	"fmt"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/verifier/domain"
)

func constBits(v int64) domain.Tnum { return domain.TnumConst(uint64(v)) }

// bitsText spells known bits as messages do: a number if all are known.
func bitsText(t domain.Tnum) string {
	if t.IsConst() {
		return string(appendUnum(nil, t.Value))
	}
	return t.String()
}

func at(format string, n isa.Reg) string { return fmt.Sprintf(format, n) }

// accessCtx is a load from or a store to the program's context.
func (w *walk) accessCtx(r *reg, off int, a *access) error {
	if err := w.unmodified(a.base, r, w.prog.Type == linux.ProgTypeSyscall); err != nil {
		return err
	}
	l := w.prog.Ctx()
	if l.Args {
		return w.accessArgs(off, a)
	}
	k, ok := l.Access(off, a.size, a.kind())
	if !ok || !w.prog.HasField(w.k, off, a.size) {
		return w.refuse(eacces, "context", "invalid bpf_context access off=%d size=%d", off, a.size)
	}
	if a.write || !a.hasReg {
		return nil
	}
	d := w.cur.reg(a.reg)
	switch k {
	case linux.FieldScalar:
		d.setUnknown()
	case linux.FieldBTF:
		t, err := w.kernelStruct(l.BTFName(off))
		if err != nil {
			return err
		}
		*d = ptrReg(btfPtr, trusted)
		d.btf = t
	default:
		t := fieldTypes[k]
		*d = ptrReg(t.typ, t.flags)
		if d.canBeNull() {
			d.id = w.newID()
		}
	}
	return nil
}

var fieldTypes = map[linux.FieldKind]struct {
	typ   regType
	flags regFlags
}{
	linux.FieldPacket:           {pkt, 0},
	linux.FieldPacketEnd:        {pktEnd, 0},
	linux.FieldPacketMeta:       {pktMeta, 0},
	linux.FieldSock:             {sock, 0},
	linux.FieldSockOrNull:       {sock, maybeNull},
	linux.FieldSockCommonOrNull: {sockCommon, maybeNull},
	linux.FieldFlowKeys:         {flowKeys, 0},
	linux.FieldTPBuffer:         {tpBuffer, 0},
}

// packetAccess tells whether the program may read packets, or write them. helper: passed to that helper.
func (w *walk) packetAccess(helper int32, write bool) bool {
	if write {
		return w.prog.Is(linux.PacketWrite)
	}
	return w.prog.Is(linux.PacketRead)
}
