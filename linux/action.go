package linux

// actions are the names of return values, by program type.
var actions = map[ProgType][]string{
	ProgTypeXDP:          {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"},
	ProgTypeSchedCLS:     tcActions,
	ProgTypeSchedACT:     tcActions,
	ProgTypeCGroupSKB:    verdicts,
	ProgTypeCGroupSock:   verdicts,
	ProgTypeCGroupDevice: verdicts,
	ProgTypeSkSKB:        {"SK_DROP", "SK_PASS"},
	ProgTypeSkMsg:        {"SK_DROP", "SK_PASS"},
	ProgTypeSkReuseport:  {"SK_DROP", "SK_PASS"},
	ProgTypeSkLookup:     {"SK_DROP", "SK_PASS"},
	ProgTypeNetfilter:    {"NF_DROP", "NF_ACCEPT"},
	ProgTypeLWTIn:        lwtActions,
	ProgTypeLWTOut:       lwtActions,
	ProgTypeLWTXmit:      lwtActions,
}

var (
	tcActions = []string{"TC_ACT_OK", "TC_ACT_RECLASSIFY", "TC_ACT_SHOT", "TC_ACT_PIPE", "TC_ACT_STOLEN", "TC_ACT_QUEUED",
		"TC_ACT_REPEAT", "TC_ACT_REDIRECT", "TC_ACT_TRAP"}
	lwtActions = []string{0: "BPF_OK", 2: "BPF_DROP", 7: "BPF_REDIRECT", 128: "BPF_LWT_REROUTE"}
	verdicts   = []string{"deny", "allow"}
)

// Action names a return value of programs of a type: "XDP_PASS". It is "" where the value has no name.
func (p ProgType) Action(ret uint32) string {
	if (p == ProgTypeSchedCLS || p == ProgTypeSchedACT) && int32(ret) == -1 {
		return "TC_ACT_UNSPEC"
	}
	if names := actions[p]; int64(ret) < int64(len(names)) {
		return names[ret]
	}
	return ""
}
