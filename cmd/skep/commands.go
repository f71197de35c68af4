package main

import "github.com/spf13/cobra"

// commands are the subcommands, a file each.
func commands() []*cobra.Command {
	return []*cobra.Command{verifyCommand(), runCommand(), disasmCommand(), parityCommand(), pluginCommand(), benchCommand(), featuresCommand(), diffCommand()}
}
