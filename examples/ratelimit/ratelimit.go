// Package ratelimit limits what a cgroup may send, with a bucket of tokens for each destination.
package ratelimit

import _ "embed"

//go:generate go run ../internal/cc ratelimit.c

// Object is the limit.
//
//go:embed ratelimit.o
var Object []byte
