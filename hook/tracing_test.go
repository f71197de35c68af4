package hook_test

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/hook"
	"github.com/skepbpf/skep/maps"
	"github.com/skepbpf/skep/object"
)

// kernelTypes are the running kernel's, or the test is skipped.
func kernelTypes(t *testing.T) *object.BTF {
	t.Helper()
	types, err := object.LoadBTF("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip("these tests need the types of a kernel: ", err)
	}
	return types
}

// loadTyped makes a program that refers to the kernel's types.
func loadTyped(t *testing.T, h *hook.Host, types *object.BTF, text string) (*skep.Program, map[string]*skep.Map) {
	t.Helper()
	c, err := object.Parse(text, object.Options{Types: types})
	require.NoError(t, err)
	coll := &object.Collection{Programs: map[string]*object.Program{"program": c}, Maps: map[string]*object.Map{}}
	for _, m := range c.Maps {
		coll.Maps[m.Name] = m
	}
	made, err := skep.LoadObject(coll, &skep.Options{Env: h.Env(), AllowUnverified: true, // it is the hooks that are tested
		VerifyOptions: skep.VerifyOptions{Types: types}})
	require.NoError(t, err)
	t.Cleanup(made.Close)
	return made.Programs["program"], made.Maps
}

func tracing(attach, to, body string) string {
	return "prog tracing\nattach " + attach + "\nto " + to + "\n" + body
}

func TestFentry(t *testing.T) {
	types := kernelTypes(t)
	h := hook.NewHost(&hook.Options{Types: types})
	entry, _ := loadTyped(t, h, types, tracing("trace_fentry", "do_sys_openat2", "r0 = *(u64 *)(r1 +0)\nr0 = 0\nexit\n"))
	exit, m := loadTyped(t, h, types, tracing("trace_fexit", "do_sys_openat2", keepMap+
		"r7 = map[out] + 0\nr0 = *(u64 *)(r1 +24)\n*(u64 *)(r7 +0) = r0\nr0 = 0\nexit\n"))
	for _, p := range []*skep.Program{entry, exit} {
		_, err := h.AttachTracing(hook.TracingOptions{Program: p})
		require.NoError(t, err)
	}
	kprobe := load(t, h, returns("kprobe", 0))
	_, err := h.Kprobe("do_sys_openat2", kprobe, nil)
	require.NoError(t, err)
	_, err = h.AttachTracing(hook.TracingOptions{Program: kprobe})
	require.ErrorIs(t, err, maps.EINVAL)
	done, err := h.Call("do_sys_openat2", -2, -100, "/x", make([]byte, 24))
	require.NoError(t, err)
	require.Equal(t, []string{"fentry do_sys_openat2 0", "kprobe do_sys_openat2 0", "fexit do_sys_openat2 0"}, hooks(done.Steps))
	require.EqualValues(t, -2, int64(binary.NativeEndian.Uint64(outBytes(t, m))))
}

// TestTPBTF reads a kernel object through pointers that BTF describes.
func TestTPBTF(t *testing.T) {
	types := kernelTypes(t)
	h := hook.NewHost(&hook.Options{Types: types})
	parent, err := h.Object("task_struct", hook.Fields{"pid": 1, "comm": "init"})
	require.NoError(t, err)
	child, err := h.Object("task_struct", hook.Fields{"pid": 4711, "comm": "sh", "real_parent": parent})
	require.NoError(t, err)
	_, err = h.Object("task_struct", hook.Fields{"no_such_member": 1})
	require.ErrorContains(t, err, "no_such_member")
	_, err = h.Object("no_such_struct", nil)
	require.Error(t, err)

	off := func(member string) string { return offset(t, types, "task_struct", member) }
	p, m := loadTyped(t, h, types, tracing("trace_raw_tp", "btf_trace_sched_process_exit", keepMap+`
	r7 = map[out] + 0
	r6 = *(u64 *)(r1 +0)
	r0 = *(u32 *)(r6 +`+off("pid")+`)
	*(u64 *)(r7 +0) = r0
	r8 = *(u64 *)(r6 +`+off("real_parent")+`)
	r0 = *(u64 *)(r8 +`+off("comm")+`)
	*(u64 *)(r7 +8) = r0
	r0 = 0
	exit
`))
	_, err = h.AttachTracing(hook.TracingOptions{Program: p})
	require.NoError(t, err)
	steps, err := h.TraceRaw("sched_process_exit", child, false)
	require.NoError(t, err)
	require.Len(t, steps, 1)
	require.EqualValues(t, 4711, binary.NativeEndian.Uint64(outBytes(t, m)))
	require.Equal(t, "init\x00", string(outBytes(t, m)[8:13]))
}

