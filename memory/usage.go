package memory

// A Usage says what is in a Space.
type Usage struct {
	Objects   int    // that are live, handles included
	Bytes     uint64 // that they have
	Committed uint64 // bytes below the highest offset ever used, rounded up: those that the host may have to provide
}

// Usage counts what is allocated, for tests and statistics: it looks at all objects.
func (s *Space) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := Usage{Committed: s.limit.Load()}
	var last *span
	for _, sp := range s.heap.spans {
		if sp == last || sp == nil {
			continue
		}
		last = sp
		for i := range sp.objects {
			if o := &sp.objects[i]; o.state == live {
				u.Objects++
				u.Bytes += uint64(o.cap)
			}
		}
	}
	return u
}
