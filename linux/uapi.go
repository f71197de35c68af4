package linux

import "strconv"

// enumName is the name of v, or, for a number that UAPI does not know, type and number.
func enumName(names []string, v uint32, typ string) string {
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return typ + "(" + strconv.FormatUint(uint64(v), 10) + ")"
}

// A ProgType is an enum bpf_prog_type: what a program is for.
type ProgType uint32

const (
	ProgTypeUnspec                ProgType = 0
	ProgTypeSocketFilter          ProgType = 1
	ProgTypeKprobe                ProgType = 2
	ProgTypeSchedCLS              ProgType = 3
	ProgTypeSchedACT              ProgType = 4
	ProgTypeTracepoint            ProgType = 5
	ProgTypeXDP                   ProgType = 6
	ProgTypePerfEvent             ProgType = 7
	ProgTypeCGroupSKB             ProgType = 8
	ProgTypeCGroupSock            ProgType = 9
	ProgTypeLWTIn                 ProgType = 10
	ProgTypeLWTOut                ProgType = 11
	ProgTypeLWTXmit               ProgType = 12
	ProgTypeSockOps               ProgType = 13
	ProgTypeSkSKB                 ProgType = 14
	ProgTypeCGroupDevice          ProgType = 15
	ProgTypeSkMsg                 ProgType = 16
	ProgTypeRawTracepoint         ProgType = 17
	ProgTypeCGroupSockAddr        ProgType = 18
	ProgTypeLWTSeg6local          ProgType = 19
	ProgTypeLircMode2             ProgType = 20
	ProgTypeSkReuseport           ProgType = 21
	ProgTypeFlowDissector         ProgType = 22
	ProgTypeCGroupSysctl          ProgType = 23
	ProgTypeRawTracepointWritable ProgType = 24
	ProgTypeCGroupSockopt         ProgType = 25
	ProgTypeTracing               ProgType = 26
	ProgTypeStructOps             ProgType = 27
	ProgTypeExt                   ProgType = 28
	ProgTypeLSM                   ProgType = 29
	ProgTypeSkLookup              ProgType = 30
	ProgTypeSyscall               ProgType = 31
	ProgTypeNetfilter             ProgType = 32
)

var progTypeNames = [...]string{
	ProgTypeUnspec:                "unspec",
	ProgTypeSocketFilter:          "socket_filter",
	ProgTypeKprobe:                "kprobe",
	ProgTypeSchedCLS:              "sched_cls",
	ProgTypeSchedACT:              "sched_act",
	ProgTypeTracepoint:            "tracepoint",
	ProgTypeXDP:                   "xdp",
	ProgTypePerfEvent:             "perf_event",
	ProgTypeCGroupSKB:             "cgroup_skb",
	ProgTypeCGroupSock:            "cgroup_sock",
	ProgTypeLWTIn:                 "lwt_in",
	ProgTypeLWTOut:                "lwt_out",
	ProgTypeLWTXmit:               "lwt_xmit",
	ProgTypeSockOps:               "sock_ops",
	ProgTypeSkSKB:                 "sk_skb",
	ProgTypeCGroupDevice:          "cgroup_device",
	ProgTypeSkMsg:                 "sk_msg",
	ProgTypeRawTracepoint:         "raw_tracepoint",
	ProgTypeCGroupSockAddr:        "cgroup_sock_addr",
	ProgTypeLWTSeg6local:          "lwt_seg6local",
	ProgTypeLircMode2:             "lirc_mode2",
	ProgTypeSkReuseport:           "sk_reuseport",
	ProgTypeFlowDissector:         "flow_dissector",
	ProgTypeCGroupSysctl:          "cgroup_sysctl",
	ProgTypeRawTracepointWritable: "raw_tracepoint_writable",
	ProgTypeCGroupSockopt:         "cgroup_sockopt",
	ProgTypeTracing:               "tracing",
	ProgTypeStructOps:             "struct_ops",
	ProgTypeExt:                   "ext",
	ProgTypeLSM:                   "lsm",
	ProgTypeSkLookup:              "sk_lookup",
	ProgTypeSyscall:               "syscall",
	ProgTypeNetfilter:             "netfilter",
}

