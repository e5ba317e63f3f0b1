package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"storebench/cmd/storebench/internal/doctor"
)

func TestLogLabels(t *testing.T) {
	got := logLabels([]string{
		"/v/nats-0.log", "/v/nats-0.log.1.gz", "/v/nats-0.log.2026.11.22.06.31.08.123456789", "/v/nats-1.log-20261122.zst", "-",
		"n0/server.log", "n1/server.log", "/v/2.log",
	})
	want := []string{"nats-0", "nats-0", "nats-0", "nats-1", "stdin", "n0/server", "n1/server", "2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2h": "2026-11-22T10:00:00Z", "2026-11-22 06:30": "2026-11-22T06:30:00Z", "2026-11-22T07:30:00+01:00": "2026-11-22T06:30:00Z",
	} {
		at, err := parseMoment(text, now)
		if err != nil || at.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v", text, at, err)
		}
	}
	for _, text := range []string{"yesterday", "-2h", "25:00"} {
		if _, err := parseMoment(text, now); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, err := boundLogs("1h", "2h", "", now); exitCode(err) != exitUsage {
		t.Errorf("an end before the beginning: %v", err)
	}
	if _, err := boundLogs("", "", "[", now); exitCode(err) != exitUsage {
		t.Errorf("a broken pattern: %v", err)
	}
}

const slowLine = "[7] 2026/11/22 06:31:00.123456 [WRN] Filestore [S] WriteFullState took 1m6.1s (73 bytes)\n"

// TestPacked reads a log in every packing, by what is in the file and not by its name.
func TestPacked(t *testing.T) {
	var zipped, zstded bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	zs, err := zstd.NewWriter(&zstded)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{gz, zs} {
		_, err := io.WriteString(w, slowLine)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"plain": []byte(slowLine), "gzip": zipped.Bytes(), "zstd": zstded.Bytes()} {
		file := filepath.Join(t.TempDir(), "n0.log")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var logs doctor.Logs
		if err := readLogs(context.Background(), &logs, []string{file}, nil); err != nil {
			t.Fatal(err)
		}
		if d := logs.Diagnose(); len(d.Findings) != 1 || d.Findings[0].Name != "slow-storage" {
			t.Errorf("%s: %+v", name, d.Findings)
		}
	}
	if err := readLogs(context.Background(), &doctor.Logs{}, []string{"-"}, bytes.NewReader(zipped.Bytes()[:20])); err == nil || exitCode(err) != exitTool {
		t.Errorf("a log that is cut: %v", err)
	}
}

// TestBadLogs: what is no log is refused with a line of it; a log with bad lines is
// read, and they are counted.
func TestBadLogs(t *testing.T) {
	for name, text := range map[string]string{
		"binary": "\x7fELF\x00\x01\n\x00\xff", "NUL": strings.Repeat("\x00", 5000), "another program": "GET / 200\n", "one long line": strings.Repeat("x", 3<<20),
		"empty": "", "blank": "\n\n",
	} {
		err := readLogs(context.Background(), &doctor.Logs{}, []string{"-"}, strings.NewReader(text))
		if exitCode(err) != exitUsage || strings.ContainsAny(err.Error(), "\x00\x7f") || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var logs doctor.Logs
	text := "\x00\xff\n" + strings.Repeat("y", 2<<20) + "\n" + slowLine
	if err := readLogs(context.Background(), &logs, []string{"-"}, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if d := logs.Diagnose(); d.Foreign != 2 || d.Lines != 3 || len(d.Findings) != 1 {
		t.Errorf("%+v", d)
	}
}

// TestLogsInterrupted: a pipe that stays open does not keep the program from ending.
func TestLogsInterrupted(t *testing.T) {
	open, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := readLogs(ctx, &doctor.Logs{}, []string{"-"}, open); exitCode(err) != exitInterrupted {
		t.Errorf("%v, want the exit code of an interrupted run", err)
	}
}

// BenchmarkLogs reads a million lines an operation, most of them routine.
func BenchmarkLogs(b *testing.B) {
	var text strings.Builder
	for i := range 1_000_000 {
		at := fmt.Sprintf("[7] 2026/11/22 %02d:%02d:%02d.%06d ", i/100_000+2, i/1700%60, i/30%60, i)
		switch {
		case i%100 == 0:
			text.WriteString(at + "[WRN] Internal subscription on \"$NRG.P.7vzGqwRW\" took too long: 2.27s\n")
		default:
			text.WriteString(at + "[INF] 10.42.0.9:51034 - cid:77 - Client connection closed: Client Closed\n")
		}
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		var logs doctor.Logs
		if err := readLogs(context.Background(), &logs, []string{"-"}, strings.NewReader(text.String())); err != nil {
			b.Fatal(err)
		}
		if d := logs.Diagnose(); d.Lines != 1_000_000 {
			b.Fatal(d.Lines)
		}
	}
}
