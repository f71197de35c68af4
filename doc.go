// Package skep verifies and runs eBPF programs without a kernel.
//
// Verify judges the programs of a *ebpf.CollectionSpec, as cilium/ebpf reads it from an object file, as the verifier
// of a chosen Linux would: with its verdict, its message and its cost. NewCollection and LoadAndAssign go on from there:
// they make the maps, in this process, and programs that can be run on packets and contexts of the caller's making,
// on any operating system and without rights. Maps have the methods and errors of cilium/ebpf's.
//
// A collection takes only programs that the verifier accepts, unless Options.AllowUnverified says otherwise. What runs
// them checks every access all the same.
//
// Packages below this one have the parts: object reads programs, verifier judges them, interp runs them, maps and
// helpers are what they work with.
package skep
