package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// This file makes programs that call helpers with arguments of all sorts, most of them of the sort that the helper wants.

// kinds of map that calls are tried with: type, key, value, entries, flags.
var mapKinds = [][5]uint32{
	{1, 4, 16, 4}, {2, 4, 16, 4}, {2, 4, 64, 1}, {5, 4, 16, 4}, {6, 4, 16, 4}, {9, 8, 8, 4}, {10, 4, 8, 4}, {3, 4, 4, 2}, {4, 4, 4, 2},
	{7, 4, 64, 4}, {8, 4, 4, 2}, {11, 8, 8, 4, 1}, {14, 4, 4, 4}, {15, 4, 4, 4}, {16, 4, 4, 4}, {17, 4, 4, 4}, {18, 4, 4, 4}, {19, 16, 8, 0},
	{20, 4, 8, 4}, {21, 16, 8, 0}, {22, 0, 8, 4}, {23, 0, 8, 4}, {25, 4, 4, 4}, {27, 0, 0, 4096}, {30, 0, 8, 4}, {31, 0, 0, 4096},
	{2, 4, 16, 4, 0x80}, {2, 4, 16, 4, 0x100}, {1, 4, 16, 4, 0x80},
}

func randomMap(r *rand.Rand, n int) *object.Map {
	k := mapKinds[r.IntN(len(mapKinds))]
	if r.IntN(2) == 0 {
		k = mapKinds[r.IntN(3)]
	}
	return &object.Map{Name: fmt.Sprintf("map%d", n), Type: k[0], KeySize: k[1], ValueSize: k[2], MaxEntries: k[3], Flags: k[4]}
}

// packets are where contexts have the packet and its end.
var packets = map[uint32][2]int{3: {76, 80}, 4: {76, 80}, 6: {0, 4}, 8: {76, 80}, 10: {76, 80}, 11: {76, 80}, 12: {76, 80}, 14: {76, 80}, 22: {76, 80}}

// caller makes a program of the case's type that calls helpers, by the seed alone.
func caller(base *object.Program, id string, seed uint64) (*object.Program, []string) {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	p := *base
	p.BTF, p.Funcs, p.FuncsRaw, p.Lines, p.LinesRaw, p.BadFDs = nil, nil, nil, nil, nil, nil
	p.Maps = []*object.Map{randomMap(r, 0), randomMap(r, 1)}
	if r.IntN(10) == 0 {
		p.License = ""
	} else {
		p.License = "GPL"
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("r6 = r1\n*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 1\ncall 7\nr7 = r0\n*(u64 *)(r10 -24) = r7\nr9 = 0\nr8 = 0")
	if r.IntN(3) > 0 {
		say("r2 = r10\nr2 += -8\nr1 = map[%d]\ncall 1\nr8 = r0", r.IntN(2))
		if r.IntN(6) > 0 {
			say("if r8 == 0 goto out")
		}
	}
	if at, ok := packets[p.Type]; ok && r.IntN(2) == 0 {
		say("r9 = *(u32 *)(r6 +%d)\nr2 = *(u32 *)(r6 +%d)\nr3 = r9\nr3 += 32", at[0], at[1])
		if r.IntN(6) > 0 {
			say("if r3 > r2 goto out")
		}
	}
	if r.IntN(2) == 0 {
		say("r7 &= %d", []int{1, 7, 15, 31, 255}[r.IntN(5)])
	}
	names := []string{}
	for n := 1 + r.IntN(2); n > 0; n-- {
		id := int32(1 + r.IntN(211))
		names = append(names, linux.HelperName(id))
		proto := helpers.ForProg(id, p.Type, p.AttachType, p.Flags&16 != 0)
		for k := range 5 {
			if proto != nil && proto.Args[k].Kind == helpers.ArgNone {
				break
			}
			if r.IntN(25) == 0 {
				continue // not set
			}
			var a helpers.Arg
			if proto != nil {
				a = proto.Args[k]
			}
			say("%s", strings.ReplaceAll(argument(r, &a), "R", fmt.Sprintf("r%d", k+1)))
		}
		say("call %d", id)
		switch r.IntN(5) {
		case 0:
			say("if r0 == 0 goto out\nr1 = *(u64 *)(r0 +%d)", r.IntN(3)*4)
		case 1:
			say("r7 = r0\nr7 &= 15")
		case 2:
			say("r8 = r0\nif r8 == 0 goto out")
		case 3:
			say("r9 = r0")
		}
		if r.IntN(3) == 0 {
			say("r0 = *(u64 *)(r10 -%d)", 8+8*r.IntN(4))
		}
	}
	say("out:\nr0 = 0\nexit")
	insns, err := isa.Parse(b.String())
	if err != nil {
		return nil, nil
	}
	p.Insns = insns
	return &p, names
}

// argument is an assignment to a register R.
func argument(r *rand.Rand, a *helpers.Arg) string {
	kind := a.Kind
	if r.IntN(7) == 0 {
		kind = helpers.ArgNone
	}
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	stack := func() string {
		return fmt.Sprintf("R = r10\nR += %d", -8*(1+r.IntN(9))+[]int{0, 0, 0, 4, 1}[r.IntN(5)])
	}
	number := func() string {
		return pick("R = 0", "R = 1", "R = 4", "R = 8", "R = 16", "R = 32", "R = 64", "R = 256", "R = -1", "R = 600", "R = r7", "R = r7")
	}
	switch kind {
	case helpers.ArgConstMapPtr:
		return pick("R = map[0]", "R = map[1]", "R = map[0]")
	case helpers.ArgCtx:
		return pick("R = r6", "R = r6", "R = r6", "R = r6\nR += 4")
	case helpers.ArgConstSize, helpers.ArgConstSizeOrZero, helpers.ArgConstAllocSizeOrZero:
		return number()
	case helpers.ArgMapKey, helpers.ArgMapValue, helpers.ArgMem, helpers.ArgStack, helpers.ArgConstStr:
		if a.Flags&helpers.MaybeNull != 0 && r.IntN(3) == 0 {
			return "R = 0"
		}
		if r.IntN(3) == 0 {
			return pick("R = r8", "R = r8\nR += 4", "R = r9", "R = r9\nR += 8", "R = r8\nR += r7")
		}
		return stack()
	case helpers.ArgRingbufMem, helpers.ArgSpinLock, helpers.ArgTimer:
		return pick("R = r8", "R = r9", stack())
	case helpers.ArgSockCommon, helpers.ArgSocket, helpers.ArgBTFIDSockCommon, helpers.ArgBTFID:
		return pick("R = r8", "R = r9", "R = *(u64 *)(r6 +168)", "R = 0")
	case helpers.ArgAnything, helpers.ArgScalar:
		return number()
	}
	return pick("R = r6", "R = r7", "R = r8", "R = r9", "R = r10", "R = map[0]", "R = map[1]", "R = 0", "R = 16", stack())
}

// bases are one case for each type of program, what it is attached to, and its flags.
func bases(programs []*object.Program) (out []int) {
	seen := map[string]bool{}
	for n, p := range programs {
		k := fmt.Sprint(p.Type, p.AttachType, p.AttachTo, p.Flags)
		if !seen[k] && p.Type != uint32(linux.ProgTypeStructOps) {
			seen[k] = true
			out = append(out, n)
		}
	}
	return out
}
