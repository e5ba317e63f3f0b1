package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"storebench/probes"
)

func newProbes() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probes",
		Short: "List and explain the probes",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the probes", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return listProbes(cmd.OutOrStdout()) },
		},
		&cobra.Command{
			Use: "show PROBE", Short: "Show a probe's metrics and parameters", Args: cobra.ExactArgs(1),
			Example: "  storebench probes show term-vote",
			RunE: func(cmd *cobra.Command, args []string) error {
				p, err := probes.New(args[0])
				if err != nil {
					return asUsage(err)
				}
				return showProbe(cmd.OutOrStdout(), p)
			},
		},
	)
	return cmd
}

func probeNames() string { return strings.Join(probes.Names(), ", ") }

func listProbes(w io.Writer) error {
	for _, name := range probes.Names() {
		p, err := probes.New(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%-12s  %s\n", name, p.Info().Summary); err != nil {
			return err
		}
	}
	return nil
}

func showProbe(w io.Writer, p probes.Probe) error {
	info := p.Info()
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n\nwhy\n  %s\n\nmetrics (a limit without a metric means the first)\n", info.Name, info.Summary, info.Why)
	for _, m := range info.Metrics {
		fmt.Fprintf(&out, "  %-16s %-17s %s\n", m.Name, m.Unit, m.Help)
	}
	fmt.Fprintf(&out, "\nparameters (--set %s.PARAMETER=VALUE)\n", info.Name)
	for _, parameter := range probes.Parameters(p) {
		help := parameter.Help
		if len(parameter.Choices) > 0 {
			help += ": " + strings.Join(parameter.Choices, ", ")
		}
		fmt.Fprintf(&out, "  %-18s %-10s %s\n", parameter.Name, parameter.Value, help)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
