package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep/object"
)

func TestParseMap(t *testing.T) {
	m, err := parseMap("percpu_array:4:8:16:0x80")
	require.NoError(t, err)
	require.Equal(t, &object.Map{Type: 6, KeySize: 4, ValueSize: 8, MaxEntries: 16, Flags: 128}, m)
	m, err = parseMap("27:0:0:4096")
	require.NoError(t, err)
	require.Equal(t, &object.Map{Type: 27, MaxEntries: 4096}, m)
	for _, bad := range []string{"", "hash", "hash:4:8", "hash:4:8:x", "hush:4:8:1", "hash:4:8:1:0:0"} {
		_, err = parseMap(bad)
		require.Error(t, err, bad)
	}
}

func TestNumbers(t *testing.T) {
	// The first, the last and one between of the UAPI's lists.
	for name, want := range map[string]uint32{"hash": 1, "ringbuf": 27, "arena": 33, "30": 30} {
		got, err := number(mapTypes, name)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	for name, want := range map[string]uint32{"socket_filter": 1, "tracing": 26, "netfilter": 32} {
		got, err := number(progTypes, name)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
}
