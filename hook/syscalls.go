package hook

// A syscall is what is known of a system call: its numbers on amd64 and arm64 (-1: there is none), and its arguments.
type syscall struct {
	amd64, arm64 int32
	args         []string
}

func (s syscall) number(a *arch) int32 {
	n := s.amd64
	if a == arches["arm64"] {
		n = s.arm64
	}
	return max(n, 0)
}

// syscalls are the common ones, with the names of arguments that their tracepoints have. Others work as well: their
// arguments have no names, and their number is to be given.
var syscalls = map[string]syscall{
	"accept4":    {288, 242, []string{"fd", "upeer_sockaddr", "upeer_addrlen", "flags"}},
	"bind":       {49, 200, []string{"fd", "umyaddr", "addrlen"}},
	"bpf":        {321, 280, []string{"cmd", "uattr", "size"}},
	"chdir":      {80, 49, []string{"filename"}},
	"clone":      {56, 220, []string{"clone_flags", "newsp", "parent_tidptr", "child_tidptr", "tls"}},
	"clone3":     {435, 435, []string{"uargs", "size"}},
	"close":      {3, 57, []string{"fd"}},
	"connect":    {42, 203, []string{"fd", "uservaddr", "addrlen"}},
	"dup3":       {292, 24, []string{"oldfd", "newfd", "flags"}},
	"execve":     {59, 221, []string{"filename", "argv", "envp"}},
	"execveat":   {322, 281, []string{"fd", "filename", "argv", "envp", "flags"}},
	"exit":       {60, 93, []string{"error_code"}},
	"exit_group": {231, 94, []string{"error_code"}},
	"fchmodat":   {268, 53, []string{"dfd", "filename", "mode"}},
	"fchownat":   {260, 54, []string{"dfd", "filename", "user", "group", "flag"}},
	"futex":      {202, 98, []string{"uaddr", "op", "val", "utime", "uaddr2", "val3"}},
	"getpid":     {39, 172, nil},
	"ioctl":      {16, 29, []string{"fd", "cmd", "arg"}},
	"kill":       {62, 129, []string{"pid", "sig"}},
	"listen":     {50, 201, []string{"fd", "backlog"}},
	"mkdir":      {83, -1, []string{"pathname", "mode"}},
	"mkdirat":    {258, 34, []string{"dfd", "pathname", "mode"}},
	"mmap":       {9, 222, []string{"addr", "len", "prot", "flags", "fd", "off"}},
	"mount":      {165, 40, []string{"dev_name", "dir_name", "type", "flags", "data"}},
	"mprotect":   {10, 226, []string{"start", "len", "prot"}},
	"nanosleep":  {35, 101, []string{"rqtp", "rmtp"}},
	"open":       {2, -1, []string{"filename", "flags", "mode"}},
	"openat":     {257, 56, []string{"dfd", "filename", "flags", "mode"}},
	"openat2":    {437, 437, []string{"dfd", "filename", "how", "usize"}},
	"pread64":    {17, 67, []string{"fd", "buf", "count", "pos"}},
	"prctl":      {157, 167, []string{"option", "arg2", "arg3", "arg4", "arg5"}},
	"ptrace":     {101, 117, []string{"request", "pid", "addr", "data"}},
	"pwrite64":   {18, 68, []string{"fd", "buf", "count", "pos"}},
	"read":       {0, 63, []string{"fd", "buf", "count"}},
	"recvfrom":   {45, 207, []string{"fd", "ubuf", "size", "flags", "addr", "addr_len"}},
	"recvmsg":    {47, 212, []string{"fd", "msg", "flags"}},
	"renameat2":  {316, 276, []string{"olddfd", "oldname", "newdfd", "newname", "flags"}},
	"sendmsg":    {46, 211, []string{"fd", "msg", "flags"}},
	"sendto":     {44, 206, []string{"fd", "buff", "len", "flags", "addr", "addr_len"}},
	"setgid":     {106, 144, []string{"gid"}},
	"setuid":     {105, 146, []string{"uid"}},
	"socket":     {41, 198, []string{"family", "type", "protocol"}},
	"tgkill":     {234, 131, []string{"tgid", "pid", "sig"}},
	"umount":     {166, 39, []string{"name", "flags"}},
	"unlink":     {87, -1, []string{"pathname"}},
	"unlinkat":   {263, 35, []string{"dfd", "pathname", "flag"}},
	"wait4":      {61, 260, []string{"upid", "stat_addr", "options", "ru"}},
	"write":      {1, 64, []string{"fd", "buf", "count"}},
	"writev":     {20, 66, []string{"fd", "vec", "vlen"}},
}
