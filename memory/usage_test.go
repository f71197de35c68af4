package memory

import "testing"

func TestUsage(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sizes := []uint32{1, 1, 100, 40 << 10, 3 << 20}
	var all []Addr
	want := Usage{}
	for _, n := range sizes {
		a, err := s.Alloc(n, Mem, Read, "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
		want.Objects++
		want.Bytes += uint64(n)
		if got := s.Usage(); got.Objects != want.Objects || got.Bytes != want.Bytes || got.Committed < uint64(a)+uint64(n) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	for _, a := range all {
		if err := s.Free(a); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Usage(); got.Objects != 0 || got.Bytes != 0 {
		t.Errorf("%+v after all was freed", got)
	}
}
