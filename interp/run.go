package interp

import (
	"unsafe"

	"github.com/skepbpf/skep/isa"
)

// loop executes from slot pc of m on until the function that the thread is in returns, and gives its r0.
func (t *thread) loop(m *Machine, pc int) (uint64, error) {
	base := t.depth
	ip := &m.code[pc]
	limit := at(ip) + int64(t.left)*int64(codeSize)
	for {
		ip, limit = exec(ip, &t.regs, m.space, limit)
	again:
		after := next(ip)
		switch op := ip.op; op {
		case callSub:
			if t.full() {
				return t.trap(m, m.slot(ip), tooDeep, nil)
			}
			if limit <= at(after) {
				if limit += int64(t.more()) * int64(codeSize); limit <= at(after) {
					return t.trapErr(m, m.slot(ip), t.ended())
				}
			}
			t.enter(m, after)
			limit += int64(ip.off)
			ip = (*code)(unsafe.Add(unsafe.Pointer(after), int(ip.off)))
		case exit:
			if t.depth == base {
				t.left = left(limit, after)
				return t.regs[0], nil
			}
			m, ip = t.leave()
			limit += at(ip) - at(after)
		case mayGoto:
			if f := &t.frames[t.depth]; f.mayGoto > 0 {
				f.mayGoto--
				ip = after
				continue
			}
			limit += int64(ip.off)
			ip = (*code)(unsafe.Add(unsafe.Pointer(after), int(ip.off)))
		case opHelper:
			t.left = left(limit, after)
			if err := t.helper(m, ip); err != nil {
				return t.trapErr(m, m.slot(ip), err)
			}
			limit = at(after) + int64(t.left)*int64(codeSize)
			ip = after
		case opTail:
			t.left = left(limit, after)
			to, err := t.tail(m, ip)
			if err != nil {
				return t.trapErr(m, m.slot(ip), err)
			}
			if ip = after; to != nil {
				if t.left <= 0 {
					if t.left += t.more(); t.left <= 0 {
						return t.trapErr(m, m.slot(ip)-1, t.ended())
					}
				}
				m, ip = to, &to.code[0]
			}
			limit = at(ip) + int64(t.left)*int64(codeSize)
		case opObserve:
			// One instruction by itself. If exec has done it, all is done; else it is looked at here again, in its place
			// among the instructions that are not observed.
			pc := m.slot(ip)
			t.observe(m, pc)
			if to, ok := t.single(m, pc, limit-at(after)); ok {
				limit += at(&m.code[to]) - at(after)
				ip = &m.code[to]
				continue
			}
			plain := &m.plain[pc]
			limit += at(plain) - at(ip)
			ip = plain
			goto again
		default:
			if t.rest > 0 && op < opTrap && isJump(isa.Op(op>>2)) {
				// It was the budget that stopped it.
				if n := t.more(); n > 0 {
					limit += int64(n) * int64(codeSize)
					break
				}
			}
			ends, err := t.slow(m, ip, m.slot(ip))
			if err != nil {
				return 0, err
			}
			if ends {
				after = &m.code[m.exit]
				limit += at(after) - at(next(ip))
			}
			ip = after
		}
		if m.observed {
			// What was executed in its place among the unobserved ones goes on among the observed.
			to := m.observedCode(ip)
			limit += at(to) - at(ip)
			ip = to
		}
	}
}

// left is what is left of the budget after an instruction, in instructions.
func left(limit int64, after *code) int { return int((limit - at(after)) / int64(codeSize)) }
