package linux

// A TargetArg is one argument of a BTF target, as a load of it from the context was seen to yield it.
type TargetArg struct {
	Off  int    // in the context
	Size int    // width of the load
	Type string // as the log spells the register's type
}

// TargetArgs returns what was measured of the arguments of a BTF target ("bpf_iter_task", "btf_trace_sys_enter"); nil
// if nothing was. BTF gives the types of the arguments, but not which may be NULL or are trusted.
func TargetArgs(target string) []TargetArg { return targetArgs[target] }

// TargetPointer is how the log spells the type of the pointer that a program attached to the target loads from off; ""
// if it is what BTF says: a trusted pointer to the argument's type.
func TargetPointer(target string, off int) string {
	for _, table := range []map[string][]TargetArg{otherArgs, targetArgs} {
		for _, a := range table[target] {
			if a.Off == off && a.Size == 8 {
				return a.Type
			}
		}
	}
	return ""
}

// An lsmReturn is what an LSM hook returns.
type lsmReturn uint8

const (
	lsmInt lsmReturn = iota // 0 or an error
	lsmBool
	lsmVoid
)

// LSMReturn returns what programs on an LSM hook ("bpf_lsm_file_open") must return, from Linux 6.12 on.
func (k *Kernel) LSMReturn(at AttachType, hook string) Return {
	switch r := lsmReturns[hook]; {
	case at == AttachLSMCGroup && r == lsmVoid:
		return Return{ReturnRange, 1, 1}
	case at == AttachLSMCGroup:
		return Return{ReturnRange, 0, 1}
	case r == lsmVoid || !k.Has(FeatureLSMReturnRange):
		return Return{Kind: ReturnAny}
	case r == lsmBool:
		return Return{ReturnRange, 0, 1}
	}
	return Return{ReturnRange, -4095, 0}
}

// LSMTraits are the yes/no facts about an LSM hook.
type LSMTraits uint8

const (
	LSMMaySleep  LSMTraits = 1 << iota // programs on it may sleep
	LSMDisabled                        // no program may attach to it
	LSMUntrusted                       // its arguments are not trusted
)

// LSMHook returns the facts about an LSM hook ("bpf_lsm_file_open").
func LSMHook(hook string) LSMTraits { return lsmHooks[hook] }

// DPathTarget reports whether a tracing program on a function may call bpf_d_path.
func DPathTarget(function string) bool { return dPathTargets[function] }
