package helpers

import (
	"encoding/binary"

	"github.com/skepbpf/skep/maps"
)

// taskFamily are the helpers that ask who the current task is.
var taskFamily = map[int32]Func{
	14:  pidTGID,
	15:  uidGID,
	16:  comm,
	17:  classID,
	35:  currentTask,
	80:  cgroupID,
	120: nsPIDTGID,
	123: ancestorCgroupID,
	158: currentTask,
}

func pidTGID(c *Call) (uint64, error) { return c.Run.Current().Words().PIDTGID, nil }

func uidGID(c *Call) (uint64, error) { return c.Run.Current().Words().UIDGID, nil }

// TaskWords are what helpers return that ask about the current task, which does not change during a run.
type TaskWords struct {
	PIDTGID uint64 // bpf_get_current_pid_tgid
	UIDGID  uint64 // bpf_get_current_uid_gid
	Cgroup  uint64 // bpf_get_current_cgroup_id
	Addr    uint64 // bpf_get_current_task, bpf_get_current_task_btf
}

// Words are those of the task.
func (t *Task) Words() TaskWords {
	return TaskWords{uint64(t.TGID)<<32 | uint64(t.PID), uint64(t.GID)<<32 | uint64(t.UID), t.CgroupID, t.Addr}
}

// comm is bpf_get_current_comm(buf, size): the name, cut to fit, the rest of buf zero.
func comm(c *Call) (uint64, error) {
	buf := c.mem(c.Args[0], uint32(c.Args[1]))
	if len(buf) == 0 {
		return bad(0, errNoMem)
	}
	name := c.Run.Current().Comm
	n := copy(buf[:len(buf)-1], name[:min(len(name), 15)])
	clear(buf[n:])
	return 0, nil
}

// classID is the class of the net_cls cgroup, which there is none of.
func classID(*Call) (uint64, error) { return 0, nil }

func currentTask(c *Call) (uint64, error) { return c.Run.Current().Words().Addr, nil }

func cgroupID(c *Call) (uint64, error) { return c.Run.Current().Words().Cgroup, nil }

// ancestorCgroupID is the id of the cgroup above at a level, the root being 0; 0 if the task is not that deep.
func ancestorCgroupID(c *Call) (uint64, error) {
	t := c.Run.Current()
	switch level := int64(int32(c.Args[0])); {
	case level < 0 || level > int64(len(t.Ancestors)):
		return 0, nil
	case level < int64(len(t.Ancestors)):
		return t.Ancestors[level], nil
	}
	return t.CgroupID, nil
}

// nsPIDTGID is bpf_get_ns_current_pid_tgid(dev, ino, nsdata, size): the task is in one namespace of pids, whose device
// and inode nobody checks.
func nsPIDTGID(c *Call) (uint64, error) {
	buf := c.mem(c.Args[2], uint32(c.Args[3]))
	if len(buf) != 8 {
		clear(buf)
		return fail(maps.EINVAL)
	}
	t := c.Run.Current()
	binary.NativeEndian.PutUint32(buf, t.PID)
	binary.NativeEndian.PutUint32(buf[4:], t.TGID)
	return 0, nil
}
