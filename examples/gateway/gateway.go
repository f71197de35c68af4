// Package gateway is a gateway of two programs: XDP counts and drops, TC redirects to another interface; they share a map.
package gateway

import _ "embed"

//go:generate go run ../internal/cc gateway.c

// Object is the gateway.
//
//go:embed gateway.o
var Object []byte
