#include "textflag.h"

// func enter(c *context)
//
// The thunk at c.entry switches stacks and comes back here, to the caller: it ends in RET.
TEXT ·enter(SB), NOSPLIT|NOFRAME, $0-8
	MOVD c+0(FP), R0
	MOVD 88(R0), R1
	JMP  (R1)

// func flush(addr, n uintptr)
//
// It makes what was written to memory what is executed: data caches are cleaned to where instructions are fetched, then
// instruction caches forget. Lines are taken to have 16 bytes, the least there can be.
TEXT ·flush(SB), NOSPLIT|NOFRAME, $0-16
	MOVD addr+0(FP), R0
	MOVD n+8(FP), R1
	ADD  R0, R1
	AND  $~15, R0, R2
clean:
	WORD $0xd50b7b22 // dc cvau, x2
	ADD  $16, R2
	CMP  R1, R2
	BLO  clean
	WORD $0xd5033b9f // dsb ish
	AND  $~15, R0, R2
forget:
	WORD $0xd50b7522 // ic ivau, x2
	ADD  $16, R2
	CMP  R1, R2
	BLO  forget
	WORD $0xd5033b9f // dsb ish
	WORD $0xd5033fdf // isb
	RET
