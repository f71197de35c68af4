// Package fuzz makes programs and tests with them what no corpus of programs written by people can show: that the
// verifier and the running kernel agree, and that an accepted program, when it runs, never leaves the states in which the
// verifier walked it.
//
// # Programs
//
// Generate makes a program from a Source: from a seed, or from the bytes of a native fuzz target. It keeps its own simple
// account of what each register and stack slot holds, so that most of what it makes is valid: arithmetic on numbers, pointers
// with bounds checks, lookups with NULL checks, spills and fills, calls, loops, callbacks. How sloppy it is varies from program
// to program: a sloppy one forgets checks, misses bounds by one, reads what it has not written.
//
// # Properties
//
// Differ has a program judged by the verifier and by a kernel and says where they differ. Execute runs an accepted program in
// the interpreter on random packets, contexts and map contents, and says where it was outside what its Proof covers.
package fuzz
