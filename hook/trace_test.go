package hook_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/hook"
)

// keep is text that stores r0 to the map "out", at an offset.
const keepMap = "map out array key=4 value=256 entries=1\n"

// outBytes is what a program stored in the map "out".
func outBytes(t *testing.T, m map[string]*skep.Map) []byte {
	t.Helper()
	b, err := m["out"].LookupBytes(uint32(0))
	require.NoError(t, err)
	return b
}

// readName is a program that reads the string that a pointer at an offset of its context points to, and the word at another.
func readName(typ, helper string, pointer, word string) string {
	return "prog " + typ + "\n" + keepMap + `
	r6 = r1
	r7 = map[out] + 0
	r0 = *(u64 *)(r6 +` + word + `)
	*(u64 *)(r7 +0) = r0
	r3 = *(u64 *)(r6 +` + pointer + `)
	r1 = r7
	r1 += 8
	r2 = 32
	call ` + helper + `
	r0 = 0
	exit
`
}

const execFormat = `name: sched_process_exec
ID: 311
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:__data_loc char[] filename;	offset:8;	size:4;	signed:0;
	field:pid_t pid;	offset:12;	size:4;	signed:1;
	field:pid_t old_pid;	offset:16;	size:4;	signed:1;

print fmt: "filename=%s pid=%d old_pid=%d", __get_str(filename), REC->pid, REC->old_pid
`

func TestTracepoint(t *testing.T) {
	h := hook.NewHost(nil)
	h.As(h.Cgroup("/user").Task(4711, "sh"))
	p, m := loadMaps(t, h, "prog tracepoint\n"+keepMap+`
	r6 = r1
	r7 = map[out] + 0
	r0 = *(u32 *)(r6 +12)
	*(u64 *)(r7 +0) = r0
	r8 = *(u32 *)(r6 +8)
	r8 &= 0xffff
	r3 = r6
	r3 += r8
	r1 = r7
	r1 += 8
	r2 = 32
	call bpf_probe_read_kernel_str
	call bpf_get_current_pid_tgid
	exit
`)
	l, err := h.Tracepoint("sched", "sched_process_exec", p, nil)
	require.NoError(t, err)
	_, err = h.Trace("sched", "sched_process_exec", hook.Fields{"pid": 1})
	require.ErrorContains(t, err, "DefineTracepoint")
	require.NoError(t, h.DefineTracepoint("sched", "sched_process_exec", execFormat))
	steps, err := h.Trace("sched", "sched_process_exec", hook.Fields{"filename": "/bin/true", "pid": 42})
	require.NoError(t, err)
	require.Len(t, steps, 1)
	require.EqualValues(t, 4711, steps[0].Return, "the current task")
	out := outBytes(t, m)
	require.EqualValues(t, 42, binary.NativeEndian.Uint64(out))
	require.Equal(t, "/bin/true\x00", string(out[8:18]))

	for _, bad := range []hook.Fields{{"nothing": 1}, {"pid": 1 << 40}, {"pid": "longer text"}, {"pid": func() {}}} {
		_, err = h.Trace("sched", "sched_process_exec", bad)
		require.Error(t, err)
	}
	close(t, l)
	steps, err = h.Trace("sched", "sched_process_exec", nil)
	require.NoError(t, err)
	require.Empty(t, steps)
}

// TestSyscall: what a system call fires, in order.
func TestSyscall(t *testing.T) {
	h := hook.NewHost(&hook.Options{Arch: "amd64"})
	enter, m := loadMaps(t, h, readName("tracepoint", "bpf_probe_read_user_str", "24", "32"))
	kprobe, km := loadMaps(t, h, "prog kprobe\n"+keepMap+`
	r7 = map[out] + 0
	r3 = *(u64 *)(r1 +112)
	r3 += 104
	r1 = r7
	r2 = 8
	call bpf_probe_read_kernel
	r3 = *(u64 *)(r7 +0)
	r1 = r7
	r2 = 32
	call bpf_probe_read_user_str
	exit
`)
	exit := load(t, h, "prog tracepoint\nr0 = *(u64 *)(r1 +16)\nexit\n")
	raw := load(t, h, "prog raw_tracepoint\nr0 = *(u64 *)(r1 +8)\nexit\n")
	_, err := h.Tracepoint("syscalls", "sys_enter_openat", enter, nil)
	require.NoError(t, err)
	_, err = h.Tracepoint("syscalls", "sys_exit_openat", exit, nil)
	require.NoError(t, err)
	_, err = h.Kprobe("sys_openat", kprobe, nil)
	require.NoError(t, err)
	_, err = h.AttachRawTracepoint(hook.RawTracepointOptions{Name: "sys_enter", Program: raw})
	require.NoError(t, err)
	_, err = h.AttachRawTracepoint(hook.RawTracepointOptions{Name: "sys_exit", Program: raw})
	require.NoError(t, err)

	done, err := h.Syscall(hook.Syscall{Name: "openat", Args: []any{-100, "/etc/shadow", 2}, Ret: -13})
	require.NoError(t, err)
	require.EqualValues(t, -13, int64(done.Ret))
	require.Equal(t, []string{"raw_tp sys_enter 257", "tracepoint syscalls:sys_enter_openat 0", "kprobe __x64_sys_openat 12",
		"tracepoint syscalls:sys_exit_openat -13", "raw_tp sys_exit -13"}, hooks(done.Steps))
	require.EqualValues(t, 2, binary.NativeEndian.Uint64(outBytes(t, m)))
	require.Equal(t, "/etc/shadow\x00", string(outBytes(t, m)[8:20]))
	require.Equal(t, "/etc/shadow\x00", string(outBytes(t, km)[:12]))

	// The tracepoint alone, by names.
	_, err = h.Trace("syscalls", "sys_enter_openat", hook.Fields{"filename": "/tmp", "flags": 7})
	require.NoError(t, err)
	require.EqualValues(t, 7, binary.NativeEndian.Uint64(outBytes(t, m)))
	require.Equal(t, "/tmp\x00", string(outBytes(t, m)[8:13]))
}