// String returns the UAPI name in lower case, without its prefix.
func (p ProgType) String() string { return enumName(progTypeNames[:], uint32(p), "ProgType") }

// An AttachType is an enum bpf_attach_type: where a program will be attached. Zero is both the first
// attach type and the default of the program types that need none.
type AttachType uint32

const (
	AttachCGroupInetIngress          AttachType = 0
	AttachCGroupInetEgress           AttachType = 1
	AttachCGroupInetSockCreate       AttachType = 2
	AttachCGroupSockOps              AttachType = 3
	AttachSkSKBStreamParser          AttachType = 4
	AttachSkSKBStreamVerdict         AttachType = 5
	AttachCGroupDevice               AttachType = 6
	AttachSkMsgVerdict               AttachType = 7
	AttachCGroupInet4Bind            AttachType = 8
	AttachCGroupInet6Bind            AttachType = 9
	AttachCGroupInet4Connect         AttachType = 10
	AttachCGroupInet6Connect         AttachType = 11
	AttachCGroupInet4PostBind        AttachType = 12
	AttachCGroupInet6PostBind        AttachType = 13
	AttachCGroupUDP4Sendmsg          AttachType = 14
	AttachCGroupUDP6Sendmsg          AttachType = 15
	AttachLircMode2                  AttachType = 16
	AttachFlowDissector              AttachType = 17
	AttachCGroupSysctl               AttachType = 18
	AttachCGroupUDP4Recvmsg          AttachType = 19
	AttachCGroupUDP6Recvmsg          AttachType = 20
	AttachCGroupGetsockopt           AttachType = 21
	AttachCGroupSetsockopt           AttachType = 22
	AttachTraceRawTP                 AttachType = 23
	AttachTraceFentry                AttachType = 24
	AttachTraceFexit                 AttachType = 25
	AttachModifyReturn               AttachType = 26
	AttachLSMMAC                     AttachType = 27
	AttachTraceIter                  AttachType = 28
	AttachCGroupInet4Getpeername     AttachType = 29
	AttachCGroupInet6Getpeername     AttachType = 30
	AttachCGroupInet4Getsockname     AttachType = 31
	AttachCGroupInet6Getsockname     AttachType = 32
	AttachXDPDevMap                  AttachType = 33
	AttachCGroupInetSockRelease      AttachType = 34
	AttachXDPCPUMap                  AttachType = 35
	AttachSkLookup                   AttachType = 36
	AttachXDP                        AttachType = 37
	AttachSkSKBVerdict               AttachType = 38
	AttachSkReuseportSelect          AttachType = 39
	AttachSkReuseportSelectOrMigrate AttachType = 40
	AttachPerfEvent                  AttachType = 41
	AttachTraceKprobeMulti           AttachType = 42
	AttachLSMCGroup                  AttachType = 43
	AttachStructOps                  AttachType = 44
	AttachNetfilter                  AttachType = 45
	AttachTCXIngress                 AttachType = 46
	AttachTCXEgress                  AttachType = 47
	AttachTraceUprobeMulti           AttachType = 48
	AttachCGroupUnixConnect          AttachType = 49
	AttachCGroupUnixSendmsg          AttachType = 50
	AttachCGroupUnixRecvmsg          AttachType = 51
	AttachCGroupUnixGetpeername      AttachType = 52
	AttachCGroupUnixGetsockname      AttachType = 53
	AttachNetkitPrimary              AttachType = 54
	AttachNetkitPeer                 AttachType = 55
	AttachTraceKprobeSession         AttachType = 56
	AttachTraceUprobeSession         AttachType = 57
)

