package linux

import "sort"

// A Kfunc is a kernel function that programs may call by BTF. Its signature is in the kernel's BTF.
type Kfunc struct {
	Name  string
	Since Version
	Flags KfuncFlags
	Types uint64 // program types that may call it, one bit each
}

// KfuncFlags say how a kernel function treats what it is passed and what it returns (KF_*), and what it is for.
type KfuncFlags uint32

const (
	KfuncAcquire KfuncFlags = 1 << iota
	KfuncRelease
	KfuncRetNull
	KfuncTrustedArgs
	KfuncSleepable
	KfuncDestructive
	KfuncRCU
	KfuncRCUProtected
	KfuncFastCall
	KfuncIterNew
	KfuncIterNext
	KfuncIterDestroy
	KfuncArenaRet
	KfuncArenaArg2
	KfuncImplicitArgs
	// KfuncProbed: the kernel that the tables are of has it, and was asked which program types may call it.
	KfuncProbed
)

// Is reports whether all of the flags are set.
func (f *Kfunc) Is(flags KfuncFlags) bool { return f.Flags&flags == flags }

// Allowed reports whether programs of the type may call the function. Filters of single functions, which look at the
// attach type or target, are not in the tables.
func (f *Kfunc) Allowed(t ProgType) bool { return f.Types>>(t&63)&1 != 0 }

// FindKfunc returns the row of a kernel function; nil if there is none.
func FindKfunc(name string) *Kfunc {
	i := sort.Search(len(kfuncs), func(i int) bool { return kfuncs[i].Name >= name })
	if i == len(kfuncs) || kfuncs[i].Name != name {
		return nil
	}
	return &kfuncs[i]
}
