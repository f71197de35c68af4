// Ask loads programs into the running kernel and prints what its verifier says. It is the tool to learn
// the kernel's rules with; it needs root on Linux, and attaches nothing.
//
//	go run ./internal/cmd/ask bounds_deduct           # the cases of the corpus whose id contains this
//	go run ./internal/cmd/ask -l 2 verifier_and/map   # with the state after every instruction (level 2)
//	go run ./internal/cmd/ask -v loop                 # one line a case, beside the recorded verdict
//	go run ./internal/cmd/ask -list -area dynptr ''   # ids alone (-area, -type: only such cases)
//	go run ./internal/cmd/ask -check                  # load all, and compare with what is recorded
//	go run ./internal/cmd/ask -diff mine.log ID       # where that log parts from the kernel's
//
// The corpus is ../shared/corpus beside the module, or what -corpus or SKEP_SHARED name. Cases that call
// bpf_wq_init are never loaded: some kernels crash on them. BTF ids are those of the running kernel.
//
//	go run ./internal/cmd/ask -asm f.s                # assembler text as isa.Parse reads it; - is standard input
//	printf 'r0 = 0\nexit\n' | go run ./internal/cmd/ask -asm -
//	go run ./internal/cmd/ask -hex b7000000000000009500000000000000
//
// With -asm and -hex: -type names the program type as the corpus does ("xdp", default socket_filter; a
// number is fine too), -attach is the expected attach type and -flags are the prog_flags (numbers), -license
// the license, -target the kernel function, tracepoint (btf_trace_X) or struct to attach to. -map
// TYPE:KEY:VALUE:ENTRIES[:FLAGS] adds a map (array, hash, … or a number; may be repeated): the first is
// map 0 in the text. -like ID takes type, flags, license, target, maps and BTF from a case of the corpus (and
// its func_info and line_info, if the text has as many instructions). -data HEX runs an accepted program on a packet, -ctx HEX with a context, and prints r0.
//
// -l is the log level, a sum of 1 (the path to the error), 2 (every state), 4 (figures, always added).
// -q leaves out the lines about precision and liveness. -raw leaves addresses in the log as they are;
// otherwise what varies from boot to boot is normalised.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

type options struct {
	level                uint
	raw, quiet, verdicts bool
	list, check          bool
	area, typ, dir, diff string
	asm                  asmOptions
}

func main() {
	log.SetFlags(0)
	var o options
	flag.UintVar(&o.level, "l", 2, "log level: sum of 1 (path), 2 (states), 4 (figures); 0: none")
	flag.BoolVar(&o.raw, "raw", false, "print the log as it is")
	flag.BoolVar(&o.quiet, "q", false, "leave out the lines about precision and liveness")
	flag.BoolVar(&o.verdicts, "v", false, "print the verdicts alone")
	flag.BoolVar(&o.list, "list", false, "print ids, load nothing")
	flag.BoolVar(&o.check, "check", false, "compare the verdicts on all cases with the recorded ones")
	flag.StringVar(&o.area, "area", "", "only cases whose area contains this")
	flag.StringVar(&o.typ, "type", "", "only cases of this program type; with -asm the type of the program")
	flag.StringVar(&o.dir, "corpus", "", "folder or file of the corpus")
	flag.StringVar(&o.diff, "diff", "", "a log to compare with the kernel's of the one case named")
	o.asm.define()
	flag.Parse()
	if err := run(&o, flag.Args()); err != nil {
		log.Fatal("ask: ", err)
	}
}

func run(o *options, args []string) error {
	k, err := oracle.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	if o.asm.given() && o.asm.like == "" {
		return askText(k, &object.Program{License: "GPL"}, o)
	}
	set, here, err := openCorpus(k, o.dir)
	if err != nil {
		return err
	}
	if o.asm.given() {
		cases := set.Find(o.asm.like)
		if len(cases) != 1 {
			return fmt.Errorf("-like wants one case, %q names %d", o.asm.like, len(cases))
		}
		p, err := cases[0].ProgramFor(here)
		if err != nil {
			return err
		}
		return askText(k, p, o)
	}
	text := ""
	switch {
	case len(args) == 1:
		text = args[0]
	case len(args) > 1 || !o.check:
		return fmt.Errorf("want a part of a case id; go doc ./internal/cmd/ask tells more")
	}
	cases := pick(set, text, o)
	switch {
	case len(cases) == 0:
		return fmt.Errorf("no such case")
	case o.check:
		return check(k, here, set, cases)
	case o.diff != "" && len(cases) > 1:
		return fmt.Errorf("-diff wants one case, there are %d (the first: %s, %s)", len(cases), cases[0].ID, cases[1].ID)
	}
	for _, c := range cases {
		if err := askCase(k, here, c, o); err != nil {
			return err
		}
	}
	return nil
}

// openCorpus also gives the running kernel, for the ids of its types.
func openCorpus(k *oracle.Kernel, dir string) (*corpus.Set, *corpus.Kernel, error) {
	set, err := corpus.Open(corpusDir(dir))
	if err != nil {
		return nil, nil, err
	}
	b, err := k.BTF()
	if err != nil {
		return nil, nil, err
	}
	here, err := set.KernelOf(k.Release(), b)
	return set, here, err
}

// corpusDir is where the corpus is: what the flag says, or beside the module that holds the working directory.
func corpusDir(dir string) string {
	if dir != "" {
		return dir
	}
	if s := os.Getenv("SKEP_SHARED"); s != "" {
		return filepath.Join(s, "corpus")
	}
	up := "."
	for range 8 {
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			break
		}
		up = filepath.Join(up, "..")
	}
	return filepath.Join(up, "..", "shared", "corpus")
}

// load prints the program's log and verdict.
func load(k *oracle.Kernel, p *object.Program, o *options) (*oracle.Result, error) {
	lo := oracle.Options{}
	shown := o.level > 0 && !o.verdicts
	if shown {
		lo.LogLevel = uint32(o.level) | oracle.LogStats
	}
	r, err := k.Load(p, lo)
	if err != nil {
		return nil, err
	}
	if shown {
		printLog(r, o)
	}
	fmt.Println("-->", r)
	return r, nil
}

func printLog(r *oracle.Result, o *options) {
	for _, l := range oracle.ParseLog(r.Log).Lines {
		switch {
		case o.quiet && (l.Kind == oracle.Precise || l.Kind == oracle.Liveness):
		case o.raw:
			fmt.Println(l.Raw)
		default:
			fmt.Println(oracle.Normalize(l.Raw))
		}
	}
	if r.Truncated {
		fmt.Println("(the log was longer: this is its end)")
	}
}
