package jit_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench"
)

var stress = flag.Duration("stress", 2*time.Second, "how long TestStress runs")

// TestStress runs programs with helper exits in 64 goroutines while the garbage collector never rests, a CPU profile and an
// execution trace are taken, signals come in, and user space writes to their maps. Nothing may fail, and no result may be
// wrong. Signals, as many as there can be, are those of the profiler and of preemption; see also stress_linux_test.go.
func TestStress(t *testing.T) {
	if testing.Short() {
		*stress = min(*stress, 500*time.Millisecond)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	var profile, events bytes.Buffer
	if pprof.StartCPUProfile(&profile) == nil {
		defer pprof.StopCPUProfile()
	}
	if trace.Start(&events) == nil {
		defer trace.Stop()
	}
	type subject struct {
		p    *skep.Program
		in   []byte
		want uint32
	}
	var subjects []subject
	for _, b := range bench.Programs {
		subjects = append(subjects, subject{load(t, b.Name, skep.EngineAuto), packet(t, b.Name), b.Want})
	}
	hash := collection(t, "hashmap")
	if _, _, err := hash.Programs["hashmap"].Test(packet(t, "hashmap")); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	var runs atomic.Int64
	for g := range 64 {
		wg.Go(func() {
			for n := g; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				s := subjects[n%len(subjects)]
				if n%3 == 0 {
					s = subject{hash.Programs["hashmap"], packet(t, "hashmap"), 1}
				}
				ret, out, err := s.p.Test(s.in)
				if err != nil {
					t.Error(err)
					return
				}
				if hashFirst := s.want == 1 && ret == 0; ret != s.want && !hashFirst || len(out) == 0 {
					t.Errorf("%v: got %d, want %d", s.p, ret, s.want)
					return
				}
				runs.Add(1)
				_ = make([]byte, 1<<(n%12)) // garbage
			}
		})
	}
	wg.Go(func() { // a writer, who adds and deletes other keys of the table
		m := hash.Maps["flows"]
		key := make([]byte, 12)
		for i := uint32(0); ; i++ {
			select {
			case <-done:
				return
			default:
			}
			binary.LittleEndian.PutUint32(key, 0x80000000|i%100)
			if err := m.Put(key, uint64(i)); err != nil {
				t.Error(err)
			}
			if err := m.Delete(key); err != nil {
				t.Error(err)
			}
			runtime.Gosched()
		}
	})
	storm(t, done, &wg)
	time.Sleep(*stress)
	close(done)
	wg.Wait()
	t.Logf("%d runs", runs.Load())
}

// collection loads an object of the set.
func collection(t testing.TB, name string) *skep.Collection {
	t.Helper()
	b, err := bench.Files.ReadFile(name + ".o")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c, err := skep.NewCollection(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// storm sends signals to the process until done is closed.
func storm(t *testing.T, done chan struct{}, wg *sync.WaitGroup) {
	p, err := os.FindProcess(os.Getpid())
	if err != nil || urgent == nil {
		return
	}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = p.Signal(urgent)
				time.Sleep(50 * time.Microsecond)
			}
		}
	})
}
