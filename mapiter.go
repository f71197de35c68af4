package skep

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/maps"
)

// A MapIterator goes through the elements of a Map.
type MapIterator struct {
	m     *Map
	key   []byte // the last one; nil before the first
	count uint32
	done  bool
	err   error
}

// Iterate goes through all elements. Where others change the map at the same time, elements may be seen twice or not
// at all, and in the end Err is ebpf.ErrIterationAborted if keys kept disappearing.
func (m *Map) Iterate() *MapIterator { return &MapIterator{m: m} }

// Next decodes the next element and reports whether there was one. After it returned false, Err tells why.
func (it *MapIterator) Next(keyOut, valueOut any) bool {
	if it.err != nil || it.done {
		return false
	}
	m := it.m
	for ; it.count <= m.MaxEntries(); it.count++ {
		if m.closed.Load() {
			it.err = maps.ErrClosed
			return false
		}
		next, err := m.k.NextKey(it.key)
		if errors.Is(err, maps.ENOENT) {
			it.done = true
			return false
		}
		if err != nil {
			it.err = wrapMapError("get next key", err)
			return false
		}
		it.key = next
		err = m.Lookup(next, valueOut)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			continue // it was removed in between, or is an element that was never set
		}
		if err != nil {
			it.err = fmt.Errorf("look up next key: %w", err)
			return false
		}
		it.count++
		if err := unmarshal(keyOut, next); err != nil {
			it.err = fmt.Errorf("next key: %w", err)
			return false
		}
		return true
	}
	it.err = fmt.Errorf("%w: more keys than the map can hold were seen", ebpf.ErrIterationAborted)
	return false
}

// Err is why the iteration ended early, nil if it did not.
func (it *MapIterator) Err() error { return it.err }
