package linux_test

import (
	"testing"

	. "github.com/skepbpf/skep/linux"
)

// TestLater: what a type of program got later than others, as asked of real kernels.
func TestLater(t *testing.T) {
	for _, c := range []struct {
		pt    ProgType
		at    AttachType
		id    int32
		since Version // 0: these programs may not call it
		until Version // 0: they may to this day
	}{
		{ProgTypeXDP, 0, HelperGetCurrentPidTgid, V(6, 12), 0},
		{ProgTypeKprobe, 0, HelperGetCurrentPidTgid, V(4, 2), 0},
		{ProgTypeCGroupSock, AttachCGroupInetSockCreate, HelperGetCurrentPidTgid, V(4, 2), 0},
		{ProgTypeCGroupSysctl, AttachCGroupSysctl, HelperStrtol, V(5, 2), 0},
		{ProgTypeXDP, 0, HelperStrtol, V(6, 1), 0},
		{ProgTypeCGroupSockAddr, AttachCGroupInet4Bind, HelperSetsockopt, V(6, 1), 0},
		{ProgTypeCGroupSockAddr, AttachCGroupInet4Connect, HelperSetsockopt, V(4, 13), 0},
		{ProgTypeTracepoint, 0, HelperSpinLock, V(6, 1), 0},
		{ProgTypeRawTracepoint, 0, HelperGetAttachCookie, V(6, 12), 0},
		{ProgTypeXDP, 0, HelperTaskStorageGet, V(6, 18), 0},
		{ProgTypeLWTSeg6local, 0, HelperSKBPullData, V(6, 18), V(6, 19)},
		{ProgTypeXDP, 0, HelperProbeWriteUser, 0, 0},
	} {
		for _, v := range []Version{V(5, 10), V(6, 1), V(6, 12), V(6, 18), V(7, 3)} {
			k := &Kernel{Version: v, Config: Config{Extra: HelperSet{1 << HelperProbeWriteUser}}}
			want := c.since != 0 && v >= c.since && (c.until == 0 || v < c.until)
			if got := k.HelperAllowed(c.pt, c.at, false, c.id)&HelperAllowed != 0; got != want {
				t.Errorf("Linux %v: %v %v may call %s: %v", v, c.pt, c.at, HelperName(c.id), got)
			}
		}
	}
	field := func(v Version, pt ProgType, off, size int) bool {
		k := For(v)
		return k.Prog(pt, 0, "").HasField(k, off, size)
	}
	if field(V(5, 10), ProgTypeSchedCLS, 184, 8) || !field(V(6, 1), ProgTypeSchedCLS, 184, 8) || !field(V(5, 10), ProgTypeSchedCLS, 176, 4) {
		t.Error("__sk_buff.hwtstamp came after 5.10")
	}
	if field(V(6, 1), ProgTypeSockOps, 216, 8) || !field(V(6, 12), ProgTypeSockOps, 216, 8) {
		t.Error("bpf_sock_ops.skb_hwtstamp came after 6.1")
	}
	old, bind := For(V(5, 10)), AttachCGroupInet4Bind
	if r := old.Prog(ProgTypeCGroupSockAddr, bind, "").Returns(old); r.Max != 1 {
		t.Errorf("bind returns up to %d", r.Max)
	}
	if old.Known(ProgTypeNetfilter, AttachNetfilter) || old.Known(ProgTypeCGroupSockAddr, AttachCGroupUnixConnect) ||
		!old.Known(ProgTypeSkReuseport, AttachSkReuseportSelect) || !Default.Known(ProgTypeNetfilter, AttachNetfilter) {
		t.Error("types of programs that came after 5.10")
	}
	if old.MaySleep(ProgTypeKprobe) || !old.MaySleep(ProgTypeLSM) || For(V(6, 1)).MaySleep(ProgTypeStructOps) {
		t.Error("types of programs that may sleep")
	}
	if use := Default.HelperAllowed(ProgTypeLSM, AttachLSMMAC, false, HelperSetsockopt); use&HelperByTarget == 0 {
		t.Error("bpf_setsockopt goes by the LSM hook")
	}
}
