package jit_test

import (
	"os"
	"syscall"
)

// urgent is the signal that Go preempts with, which may come at any time.
var urgent os.Signal = syscall.SIGURG
