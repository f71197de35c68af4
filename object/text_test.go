package object_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/object"
)

const counting = `# Counts the packets.

prog xdp
name count
attach xdp
license Dual MIT/GPL
flags xdp_has_frags, sleepable 0x80
map unused hash key=4 value=8 entries=16
map template array key=4 value=4 entries=1 frozen data=01020304
map outer array_of_maps key=4 value=4 entries=3 inner=template
map counters array key=4 value=8 entries=1 flags=0x400 data=ff
-- prog.s --
	*(u32 *)(r10 -4) = 0
	r1 = counters ll
	r2 = r10
	r2 += -4
	call bpf_map_lookup_elem
	if r0 == 0 goto out
	r1 = 1
	lock *(u64 *)(r0 +0) += r1
	r1 = outer ll
	r1 = counters ll
out:
	r0 = 2
	exit
`

func TestParse(t *testing.T) {
	p, err := object.Parse(counting, object.Options{})
	require.NoError(t, err)
	require.Equal(t, "count", p.Name)
	require.EqualValues(t, 6, p.Type)
	require.EqualValues(t, 37, p.AttachType)
	require.Equal(t, "Dual MIT/GPL", p.License)
	require.EqualValues(t, 1<<5|1<<4|1<<7, p.Flags)
	require.Len(t, p.Insns, 15)
	require.Len(t, p.Maps, 2, "those named, in order of first use")
	counters, outer := p.Maps[0], p.Maps[1]
	require.Equal(t, &object.Map{Name: "counters", Type: 2, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: 0x400,
		Contents: []object.MapKV{{Key: make([]byte, 4), Value: []byte{0xff, 0, 0, 0, 0, 0, 0, 0}}}}, counters)
	require.EqualValues(t, 12, outer.Type)
	require.True(t, outer.Inner.Frozen)
	require.Equal(t, []byte{1, 2, 3, 4}, outer.Inner.Contents[0].Value)
	require.EqualValues(t, isa.PseudoMapFD, p.Insns[1].Src)
	require.EqualValues(t, 0, p.Insns[1].Imm)
	require.EqualValues(t, 1, p.Insns[9].Imm)
	require.EqualValues(t, 0, p.Insns[11].Imm)
	require.EqualValues(t, 1, p.Insns[5].Imm, "bpf_map_lookup_elem")
}

func TestParseErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		line       int
	}{
		"no type":          {"r0 = 0\nexit", "needs a type", 0},
		"empty":            {"", "needs a type", 0},
		"unknown type":     {"prog xpd", "there is no xpd", 1},
		"two types":        {"prog xdp sched_cls", "wants one word", 1},
		"unknown flag":     {"prog xdp\nflags sleep", "no flag sleep", 2},
		"unknown attach":   {"prog xdp\nattach nowhere", "there is no nowhere", 2},
		"map twice":        {"prog xdp\nmap a array\nmap a array", "there is a map a already", 3},
		"map of what":      {"prog xdp\nmap a arry", "there is no arry", 2},
		"map without type": {"prog xdp\nmap a", "a name and a type", 2},
		"map size":         {"prog xdp\nmap a array key=0x100000000", "32 bits", 2},
		"map number":       {"prog xdp\nmap a array key=four", "invalid syntax", 2},
		"map word":         {"prog xdp\nmap a array size=4", "maps have no size", 2},
		"inner":            {"prog xdp\nmap a array_of_maps inner=b", "no map b", 2},
		"data":             {"prog xdp\nmap a array key=4 value=1 data=0102", "2 bytes of data", 2},
		"odd data":         {"prog xdp\nmap a array key=4 value=1 data=012", "odd length", 2},
		"instruction":      {"prog xdp\n\nr0 = 0\nr0 <=> 1\nexit", "", 4},
		"unknown map":      {"prog xdp\nr1 = nothing ll\nexit", "nothing", 2},
		"no kernel types":  {"prog xdp\ncall bpf_cpumask_create\nexit", "needs the types", 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := object.Parse(c.text, object.Options{})
			require.ErrorContains(t, err, c.want)
			if e := (*object.TextError)(nil); errors.As(err, &e) {
				require.Equal(t, c.line, e.Line, err)
			} else {
				require.Zero(t, c.line, err)
			}
		})
	}
}
