package slowvolume_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"storebench/internal/slowvolume"
)

// victimEnv makes the test binary a program that makes a volume and waits to
// be killed.
const victimEnv = "SLOWVOLUME_TEST_VICTIM"

func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	if what := os.Getenv(victimEnv); what != "" {
		fmt.Println(beVictim(what))
		select {} // until killed
	}
	os.Exit(runAndLook(m))
}

// runAndLook runs the tests in a temporary directory of their own, so that
// whatever they leave behind can be told from what others do.
func runAndLook(m *testing.M) int {
	dir, err := os.MkdirTemp("", "slowvolume-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := os.Setenv("TMPDIR", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := errors.Join(leftovers(dir, true), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, "the tests left something behind:", err)
		return 1
	}
	return code
}

// leftovers looks for mounts and loop devices below dir, and for children of
// this process.
func leftovers(dir string, children bool) error {
	var errs []error
	mounts, err := os.ReadFile("/proc/self/mounts")
	errs = append(errs, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " "+dir+"/") {
			errs = append(errs, fmt.Errorf("mount %s", strings.TrimSpace(line)))
		}
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	errs = append(errs, err)
	for _, path := range loops {
		if name, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(name), dir+"/") {
			errs = append(errs, fmt.Errorf("%s holds %s", path, name))
		}
	}
	if children {
		tasks, err := filepath.Glob("/proc/self/task/*/children")
		errs = append(errs, err)
		for _, path := range tasks {
			if pids, _ := os.ReadFile(path); len(pids) > 0 {
				errs = append(errs, fmt.Errorf("processes %s", pids))
			}
		}
	}
	return errors.Join(errs...)
}

// eventually asks again until there is no error. It waits for processes that
// are nobody's children any more, which nothing can wait for otherwise.
func eventually(t *testing.T, limit time.Duration, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %v: %v", limit, err)
		}
	}
}
