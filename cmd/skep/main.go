// Skep verifies eBPF programs as a chosen Linux would, and runs them without a kernel.
//
//	skep verify firewall.o              what Linux 6.18 says of the programs of an object
//	skep run firewall.o --prog xdp_fw --packets capture.pcap
//
// The exit status is 0 if all programs were accepted, 1 if one was refused or cannot be judged, 2 for a command
// line that makes no sense, and 3 if something could not be read or skep itself failed.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitOK      = 0
	exitRefused = 1
	exitUsage   = 2
	exitFailed  = 3
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the command, in terms of what a test can give it.
func run(args []string, in io.Reader, out, errs io.Writer) (status int) {
	started := false
	root := &cobra.Command{
		Use:           "skep",
		Short:         "Verify and run eBPF programs without a kernel",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			started = true
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(commands()...)
	err := root.Execute()
	var e *exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		if e.err != nil {
			complain(errs, e.err)
		}
		return e.status
	case !started:
		fmt.Fprintf(errs, "skep: %v\nTry \"skep --help\".\n", err)
		return exitUsage
	}
	complain(errs, err)
	return exitFailed
}

// complain prints an error. Those of package skep have its name already.
func complain(w io.Writer, err error) {
	fmt.Fprintf(w, "skep: %s\n", strings.TrimPrefix(err.Error(), "skep: "))
}

// An exit ends the command with a status, and a message unless err is nil.
type exit struct {
	status int
	err    error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

// usage makes the error of a command line that makes no sense.
func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}
