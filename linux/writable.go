package linux

// writableFields are the fields of kernel objects that some programs may write, as paths from the struct that their
// pointers are to. Found by asking Linux 6.18.44 for a store of each size at each offset.
var writableFields = map[string][][]string{
	"tcp_sock": { // programs for tcp_congestion_ops
		{"inet_conn", "icsk_inet", "sk", "sk_pacing_status"},
		{"inet_conn", "icsk_inet", "sk", "sk_pacing_rate"},
		{"inet_conn", "icsk_ack", "pending"},
		{"inet_conn", "icsk_ca_priv"}, // from any byte of it on
		{"snd_cwnd"}, {"snd_ssthresh"}, {"ecn_flags"}, {"app_limited"}, {"snd_cwnd_cnt"}, {"snd_cwnd_stamp"},
	},
	"nf_conn": {{"mark"}}, // XDP and TC
}

// WritableFields gives the fields of a struct that the programs that get to write to it may write.
func WritableFields(name string) [][]string { return writableFields[name] }
