package main

import (
	"fmt"
	"io"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/corpus"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/object"
)

// retvals runs a case on the packets that the corpus has return values for, each on fresh maps, and gives what
// it returns. A run that cannot be made, or ends with an error, is told to errs, and the case gives nothing: it then counts as different.
func retvals(errs io.Writer, c *corpus.Case, want *corpus.Verdict, k *linux.Kernel, types *corpus.Kernel, engine skep.Engine) []corpus.Retval {
	var out []corpus.Retval
	for _, w := range want.Retvals {
		ret, err := retval(c, w.Data, k, types, engine)
		if err != nil {
			fmt.Fprintf(errs, "skep: %s: %v\n", c.ID, err)
			return []corpus.Retval{} // it was run, and gave none
		}
		out = append(out, corpus.Retval{Data: w.Data, Retval: ret})
	}
	return out
}

// retval runs a case on a packet.
func retval(c *corpus.Case, data []byte, k *linux.Kernel, types *corpus.Kernel, engine skep.Engine) (uint32, error) {
	p, err := c.ProgramFor(types)
	if err != nil {
		return 0, err
	}
	name := p.Name
	if name == "" {
		name = "program"
	}
	coll := &object.Collection{Programs: map[string]*object.Program{name: p}, Maps: map[string]*object.Map{}}
	opts := &skep.Options{VerifyOptions: skep.VerifyOptions{Kernel: k, Types: types.BTF}, AllowUnverified: true, Engine: engine}
	if engine == skep.EngineJIT {
		opts.Engine = skep.EngineAuto // what cannot be judged is run all the same
	}
	loaded, err := skep.LoadObject(coll, opts)
	if err != nil {
		return 0, err
	}
	defer loaded.Close()
	prog := loaded.Programs[name]
	if engine == skep.EngineJIT && prog.Verdict().Accepted() && prog.Engine() != engine {
		return 0, prog.Why()
	}
	return loaded.Programs[name].Run(&skep.RunOptions{Data: data})
}