// TestProbes: arguments and return values, on both architectures.
func TestProbes(t *testing.T) {
	for arch, off := range map[string][2]string{"amd64": {"104", "80"}, "arm64": {"8", "0"}} {
		h := hook.NewHost(&hook.Options{Arch: arch})
		sh := h.OpenExecutable("/bin/sh")
		second := load(t, h, "prog kprobe\nr0 = *(u64 *)(r1 +"+off[0]+")\nexit\n")
		ret := load(t, h, "prog kprobe\nr0 = *(u64 *)(r1 +"+off[1]+")\nexit\n")
		for _, attach := range []func() (*hook.Link, error){
			func() (*hook.Link, error) { return h.Kprobe("vfs_read", second, nil) },
			func() (*hook.Link, error) { return h.Kretprobe("vfs_read", ret, nil) },
			func() (*hook.Link, error) { return sh.Uprobe("readline", second, nil) },
			func() (*hook.Link, error) { return sh.Uretprobe("readline", ret, nil) },
		} {
			_, err := attach()
			require.NoError(t, err)
		}
		done, err := h.Call("vfs_read", 5, 1, int32(-2), uint8(3))
		require.NoError(t, err)
		require.Equal(t, []string{"kprobe vfs_read -2", "kretprobe vfs_read 5"}, hooks(done.Steps))
		done, err = sh.Call("readline", int64(-1), nil, true)
		require.NoError(t, err)
		require.Equal(t, []string{"uprobe /bin/sh:readline 1", "uretprobe /bin/sh:readline -1"}, hooks(done.Steps))
		_, err = h.Call("vfs_read", 0, make(chan int))
		require.ErrorContains(t, err, "argument 1")
	}
}

// TestOverride: bpf_override_return keeps the function from being entered.
func TestOverride(t *testing.T) {
	h := hook.NewHost(nil)
	// Not all kernels have the helper; that of the verdict has not.
	c, err := skep.OpenCollection(strings.NewReader("prog kprobe\nr2 = -12\ncall bpf_override_return\nr0 = 0\nexit\n"),
		&skep.Options{AllowUnverified: true})
	require.NoError(t, err)
	defer c.Close()
	p := c.Programs["program"]
	_, err = h.Kprobe("should_failslab", p, nil)
	require.NoError(t, err)
	_, err = h.Kretprobe("should_failslab", p, nil)
	require.NoError(t, err)
	done, err := h.Call("should_failslab", 0)
	require.NoError(t, err)
	require.EqualValues(t, -12, int64(done.Ret))
	require.Len(t, done.Steps, 1)
}

func TestCookie(t *testing.T) {
	h := hook.NewHost(nil)
	p := load(t, h, "prog kprobe\ncall bpf_get_attach_cookie\nexit\n")
	for i := range 3 {
		_, err := h.Kprobe("f", p, &hook.ProbeOptions{Cookie: uint64(i + 10)})
		require.NoError(t, err)
	}
	done, err := h.Call("f", 0)
	require.NoError(t, err)
	require.Equal(t, []string{"kprobe f 10", "kprobe f 11", "kprobe f 12"}, hooks(done.Steps))
}

func TestPerfEvent(t *testing.T) {
	h := hook.NewHost(&hook.Options{Arch: "amd64"})
	p := load(t, h, "prog perf_event\nr0 = *(u64 *)(r1 +168)\nr1 = *(u64 *)(r1 +128)\nr0 += r1\nexit\n")
	_, err := h.AttachPerfEvent("cycles", p, nil)
	require.NoError(t, err)
	steps, err := h.Perf("cycles", hook.Sample{IP: 5, Period: 1000})
	require.NoError(t, err)
	require.Equal(t, []string{"perf_event cycles 1005"}, hooks(steps))
}

// TestHostTimer: a timer that a program starts fires when the host's clock has come so far.
func TestHostTimer(t *testing.T) {
	h := hook.NewHost(nil)
	c, err := skep.OpenCollection(strings.NewReader(`prog kprobe
map m array key=4 value=32 entries=1
	r6 = map[m] + 0
	r1 = r6
	r2 = m ll
	r3 = 1
	call bpf_timer_init
	r1 = r6
	r2 = func body
	call bpf_timer_set_callback
	r1 = r6
	r2 = 1000000
	r3 = 0
	call bpf_timer_start
	exit
body:
	r1 = *(u64 *)(r3 +16)
	r1 += 1
	*(u64 *)(r3 +16) = r1
	call bpf_ktime_get_ns
	r0 = 0
	exit
`), &skep.Options{Env: h.Env(), AllowUnverified: true}) // the verifier wants types for the timer
	require.NoError(t, err)
	defer c.Close()
	_, err = h.Kprobe("f", c.Programs["program"], nil)
	require.NoError(t, err)
	_, err = h.Call("f", 0)
	require.NoError(t, err)
	for i, want := range []int{0, 1, 0} {
		n, err := h.Advance(600 * time.Microsecond)
		require.NoError(t, err)
		require.Equal(t, want, n, "step %d", i)
	}
	b, err := c.Maps["m"].LookupBytes(uint32(0))
	require.NoError(t, err)
	require.EqualValues(t, 1, binary.NativeEndian.Uint64(b[16:]))
}
