// Package bpftest lets code that uses programs and maps, and tests of it, run on both: in this process, and on the kernel.
//
// Its interfaces are what cilium/ebpf's types and skep's have in common. *ebpf.Map, *skep.Map, *ebpf.Variable, *skep.Variable
// implement Map and Variable as they are, and *ebpf.Program implements Program; In and On make a Collection of the others.
// Code under test takes the interfaces, and need not know where it runs.
//
// Each runs a test on both sides, one after the other:
//
//	bpftest.Each(t, spec, func(t *testing.T, c bpftest.Collection) {
//		action, _, err := c.Program("firewall").Test(frame)
//		...
//	})
//
// The side of the kernel is skipped, with the reason, where there is none or where rights are missing.
package bpftest
