package slowvolume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// teardownLimit is how long taking a volume down may last, everything stuck.
const teardownLimit = 90 * time.Second

const (
	unmountLimit = 10 * time.Second // for one unmount that does not return
	busyLimit    = 3 * time.Second  // for somebody who still uses the volume
	pollInterval = 5 * time.Millisecond
)

// plan is all that has to be taken down of a volume. The program sends it to
// the keeper anew before each step that makes something.
type plan struct {
	Server  int      `json:"server,omitempty"`  // process id of the FUSE server
	Stopped bool     `json:"stopped,omitempty"` // it was sent a SIGSTOP
	Mount   string   `json:"mount,omitempty"`   // where the volume is mounted
	Loop    string   `json:"loop,omitempty"`    // the device below it, such as loop3
	Disk    string   `json:"disk,omitempty"`    // the file below that device
	FUSE    string   `json:"fuse,omitempty"`    // where the server's file system is mounted
	Minor   int      `json:"minor,omitempty"`   // its device number, the name of the FUSE connection
	Cgroups []string `json:"cgroups,omitempty"`
	Remove  []string `json:"remove,omitempty"` // empty directories, in this order
}

// keep holds the newest plan until the program hangs up, carries it out, and
// says on out what went wrong.
func keep(in io.Reader, out io.Writer) error {
	if _, err := fmt.Fprintln(out, callHello); err != nil {
		return err
	}
	k := &keeper{plans: make(chan plan)}
	go k.read(in)
	if err := k.watch().teardown(); err != nil {
		fmt.Fprintln(out, strings.ReplaceAll(err.Error(), "\n", "; "))
		return err
	}
	return nil
}

type keeper struct{ plans chan plan }

func (k *keeper) read(in io.Reader) {
	defer close(k.plans)
	for plans := json.NewDecoder(in); ; {
		var p plan
		if plans.Decode(&p) != nil {
			return
		}
		k.plans <- p
	}
}

// watch returns the last plan. Meanwhile it wakes a server that was stopped
// for too long.
func (k *keeper) watch() plan {
	var last plan
	alarm := time.NewTimer(HangLimit)
	defer alarm.Stop()
	for {
		select {
		case p, ok := <-k.plans:
			if !ok {
				return last
			}
			if p.Stopped && !last.Stopped {
				alarm.Reset(HangLimit)
			}
			last = p
		case <-alarm.C:
			if last.Stopped {
				_ = last.signal(unix.SIGCONT)
			}
		}
	}
}

// teardown takes everything of the plan down, from the top to the bottom. It
// goes on after an error. What is not there any more is no error.
func (p plan) teardown() error {
	_ = p.signal(unix.SIGCONT)
	var errs []error
	if p.Mount != "" {
		errs = append(errs, p.unmount(p.Mount))
	}
	if p.Loop != "" {
		err := waitDetached(p.Loop, p.Disk)
		if err != nil && p.Mount != "" {
			// A mount(8) that outlived a killed program may have mounted it since.
			err = errors.Join(p.unmount(p.Mount), waitDetached(p.Loop, p.Disk))
		}
		errs = append(errs, err)
	}
	if p.FUSE != "" {
		errs = append(errs, p.unmount(p.FUSE))
	}
	if p.Server != 0 {
		errs = append(errs, p.endServer())
	}
	for _, dir := range p.Cgroups {
		errs = append(errs, removeCgroup(dir))
	}
	for _, dir := range p.Remove {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// unmount unmounts dir. One that does not come back is waiting for the FUSE
// server, and the connection to that is aborted. One that is still used is
// taken out of sight, and aborted as well: the users get errors, and the last
// of them ends the volume.
func (p plan) unmount(dir string) error {
	err := within(unmountLimit, func() error { return unmountBusy(dir) })
	if err == nil {
		return nil
	}
	err = fmt.Errorf("unmount %s: %w", dir, err)
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("%w (close the files on it and leave the directory; it was detached)", err)
	}
	return errors.Join(err, p.abort(), within(unmountLimit, func() error { return detach(dir) }))
}

// unmountBusy unmounts and tries again for a while when the file system is in
// use: a killed process closes its files only after its last call has ended.
func unmountBusy(dir string) error {
	var err error
	for end := time.Now().Add(busyLimit); ; sleepUntil(time.Now().Add(pollInterval)) {
		err = unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			break
		}
	}
	return unlessGone(err)
}

func detach(dir string) error {
	return unlessGone(unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
}

// unlessGone forgives that nothing is mounted there.
func unlessGone(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

var errLate = errors.New("no end within its time")

// within runs f and leaves it behind when it takes longer than d: a thread in
// a call on a hung volume cannot be ended.
func within(d time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		return fmt.Errorf("%w (%v)", errLate, d)
	}
}

// abort ends the connection between the kernel and the FUSE server: every
// request on it fails from now on.
func (p plan) abort() error {
	if p.Minor == 0 {
		return nil
	}
	const usual = "/sys/fs/fuse/connections"
	name := filepath.Join(strconv.Itoa(p.Minor), "abort")
	if err := os.WriteFile(filepath.Join(usual, name), []byte("1"), 0); err == nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "slowvolume-fusectl-")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := unix.Mount("none", dir, "fusectl", 0, ""); err != nil {
		return fmt.Errorf("mount fusectl: %w", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	err = os.WriteFile(filepath.Join(dir, name), []byte("1"), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the connection has ended
	}
	return err
}

// endServer waits until the server has ended, as it does when its file system
// is unmounted, and kills it when it does not.
func (p plan) endServer() error {
	if waitFor(busyLimit, p.serverGone) {
		return nil
	}
	_ = p.signal(unix.SIGKILL)
	if waitFor(busyLimit, p.serverGone) {
		return nil
	}
	return fmt.Errorf("FUSE server, process %d, does not end", p.Server)
}

// serverGone looks for a process that is no longer there, or only waits for
// its parent to take note: such a one has no command line.
func (p plan) serverGone() bool { return !isOurServer(p.Server) }

// signal sends to the server, as long as that process is the one that we
// started: its number may be somebody else's after its end.
func (p plan) signal(s syscall.Signal) error {
	if p.Server == 0 || !isOurServer(p.Server) {
		return nil
	}
	return unix.Kill(p.Server, s)
}

// serverName is the server's name in the list of processes.
const serverName = "slowvolume-server"

func isOurServer(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.HasPrefix(string(cmdline), serverName+"\x00")
}

// processState returns the letter of a process's state, 0 when it is gone.
func processState(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name before it, in parentheses, may hold anything.
	_, rest, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	if !ok || rest == "" {
		return 0
	}
	return rest[0]
}

// waitFor polls until ok or until the time is over, and returns the last
// answer.
func waitFor(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); !ok(); sleepUntil(time.Now().Add(pollInterval)) {
		if time.Now().After(end) {
			return ok()
		}
	}
	return true
}
