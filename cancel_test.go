package skep_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/interp"
	"github.com/skepbpf/skep/object"
)

//go:generate go run ./examples/internal/cc testdata/endless.c

// TestCancel ends runs that would take years: in loops that count nothing, in callbacks, in calls within loops.
func TestCancel(t *testing.T) {
	programs := map[string]string{
		"calls": `
again:
	may_goto out
	call work
	goto again
out:
	r0 = 1
	exit
work:
	may_goto done
	goto work
done:
	r0 = 0
	exit`,
		"endless, not verified": `
	r0 = 0
	goto pc-2`,
	}
	collections := map[string]*object.Collection{}
	for name, text := range programs {
		p, err := object.Parse("prog xdp\nname p\n"+text, object.Options{})
		require.NoError(t, err)
		collections[name] = &object.Collection{Programs: map[string]*object.Program{"p": p}}
	}
	callbacks, err := object.Load("testdata/endless.o", object.Options{})
	require.NoError(t, err)
	collections["callbacks"] = callbacks

	for name, oc := range collections {
		for _, e := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
			t.Run(name+"/"+e.String(), func(t *testing.T) {
				c, err := skep.LoadObject(oc, &skep.Options{Engine: e, AllowUnverified: true, Budget: 1 << 60})
				require.NoError(t, err)
				defer c.Close()
				for _, p := range c.Programs {
					// On a busy machine it may be cancelled before it starts: then it is tried again, with more time.
					var cancel chan struct{}
					var trap *interp.Trap
					for after := 20 * time.Millisecond; trap == nil; after *= 4 {
						require.Less(t, after, 10*time.Second, "it says where the run was: %v", err)
						cancel = make(chan struct{})
						time.AfterFunc(after, func() { close(cancel) })
						_, err = p.Run(&skep.RunOptions{Data: make([]byte, 64), Cancel: cancel})
						require.ErrorIs(t, err, helpers.ErrCancelled)
						errors.As(err, &trap)
					}

					_, err = p.Run(&skep.RunOptions{Data: make([]byte, 64), Cancel: cancel})
					require.ErrorIs(t, err, helpers.ErrCancelled, "it does not start")
				}
			})
		}
	}
}
