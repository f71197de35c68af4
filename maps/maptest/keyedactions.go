package maptest

import (
	"github.com/skepbpf/skep/maps"
	"pgregory.net/rapid"
)

// actions are what may be done to a map with keys.
func (k *keyed) actions() map[string]func(*rapid.T) {
	a := map[string]func(*rapid.T){
		"Put": func(t *rapid.T) {
			key, flags := k.drawKey(t), rapid.SampledFrom(someFlags).Draw(t, "flags")
			var all []byte
			values := make([][]byte, k.values())
			for i := range values {
				values[i] = k.drawValue(t)
				all = append(all, k.spoil(values[i])...)
				if len(values) > 1 {
					all = append(all, make([]byte, -len(all)&7)...)
				}
			}
			e := k.allowed(key, flags)
			if flags&maps.Lock != 0 && !k.locks() {
				e = maps.EINVAL // the first that user space is told
			}
			want(t, "Put", k.m.Put(key, all, flags), e)
			if e == 0 {
				k.stored(t, key, func(v [][]byte) { copy(v, values) })
			}
		},
		"fill": func(t *rapid.T) {
			if k.lpm || rapid.IntRange(0, 3).Draw(t, "rarely") != 0 {
				return
			}
			v := k.drawValue(t)
			for i := range k.s.MaxEntries + 2 {
				key := make([]byte, k.s.KeySize)
				key[0] = byte(i)
				all := make([]byte, k.m.ValueBytes())
				for cpu := range k.values() {
					copy(all[cpu*len(all)/k.values():], v)
				}
				e := k.allowed(key, maps.Any)
				want(t, "Put", k.m.Put(key, all, maps.Any), e)
				if e == 0 {
					k.stored(t, key, func(all [][]byte) {
						for cpu := range all {
							all[cpu] = v
						}
					})
				}
			}
		},
		"Remove": func(t *rapid.T) { key := k.drawKey(t); k.removed(t, "Remove", key, k.m.Remove(key)) },
		"Take": func(t *rapid.T) {
			key := k.drawKey(t)
			v, ok := k.in[k.name(key)]
			got := make([]byte, k.m.ValueBytes())
			err := k.m.Take(key, got)
			if k.array || k.lpm || k.device {
				want(t, "Take", err, maps.ENOTSUPP)
				return
			}
			k.removed(t, "Take", key, err)
			if ok {
				k.sameAll(t, "Take", got, v)
			}
		},
		"Get": func(t *rapid.T) {
			key := k.drawKey(t)
			v, ok := k.find(key)
			got := make([]byte, k.m.ValueBytes())
			err := k.m.Get(key, got, maps.Any)
			if !ok {
				want(t, "Get", err, maps.ENOENT)
				return
			}
			want(t, "Get", err, 0)
			k.sameAll(t, "Get", got, v)
		},
		"wrong sizes": func(t *rapid.T) {
			n := rapid.IntRange(0, int(k.s.KeySize)-1).Draw(t, "n")
			key, value := make([]byte, n), make([]byte, k.m.ValueBytes())
			want(t, "Get", k.m.Get(key, value, 0), maps.EINVAL)
			want(t, "Put", k.m.Put(key, value, 0), maps.EINVAL)
			want(t, "Put", k.m.Put(make([]byte, k.s.KeySize), value[1:], 0), maps.EINVAL)
			want(t, "Remove", k.m.Remove(key), maps.EINVAL)
			if k.m.Lookup(0, key) != 0 || k.m.Lookup(cpus, make([]byte, k.s.KeySize)) != 0 && k.s.Type.PerCPU() ||
				k.m.Update(0, key, value, 0) == nil || k.m.Delete(key) == nil {
				t.Fatalf("a key of %d bytes was fine", n)
			}
		},
	}
	if k.device {
		return a
	}
	a["Update"] = func(t *rapid.T) {
		key, value, flags := k.drawKey(t), k.drawValue(t), rapid.SampledFrom(someFlags).Draw(t, "flags")
		cpu := rapid.IntRange(0, cpus-1).Draw(t, "CPU")
		e := k.allowed(key, flags)
		want(t, "Update", k.m.Update(cpu, key, k.spoil(value), flags), e)
		if e == 0 {
			k.stored(t, key, func(v [][]byte) { v[cpu%len(v)] = value })
		}
	}
	a["Delete"] = func(t *rapid.T) { key := k.drawKey(t); k.removed(t, "Delete", key, k.m.Delete(key)) }
	return a
}
