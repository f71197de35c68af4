package helpers

// basicFamily are the helpers that ask the Env and the CPU.
var basicFamily = map[int32]Func{
	5:   ktime,
	7:   prandom,
	8:   processor,
	42:  numaNode,
	118: jiffies,
	125: ktimeBoot,
	160: ktimeCoarse,
	208: ktimeTAI,
}

func ktime(c *Call) (uint64, error) { return c.Run.Env.now(), nil }

func ktimeBoot(c *Call) (uint64, error) { return c.Run.Env.now() + uint64(c.Run.Env.Suspended), nil }

func ktimeTAI(c *Call) (uint64, error) { return c.Run.Env.now() + uint64(c.Run.Env.TAI), nil }

// ktimeCoarse is the time of the last jiffy.
func ktimeCoarse(c *Call) (uint64, error) {
	e := c.Run.Env
	grain := uint64(1e9) / e.hz()
	return e.now() / grain * grain, nil
}

// jiffies counts from five minutes before the wrap of 32 bits, as Linux does.
func jiffies(c *Call) (uint64, error) {
	hz := c.Run.Env.hz()
	initial := 1<<32 - 300*hz
	return initial + c.Run.Env.now()/(1e9/hz), nil
}

func prandom(c *Call) (uint64, error) { return uint64(c.Run.Env.random()), nil }

func processor(c *Call) (uint64, error) { return uint64(uint32(c.Run.CPU)), nil }

func numaNode(c *Call) (uint64, error) {
	if f := c.Run.Env.NUMANode; f != nil {
		return uint64(int64(f(c.Run.CPU))), nil
	}
	return 0, nil
}
