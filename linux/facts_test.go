package linux_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/skepbpf/skep/linux"
)

// These tests read the facts that the tables were made from, and ask the tables the other way round: each question
// that was asked of the kernel, also those it answered with a refusal.

// readFacts reads one file of facts into v, or skips the test.
func readFacts(t *testing.T, name string, v any) {
	t.Helper()
	dir := "../../shared"
	if env := os.Getenv("SKEP_SHARED"); env != "" {
		dir = env
	}
	text, err := os.ReadFile(filepath.Join(dir, "facts", name))
	if err != nil {
		t.Skip("no facts to compare with:", err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// progID finds a program type by its UAPI name.
func progID(t *testing.T, name string) ProgType {
	t.Helper()
	name = strings.ToLower(strings.TrimPrefix(name, "BPF_PROG_TYPE_"))
	for p := range ProgType(64) {
		if p.String() == name {
			return p
		}
	}
	t.Fatalf("no program type %q", name)
	return 0
}

// attachID finds an attach type by its UAPI name; what is none is 0.
func attachID(name string) AttachType {
	name = strings.ToLower(strings.TrimPrefix(name, "BPF_"))
	for a := range AttachType(64) {
		if a.String() == name {
			return a
		}
	}
	return 0
}

// targetName cuts a BTF target out of the words that facts put around it.
func targetName(s string) string {
	s, _, _ = strings.Cut(s, " (")
	return strings.TrimPrefix(strings.TrimPrefix(s, "func:"), "struct ")
}

type ctxRow struct {
	ProgType  string `json:"prog_type"`
	Pointer   string
	AppliesTo []struct {
		Attach    string
		AttachBTF string `json:"attach_btf"`
	} `json:"applies_to"`
	Accepted []ctxCell
	Uniform  *int      `json:"uniform_from_offset"`
	Period   []ctxCell `json:"period_8_pattern"`
}

type ctxCell struct {
	Off                      int
	Load                     map[string]string
	SignExt, Store, StoreImm []int
}

func (c *ctxCell) UnmarshalJSON(b []byte) error {
	var v struct {
		Off     int
		Load    map[string]string
		SignExt []int `json:"sign_ext_load"`
		Store   []int
		Imm     []int `json:"store_imm"`
	}
	err := json.Unmarshal(b, &v)
	*c = ctxCell{v.Off, v.Load, v.SignExt, v.Store, v.Imm}
	return err
}

// loadType is the type that a load yields, as the log spells it.
func loadType(l *Layout, off, size int, kind AccessKind) string {
	k, ok := l.Access(off, size, kind)
	switch {
	case !ok:
		return ""
	case k == FieldPacket, k == FieldPacketMeta:
		return k.String() + "(r=0)"
	case k == FieldBTF:
		return k.String() + l.BTFName(off)
	}
	return k.String()
}

// check compares a layout with every cell of a row.
func (r *ctxRow) check(t *testing.T, name string, l *Layout, from, to int) (cells int) {
	byOff := map[int]ctxCell{}
	for _, c := range r.Accepted {
		byOff[c.Off] = c
	}
	for off := from; off < to; off++ {
		c := byOff[off]
		if r.Uniform != nil && (off >= 8 || off >= *r.Uniform && *r.Uniform >= 0 || off < 0 && *r.Uniform < 0) {
			c = r.Period[off&7]
		}
		for w := range 4 {
			size := 1 << w
			cells++
			if got, want := loadType(l, off, size, Load), c.Load[strconv.Itoa(size)]; got != want {
				t.Errorf("%s: load of %d at %d yields %q, want %q", name, size, off, got, want)
			}
			if _, ok := l.Access(off, size, LoadSX); r.Pointer == "" && ok != slices.Contains(c.SignExt, size) {
				t.Errorf("%s: sign-extending load of %d at %d allowed: %v", name, size, off, ok)
			}
			if _, ok := l.Access(off, size, Store); ok != slices.Contains(c.Store, size) {
				t.Errorf("%s: store of %d at %d allowed: %v", name, size, off, ok)
			}
			if _, ok := l.Access(off, size, StoreImm); ok != slices.Contains(c.StoreImm, size) {
				t.Errorf("%s: store of a constant of %d at %d allowed: %v", name, size, off, ok)
			}
		}
	}
	return cells
}

func TestContextsAgreeWithFacts(t *testing.T) {
	var facts struct {
		Rows     []ctxRow
		Pointers []ctxRow `json:"pointer_rows"`
	}
	readFacts(t, "ctx_probe.json", &facts)
	cells := 0
	for _, r := range facts.Rows {
		for _, a := range r.AppliesTo {
			p := Default.Prog(progID(t, r.ProgType), attachID(a.Attach), targetName(a.AttachBTF))
			name := r.ProgType + "/" + a.Attach
			if p == nil {
				t.Errorf("%s: no row", name)
				continue
			}
			if p.Ctx().Args {
				// What the log said of a program's arguments, where BTF decides.
				for _, arg := range TargetArgs(targetName(a.AttachBTF)) {
					i := slices.IndexFunc(r.Accepted, func(c ctxCell) bool { return c.Off == arg.Off })
					if i < 0 || r.Accepted[i].Load[strconv.Itoa(arg.Size)] != arg.Type {
						t.Errorf("%s: %v was not seen", name, arg)
					}
				}
				continue
			}
			cells += r.check(t, name, p.Ctx(), -8, 328)
		}
	}
	objects := map[string]Object{
		"sock_common (skb->sk, null checked)": ObjectSockCommon,
		"sock (bpf_sk_fullsock)":              ObjectSock,
		"sock (cgroup sock_addr ctx->sk)":     ObjectSock,
		"tcp_sock (bpf_tcp_sock)":             ObjectTCPSock,
		"xdp_sock (xskmap lookup)":            ObjectXDPSock,
		"flow_keys":                           ObjectFlowKeys,
	}
	for _, r := range facts.Pointers {
		if o, ok := objects[r.Pointer]; ok {
			cells += r.check(t, r.Pointer, Default.PtrLayout(o), -8, 264)
			delete(objects, r.Pointer)
		}
	}
	if len(objects) > 0 {
		t.Errorf("not compared: %v", objects)
	}
	t.Logf("%d offsets and widths agree, four kinds of access each", cells)
}

func TestHelpersAgreeWithFacts(t *testing.T) {
	var facts struct {
		Rows []struct {
			ProgType  string `json:"prog_type"`
			Attach    string `json:"expected_attach_type"`
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
	readFacts(t, "helper_availability.json", &facts)
	has := func(list []string, name string) bool { return slices.Contains(list, strings.TrimPrefix(name, "bpf_")) }
	cells := 0
	for _, r := range facts.Rows {
		pt, at := progID(t, r.ProgType), attachID(r.Attach)
		p := Default.Prog(pt, at, targetName(r.AttachBTF))
		name := strings.Join([]string{r.ProgType, r.Attach, r.AttachBTF}, "/")
		for id := int32(1); id < NumHelpers; id++ {
			helper := HelperName(id)
			use := p.Helper(Default, id)
			cells++
			if !r.Loadable {
				if has(r.Src612, helper) && use == 0 {
					t.Errorf("%s: %s is not allowed", name, helper)
				}
				continue
			}
			if strings.Contains(r.Attach, "release of tcp_congestion_ops") && strings.HasSuffix(helper, "etsockopt") {
				continue // the one member that differs from the others
			}
			allowed := has(r.Allowed, helper) || has(r.Refused, helper)
			if (use != 0) != allowed {
				t.Errorf("%s: %s allowed %v", name, helper, use != 0)
			}
			if (use&HelperByTarget != 0) != has(r.Refused, helper) {
				t.Errorf("%s: %s by target %v", name, helper, use&HelperByTarget != 0)
			}
			if pt != ProgTypeStructOps && (use&HelperGPL != 0) != has(r.GPL, helper) {
				t.Errorf("%s: %s GPL %v", name, helper, use&HelperGPL != 0)
			}
			if !r.Sleepable && has(r.Sleeps, helper) != (use&HelperSleeps != 0) {
				t.Errorf("%s: %s sleeps %v", name, helper, use&HelperSleeps != 0)
			}
		}
	}
	t.Logf("%d pairs of program and helper", cells)
}

func TestProgramTypesAgreeWithFacts(t *testing.T) {
	var facts struct {
		Rows []struct {
			ProgType   string `json:"prog_type"`
			ProgID     uint32 `json:"prog_type_id"`
			Attach     string
			AttachID   uint32 `json:"attach_id"`
			AttachBTF  string `json:"attach_btf"`
			Loadable   bool
			Sleepable  bool    `json:"sleepable_flag_used"`
			Returns    []int64 `json:"const_returns_accepted"`
			Read       bool    `json:"direct_packet_read"`
			Write      bool    `json:"direct_packet_write"`
			LdAbs      bool    `json:"ld_abs"`
			MaySleep   bool    `json:"sleepable_load"`
			Awake      bool    `json:"non_sleepable_load"`
			Attachable []int   `json:"expected_attach_accepted_at_load"`
			TestRun    string  `json:"test_run"`
		}
	}
	readFacts(t, "progtypes.json", &facts)
	for _, r := range facts.Rows {
		name := r.ProgType + "/" + r.Attach
		pt := progID(t, r.ProgType)
		if uint32(pt) != r.ProgID {
			t.Errorf("%s is %d", name, pt)
		}
		if strings.HasPrefix(r.Attach, "BPF_") && uint32(attachID(r.Attach)) != r.AttachID {
			t.Errorf("%s is %d", name, attachID(r.Attach))
		}
		p := Default.Prog(pt, attachID(r.Attach), targetName(r.AttachBTF))
		if p.Is(Probed) != r.Loadable {
			t.Errorf("%s: probed %v", name, p.Is(Probed))
		}
		if len(r.Attachable) > 0 {
			for at := range 60 {
				if got := Default.AttachAllowed(pt, AttachType(at)); got != slices.Contains(r.Attachable, at) {
					t.Errorf("%s: attach type %d allowed: %v", name, at, got)
				}
			}
		}
		if !r.Loadable {
			continue
		}
		for _, trait := range []struct {
			trait ProgTraits
			want  bool
		}{
			{PacketRead, r.Read}, {PacketWrite, r.Write}, {LdAbs, r.LdAbs}, {MaySleep, r.MaySleep},
			{MustSleep, !r.Awake}, {TestRun, !strings.HasPrefix(r.TestRun, "unsupported")},
		} {
			if p.Is(trait.trait) != trait.want {
				t.Errorf("%s: trait %#x is %v", name, trait.trait, !trait.want)
			}
		}
		for _, v := range []int64{-4096, -4095, -100, -2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 255, 256, 1<<31 - 1} {
			if got := p.Return.Contains(v, v); p.Return.Kind != ReturnTarget && got != slices.Contains(r.Returns, v) {
				t.Errorf("%s: may return %d: %v", name, v, got)
			}
		}
	}
}
