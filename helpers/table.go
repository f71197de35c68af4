package helpers

// families are the helpers that are simulated, by id: one map a file.
var families = []map[int32]Func{
	mapFamily, tailFamily, basicFamily, taskFamily, probeFamily, controlFamily, printFamily, skbBytesFamily, csumFamily,
	skbMetaFamily, skbRoomFamily, xdpFamily, redirectFamily, sockFamily, dynptrFamily, outputFamily, timerFamily,
	routeFamily,
}

// reasons say why helpers that are not simulated are not, where there is more to say than that nobody wrote them.
var reasons = map[int32]string{}

// table has the helpers by id.
var table = makeTable()

func makeTable() *[NumHelpers]Helper {
	var t [NumHelpers]Helper
	for id := range t {
		t[id].Prototype = ByID(int32(id))
		t[id].Why = reasons[int32(id)]
	}
	for _, f := range families {
		for id, call := range f {
			if t[id].Call != nil {
				panic("helpers: two functions for helper " + t[id].Name) // a mistake in the tables, at start
			}
			t[id].Call, t[id].Why = call, ""
		}
	}
	for id := range t {
		if h := &t[id]; h.Call == nil && h.Why == "" {
			h.Why = "not simulated yet"
		}
	}
	return &t
}

// Lookup returns the helper with an id, with the prototype that most programs get; nil if there is none. Its Call is nil
// if it is not simulated: Why then says why.
func Lookup(id int32) *Helper {
	if id <= 0 || int(id) >= len(table) || table[id].Prototype == nil {
		return nil
	}
	return &table[id]
}

// ForCall returns the helper with an id, with the prototype that programs of these types get; false if there is none.
func ForCall(id int32, progType, attachType uint32, sleepable bool) (Helper, bool) {
	h := Lookup(id)
	if h == nil {
		return Helper{}, false
	}
	out := *h
	out.Prototype = ForProg(id, progType, attachType, sleepable)
	return out, true
}
