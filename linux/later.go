package linux

// This file holds what programs of a type got later than the helper, the field or the type itself came. It was asked of
// 5.10.262, 6.1.192, 6.12.118, 6.18.15 and 7.3.4, of each type of program; the release given is the oldest of these that
// has it, so that between two of them less may be allowed here than there.

// typeSet is a set of program types, one bit each.
type typeSet uint64

func types(of ...ProgType) (s typeSet) {
	for _, t := range of {
		s |= 1 << t
	}
	return s
}

func (s typeSet) has(t ProgType) bool { return s>>t&1 != 0 }

// notTracing are the types that may run none of the tracing helpers of old.
var notTracing = types(ProgTypeSocketFilter, ProgTypeSchedCLS, ProgTypeSchedACT, ProgTypeXDP, ProgTypeCGroupSKB, ProgTypeCGroupSock,
	ProgTypeLWTIn, ProgTypeLWTOut, ProgTypeLWTXmit, ProgTypeSockOps, ProgTypeSkSKB, ProgTypeCGroupDevice, ProgTypeSkMsg,
	ProgTypeCGroupSockAddr, ProgTypeLWTSeg6local, ProgTypeLircMode2, ProgTypeSkReuseport, ProgTypeFlowDissector,
	ProgTypeCGroupSysctl, ProgTypeCGroupSockopt, ProgTypeStructOps, ProgTypeSkLookup, ProgTypeNetfilter)

var (
	tracing = types(ProgTypeKprobe, ProgTypeTracepoint, ProgTypePerfEvent, ProgTypeRawTracepoint, ProgTypeRawTracepointWritable,
		ProgTypeTracing, ProgTypeLSM)
	// cgroupSocket are the types that had helpers for the current task before the others had.
	cgroupSocket = types(ProgTypeCGroupSock, ProgTypeCGroupDevice, ProgTypeCGroupSockAddr, ProgTypeCGroupSysctl, ProgTypeCGroupSockopt)
	allTypes     = notTracing | tracing | types(ProgTypeSyscall)
)

// A laterHelpers is helpers that some programs may call from a release on, later than others.
type laterHelpers struct {
	since  Version
	types  typeSet
	attach uint64 // attach types, one bit each; 0: all
	ids    HelperSet
}

func ids(of ...int32) (s HelperSet) {
	for _, id := range of {
		s.Add(id)
	}
	return s
}

func attaches(of ...AttachType) (s uint64) {
	for _, at := range of {
		s |= 1 << at
	}
	return s
}

var later = []laterHelpers{
	{V(6, 1), allTypes &^ types(ProgTypeCGroupSysctl), 0, ids(HelperStrtol, HelperStrtoul)},
	{V(6, 1), types(ProgTypeSockOps, ProgTypeSkMsg, ProgTypeCGroupSockopt), 0, ids(HelperGetNetnsCookie)},
	{V(6, 1), tracing | types(ProgTypeCGroupDevice, ProgTypeCGroupSysctl, ProgTypeCGroupSockopt), 0, ids(HelperGetCurrentAncestorCGroupId)},
	{V(6, 1), types(ProgTypeCGroupDevice, ProgTypeCGroupSysctl), 0, ids(HelperGetRetval, HelperSetRetval)},
	{V(6, 1), types(ProgTypeCGroupDevice, ProgTypeCGroupSysctl, ProgTypeCGroupSockopt), 0,
		ids(HelperGetCurrentPidTgid, HelperGetCurrentComm, HelperGetCGroupClassid)},
	{V(6, 1), tracing, 0, ids(HelperSpinLock, HelperSpinUnlock, HelperCopyFromUser)},
	{V(6, 1), types(ProgTypeCGroupSockAddr), ^attaches(AttachCGroupInet4Connect, AttachCGroupInet6Connect), ids(HelperSetsockopt, HelperGetsockopt)},
	{V(6, 1), types(ProgTypeCGroupSockopt), attaches(AttachCGroupSetsockopt), ids(HelperSetsockopt, HelperGetsockopt)},
	{V(6, 1), types(ProgTypeTracing), attaches(AttachTraceIter), ids(HelperSetsockopt, HelperGetsockopt)},
	{V(6, 1), types(ProgTypeStructOps), 0, ids(HelperSetsockopt, HelperGetsockopt)},
	{V(6, 1), types(ProgTypeSkReuseport, ProgTypeTracing, ProgTypeLSM), 0, ids(HelperGetSocketCookie)},
	{V(6, 1), types(ProgTypeTracing), attaches(AttachTraceRawTP, AttachTraceIter), ids(HelperSkStorageGet, HelperSkStorageDelete)},

	{V(6, 12), notTracing, 0, ids(HelperGetNsCurrentPidTgid)},
	{V(6, 12), notTracing &^ (cgroupSocket | types(ProgTypeSkMsg)), 0, ids(HelperGetCurrentPidTgid, HelperGetCurrentCGroupId, HelperGetCurrentAncestorCGroupId)},
	{V(6, 12), cgroupSocket, 0, ids(HelperCurrentTaskUnderCGroup)},
	{V(6, 12), types(ProgTypeRawTracepoint, ProgTypeRawTracepointWritable), 0, ids(HelperGetAttachCookie)},
	{V(6, 12), types(ProgTypeTracing), attaches(AttachTraceRawTP), ids(HelperGetAttachCookie)},

	{V(6, 18), notTracing, 0, ids(HelperPerfEventRead, HelperPerfEventReadValue, HelperSendSignal, HelperSendSignalThread, HelperGetTaskStack,
		HelperCopyFromUser, HelperTaskStorageGet, HelperTaskStorageDelete, HelperGetBranchSnapshot, HelperFindVma, HelperCopyFromUserTask)},
	{V(6, 18), notTracing &^ cgroupSocket, 0, ids(HelperGetCurrentComm, HelperCurrentTaskUnderCGroup)},
	{V(6, 18), notTracing &^ (cgroupSocket | types(ProgTypeSkMsg)), 0, ids(HelperGetCurrentUidGid)},
	{V(6, 18), tracing | types(ProgTypeSocketFilter, ProgTypeXDP, ProgTypeCGroupSKB, ProgTypeSockOps, ProgTypeSkSKB, ProgTypeSkReuseport,
		ProgTypeFlowDissector, ProgTypeStructOps, ProgTypeSkLookup, ProgTypeSyscall, ProgTypeNetfilter), 0, ids(HelperGetCGroupClassid)},
	{V(6, 18), types(ProgTypeSocketFilter, ProgTypeSchedCLS, ProgTypeSchedACT, ProgTypeCGroupSKB), 0, ids(HelperGetNetnsCookie)},
	{V(6, 18), types(ProgTypeLWTSeg6local), 0, ids(HelperSKBPullData)},
	{V(6, 18), types(ProgTypeCGroupSockAddr), attaches(AttachCGroupUnixGetpeername, AttachCGroupUnixGetsockname), ids(HelperSetsockopt, HelperGetsockopt)},
}

