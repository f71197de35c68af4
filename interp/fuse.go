package interp

// fuse puts one operation in the place of the first of two, three or four instructions that often stand together. The
// others stay where they are, so that a jump to one of them finds it, and none of those that are fused can stop. So
// neither the budget nor a trap's place is any different.
func (m *Machine) fuse(n int) {
	for pc := range n {
		if op, imm := m.fused(pc, n); op != 0 {
			m.code[pc].op, m.code[pc].imm = op, imm
		}
	}
}

// fused is what the instructions from pc on are together, and its immediate; 0 if there is nothing.
func (m *Machine) fused(pc, n int) (op uint16, imm uint64) {
	if pc+1 >= n {
		return 0, 0
	}
	a, b := &m.code[pc], &m.code[pc+1]
	if a.op == lsh|k64 && a.imm == 32 && b.dst == a.dst && b.imm == 32 {
		switch b.op {
		case rsh | k64:
			return opZeroExt, 0
		case arsh | k64:
			return opSignExt, 0
		}
	}
	if a.op != mov|r64 || b.dst != a.dst {
		return 0, 0
	}
	switch b.op {
	case add | k64:
		return opMovAdd, b.imm
	case and | k64:
		return opMovAnd, b.imm
	case lsh | k64:
		if m.xors(a, pc+2, n) {
			return opLshXor, b.imm
		}
		if m.rotates(a, b.imm, pc+2, n) {
			return opRotate, b.imm
		}
		return opMovLsh, b.imm
	case rsh | k64:
		if m.xors(a, pc+2, n) {
			return opRshXor, b.imm
		}
		return opMovRsh, b.imm
	}
	return 0, 0
}

// xors tells that pc is "src ^= dst" for the move a.
func (m *Machine) xors(a *code, pc, n int) bool {
	if pc >= n || a.dst == a.src {
		return false
	}
	c := &m.code[pc]
	return c.op == xor|r64 && c.dst == a.src && c.src == a.dst
}

// rotates tells that from pc on there is "src >>= 64-imm; src |= dst" for the move a.
func (m *Machine) rotates(a *code, imm uint64, pc, n int) bool {
	if pc+1 >= n || a.dst == a.src || imm == 0 || imm > 63 {
		return false
	}
	c, d := &m.code[pc], &m.code[pc+1]
	return c.op == rsh|k64 && c.dst == a.src && c.imm == 64-imm && d.op == or|r64 && d.dst == a.src && d.src == a.dst
}
