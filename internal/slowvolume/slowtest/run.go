package slowtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"storebench/internal/slowvolume"
)

// Run runs a package's tests (m.Run) in a temporary directory of their own, so
// that what they leave behind can be told from what others do, and returns the
// exit code: 1 when a mount, a loop device, a cgroup or a process is left. It waits
// for its turn first: packages that call it run one after the other.
func Run(tests func() int) int { return run(tests, Alone) }

// RunBeside is Run for tests that hold no figures against each other: packages that
// call it run beside each other.
func RunBeside(tests func() int) int { return run(tests, Beside) }

// Short is testing.Short for a TestMain, before the flags are parsed.
func Short() bool { return slices.Contains(os.Args, "-test.short=true") }

// Turn is what a package's tests share the machine with.
type Turn int

// The turns.
const (
	Alone  Turn = iota // no other package's tests that take a turn
	Beside             // others that run beside each other
)

const runPrefix = "slowtest-" // of the directory of a run

func run(tests func() int, turn Turn) int {
	if slices.Contains(os.Args, "-test.fuzzworker") {
		return tests() // the process that fuzzes has the turn
	}
	if !Short() { // those load nothing for long
		if err := TakeTurn(turn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if err := clearKilled(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := newDir()
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := tests()
	if err := errors.Join(Leftovers(dir), cgroups(), children(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, "the tests left something behind:", err)
		return 1
	}
	return code
}

// newDir makes the directory of a run and claims it. Another run may take it for one
// of a killed run between the two.
func newDir() (dir string, err error) {
	for range 10 {
		if dir, err = os.MkdirTemp("", runPrefix); err != nil {
			return "", err
		}
		if err = claim(dir); err == nil {
			return dir, nil
		}
	}
	return "", err
}

// Leftovers looks for mounts and loop devices below dir. Where there is no
// /proc there are none that this project makes.
func Leftovers(dir string) error {
	var errs []error
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
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
	return errors.Join(errs...)
}

// cgroups looks for those that this process has made.
func cgroups() error {
	var errs []error
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} { // version 2, version 1
		left, err := filepath.Glob(filepath.Join(root, slowvolume.CgroupPrefix()+"*"))
		errs = append(errs, err)
		for _, dir := range left {
			errs = append(errs, fmt.Errorf("cgroup %s", dir))
		}
	}
	return errors.Join(errs...)
}

// children looks for children of this process.
func children() error {
	for wait := 0; ; wait++ {
		tasks, err := filepath.Glob("/proc/self/task/*/children")
		errs := []error{err}
		for _, path := range tasks {
			if pids, _ := os.ReadFile(path); len(pids) > 0 {
				errs = append(errs, fmt.Errorf("processes %s", pids))
			}
		}
		if err := errors.Join(errs...); err == nil || wait == 30 {
			return err
		}
		<-time.After(100 * time.Millisecond) // one that was killed may not be waited for yet
	}
}