// gone are helpers that some programs may call up to the release before.
var gone = []laterHelpers{
	{V(6, 19), types(ProgTypeLWTSeg6local), 0, ids(HelperSKBPullData)},
	{V(6, 19), types(ProgTypeCGroupSockAddr), attaches(AttachCGroupUnixGetpeername, AttachCGroupUnixGetsockname), ids(HelperSetsockopt, HelperGetsockopt)},
}

// lsmByHook are helpers that programs on some LSM hooks may call, and those on others may not.
var lsmByHook = ids(HelperSetsockopt, HelperGetsockopt, HelperGetLocalStorage, HelperGetRetval, HelperSetRetval, HelperSeqPrintf, HelperSeqWrite,
	HelperSeqPrintfBtf, HelperGetAttachCookie, HelperGetFuncArg, HelperGetFuncRet, HelperGetFuncArgCnt)

// isIn tells that the row is about the program and the helper.
func (l *laterHelpers) isIn(p *Prog, id int32) bool {
	return l.types.has(p.Type) && l.ids.Has(id) && (l.attach == 0 || l.attach>>p.Attach&1 != 0)
}

// without tells that the release does not let programs of the type call a helper that it has.
func (p *Prog) without(v Version, id int32) bool {
	for i := range later {
		if v < later[i].since && later[i].isIn(p, id) {
			return true
		}
	}
	for i := range gone {
		if v >= gone[i].since && gone[i].isIn(p, id) {
			return true
		}
	}
	return false
}

// laterFields are fields of contexts that came later than the context.
var laterFields = []struct {
	since    Version
	types    typeSet
	off, end int
}{
	{V(6, 1), types(ProgTypeSchedCLS, ProgTypeSchedACT), 180, 184},                    // __sk_buff.tstamp_type
	{V(6, 1), types(ProgTypeSchedCLS, ProgTypeSchedACT, ProgTypeCGroupSKB), 184, 192}, // __sk_buff.hwtstamp
	{V(6, 1), types(ProgTypeSkReuseport), 40, 56},                                     // sk_reuseport_md.sk, migrating_sk
	{V(6, 1), types(ProgTypeSkLookup), 64, 68},                                        // bpf_sk_lookup.ingress_ifindex
	{V(6, 12), types(ProgTypeSockOps), 216, 224},                                      // bpf_sock_ops.skb_hwtstamp
}

// HasField reports whether the release has the fields of the program's context that lie in the size bytes at off.
func (p *Prog) HasField(k *Kernel, off, size int) bool {
	for _, f := range laterFields {
		if k.Version < f.since && f.types.has(p.Type) && off < f.end && off+size > f.off {
			return false
		}
	}
	return true
}

// Returns is what r0 must be when the program exits: Return, on this kernel.
func (p *Prog) Returns(k *Kernel) Return {
	// Programs on bind(2) may ask for the capability to be left out since.
	if k.Version < V(6, 1) && p.Type == ProgTypeCGroupSockAddr && (p.Attach == AttachCGroupInet4Bind || p.Attach == AttachCGroupInet6Bind) {
		return Return{ReturnRange, 0, 1}
	}
	return p.Return
}

// Known reports whether the kernel has programs of the type, and its attach type if that is looked at.
func (k *Kernel) Known(pt ProgType, at AttachType) bool {
	if int(pt) >= len(progIndex) || pt.Since() > k.Version {
		return false
	}
	if at >= AttachCGroupUnixConnect && at <= AttachCGroupUnixGetsockname && k.Version < V(6, 12) {
		return progIndex[pt].attach == anyAttach
	}
	// Of programs that select a socket the attach type was not looked at before it could be another one.
	return progIndex[pt].attach == anyAttach || pt == ProgTypeSkReuseport || AttachSince(at) <= k.Version
}

// MaySleep reports whether programs of the type may be sleepable where the newest ones may.
func (k *Kernel) MaySleep(pt ProgType) bool {
	switch pt {
	case ProgTypeKprobe:
		return k.Version >= V(6, 1)
	case ProgTypeStructOps:
		return k.Version >= V(6, 12)
	}
	return true
}
