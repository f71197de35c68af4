package main

import (
	"cmp"
	"encoding/json"
	"strings"
)

// facts is what the generator uses of the folder.
type facts struct {
	progs   progFacts
	ctx     ctxFacts
	structs structFacts
	helpers helperFacts
	avail   availFacts
	maps    mapFacts
	kfuncs  kfuncFacts
	limits  limitFacts

	progIDs   map[string]int // BPF_PROG_TYPE_X
	attachIDs map[string]int // BPF_X
}

type progFacts struct {
	Types []struct {
		ProgType string `json:"prog_type"`
		Since    string
	}
	AttachSince map[string]string `json:"attach_type_since"`
	Returns612  map[string]any    `json:"return_ranges_6_12"`
	Sets612     struct {
		Bool struct{ IDs []string } `json:"bool_lsm_hooks"`
		Hook struct {
			Hooks []struct{ Hook, Ret string }
		} `json:"lsm_hooks_all"`
		Sleepable struct{ IDs []string } `json:"sleepable_lsm_hooks"`
		Disabled  struct{ IDs []string } `json:"bpf_lsm_disabled_hooks"`
		Untrusted struct{ IDs []string } `json:"untrusted_lsm_hooks"`
		DPath     struct{ IDs []string } `json:"btf_allowlist_d_path"`
	} `json:"btf_id_sets_6_12"`
	Rows []progRow
}

type progRow struct {
	ProgType    string `json:"prog_type"`
	ProgID      int    `json:"prog_type_id"`
	Attach      string
	AttachID    int    `json:"attach_id"`
	AttachBTF   string `json:"attach_btf"`
	Loadable    bool
	Sleepable   bool              `json:"sleepable_flag_used"`
	PacketRead  bool              `json:"direct_packet_read"`
	PacketWrite bool              `json:"direct_packet_write"`
	LdAbs       bool              `json:"ld_abs"`
	MaySleep    bool              `json:"sleepable_load"`
	NonSleep    bool              `json:"non_sleepable_load"`
	NeedsGPL    string            `json:"needs_gpl_license"`
	NeedsBTF    bool              `json:"expects_attach_btf"`
	Range       json.RawMessage   `json:"return_range_live"`
	TestRun     string            `json:"test_run"`
	Attachable  []int             `json:"expected_attach_accepted_at_load"`
	MapRefused  map[string]string `json:"map_refused"`
	Return      struct {
		UninitOK bool `json:"uninit_r0_accepted"`
	}
}

type ctxFacts struct {
	Rows     []ctxRow
	Pointers []ctxRow `json:"pointer_rows"`
}

type ctxRow struct {
	ProgType  string `json:"prog_type"`
	Pointer   string
	AppliesTo []struct {
		Attach    string
		AttachBTF string `json:"attach_btf"`
	} `json:"applies_to"`
	Accepted []ctxCell
	Uniform  *int           `json:"uniform_from_offset"`
	Period   []ctxCell      `json:"period_8_pattern"`
	End      map[string]int `json:"open_ended_load_end_by_width"`
}

type ctxCell struct {
	Off      int
	Load     map[string]string
	SignExt  []int `json:"sign_ext_load"`
	Store    []int
	StoreImm []int `json:"store_imm"`
}

type structFacts struct {
	Structs map[string]struct {
		Size   int
		Fields []struct {
			Name string
			Off  int
			Size int
			Type string
			Bits int
		}
	}
	Rows []struct {
		ProgType  string          `json:"prog_type"`
		AppliesTo json.RawMessage `json:"applies_to"`
		Struct    string          `json:"ctx_struct"`
		Size      int             `json:"ctx_size"`
	}
}

type helperFacts struct {
	Rows []struct {
		ID       int
		Name     string
		Since    string
		Traits   []string
		Variants []variantFacts
	}
}

type variantFacts struct {
	Proto      string
	GPLOnly    bool   `json:"gpl_only"`
	PktAccess  bool   `json:"pkt_access"`
	MightSleep bool   `json:"might_sleep"`
	FastCall   bool   `json:"allow_fastcall"`
	AllowedFn  string `json:"allowed_fn"`
	Ret        argFacts
	Args       []argFacts
	ProgTypes  []string            `json:"prog_types"`
	Conditions map[string][]string `json:"conditions"`
	Live       struct {
		Result   string
		ProgType string              `json:"prog_type"`
		Expected map[string][]string `json:"expected_regs"`
		NullOK   []int               `json:"null_ok"`
		ScalarOK []int               `json:"scalar_ok"`
	} `json:"live_6_18"`
}

type argFacts struct {
	Base    string
	Flags   []string
	BTFType string `json:"btf_type"`
	Size    int
}

type availFacts struct {
	Rows []struct {
		ProgType  string `json:"prog_type"`
		ProgID    int    `json:"prog_type_id"`
		Attach    string `json:"expected_attach_type"`
		AttachID  int    `json:"attach_id"`
		AttachBTF string `json:"attach_btf"`
		Sleepable bool
		Loadable  bool
		Allowed   []string `json:"live_6_18_allowed"`
		Sleeps    []string `json:"live_needs_sleepable"`
		Refused   []string `json:"live_allowed_callback_refused"`
		GPL       []string `json:"live_gpl_only"`
		Src612    []string `json:"src_6_12"`
	}
}

type limitFacts struct {
	Rows []struct {
		Feature, Since, Confidence, Group string
	}
}

// read loads all files.
func read(folder string) (*facts, error) {
	f := &facts{progIDs: map[string]int{}, attachIDs: map[string]int{}}
	var e [8]error
	f.progs, e[0] = load[progFacts](folder, "progtypes.json")
	f.ctx, e[1] = load[ctxFacts](folder, "ctx_probe.json")
	f.structs, e[2] = load[structFacts](folder, "ctx.json")
	f.helpers, e[3] = load[helperFacts](folder, "helpers.json")
	f.avail, e[4] = load[availFacts](folder, "helper_availability.json")
	f.maps, e[5] = load[mapFacts](folder, "maptypes.json")
	f.kfuncs, e[6] = load[kfuncFacts](folder, "kfuncs.json")
	f.limits, e[7] = load[limitFacts](folder, "limits.json")
	if err := cmp.Or(e[:]...); err != nil {
		return nil, err
	}
	for _, r := range f.progs.Rows {
		f.progIDs[r.ProgType] = r.ProgID
		if strings.HasPrefix(r.Attach, "BPF_") {
			f.attachIDs[r.Attach] = r.AttachID
		}
	}
	f.progIDs["BPF_PROG_TYPE_EXT"] = 28
	return f, nil
}
