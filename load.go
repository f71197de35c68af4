package skep

import (
	"github.com/skepbpf/skep/object"
)

// LoadObject is NewCollection on programs and maps of package object: what was read from text, or changed, or made by
// hand. They were made for a kernel already, so that Options.Types and Options.Config only matter to the verifier; and
// for a number of CPUs, which must be that of opts if maps have contents for each CPU.
func LoadObject(c *object.Collection, opts *Options) (*Collection, error) {
	if opts == nil {
		opts = &Options{}
	}
	want, err := allOf(c, opts.Programs)
	if err != nil {
		return nil, err
	}
	return newCollection(c, opts, want)
}
