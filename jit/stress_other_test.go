//go:build !linux

package jit_test

import "os"

var urgent os.Signal
