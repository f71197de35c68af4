package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/skepbpf/skep/fuzz"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

// escape runs a program if it is accepted, and says how it left the states of its proof.
func escape(w *fuzz.World, p *object.Program, seed uint64, runs int, t *fuzz.Tally) (accepted bool, err error) {
	v := verify()
	v.KeepStates = true
	j, proof := fuzz.Verify(p, v)
	if j.Verdict != oracle.Accept {
		return false, nil
	}
	return true, w.Execute(proof, fuzz.Seeded(seed^0xfeed), runs, t)
}

// execute runs accepted programs: no kernel is needed.
func execute(o *options) error {
	w, err := fuzz.NewWorld()
	if err != nil {
		return err
	}
	defer w.Close()
	var t fuzz.Tally
	escapes, failed, total := 0, map[string]int{}, 0
	start, last := time.Now(), time.Now()
	print := func() {
		s := time.Since(start).Seconds()
		fmt.Printf("%d programs in %.0f s (%.0f/s): %+v, %d escapes, failed %v\n", total, s, float64(total)/s, t, escapes, failed)
	}
	for seed := o.seed; seed < o.seed+o.n; seed++ {
		p := fuzz.Generate(fuzz.Seeded(seed))
		total++
		_, err := escape(w, p, seed, o.runs, &t)
		if time.Since(last) > o.every {
			last = time.Now()
			print()
		}
		if err == nil {
			continue
		}
		var e *fuzz.Escape
		if !errors.As(err, &e) {
			failed[err.Error()]++
			continue
		}
		if escapes++; escapes > o.limit {
			continue
		}
		q := fuzz.Minimise(p, func(q *object.Program) bool {
			var t fuzz.Tally
			var f *fuzz.Escape
			_, err := escape(w, q, seed, o.runs, &t)
			return errors.As(err, &f) && (f.Why[:4] == "trap") == (e.Why[:4] == "trap")
		})
		_, err = escape(w, q, seed, o.runs, &fuzz.Tally{})
		fmt.Printf("---- escape, seed %d: %v\n%s\n%v\n", seed, e, fuzz.Text(q), err)
	}
	print()
	return nil
}