// TestTracepointTypes: the layout of records by the kernel's types.
func TestTracepointTypes(t *testing.T) {
	types := kernelTypes(t)
	h := hook.NewHost(&hook.Options{Types: types})
	p := load(t, h, "prog tracepoint\nr0 = *(u32 *)(r1 +12)\nexit\n")
	_, err := h.Tracepoint("sched", "sched_process_exec", p, nil)
	require.NoError(t, err)
	steps, err := h.Trace("sched", "sched_process_exec", hook.Fields{"filename": "/bin/sh", "pid": 99})
	require.NoError(t, err)
	require.Equal(t, []string{"tracepoint sched:sched_process_exec 99"}, hooks(steps))
}

func TestLSM(t *testing.T) {
	types := kernelTypes(t)
	h := hook.NewHost(&hook.Options{Types: types})
	var links []*hook.Link
	for _, n := range []string{"0", "-1", "-13"} {
		p, _ := loadTyped(t, h, types, "prog lsm\nattach lsm_mac\nto bpf_lsm_file_open\nr0 = "+n+"\nexit\n")
		l, err := h.AttachLSM(hook.LSMOptions{Program: p})
		require.NoError(t, err)
		links = append(links, l)
	}
	file, err := h.Object("file", nil)
	require.NoError(t, err)
	verdict, steps, err := h.LSM("file_open", file)
	require.NoError(t, err)
	require.EqualValues(t, -1, verdict)
	require.Equal(t, []string{"lsm file_open 0", "lsm file_open -1"}, hooks(steps))
	close(t, links[1])
	verdict, _, err = h.LSM("file_open", file)
	require.NoError(t, err)
	require.EqualValues(t, -13, verdict)
	verdict, steps, err = h.LSM("task_kill")
	require.NoError(t, err)
	require.Zero(t, verdict)
	require.Empty(t, steps)
	require.True(t, strings.HasPrefix(links[0].String(), "program on lsm file_open"))
}

// offset is where a member of a struct is.
func offset(t *testing.T, types *object.BTF, typ, member string) string {
	t.Helper()
	var s *btf.Struct
	require.NoError(t, types.Spec.TypeByName(typ, &s))
	for _, m := range s.Members {
		if m.Name == member {
			return strconv.Itoa(int(m.Offset.Bytes()))
		}
	}
	t.Fatal("there is no member ", member)
	return ""
}

// TestCurrentTask: a program reads the task_struct that a test has laid out.
func TestCurrentTask(t *testing.T) {
	types := kernelTypes(t)
	h := hook.NewHost(&hook.Options{Types: types})
	creds, err := h.Object("cred", hook.Fields{"uid": uint32(1000)})
	require.NoError(t, err)
	object, err := h.Object("task_struct", hook.Fields{"tgid": 7, "cred": creds})
	require.NoError(t, err)
	task := h.Cgroup("/user").Task(7, "sh")
	task.Addr = object.Addr()
	h.As(task)
	off := func(typ, member string) string { return offset(t, types, typ, member) }
	p, m := loadMaps(t, h, "prog kprobe\n"+keepMap+`
	call bpf_get_current_task
	r6 = r0
	r7 = map[out] + 0
	r1 = r7
	r2 = 4
	r3 = r6
	r3 += `+off("task_struct", "tgid")+`
	call bpf_probe_read_kernel
	r1 = r7
	r1 += 8
	r2 = 8
	r3 = r6
	r3 += `+off("task_struct", "cred")+`
	call bpf_probe_read_kernel
	r1 = r7
	r1 += 16
	r2 = 4
	r3 = *(u64 *)(r7 +8)
	r3 += `+off("cred", "uid")+`
	call bpf_probe_read_kernel
	exit
`)
	_, err = h.Kprobe("do_exit", p, nil)
	require.NoError(t, err)
	_, err = h.Call("do_exit", 0, 0)
	require.NoError(t, err)
	out := outBytes(t, m)
	require.EqualValues(t, 7, binary.NativeEndian.Uint32(out))
	require.EqualValues(t, 1000, binary.NativeEndian.Uint32(out[16:]))
}
