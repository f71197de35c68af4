package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

type benchFlags struct {
	engines []string
	packet  string
	json    string
	rounds  int
	budget  time.Duration
}

func benchCommand() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench OBJECT…",
		Short: "Time programs in the engines and in the running kernel, side by side",
		Long: `Bench runs the programs of objects in each engine in turn, many rounds, and prints the median time of a run and its
ratio to the kernel's. A program runs on the packet of --packet, or if there is a file packets/NAME.pkt beside NAME.o on that.
The packet is set up once; the runs of a round go on with what they left, as in Linux.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return bench(c.OutOrStdout(), &f, args) },
	}
	fl := c.Flags()
	fl.StringSliceVar(&f.engines, "engines", []string{"interp", "jit", "kernel"}, "`engines`: interp, jit, kernel")
	fl.StringVar(&f.packet, "packet", "", "`file` with the bytes of the packet")
	fl.StringVar(&f.json, "json", "", "write rows {program, engine, ns_per_run, ratio_to_kernel} to this `file`")
	fl.IntVar(&f.rounds, "rounds", 21, "`number` of rounds")
	fl.DurationVar(&f.budget, "time", 4*time.Millisecond, "`time` of a round of one engine, about")
	return c
}

// A benchRow is a result.
type benchRow struct {
	Program string  `json:"program"`
	Engine  string  `json:"engine"`
	NS      float64 `json:"ns_per_run"`
	Ratio   float64 `json:"ratio_to_kernel,omitempty"`
	Maps    bool    `json:"maps,omitempty"`
}

// A contender runs a program so many times, and tells how long that took.
type contender struct {
	name string
	run  func(repeat uint32) (time.Duration, error)
	each float64 // ns, to know how many runs a round has
	ns   []float64
}

func bench(out io.Writer, f *benchFlags, paths []string) error {
	var rows []benchRow
	for _, path := range paths {
		r, err := f.object(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		rows = append(rows, r...)
	}
	printBench(out, f, rows)
	if f.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(f.json, append(b, '\n'), 0o644)
}

// benchCPUs is as many virtual CPUs as the facade has.
const benchCPUs = 4

// object times the programs of an object.
func (f *benchFlags) object(path string) (rows []benchRow, err error) {
	c, err := object.Load(path, object.Options{CPUs: benchCPUs})
	if err != nil {
		return nil, err
	}
	packet := f.packet
	if packet == "" {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		packet = filepath.Join(filepath.Dir(path), "packets", name+".pkt")
	}
	data, err := os.ReadFile(packet)
	if errors.Is(err, os.ErrNotExist) && f.packet == "" {
		data, err = make([]byte, 64), nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Programs)) {
		r, err := f.program(c, name, data)
		if err != nil {
			return nil, fmt.Errorf("program %s: %w", name, err)
		}
		rows = append(rows, r...)
	}
	return rows, nil
}

func (f *benchFlags) program(c *object.Collection, name string, data []byte) ([]benchRow, error) {
	var all []*contender
	for _, e := range f.engines {
		k, done, err := newContender(e, c, name, data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e, err)
		}
		defer done()
		all = append(all, k)
	}
	for _, k := range all {
		if err := k.calibrate(f.budget); err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
	}
	for range f.rounds {
		for _, k := range all {
			n := uint32(min(max(float64(f.budget)/k.each, 1), 1<<20))
			d, err := k.run(n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.name, err)
			}
			k.ns = append(k.ns, float64(d)/float64(n))
		}
	}
	rows := make([]benchRow, 0, len(all))
	kernel := 0.0
	for _, k := range all {
		slices.Sort(k.ns)
		r := benchRow{Program: name, Engine: k.name, NS: k.ns[len(k.ns)/2], Maps: len(c.Programs[name].Maps) > 0}
		if k.name == "kernel" {
			kernel = r.NS
		}
		rows = append(rows, r)
	}
	for i := range rows {
		if kernel > 0 {
			rows[i].Ratio = math.Round(rows[i].NS/kernel*1000) / 1000
		}
	}
	return rows, nil
}

// calibrate finds out how long a run takes, about: the quicker of two times, as anything may come in between of one.
func (k *contender) calibrate(budget time.Duration) error {
	for n := uint32(1); ; n *= 8 {
		quick := time.Duration(math.MaxInt64)
		for range 2 {
			d, err := k.run(n)
			if err != nil {
				return err
			}
			quick = min(quick, d)
		}
		if k.each = max(float64(quick)/float64(n), 1); quick > budget/8 || n >= 1<<18 {
			return nil
		}
	}
}

// newContender makes a program ready in an engine.
func newContender(engine string, c *object.Collection, name string, data []byte) (*contender, func(), error) {
	if engine == "kernel" {
		return kernelContender(c.Programs[name], data)
	}
	e, err := skep.ParseEngine(engine)
	if err != nil {
		return nil, nil, err
	}
	loaded, err := skep.LoadObject(c, &skep.Options{Engine: e, VerifyOptions: skep.VerifyOptions{Programs: []string{name}}})
	if err != nil {
		return nil, nil, err
	}
	p := loaded.Programs[name]
	return &contender{name: engine, run: func(repeat uint32) (d time.Duration, err error) {
		// On a busy machine the time of the thread is what counts.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		start, ok := cpuTime()
		_, err = p.Run(&skep.RunOptions{Data: data, Repeat: repeat, Elapsed: &d})
		if ok {
			end, _ := cpuTime()
			d = end - start
		}
		return d, err
	}}, func() { loaded.Close() }, nil
}

// kernelContender makes a program ready in the running kernel.
func kernelContender(p *object.Program, data []byte) (*contender, func(), error) {
	k, err := oracle.Open()
	if err != nil {
		return nil, nil, err
	}
	r, err := k.Load(p, oracle.Options{NoLog: true, FreshMaps: true})
	if err == nil && r.Verdict != oracle.Accept {
		err = fmt.Errorf("refused: %s", r.Message)
	}
	if err != nil {
		k.Close()
		return nil, nil, err
	}
	return &contender{name: "kernel", run: func(repeat uint32) (time.Duration, error) {
		run, err := oracle.TestRun(r.FD, data, nil, repeat)
		if err != nil {
			return 0, err
		}
		return run.Duration * time.Duration(repeat), nil
	}}, func() { r.Close(); k.Close() }, nil
}

// printBench prints a table, and the geometric means of the ratios of programs without maps.
func printBench(out io.Writer, f *benchFlags, rows []benchRow) {
	fmt.Fprintf(out, "%-16s", "program")
	for _, e := range f.engines {
		fmt.Fprintf(out, " %12s", e)
		if e != "kernel" {
			fmt.Fprintf(out, " %7s", "ratio")
		}
	}
	fmt.Fprintln(out)
	sum, n := map[string]float64{}, map[string]int{}
	for i := 0; i < len(rows); i += len(f.engines) {
		fmt.Fprintf(out, "%-16s", rows[i].Program)
		for _, r := range rows[i : i+len(f.engines)] {
			fmt.Fprintf(out, " %12.1f", r.NS)
			if r.Engine == "kernel" {
				continue
			}
			fmt.Fprintf(out, " %7.3f", r.Ratio)
			if !r.Maps && r.Ratio > 0 && r.Program != "empty" {
				sum[r.Engine] += math.Log(r.Ratio)
				n[r.Engine]++
			}
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "%-16s", "geomean, no maps")
	for _, e := range f.engines {
		switch {
		case e == "kernel":
			fmt.Fprintf(out, " %12s", "")
		case n[e] > 0:
			fmt.Fprintf(out, " %12s %7.3f", "", math.Exp(sum[e]/float64(n[e])))
		}
	}
	fmt.Fprintln(out)
}
