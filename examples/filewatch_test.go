package examples

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/examples/filewatch"
	"github.com/skepbpf/skep/hook"
)

// TestFilewatch fires a tracepoint and a kprobe by their names; a goroutine reads what the programs report.
func TestFilewatch(t *testing.T) {
	host := hook.NewHost(&hook.Options{Arch: "amd64"})
	c, err := skep.NewCollection(spec(t, filewatch.Object), &skep.Options{Env: host.Env()})
	require.NoError(t, err)
	defer c.Close()
	_, err = host.Tracepoint("syscalls", "sys_enter_openat", c.Programs["opened"], nil)
	require.NoError(t, err)
	removed, err := host.Kprobe("do_unlinkat", c.Programs["removed"], nil)
	require.NoError(t, err)

	r, err := skep.NewRingReader(c.Maps["events"])
	require.NoError(t, err)
	seen := make(chan string, 10)
	go func() {
		defer close(seen)
		for sample, err := range r.Records() { // until the reader is closed
			if err != nil {
				return
			}
			var e filewatch.Event
			binary.Decode(sample, binary.NativeEndian, &e)
			text := func(b []byte) []byte { return b[:bytes.IndexByte(b, 0)] }
			seen <- fmt.Sprintf("%d %s(%d) %s", e.What, text(e.Comm[:]), e.PID, text(e.Name[:]))
		}
	}()

	host.As(host.Cgroup("/user").Task(42, "vi"))
	for _, flags := range []int{0, 2} { // O_RDONLY, O_RDWR
		_, err = host.Syscall(hook.Syscall{Name: "openat", Args: []any{-100, "/etc/passwd", flags}, Ret: 3})
		require.NoError(t, err)
	}
	require.Equal(t, "1 vi(42) /etc/passwd", <-seen, "the one for writing")

	filename := struct{ Name uint64 }{host.Text("/tmp/x").Addr()}
	_, err = host.Call("do_unlinkat", 0, -100, filename)
	require.NoError(t, err)
	require.Equal(t, "2 vi(42) /tmp/x", <-seen)

	require.NoError(t, removed.Close())
	_, err = host.Call("do_unlinkat", 0, -100, filename)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Empty(t, <-seen, "what was detached does not run")
}
