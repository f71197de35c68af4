package jit

// enter runs native code until it comes back; c.site says why.
//
//go:noescape
func enter(c *context)

// flush makes n bytes of code that were written at addr what is executed.
//
//go:noescape
func flush(addr, n uintptr)
