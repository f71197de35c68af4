package main

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/helpers"
	"github.com/skepbpf/skep/linux"
	"github.com/skepbpf/skep/maps"
)

type featuresFlags struct {
	kernel string
	prog   string
}

func featuresCommand() *cobra.Command {
	var f featuresFlags
	c := &cobra.Command{
		Use:   "features [helpers|maps|programs]",
		Short: "List what a kernel has, and what skep simulates of it",
		Long: `Features lists the helpers, map types or program types of a kernel with the release in which each appeared.

With --prog it lists the helpers that programs of the type may call. The last column tells what skep can run; what it
verifies is more.`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"helpers", "maps", "programs"},
		RunE: func(c *cobra.Command, args []string) error {
			return features(c.OutOrStdout(), &f, args)
		},
	}
	c.Flags().StringVar(&f.kernel, "kernel", "", "`version` of Linux (default "+linux.Default.Version.String()+")")
	c.Flags().StringVar(&f.prog, "prog", "", "program `type`, such as xdp: only helpers that it may call")
	return c
}

func features(out io.Writer, f *featuresFlags, args []string) error {
	k, _, err := (&target{kernel: f.kernel}).resolve()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	switch {
	case len(args) == 0 || args[0] == "helpers":
		if err := helperTable(w, k, f.prog); err != nil {
			return err
		}
	case args[0] == "maps":
		mapTable(w, k)
	default:
		programTable(w, k)
	}
	w.Flush() // its writer cannot fail
	_, err = b.WriteTo(out)
	return err
}

// helperTable lists the helpers, those of a program type if prog names one.
func helperTable(w io.Writer, k *linux.Kernel, prog string) error {
	var row *linux.Prog
	if prog != "" {
		t, ok := progType(prog)
		if !ok {
			return usage("there is no program type %q: see skep features programs", prog)
		}
		if row = k.Prog(t, 0, ""); row == nil || t.Since() > k.Version {
			return usage("Linux %s has no program type %s", k.Version, prog)
		}
	}
	fmt.Fprintln(w, "ID\tHELPER\tSINCE\tNOTES\tSKEP RUNS IT")
	for id := int32(1); id < linux.NumHelpers; id++ {
		if linux.HelperSince(id) > k.Version {
			continue
		}
		notes := ""
		if row != nil {
			use := row.Helper(k, id)
			if use == 0 {
				continue
			}
			notes = useNotes(use)
		}
		runs := "no"
		if h := helpers.Lookup(id); h != nil && h.Call != nil {
			runs = "yes"
		} else if h != nil && h.Why != "" {
			runs += ": " + h.Why
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", id, linux.HelperName(id), linux.HelperSince(id), notes, runs)
	}
	return nil
}

func useNotes(u linux.HelperUse) string {
	s := ""
	for _, n := range []struct {
		bit  linux.HelperUse
		text string
	}{{linux.HelperGPL, "GPL"}, {linux.HelperSleeps, "sleepable"}, {linux.HelperByTarget, "some targets"}} {
		if u&n.bit != 0 {
			if s != "" {
				s += ", "
			}
			s += n.text
		}
	}
	return s
}

// progType finds a program type by the name that linux.ProgType prints.
func progType(name string) (linux.ProgType, bool) {
	for t := linux.ProgType(1); t < 64; t++ {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}

func mapTable(w io.Writer, k *linux.Kernel) {
	runs := map[maps.Type]bool{}
	for _, t := range maps.Simulated() {
		runs[t] = true
	}
	fmt.Fprintln(w, "ID\tMAP TYPE\tSINCE\tSKEP RUNS IT")
	for t := linux.MapType(1); t < 64; t++ {
		if m := k.Map(t); m != nil {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", t, t, m.Since, yes(runs[maps.Type(t)]))
		}
	}
}

func programTable(w io.Writer, k *linux.Kernel) {
	fmt.Fprintln(w, "ID\tPROGRAM TYPE\tSINCE\tTEST RUN\tSLEEPABLE")
	for t := linux.ProgType(1); t < 64; t++ {
		if row := k.Prog(t, 0, ""); row != nil && t.Since() <= k.Version {
			sleep := yes(row.Is(linux.MaySleep))
			if row.Is(linux.MustSleep) {
				sleep = "always"
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", t, t, t.Since(), yes(row.Is(linux.TestRun)), sleep)
		}
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