var attachTypeNames = [...]string{
	AttachCGroupInetIngress:          "cgroup_inet_ingress",
	AttachCGroupInetEgress:           "cgroup_inet_egress",
	AttachCGroupInetSockCreate:       "cgroup_inet_sock_create",
	AttachCGroupSockOps:              "cgroup_sock_ops",
	AttachSkSKBStreamParser:          "sk_skb_stream_parser",
	AttachSkSKBStreamVerdict:         "sk_skb_stream_verdict",
	AttachCGroupDevice:               "cgroup_device",
	AttachSkMsgVerdict:               "sk_msg_verdict",
	AttachCGroupInet4Bind:            "cgroup_inet4_bind",
	AttachCGroupInet6Bind:            "cgroup_inet6_bind",
	AttachCGroupInet4Connect:         "cgroup_inet4_connect",
	AttachCGroupInet6Connect:         "cgroup_inet6_connect",
	AttachCGroupInet4PostBind:        "cgroup_inet4_post_bind",
	AttachCGroupInet6PostBind:        "cgroup_inet6_post_bind",
	AttachCGroupUDP4Sendmsg:          "cgroup_udp4_sendmsg",
	AttachCGroupUDP6Sendmsg:          "cgroup_udp6_sendmsg",
	AttachLircMode2:                  "lirc_mode2",
	AttachFlowDissector:              "flow_dissector",
	AttachCGroupSysctl:               "cgroup_sysctl",
	AttachCGroupUDP4Recvmsg:          "cgroup_udp4_recvmsg",
	AttachCGroupUDP6Recvmsg:          "cgroup_udp6_recvmsg",
	AttachCGroupGetsockopt:           "cgroup_getsockopt",
	AttachCGroupSetsockopt:           "cgroup_setsockopt",
	AttachTraceRawTP:                 "trace_raw_tp",
	AttachTraceFentry:                "trace_fentry",
	AttachTraceFexit:                 "trace_fexit",
	AttachModifyReturn:               "modify_return",
	AttachLSMMAC:                     "lsm_mac",
	AttachTraceIter:                  "trace_iter",
	AttachCGroupInet4Getpeername:     "cgroup_inet4_getpeername",
	AttachCGroupInet6Getpeername:     "cgroup_inet6_getpeername",
	AttachCGroupInet4Getsockname:     "cgroup_inet4_getsockname",
	AttachCGroupInet6Getsockname:     "cgroup_inet6_getsockname",
	AttachXDPDevMap:                  "xdp_devmap",
	AttachCGroupInetSockRelease:      "cgroup_inet_sock_release",
	AttachXDPCPUMap:                  "xdp_cpumap",
	AttachSkLookup:                   "sk_lookup",
	AttachXDP:                        "xdp",
	AttachSkSKBVerdict:               "sk_skb_verdict",
	AttachSkReuseportSelect:          "sk_reuseport_select",
	AttachSkReuseportSelectOrMigrate: "sk_reuseport_select_or_migrate",
	AttachPerfEvent:                  "perf_event",
	AttachTraceKprobeMulti:           "trace_kprobe_multi",
	AttachLSMCGroup:                  "lsm_cgroup",
	AttachStructOps:                  "struct_ops",
	AttachNetfilter:                  "netfilter",
	AttachTCXIngress:                 "tcx_ingress",
	AttachTCXEgress:                  "tcx_egress",
	AttachTraceUprobeMulti:           "trace_uprobe_multi",
	AttachCGroupUnixConnect:          "cgroup_unix_connect",
	AttachCGroupUnixSendmsg:          "cgroup_unix_sendmsg",
	AttachCGroupUnixRecvmsg:          "cgroup_unix_recvmsg",
	AttachCGroupUnixGetpeername:      "cgroup_unix_getpeername",
	AttachCGroupUnixGetsockname:      "cgroup_unix_getsockname",
	AttachNetkitPrimary:              "netkit_primary",
	AttachNetkitPeer:                 "netkit_peer",
	AttachTraceKprobeSession:         "trace_kprobe_session",
	AttachTraceUprobeSession:         "trace_uprobe_session",
}

