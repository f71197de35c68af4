prog xdp
name wild
	r2 = *(u32 *)(r1 +0)
	r0 = *(u8 *)(r2 +64)
	exit
