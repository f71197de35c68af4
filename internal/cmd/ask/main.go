// Ask loads programs into the running kernel and prints what its verifier says. It is the tool to learn
// the kernel's rules with; it needs root on Linux, and attaches nothing.
//
//	go run ./internal/cmd/ask bounds_deduct           # the cases of the corpus whose id contains this
//	go run ./internal/cmd/ask -l 2 verifier_and/map   # with the state after every instruction (level 2)
//	go run ./internal/cmd/ask -v -l 0 loop            # one line a case, beside the recorded verdict
//	go run ./internal/cmd/ask -list -area dynptr ''   # ids alone (-area, -type: only such cases)
//
// The corpus is ../shared/corpus beside the module, or what -corpus or SKEP_SHARED name. Cases that call
// bpf_wq_init are never loaded: some kernels crash on them.
//
//	go run ./internal/cmd/ask -asm f.s                # assembler text as isa.Parse reads it; - is standard input
//	echo 'r0 = 0
//	exit' | go run ./internal/cmd/ask -asm -
//
// With -asm: -type names the program type as the log does (default socket_filter; a number is fine too),
// -attach is the expected attach type (a number), -flags prog_flags (a number: 4 sleepable, 8 test
// state frequency, …), -license the license. -map TYPE:KEY:VALUE:ENTRIES[:FLAGS] adds a map (array, hash, … or a number;
// may be repeated): the first is map 0 in the text. -data HEX runs an accepted program on a packet, -ctx HEX
// with a context, and prints r0.
//
// -l is the log level, a sum of 1 (the path to the error), 2 (every state), 4 (figures, always added).
// -raw leaves addresses in the log as they are; otherwise what varies from boot to boot is normalised.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/object"
	"github.com/skepbpf/skep/oracle"
)

type options struct {
	level    uint
	raw      bool
	verdicts bool
	list     bool
	area     string
	typ      string
	dir      string
}

func main() {
	log.SetFlags(0)
	var o options
	flag.UintVar(&o.level, "l", 2, "log level: sum of 1 (path), 2 (states), 4 (figures); 0: none")
	flag.BoolVar(&o.raw, "raw", false, "print the log as it is")
	flag.BoolVar(&o.verdicts, "v", false, "print the verdicts alone")
	flag.BoolVar(&o.list, "list", false, "print ids, load nothing")
	flag.StringVar(&o.area, "area", "", "only cases whose area contains this")
	flag.StringVar(&o.typ, "type", "", "only cases of this program type; with -asm the type of the program")
	flag.StringVar(&o.dir, "corpus", "", "folder or file of the corpus")
	flag.Parse()
	if err := run(&o, flag.Args()); err != nil {
		log.Fatal("ask: ", err)
	}
}

func run(o *options, args []string) error {
	if len(args) != 1 {
		return errors.New("want a part of a case id (go doc ./internal/cmd/ask tells more)")
	}
	set, err := corpus.Open(corpusDir(o.dir))
	if err != nil {
		return err
	}
	k, err := oracle.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	b, err := k.BTF()
	if err != nil {
		return err
	}
	here, err := set.KernelOf(k.Release(), b)
	if err != nil {
		return err
	}
	found := 0
	for _, c := range set.Find(args[0]) {
		if !strings.Contains(c.Area, o.area) || o.typ != "" && c.ProgTypeName != o.typ {
			continue
		}
		found++
		switch {
		case o.list:
			fmt.Printf("%s\t%s\t%s\n", c.ID, c.ProgTypeName, c.Area)
		case c.Calls("bpf_wq_init"):
			fmt.Printf("=== %s: not loaded, it calls bpf_wq_init\n", c.ID)
		default:
			if err := askCase(k, here, c, o); err != nil {
				return err
			}
		}
	}
	if found == 0 {
		return fmt.Errorf("no case with %q in its id", args[0])
	}
	return nil
}

func askCase(k *oracle.Kernel, here *corpus.Kernel, c *corpus.Case, o *options) error {
	p, err := c.ProgramFor(here)
	fmt.Printf("=== %s (%s, area %s)\n", c.ID, c.ProgTypeName, c.Area)
	if errors.Is(err, corpus.ErrNotThere) {
		fmt.Println("-->", err)
		return nil
	}
	if err != nil {
		return err
	}
	r, err := load(k, p, o)
	if err != nil {
		return err
	}
	defer r.Close()
	if w := c.Want; w != nil && (w.Verdict != r.Verdict || w.Message != r.Message || w.Processed != r.Processed) {
		fmt.Printf("    recorded: %s (errno %d), processed %d: %s\n", w.Verdict, w.Errno, w.Processed, w.Message)
	}
	return nil
}

// load prints the program's log and verdict.
func load(k *oracle.Kernel, p *object.Program, o *options) (*oracle.Result, error) {
	lo := oracle.Options{}
	if o.level > 0 && !o.verdicts {
		lo.LogLevel = uint32(o.level) | oracle.LogStats
	}
	r, err := k.Load(p, lo)
	if err != nil {
		return nil, err
	}
	if o.level > 0 && !o.verdicts {
		text := r.Log
		if !o.raw {
			text = oracle.Normalize(text)
		}
		fmt.Print(text)
		if r.Truncated {
			fmt.Println("(the log was longer: this is its end)")
		}
	}
	fmt.Println("-->", r)
	return r, nil
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