// String returns the UAPI name in lower case, without its prefix.
func (a AttachType) String() string { return enumName(attachTypeNames[:], uint32(a), "AttachType") }

// A MapType is an enum bpf_map_type.
type MapType uint32

const (
	MapTypeUnspec              MapType = 0
	MapTypeHash                MapType = 1
	MapTypeArray               MapType = 2
	MapTypeProgArray           MapType = 3
	MapTypePerfEventArray      MapType = 4
	MapTypePerCPUHash          MapType = 5
	MapTypePerCPUArray         MapType = 6
	MapTypeStackTrace          MapType = 7
	MapTypeCGroupArray         MapType = 8
	MapTypeLRUHash             MapType = 9
	MapTypeLRUPerCPUHash       MapType = 10
	MapTypeLPMTrie             MapType = 11
	MapTypeArrayOfMaps         MapType = 12
	MapTypeHashOfMaps          MapType = 13
	MapTypeDevMap              MapType = 14
	MapTypeSockMap             MapType = 15
	MapTypeCPUMap              MapType = 16
	MapTypeXSKMap              MapType = 17
	MapTypeSockHash            MapType = 18
	MapTypeCGroupStorage       MapType = 19
	MapTypeReuseportSockarray  MapType = 20
	MapTypePerCPUCGroupStorage MapType = 21
	MapTypeQueue               MapType = 22
	MapTypeStack               MapType = 23
	MapTypeSkStorage           MapType = 24
	MapTypeDevMapHash          MapType = 25
	MapTypeStructOps           MapType = 26
	MapTypeRingBuf             MapType = 27
	MapTypeInodeStorage        MapType = 28
	MapTypeTaskStorage         MapType = 29
	MapTypeBloomFilter         MapType = 30
	MapTypeUserRingBuf         MapType = 31
	MapTypeCgrpStorage         MapType = 32
	MapTypeArena               MapType = 33
)

var mapTypeNames = [...]string{
	MapTypeUnspec:              "unspec",
	MapTypeHash:                "hash",
	MapTypeArray:               "array",
	MapTypeProgArray:           "prog_array",
	MapTypePerfEventArray:      "perf_event_array",
	MapTypePerCPUHash:          "percpu_hash",
	MapTypePerCPUArray:         "percpu_array",
	MapTypeStackTrace:          "stack_trace",
	MapTypeCGroupArray:         "cgroup_array",
	MapTypeLRUHash:             "lru_hash",
	MapTypeLRUPerCPUHash:       "lru_percpu_hash",
	MapTypeLPMTrie:             "lpm_trie",
	MapTypeArrayOfMaps:         "array_of_maps",
	MapTypeHashOfMaps:          "hash_of_maps",
	MapTypeDevMap:              "devmap",
	MapTypeSockMap:             "sockmap",
	MapTypeCPUMap:              "cpumap",
	MapTypeXSKMap:              "xskmap",
	MapTypeSockHash:            "sockhash",
	MapTypeCGroupStorage:       "cgroup_storage",
	MapTypeReuseportSockarray:  "reuseport_sockarray",
	MapTypePerCPUCGroupStorage: "percpu_cgroup_storage",
	MapTypeQueue:               "queue",
	MapTypeStack:               "stack",
	MapTypeSkStorage:           "sk_storage",
	MapTypeDevMapHash:          "devmap_hash",
	MapTypeStructOps:           "struct_ops",
	MapTypeRingBuf:             "ringbuf",
	MapTypeInodeStorage:        "inode_storage",
	MapTypeTaskStorage:         "task_storage",
	MapTypeBloomFilter:         "bloom_filter",
	MapTypeUserRingBuf:         "user_ringbuf",
	MapTypeCgrpStorage:         "cgrp_storage",
	MapTypeArena:               "arena",
}

// String returns the UAPI name in lower case, without its prefix.
func (m MapType) String() string { return enumName(mapTypeNames[:], uint32(m), "MapType") }
