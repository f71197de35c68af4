package jit

// enter runs native code until it comes back; c.site says why.
//
//go:noescape
func enter(c *context)

// flush makes code that was written what is executed: amd64 does so by itself.
func flush(addr, n uintptr) {}
