package skep_test

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/classifier"
	"github.com/skepbpf/skep/examples/firewall"
)

func firewallSpec(t testing.TB) *ebpf.CollectionSpec {
	t.Helper()
	s, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(firewall.Object))
	require.NoError(t, err)
	return s
}

func TestLoadAndAssign(t *testing.T) {
	type maps struct {
		Counters *skep.Map `ebpf:"counters"`
	}
	var objs struct {
		maps
		Programs struct {
			Firewall *skep.Program `ebpf:"firewall"`
		}
		DryRun  *skep.Variable `ebpf:"dry_run"`
		Ignored int
	}
	require.ErrorContains(t, skep.LoadAndAssign(firewallSpec(t), objs, nil), "not a pointer to a struct")
	var exported struct {
		Maps struct {
			Counters *skep.Map `ebpf:"counters"`
		}
		Programs struct {
			Firewall *skep.Program `ebpf:"firewall"`
		}
		DryRun *skep.Variable `ebpf:"dry_run"`
	}
	require.NoError(t, skep.LoadAndAssign(firewallSpec(t), &exported, nil))
	require.Equal(t, "counters", exported.Maps.Counters.Name())
	require.True(t, exported.DryRun.ReadOnly())
	var dry bool
	require.NoError(t, exported.DryRun.Get(&dry))
	require.False(t, dry)
	require.ErrorIs(t, exported.DryRun.Set(true), ebpf.ErrReadOnly)
	require.NoError(t, exported.Maps.Counters.Close())
	_, _, err := exported.Programs.Firewall.Test(make([]byte, 60))
	require.NoError(t, err)
	require.NoError(t, exported.Programs.Firewall.Close())
	require.ErrorIs(t, exported.DryRun.Get(&dry), skep.ErrClosed, "nothing of the collection is open")
}

func TestAssignErrors(t *testing.T) {
	for name, to := range map[string]any{
		"no such map": &struct {
			X *skep.Map `ebpf:"nosuch"`
		}{},
		"no such program": &struct {
			X *skep.Program `ebpf:"nosuch"`
		}{},
		"no such variable": &struct {
			X *skep.Variable `ebpf:"nosuch"`
		}{},
		"other type": &struct {
			X *ebpf.Map `ebpf:"counters"`
		}{},
		"a comma": &struct {
			X *skep.Map `ebpf:"counters,omitempty"`
		}{},
		"twice": &struct {
			X *skep.Map `ebpf:"counters"`
			Y *skep.Map `ebpf:"counters"`
		}{},
		"nil": (*struct{})(nil),
	} {
		require.Error(t, skep.LoadAndAssign(firewallSpec(t), to, nil), name)
	}
	c, err := skep.NewCollection(firewallSpec(t), nil)
	require.NoError(t, err)
	defer c.Close()
	var half struct {
		X *skep.Map `ebpf:"counters"`
		Y *skep.Map `ebpf:"nosuch"`
	}
	require.Error(t, c.Assign(&half))
	require.Nil(t, half.X, "nothing is half assigned")
	require.NotNil(t, c.Maps["counters"])
	m := c.DetachMap("counters")
	require.NotNil(t, m)
	require.Nil(t, c.DetachMap("counters"))
	require.NoError(t, m.Close())
	require.NotNil(t, c.DetachProgram("firewall"))
}

// TestSomePrograms makes one program of three, and with it what its prog array holds.
func TestSomePrograms(t *testing.T) {
	s, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(classifier.Object))
	require.NoError(t, err)
	c, err := skep.NewCollection(s, &skep.Options{VerifyOptions: skep.VerifyOptions{Programs: []string{"classify_udp"}}})
	require.NoError(t, err)
	require.Len(t, c.Programs, 1)
	require.Empty(t, c.Maps)
	c.Close()

	var objs struct {
		Classify *skep.Program `ebpf:"classify"`
	}
	require.NoError(t, skep.LoadAndAssign(s, &objs, nil))
	defer objs.Classify.Close()
	udp := make([]byte, 60)
	udp[12], udp[14], udp[23] = 8, 0x45, 17
	out := make([]byte, 192)
	_, err = objs.Classify.Run(&skep.RunOptions{Data: udp, ContextOut: out})
	require.NoError(t, err)
	require.Equal(t, byte(17), out[8], "the mark, set by the program behind the tail call")
}

// TestProgArray puts programs of other types and of other collections into a prog array.
func TestProgArray(t *testing.T) {
	s, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(classifier.Object))
	require.NoError(t, err)
	c, err := skep.NewCollection(s, nil)
	require.NoError(t, err)
	defer c.Close()
	other := open(t, counter, nil)
	array := c.Maps["protocols"]
	require.NoError(t, array.Put(uint32(1), c.Programs["classify_udp"]))
	require.ErrorContains(t, array.Put(uint32(1), other.Programs["counter"]), "another collection")
	require.Error(t, array.Put(uint32(1), other.Maps["counts"]))
	require.ErrorContains(t, c.Maps["unknown"].Put(byte(1), c.Programs["classify"]), "prog array")
	require.NoError(t, array.Delete(uint32(1)))
	require.ErrorIs(t, array.Delete(uint32(1)), ebpf.ErrKeyNotExist)
}

// nested has a map of maps.
const nested = `
prog socket_filter
name nested
map inner array key=4 value=8 entries=1
map outer array_of_maps key=4 value=4 entries=2 inner=inner
	*(u32 *)(r10 -4) = 0
	r1 = outer ll
	r2 = r10
	r2 += -4
	call bpf_map_lookup_elem
	if r0 == 0 goto none
	r1 = r0
	r2 = r10
	r2 += -4
	call bpf_map_lookup_elem
	if r0 == 0 goto none
	r0 = *(u64 *)(r0 +0)
	exit
none:
	r0 = -1
	exit
`

func TestMapInMap(t *testing.T) {
	c := open(t, nested, nil)
	outer := c.Maps["outer"]
	inner, err := c.NewMap(&ebpf.MapSpec{Name: "mine", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	require.NoError(t, err)
	require.NoError(t, inner.Put(uint32(0), uint64(42)))
	run := func() int32 {
		ret, _, err := c.Programs["nested"].Test(make([]byte, 14))
		require.NoError(t, err)
		return int32(ret)
	}
	require.EqualValues(t, -1, run())
	require.NoError(t, outer.Put(uint32(0), inner))
	require.NoError(t, inner.Close(), "the outer map keeps it")
	require.EqualValues(t, 42, run())
	var again *skep.Map
	require.NoError(t, outer.Lookup(uint32(0), &again))
	defer again.Close()
	require.NoError(t, again.Put(uint32(0), uint64(43)))
	require.EqualValues(t, 43, run())
	require.NoError(t, outer.Delete(uint32(0)))
	require.EqualValues(t, -1, run())
	other, err := c.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1})
	require.NoError(t, err)
	defer other.Close()
	require.Error(t, outer.Put(uint32(0), other), "not like the template")
}
