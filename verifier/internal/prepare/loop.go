package prepare

// findLoops numbers the strongly connected components of each function's control flow that hold a cycle, in the
// order in which a depth-first search (Tarjan's) leaves them, from 1 on. It also lists slots in postorder.
func (in *Info) findLoops() {
	insns := in.Program.Insns
	in.SCC = make([]int, len(insns))
	t := &tarjan{in: in, index: make([]int, len(insns)), low: make([]int, len(insns)), on: make([]bool, len(insns)),
		post: make([]int, 0, len(insns)), dfs: make([]visit, 0, 64), stack: make([]int, 0, len(insns))}
	for pc := 0; pc < len(insns); pc += slots(&insns[pc]) {
		if t.index[pc] == 0 {
			t.visit(pc)
		}
	}
	in.Postorder = t.post
}

type tarjan struct {
	in    *Info
	index []int // order of discovery, from 1 on
	low   []int
	on    []bool // on stack
	stack []int
	post  []int
	dfs   []visit
	count int
	sccs  int
}

// A visit in progress: slot, and how many of its successors have been followed.
type visit struct{ pc, done int }

func (t *tarjan) enter(pc int) {
	t.count++
	t.index[pc], t.low[pc] = t.count, t.count
	t.on[pc] = true
	t.stack = append(t.stack, pc)
}

// visit searches from a slot, without recursion: programs have up to a million slots.
func (t *tarjan) visit(root int) {
	t.enter(root)
	dfs := append(t.dfs[:0], visit{root, 0})
	for len(dfs) > 0 {
		v := &dfs[len(dfs)-1]
		to, n := t.in.Next(v.pc)
		if v.done < n {
			s := to[v.done]
			v.done++
			if t.index[s] == 0 {
				t.enter(s)
				dfs = append(dfs, visit{s, 0})
			} else if t.on[s] {
				t.low[v.pc] = min(t.low[v.pc], t.index[s])
			}
			continue
		}
		t.leave(v.pc)
		dfs = dfs[:len(dfs)-1]
		if len(dfs) > 0 {
			p := dfs[len(dfs)-1].pc
			t.low[p] = min(t.low[p], t.low[v.pc])
		}
	}
	t.dfs = dfs
}

func (t *tarjan) leave(pc int) {
	t.post = append(t.post, pc)
	if t.low[pc] != t.index[pc] {
		return
	}
	at := len(t.stack) - 1
	for t.stack[at] != pc {
		at--
	}
	loop := len(t.stack)-at > 1
	to, n := t.in.Next(pc)
	for _, s := range to[:n] {
		loop = loop || s == pc
	}
	if loop {
		t.sccs++
	}
	for _, m := range t.stack[at:] {
		t.on[m] = false
		if loop {
			t.in.SCC[m] = t.sccs
		}
	}
	t.stack = t.stack[:at]
}
