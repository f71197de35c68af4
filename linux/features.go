package linux

// A FeatureInfo is the row of a [Feature].
type FeatureInfo struct {
	Name  string
	Since Version // first release that has it; Never if none up to the newest in the tables
	// Sure is false where the release is known from its history only and was not measured.
	Sure bool
}

// Info returns the row of f.
func (f Feature) Info() FeatureInfo { return features[f] }

// String returns a short description of the feature.
func (f Feature) String() string {
	if int(f) < len(features) {
		return features[f].Name
	}
	return "unknown feature"
}

// Limits of the verifier that have been the same since long before the oldest release in the tables.
const (
	StackSize       = 512     // bytes of a frame's stack
	RegSize         = 8       // bytes of a register, and of a stack slot
	MaxInsns        = 1000000 // instructions of a program, for a loader with CAP_BPF
	MaxInsnsUnpriv  = 4096    // instructions of a program, for one without
	MaxFrames       = 8       // frames of a call chain, main program included
	MaxSubprogs     = 256     // main program included
	MaxMaps         = 64      // different maps that a program may name
	MaxBTFs         = 64      // different modules whose variables or kernel functions a program may name
	MaxKfuncs       = 256     // different kernel functions that a program may call
	MaxTailCalls    = 33
	MaxTailStack    = 256     // bytes of stack below a frame that makes a tail call must be fewer
	MaxArgs         = 5       // arguments in registers
	MaxTraceArgs    = 12      // arguments of a traced function
	MaxVarOff       = 1 << 29 // a pointer's offset, fixed or variable, is below
	MaxVarSize      = 1 << 29 // a memory argument's size is below
	MaxStatesUnpriv = 64      // states kept at an instruction, for a loader without CAP_PERFMON
	MaxLoops        = 8 << 20 // iterations of bpf_loop
	MaxFields       = 11      // special fields of a map value
	MaxNameLen      = 15      // bytes of an object's name
	MaxDynptrSize   = 1<<24 - 1
	MaxRingRecord   = 1<<30 - 1 // bytes of a ring buffer record
	MaxMayGoto      = 8 << 20   // iterations of may_goto, where they are counted
	MaxPrintfArgs   = 12
	MaxPrintfSize   = 1024 // bytes that a formatting helper may need for strings
)

// A Limit is a bound of the verifier that has changed over time.
type Limit uint8

const (
	// LimitProcessed is the budget of instructions processed while verifying a program.
	LimitProcessed Limit = iota
	// LimitJumps is the number of branches that may be waiting to be explored.
	LimitJumps
)

// Limit returns a bound as it is on this kernel.
func (k *Kernel) Limit(l Limit) int {
	switch l {
	case LimitProcessed:
		if k.Version < V(5, 2) {
			return 131072
		}
		return 1000000
	case LimitJumps:
		if k.Version < V(5, 3) {
			return 1024
		}
		return 8192
	}
	return 0
}
