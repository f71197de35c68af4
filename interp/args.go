package interp

import (
	"github.com/skepbpf/skep/helpers"
)

// checkArgs says what is wrong with the arguments of a call, by the helper's prototype: what the verifier would
// not have let through.
func checkArgs(c *helpers.Call, p *helpers.Prototype, m *Machine) error { return c.Check(p) }
