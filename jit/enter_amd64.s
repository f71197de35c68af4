#include "textflag.h"

// func enter(c *context)
//
// The thunk at c.entry switches stacks and comes back here, to the caller: it ends in RET.
TEXT ·enter(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ c+0(FP), DI
	MOVQ 88(DI), AX
	JMP  AX
