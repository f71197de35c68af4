package prepare

import "slices"

const (
	maxInsns   = 1_000_000
	knownFlags = 0xff    // up to BPF_F_TEST_REG_INVARIANTS; BPF_F_TOKEN_FD needs a token
	lastType   = 32      // BPF_PROG_TYPE_NETFILTER
	maxTypeID  = 1 << 20 // of BTF
)

// checkAttributes refuses what bpf(2) refuses before it starts the verifier, without a message.
func (in *Info) checkAttributes() *Fault {
	p := in.Program
	bad := func(errno int, code string) *Fault { return fault(errno, -1, code, "") }
	switch {
	case p.Flags&^knownFlags != 0:
		return bad(einval, "prog-flags")
	case len(p.Insns) == 0 || len(p.Insns) > maxInsns:
		return bad(e2big, "insn-count")
	case p.Type == 0 || p.Type > lastType:
		return bad(einval, "prog-type")
	case !attachAllowed(p.Type, p.AttachType):
		return bad(einval, "attach-type")
	}
	if p.AttachID != 0 {
		switch p.Type {
		case progTracing, progStructOps, progExt, progLSM:
		default:
			return bad(einval, "attach-id")
		}
		if p.AttachID >= maxTypeID {
			return bad(einval, "attach-id")
		}
		if in.kernel != nil && p.Type != progExt {
			if _, err := in.kernelTypeByID(p.AttachID); err != nil {
				return bad(einval, "attach-id")
			}
		}
	}
	return nil
}

// attachTypes are the expected attach types that a program type takes; types that are not here take any.
var attachTypes = map[uint32][]uint32{
	8:           {0, 1},
	9:           {0, 2, 12, 13, 34},
	18:          {8, 9, 10, 11, 14, 15, 19, 20, 29, 30, 31, 32, 49, 50, 51, 52, 53},
	21:          {0, 39, 40},
	25:          {21, 22},
	30:          {36},
	32:          {45},
	progSyscall: {0},
	progExt:     {0},
}

func attachAllowed(typ, attach uint32) bool {
	list, ok := attachTypes[typ]
	return !ok || slices.Contains(list, attach)
}

// licences are the texts that make a program compatible with the GPL.
var licences = []string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}

// maxLicence is how much of a licence's text the kernel reads.
const maxLicence = 127

func isGPL(licence string) bool {
	if len(licence) > maxLicence {
		licence = licence[:maxLicence]
	}
	return slices.Contains(licences, licence)
}
