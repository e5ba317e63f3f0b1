// Package natstest builds nats-server as a program of its own, for tests of what is
// asked of an installed one.
package natstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Program is a nats-server of the version that this module depends on. It is built
// once in a process, in the directory for temporary files; with -short the test is
// skipped.
func Program(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds nats-server")
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), "nats-server")
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build nats-server: %w\n%s", err, out)
	}
	return path, nil
})
