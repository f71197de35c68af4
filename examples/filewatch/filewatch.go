// Package filewatch reports files that are opened for writing or removed, by a tracepoint and a kprobe, in a ring buffer.
package filewatch

import _ "embed"

//go:generate go run ../internal/cc filewatch.c

// Object is the watcher, for amd64.
//
//go:embed filewatch.o
var Object []byte

// An Event is a record of the ring buffer "events".
type Event struct {
	What, PID uint32
	Comm      [16]byte
	Name      [64]byte
}

// Values of Event.What.
const (
	Opened  = 1
	Removed = 2
)
