package corpus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// open writes a corpus of its own for a test; a case a line.
func open(t *testing.T, lines ...string) *Set {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cases.jsonl")
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o600))
	s, err := Open(name)
	require.NoError(t, err)
	return s
}

const (
	mapLoad = "18110000000000000000000000000000" // r1 = map 0
	exit    = "9500000000000000"
)

func TestMapsOfACase(t *testing.T) {
	s := open(t, `{"id":"a","prog_type_id":1,"license":"GPL","insns":"`+mapLoad+mapLoad+exit+`",
		"relos":[{"insn":0,"kind":"map_fd","map":1},{"insn":2,"kind":"raw_fd"}],
		"maps":[{"name":"inner","type":2,"key_size":4,"value_size":8,"max_entries":1,"data":"0102030405060708","frozen":true},
			{"name":"outer","type":12,"key_size":4,"value_size":4,"max_entries":2,"inner":0},
			{"name":"jmp","type":3,"key_size":4,"value_size":4,"max_entries":9,"progs":[{"key":7,"insns":"`+mapLoad+exit+`"}]}]}`)
	require.Len(t, s.Cases, 1)
	require.Nil(t, s.Cases[0].Want)
	p, err := s.Cases[0].Program()
	require.NoError(t, err)
	require.Len(t, p.Maps, 3)
	inner, outer, jmp := p.Maps[0], p.Maps[1], p.Maps[2]
	require.EqualValues(t, 1, p.Insns[0].Imm)
	require.False(t, p.BadFDs[0])
	require.True(t, p.BadFDs[2])
	require.Same(t, inner, outer.Inner)
	require.True(t, inner.Frozen)
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte(inner.Contents[0].Value))
	require.Equal(t, make([]byte, 4), inner.Contents[0].Key)
	require.Equal(t, []byte{7, 0, 0, 0}, jmp.Contents[0].Key)
	q := jmp.Contents[0].Program
	require.Same(t, jmp, q.Maps[q.Insns[0].Imm])

	again, err := s.Cases[0].Program()
	require.NoError(t, err)
	require.NotSame(t, p.Maps[0], again.Maps[0], "each program has maps of its own")
}

func TestBrokenCases(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"id":"a","insns":"95"}`, "not a whole number"},
		{`{"id":"a","insns":"` + exit + `","btf":"x"}`, "btf.tar.gz"},
		{`{"id":"a","insns":"` + exit + `","relos":[{"insn":1,"kind":"map_fd"}]}`, "relocation of instruction 1 of 1"},
		{`{"id":"a","insns":"` + mapLoad + `","relos":[{"insn":0,"kind":"map_fd","map":0}]}`, "map 0 of 0"},
		{`{"id":"a","insns":"` + exit + `","maps":[{"name":"m","inner":0}]}`, "its template is map 0"},
	} {
		_, err := open(t, c.line).Cases[0].Program()
		require.ErrorContains(t, err, c.want)
	}
	_, err := Open(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
	name := filepath.Join(t.TempDir(), "cases.jsonl")
	require.NoError(t, os.WriteFile(name, []byte("{"), 0o600))
	_, err = Open(name)
	require.Error(t, err)
}

func TestFind(t *testing.T) {
	s := open(t, `{"id":"x/one"}`, `{"id":"x/one#2"}`, `{"id":"x/two"}`)
	require.Len(t, s.Find("x/"), 3)
	require.Len(t, s.Find("one"), 2)
	require.Len(t, s.Find("x/one"), 1, "the id itself stands alone")
	require.Empty(t, s.Find("three"))
}
