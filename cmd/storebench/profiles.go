package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"storebench/cmd/storebench/internal/engine"
	"storebench/profiles"
)

func newProfiles() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profiles",
		Short: "List, show and validate profiles",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the built-in profiles", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return listProfiles(cmd.OutOrStdout()) },
		},
		&cobra.Command{
			Use: "show PROFILE", Short: "Print a profile, to read or to start one's own from", Args: cobra.ExactArgs(1),
			Example: "  storebench profiles show raft > mine.yaml",
			RunE: func(cmd *cobra.Command, args []string) error {
				p, err := profiles.Load(args[0])
				if err != nil {
					return asUsage(err)
				}
				enc := yaml.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent(2)
				return enc.Encode(p)
			},
		},
		&cobra.Command{
			Use: "validate FILE...", Short: "Check profiles without running them", Args: cobra.MinimumNArgs(1),
			Example: "  storebench profiles validate mine.yaml",
			RunE: func(cmd *cobra.Command, args []string) error {
				for _, name := range args {
					p, err := profiles.Load(name)
					if err != nil {
						return asUsage(err)
					}
					if err := engine.Validate(p); err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s: valid, %d steps, %d limits\n", name, len(p.Steps), len(p.Limits))
				}
				return nil
			},
		},
	)
	return cmd
}

func listProfiles(w io.Writer) error {
	for _, name := range profiles.Names() {
		p, err := profiles.Load(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%-12s  %s\n", name, p.Description); err != nil {
			return err
		}
	}
	return nil
}
