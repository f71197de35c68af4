# Overwrites the first byte of the packet and prints the second.
prog xdp
name swap
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r8 = r6
	r8 += 14
	if r8 > r7 goto out
	*(u8 *)(r6 +0) = 255
	*(u64 *)(r10 -8) = 0x0a6425 
	r1 = r10
	r1 += -8
	r2 = 4
	r3 = *(u8 *)(r6 +1)
	call bpf_trace_printk
out:
	r0 = 3
	exit
