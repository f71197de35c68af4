package main

// A kfuncNote is what is known of a kernel function that the facts do not say.
type kfuncNote struct {
	flags  string // besides those in the facts
	attach string // set of attach types that programs must have one of; "": any
}

// kfuncNotes are the notes by name. A function with no row in the facts, or a flag that its row has, is an error.
//
// The documentation of flags is older than some functions: those that were seen to return what may be NULL have
// KfuncRetNull here, and those around which registers were seen to be kept, KfuncFastCall. The other flags and the attach
// types are what the kernel treats single functions by, as its answers show.
var kfuncNotes = map[string]kfuncNote{
	"bpf_cast_to_kern_ctx":               {flags: "KfuncFastCall"},
	"bpf_iter_num_destroy":               {flags: "KfuncLocked"},
	"bpf_iter_num_new":                   {flags: "KfuncLocked"},
	"bpf_iter_num_next":                  {flags: "KfuncLocked"},
	"bpf_list_back":                      {flags: "KfuncLocked KfuncRetNull"},
	"bpf_list_front":                     {flags: "KfuncLocked KfuncRetNull"},
	"bpf_list_pop_back":                  {flags: "KfuncLocked"},
	"bpf_list_pop_front":                 {flags: "KfuncLocked"},
	"bpf_list_push_back_impl":            {flags: "KfuncLocked"},
	"bpf_list_push_front_impl":           {flags: "KfuncLocked"},
	"bpf_percpu_obj_drop_impl":           {flags: "KfuncPerCPU"},
	"bpf_percpu_obj_new_impl":            {flags: "KfuncPerCPU"},
	"bpf_rbtree_add_impl":                {flags: "KfuncLocked KfuncCallback"},
	"bpf_rbtree_first":                   {flags: "KfuncLocked"},
	"bpf_rbtree_left":                    {flags: "KfuncLocked KfuncRetNull"},
	"bpf_rbtree_remove":                  {flags: "KfuncLocked"},
	"bpf_rbtree_right":                   {flags: "KfuncLocked KfuncRetNull"},
	"bpf_rbtree_root":                    {flags: "KfuncLocked KfuncRetNull"},
	"bpf_rdonly_cast":                    {flags: "KfuncFastCall"},
	"bpf_refcount_acquire_impl":          {flags: "KfuncLocked"},
	"bpf_session_cookie":                 {flags: "KfuncRetWritable", attach: kfuncSessions},
	"bpf_session_is_return":              {attach: kfuncSessions},
	"bpf_sock_destroy":                   {attach: "1 << AttachTraceIter"},
	"bpf_task_work_schedule_resume_impl": {flags: "KfuncAsync"},
	"bpf_task_work_schedule_signal_impl": {flags: "KfuncAsync"},
	"bpf_wq_set_callback_impl":           {flags: "KfuncAsync"},
	"bpf_xdp_metadata_rx_hash":           {flags: "KfuncDeviceBound"},
	"bpf_xdp_metadata_rx_timestamp":      {flags: "KfuncDeviceBound"},
	"bpf_xdp_metadata_rx_vlan_tag":       {flags: "KfuncDeviceBound"},
	"bpf_xdp_pull_data":                  {flags: "KfuncChangesPacket"},
}

const kfuncSessions = "1<<AttachTraceKprobeSession | 1<<AttachTraceUprobeSession"
