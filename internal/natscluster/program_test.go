package natscluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// program writes a shell script that stands for an installed program.
func program(t *testing.T, mode os.FileMode, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no shell")
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProgramVersion(t *testing.T) {
	tests := []struct {
		name, script, want string
		says               []string
	}{
		{"a release", `echo "nats-server: v2.12.4"`, "2.12.4", nil},
		{"what it was asked", `[ "$*" = --version ] && echo "nats-server: v2.10.0"`, "2.10.0", nil},
		{"a candidate", `echo "nats-server: v2.14.0-RC.1"`, "2.14.0-RC.1", nil},
		{"newer than all that is known", `echo "nats-server: v3.0.0"`, "3.0.0", nil},
		{"on stderr, and it fails", `echo "nats-server: v2.15.2" >&2; exit 3`, "2.15.2", nil},
		{"more lines", `printf 'nats-server: v2.15.2\r\nand more\n'`, "2.15.2", nil},
		{"too old", `echo "nats-server: v2.9.25"`, "", []string{"is nats-server 2.9.25", "2.10 or newer"}},
		{"much too old", `echo "nats-server: v1.4.1"`, "", []string{"is nats-server 1.4.1", "2.10 or newer"}},
		{"another program", `echo "nats: v0.3.0"; echo more`, "", []string{"is no nats-server", `printed "nats: v0.3.0"`}},
		{"half of it", `echo "nats-server: v2"`, "", []string{"is no nats-server"}},
		{"more than a number", `echo "nats-server: v2.99999999999999999999.1"`, "", []string{"is no nats-server"}},
		{"silence", `exit 1`, "", []string{"is no nats-server", "printed nothing"}},
		{"an escape", `printf '\033[31mred\n'`, "", []string{"is no nats-server", `"�[31mred"`}},
		{"a long line", `head -c 100000 /dev/zero | tr '\0' x`, "", []string{"is no nats-server", "x…"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := program(t, 0o755, test.script)
			got, err := ProgramVersion(t.Context(), path)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Fatalf("%q, %v; want %q", got, err, test.want)
			}
			requireSays(t, err, append(test.says, path)...)
		})
	}
}

// requireSays looks for words in an error; of none it asks nothing.
func requireSays(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		return
	}
	if text := err.Error(); len(text) > 500 || strings.Contains(text, "\n") {
		t.Errorf("an error of %d bytes: %q", len(text), text)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q, want %q in it", err, word)
		}
	}
}

func TestNoProgram(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "odd")
	if err := os.WriteFile(odd, []byte("\x7fELF and no more"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, says string }{
		{"missing", filepath.Join(dir, "missing"), "does not exist: name the file of an installed nats-server"},
		{"a directory", dir, "is a directory: name the nats-server in it"},
		{"no program of this system", odd, "cannot be run"},
	}
	if runtime.GOOS != "windows" {
		tests = append(tests, struct{ name, path, says string }{"not executable", program(t, 0o644, "exit 0"), "chmod +x"})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			version, err := ProgramVersion(t.Context(), test.path)
			if err == nil {
				t.Fatalf("it has the version %q", version)
			}
			requireSays(t, err, test.says, test.path)
		})
	}
}

// TestRelativeProgram: the error names the file so that it can be found.
func TestRelativeProgram(t *testing.T) {
	_, err := ProgramVersion(t.Context(), "no-such-server")
	dir, wdErr := os.Getwd()
	if err == nil || wdErr != nil {
		t.Fatalf("%v, %v", err, wdErr)
	}
	requireSays(t, err, filepath.Join(dir, "no-such-server"))
}

// TestProgramHangs: a program that says nothing, and leaves a child with its
// pipes, holds nobody.
func TestProgramHangs(t *testing.T) {
	path := program(t, 0o755, "sleep 5 & exec sleep 5")
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	_, err := ProgramVersion(ctx, path)
	if err == nil {
		t.Fatal("it has a version")
	}
	requireSays(t, err, "gave no answer", path)

	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := ProgramVersion(ended, path); !errors.Is(err, context.Canceled) {
		t.Errorf("after an end: %v, want that it was canceled", err)
	}
}
