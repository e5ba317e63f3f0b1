package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/doctor"
	"storebench/internal/serverlog"
	"storebench/results"
	"storebench/results/render"
)

func newLogs() *cobra.Command {
	var out outputs
	var since, until, node, failOn string
	cmd := &cobra.Command{
		Use:   "logs FILE... | -",
		Short: "Turn nats-server logs into a diagnosis",
		Long: `Read the logs of nats-server 2.10 and later and say what happened, since when, on
which nodes, how certain that is, and what to do. It changes nothing and needs no
server. Files may be rotated, in any order, of several nodes, compressed (gzip,
zstd), and as collectors write them: Docker, containerd, kubectl, stern, syslog,
journald, Loki, Fluent Bit. The node is known from the collector, from the server's
start lines, or from the name of the file.

Exit codes: 0 nothing of storage, 3 a failing pattern of storage (with --fail-on warn
also one that is not failing yet), 4 it cannot be told from these logs; 1 the tool
failed, 2 usage, or no line is nats-server's.`,
		Example: `  storebench logs /var/log/nats/*.log*
  kubectl logs -l app.kubernetes.io/name=nats --prefix --tail=-1 | storebench logs -
  journalctl -u nats-server -o short-iso | storebench logs - --since 2h
  storebench logs n0.log n1.log n2.log.gz --node n1 -o markdown=incident.md -o json=incident.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFailOn(failOn); err != nil {
				return err
			}
			logs, err := boundLogs(since, until, node, time.Now())
			if err != nil {
				return err
			}
			if err := out.check(cmd.Context()); err != nil {
				return err
			}
			if err := readLogs(cmd.Context(), logs, args, cmd.InOrStdin()); err != nil {
				return err
			}
			d := logs.Diagnose()
			unwritten := out.write(cmd.Context(), cmd.OutOrStdout(), func(f render.Format, w io.Writer, _ bool) error {
				return doctor.Write(w, f.Name, d)
			})
			return ending(unwritten, diagnosisCode(d.Status, failOn == "warn"))
		},
	}
	out.addTo(cmd, []string{"text", "json", "markdown"})
	flags := cmd.Flags()
	flags.StringVar(&since, "since", "", "leave out what came before: a time (2026-11-22T06:30:00Z, \"2026-11-22 06:30\" in UTC), or how long ago (2h)")
	flags.StringVar(&until, "until", "", "leave out what came after")
	flags.StringVar(&node, "node", "", "only nodes whose names fit, such as nats-1 or 'nats-*'")
	flags.StringVar(&failOn, "fail-on", "fail", "what makes the exit code 3: fail, or warn")
	return cmd
}

// diagnosisCode is the exit code of a diagnosis.
func diagnosisCode(s results.Status, failOnWarn bool) error {
	switch {
	case s == results.Fail, s == results.Warn && failOnWarn:
		return codeError(exitFail)
	case s == results.Inconclusive:
		return codeError(exitInconclusive)
	}
	return nil
}

// boundLogs makes the logs of a time and of nodes.
func boundLogs(since, until, node string, now time.Time) (*doctor.Logs, error) {
	logs := &doctor.Logs{}
	for _, bound := range []struct {
		flag, text string
		at         *time.Time
	}{{"--since", since, &logs.Since}, {"--until", until, &logs.Until}} {
		at, err := parseMoment(bound.text, now)
		if err != nil {
			return nil, usagef("%s %q: it takes a time such as 2026-11-22T06:30:00Z or \"2026-11-22 06:30\" (UTC), or how long ago, such as 2h", bound.flag, bound.text)
		}
		*bound.at = at
	}
	if !logs.Since.IsZero() && !logs.Until.IsZero() && logs.Until.Before(logs.Since) {
		return nil, usagef("--until lies before --since")
	}
	if node == "" {
		return logs, nil
	}
	if _, err := path.Match(node, ""); err != nil {
		return nil, usagef("--node %q: %w", node, err)
	}
	logs.Node = func(name string) bool {
		fits, _ := path.Match(node, name)
		return fits
	}
	return logs, nil
}

// parseMoment reads a time, or a duration before now.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("no time")
}

// readLogs reads every file until the user ends it: a pipe that stays open, or a file on
// a volume that hangs, is left behind in the middle of a read then. When none of the
// lines is nats-server's, that is the user's to mend.
func readLogs(ctx context.Context, logs *doctor.Logs, names []string, stdin io.Reader) error {
	labels, read := logLabels(names), make(chan error, 1)
	go func() {
		for i, name := range names {
			if err := readLog(logs.Source(labels[i]), name, stdin); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	select {
	case <-ctx.Done():
		return codeError(exitInterrupted)
	case err := <-read:
		if err != nil {
			return err
		}
	}
	ours, all, first := logs.Recognised()
	switch {
	case all == 0:
		return usagef("%s: no line in it; name the log that nats-server writes", strings.Join(names, ", "))
	case ours == 0:
		return usagef("none of the lines (%d) is nats-server's, the first is %q; expected are lines such as \"[7] 2026/11/22 06:31:08.123456 [INF] Server is ready\", bare or as a collector carries them", all, first)
	}
	return nil
}

func readLog(source *doctor.Source, name string, stdin io.Reader) error {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return usagef("open the log: %w", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return usagef("%s is a directory; name the logs in it, such as %s", name, filepath.Join(name, "*.log*"))
		}
		in = f
	}
	in, err := unpack(in)
	if err == nil {
		err = serverlog.Parser{Now: time.Now()}.Read(in, source.Add)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// unpack reads what gzip or zstd packed, told by its first bytes.
func unpack(in io.Reader) (io.Reader, error) {
	const maxWindow = 64 << 20 // the memory that a file may ask for
	buffered := bufio.NewReader(in)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(buffered)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		unpacked, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return unpacked.IOReadCloser(), nil
	}
	return buffered, nil
}

// rotation is what rotating and packing add to the name of a log.
var rotation = regexp.MustCompile(`(?:\.(?:\d{1,3}|\d{4}(?:[.-]\d+)+|\d{8,}|gz|zst|zstd|log|txt|out|old)|-\d{8,14})+$`)

// logLabels name the nodes of the files: rotated files are one node's, and files of
// the same name in several directories are those of several.
func logLabels(names []string) []string {
	labels := make([]string, len(names))
	dirs := map[string]map[string]bool{}
	for i, name := range names {
		base := filepath.Base(name)
		if labels[i] = rotation.ReplaceAllString(base, ""); labels[i] == "" || name == "-" {
			labels[i] = map[bool]string{true: "stdin", false: base}[name == "-"]
		}
		if dirs[labels[i]] == nil {
			dirs[labels[i]] = map[string]bool{}
		}
		dirs[labels[i]][filepath.Dir(name)] = true
	}
	for i, name := range names {
		if len(dirs[labels[i]]) > 1 {
			labels[i] = filepath.Base(filepath.Dir(name)) + "/" + labels[i]
		}
	}
	return labels
}
