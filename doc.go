// Package skep verifies and runs eBPF programs without a kernel.
//
// # Verdicts
//
// Verify judges the programs of a *ebpf.CollectionSpec, as cilium/ebpf reads it from an object file, as the verifier
// of a chosen Linux would: with its verdict, its message and its cost. A Verdict says why a program is refused, and where in
// the source.
//
// # Running
//
// NewCollection and LoadAndAssign go on from there: they make the maps, in this process, and programs that can be run on packets
// and contexts of the caller's making, on any operating system and without rights. Program.Run is BPF_PROG_TEST_RUN, for all
// types of programs; package hook has the events that programs answer in a kernel: packets on interfaces, system calls,
// tracepoints, calls of functions, connects.
//
// Maps, variables and readers have the methods and errors of cilium/ebpf's. Package bpftest has the interfaces that both
// implement, and runs one test in this process and on the kernel.
//
// A collection takes only programs that the verifier accepts, unless Options.AllowUnverified says otherwise. What runs
// them checks every access all the same: a run that goes wrong ends with an *interp.Trap, which names the source line.
//
// # CPUs and time
//
// A collection has 4 virtual CPUs (Options.CPUs), whatever the host has: as many programs run at once, and as many values
// does a per-CPU map have for a key. Its clock, its random numbers and its current task come from Options.Env; those of the
// zero Env are the same in every run. Timers fire when FireTimers is called, and not by themselves.
//
// # What belongs to whom
//
// Programs keep the maps that they name, maps of maps and prog arrays what is put into them; a map or program ends with its
// last user. Close gives up a handle: programs that run go on to their end. All methods may be called from several goroutines
// at once.
//
// Packages below this one have the parts: object reads programs, verifier judges them, interp runs them, maps and
// helpers are what they work with.
package skep
