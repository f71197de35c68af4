package value

import (
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/linux"
)

func TestFormat(t *testing.T) {
	u32 := &btf.Int{Name: "u32", Size: 4}
	i16 := &btf.Int{Name: "short", Size: 2, Encoding: btf.Signed}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	s := &btf.Struct{Size: 16, Members: []btf.Member{
		{Name: "a", Type: u32},
		{Name: "b", Type: i16, Offset: 32},
		{Name: "flag", Type: u32, Offset: 48, BitfieldSize: 3},
		{Name: "name", Type: &btf.Array{Index: u32, Type: char, Nelems: 8}, Offset: 64},
	}}
	b := []byte{5, 0, 0, 0, 0xff, 0xff, 0x0e, 0, 'h', 'i', 0, 0, 0, 0, 0, 0}
	require.Equal(t, `{.a = 5, .b = -1, .flag = 6, .name = "hi"}`, Format(s, b))
	require.Equal(t, "{1, 2}", Format(&btf.Array{Index: u32, Type: u32, Nelems: 2}, []byte{1, 0, 0, 0, 2, 0, 0, 0}))
	require.Equal(t, "B", Format(&btf.Enum{Size: 4, Values: []btf.EnumValue{{Name: "A", Value: 0}, {Name: "B", Value: 1}}}, []byte{1, 0, 0, 0}))
	be := &btf.Struct{Size: 6, Members: []btf.Member{
		{Name: "address", Type: &btf.Typedef{Name: "__be32", Type: u32}},
		{Name: "port", Type: &btf.Typedef{Name: "__be16", Type: i16}, Offset: 32},
	}}
	require.Equal(t, "{.address = 192.0.2.1, .port = 23}", Format(be, []byte{192, 0, 2, 1, 0, 23}))
	require.Equal(t, "7", Format(nil, []byte{7, 0}))
	require.Equal(t, "010203", Format(nil, []byte{1, 2, 3}))
	require.Equal(t, "1", Format(s, []byte{1}), "bytes that do not fit the type")
}

func TestParse(t *testing.T) {
	for text, want := range map[string][]byte{
		"258": {2, 1, 0, 0}, "0x10": {16, 0, 0, 0}, "-2": {0xfe, 0xff, 0xff, 0xff}, "x:01 02 0304": {1, 2, 3, 4}, "192.0.2.1": {192, 0, 2, 1},
	} {
		got, err := Parse(text, 4)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	got, err := Parse("203.0.113.0/24", 8)
	require.NoError(t, err)
	require.Equal(t, []byte{24, 0, 0, 0, 203, 0, 113, 0}, got)
	for _, text := range []string{"", "x", "x:0102", "256", "1.5"} {
		_, err := Parse(text, 1)
		require.Error(t, err, text)
	}
}

func TestStruct(t *testing.T) {
	s := linux.Struct("__sk_buff")
	b, err := Struct(s, []byte(`{"mark": 7, "cb": [1, "0x2", 3, 4, 5], "tstamp": 9}`))
	require.NoError(t, err)
	require.Len(t, b, 192)
	require.Equal(t, byte(7), b[8])
	require.Equal(t, byte(2), b[52])
	require.Equal(t, byte(9), b[152])
	_, err = Struct(s, []byte(`{"marc": 7}`))
	require.ErrorContains(t, err, `struct __sk_buff has no field "marc"`)
	_, err = Struct(s, []byte(`{"mark": 4294967296}`))
	require.Error(t, err)
	b, err = Words([]byte(`[1, "x:0200000000000000"]`))
	require.NoError(t, err)
	require.Equal(t, []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}, b)
}
