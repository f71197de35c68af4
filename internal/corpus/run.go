package corpus

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// A Judge gives its verdict on a case. It may panic: the Runner then says so in the verdict.
type Judge func(c *Case) Verdict

// A Runner has many cases judged at once. The zero Runner is ready to use.
type Runner struct {
	Workers int // goroutines; 0: one a CPU

	// Each, if not nil, is told of every verdict as it comes, one at a time.
	Each func(*Case, Verdict)
	// Stuck, if not nil, is told every minute of the cases that are not done.
	Stuck func(c *Case, since time.Duration)
}

// Run judges the cases. The verdicts are in the order of the cases and carry their ids.
func (r *Runner) Run(cases []*Case, judge Judge) []Verdict {
	out := make([]Verdict, len(cases))
	workers := r.Workers
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		next    = make(chan int)
		started = map[int]time.Time{}
	)
	for range workers {
		wg.Go(func() {
			for i := range next {
				mu.Lock()
				started[i] = time.Now()
				mu.Unlock()
				out[i] = judgeOne(cases[i], judge)
				mu.Lock()
				delete(started, i)
				if r.Each != nil {
					r.Each(cases[i], out[i])
				}
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	if r.Stuck != nil {
		go func() {
			for tick := time.NewTicker(time.Minute); ; {
				select {
				case <-done:
					tick.Stop()
					return
				case <-tick.C:
				}
				mu.Lock()
				for i, t := range started {
					r.Stuck(cases[i], time.Since(t))
				}
				mu.Unlock()
			}
		}()
	}
	for i := range cases {
		next <- i
	}
	close(next)
	wg.Wait()
	close(done)
	return out
}

// judgeOne turns a panic into a verdict, so that one case does not hide the others.
func judgeOne(c *Case, judge Judge) (v Verdict) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			v = Verdict{Verdict: Failed, Message: fmt.Sprint("panic: ", p), Stack: string(debug.Stack())}
		}
		v.ID = c.ID
		if v.Usec == 0 {
			v.Usec = time.Since(start).Microseconds()
		}
	}()
	return judge(c)
}

// WriteResults writes the verdicts as JSON lines.
func WriteResults(w io.Writer, results []Verdict) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for i := range results {
		if err := e.Encode(&results[i]); err != nil {
			return err
		}
	}
	return nil
}

// ReadResults reads what WriteResults wrote; the file may be gzipped.
func ReadResults(name string) ([]Verdict, error) {
	var out []Verdict
	err := eachLine(name, func(d *json.Decoder) error {
		var v Verdict
		err := d.Decode(&v)
		if err == nil {
			out = append(out, v)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", name, err)
	}
	return out, nil
}
