// Package execlog logs the programs that are started, from a tracepoint into a ring buffer.
package execlog

import _ "embed"

//go:generate go run ../internal/cc execlog.c

// Object is the log.
//
//go:embed execlog.o
var Object []byte
