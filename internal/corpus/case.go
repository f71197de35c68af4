// Package corpus reads a verifier corpus: programs as the exact input of bpf(2), with what a real
// kernel said of each. It turns them into Programs, runs a judge over them and scores its verdicts
// against the recorded ones.
//
// A corpus is a file of JSON lines (cases.jsonl.gz), with beside it the BTF blobs that the cases name
// (btf.tar.gz), the BTF of the kernel behind the verdicts (vmlinux-VERSION.btf.gz) and, optionally, the
// verdicts and BTF of other kernels (verdicts-VERSION.jsonl.gz, btf-kernels/VERSION.btf.gz).
package corpus

import (
	"encoding/hex"
	"encoding/json"
)

// Hex is a byte string that JSON holds as hexadecimal digits.
type Hex []byte

// UnmarshalJSON reads a string of hexadecimal digits.
func (h *Hex) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := hex.DecodeString(s)
	*h = v
	return err
}

// MarshalJSON writes a string of hexadecimal digits.
func (h Hex) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(h)) }

// A Case is one program and what it was loaded with. Set.Open makes it usable: a Case decoded
// otherwise has no blobs.
type Case struct {
	ID       string   `json:"id"`
	File     string   `json:"file"`
	Prog     string   `json:"prog"`
	Section  string   `json:"section"`
	Area     string   `json:"area"`     // feature area, by file name
	Features []string `json:"features"` // what its instructions, helpers, kfuncs and maps use

	ProgType     uint32 `json:"prog_type_id"`
	ProgTypeName string `json:"prog_type"`
	AttachType   uint32 `json:"expected_attach_type"`
	Attach       string `json:"attach"`        // kernel BTF type attached to
	AttachMember string `json:"attach_member"` // struct_ops: the member that AttachType numbers
	AttachBTFID  uint32 `json:"attach_btf_id"` // of Attach, in the recorded kernel
	Flags        uint32 `json:"prog_flags"`
	KernVersion  uint32 `json:"kern_version"`
	License      string `json:"license"`

	Insns       Hex    `json:"insns"`
	Relos       []Relo `json:"relos"`
	Maps        []Map  `json:"maps"`
	BTF         string `json:"btf"` // blob name, "" for none
	FuncInfo    Hex    `json:"func_info"`
	FuncInfoRec uint32 `json:"func_info_rec"`
	LineInfo    Hex    `json:"line_info"`
	LineInfoRec uint32 `json:"line_info_rec"`
	CoreRelo    bool   `json:"core_relo"` // offsets in Insns are those of the recorded kernel

	Want *Verdict `json:"want"` // nil: not recorded, the case can only be judged

	set *Set
}

// A Relo says what an instruction refers to. Kind is map_fd or map_value (Imm is an index into Maps),
// raw_fd (a wrong descriptor on purpose), kfunc or btf_var (Imm is a BTF id of the recorded kernel).
type Relo struct {
	Insn int    `json:"insn"`
	Kind string `json:"kind"`
	Map  int    `json:"map"`
	Name string `json:"name"`
}

// A Map holds what creates a map and what was put into it before the load.
type Map struct {
	Name       string    `json:"name"`
	Type       uint32    `json:"type"`
	KeySize    uint32    `json:"key_size"`
	ValueSize  uint32    `json:"value_size"`
	MaxEntries uint32    `json:"max_entries"`
	Flags      uint32    `json:"flags"`
	Extra      uint64    `json:"map_extra"`
	BTF        string    `json:"btf"`
	BTFKey     uint32    `json:"btf_key"`
	BTFValue   uint32    `json:"btf_value"`
	Inner      *int      `json:"inner"` // index of the template map, always smaller
	Data       Hex       `json:"data"`  // value of key 0
	Frozen     bool      `json:"frozen"`
	Progs      []MapProg `json:"progs"` // contents of a prog array
}

// A MapProg is an element of a prog array. The program has the type of the case, and its ld_imm64s
// refer to that prog array.
type MapProg struct {
	Key   uint32 `json:"key"`
	Insns Hex    `json:"insns"`
}

// A Verdict is what a verifier said of a case: a real kernel (Case.Want) or the one under test.
type Verdict struct {
	ID          string `json:"id,omitempty"`
	Kernel      string `json:"kernel,omitempty"`
	Verdict     string `json:"verdict"` // Accept, Reject, Unsupported, Failed; of recorded kernels also "error", "none"
	Errno       int    `json:"errno"`
	Message     string `json:"message"`          // last line of the log that is not a figure; "" on accept
	Report      string `json:"report,omitempty"` // 7.3 and later: "class: title" of the explanation
	Processed   int    `json:"processed"`
	TotalStates int    `json:"total_states"`
	PeakStates  int    `json:"peak_states"`
	StackDepth  string `json:"stack_depth"` // "16+0+8", main program first
	Usec        int64  `json:"usec,omitempty"`

	EnvSuspect string   `json:"env_suspect,omitempty"` // a reject that points at the kernel's configuration
	Retvals    []Retval `json:"retvals,omitempty"`

	// Stack is where the judge panicked, if it did (Verdict is then Failed).
	Stack string `json:"stack,omitempty"`
}

// Values of Verdict.Verdict.
const (
	Accept      = "accept"
	Reject      = "reject"
	Unsupported = "unsupported" // the judge knows that it cannot tell
	Failed      = "failed"      // the judge panicked or gave an error that is no verdict
)

// A Retval is one run of an accepted program by BPF_PROG_TEST_RUN on a fresh load.
type Retval struct {
	Data   Hex    `json:"data,omitempty"` // the packet; empty: none
	Retval uint32 `json:"retval"`
}

// Calls reports whether the case refers to the kernel function or variable.
func (c *Case) Calls(name string) bool {
	for i := range c.Relos {
		if c.Relos[i].Name == name {
			return true
		}
	}
	return false
}
