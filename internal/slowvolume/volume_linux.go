package slowvolume

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// callLimit bounds every call to the server; none of them waits for a fault.
const callLimit = 10 * time.Second

// keeping is the program's side of a keeper: it tells what is to be taken down.
type keeping struct {
	plan plan
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

func startKeeper() (*keeping, error) {
	cmd, err := self(roleKeeper, "slowvolume-keeper")
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the keeper: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe from the keeper: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	k := &keeping{cmd: cmd, in: in, out: bufio.NewReader(out)}
	err = within(callLimit, func() error { return k.hello() })
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("keeper does not answer, main or TestMain must call slowvolume.ServeIfChild first: %w", err)
	}
	return k, nil
}

func (k *keeping) hello() error {
	line, err := k.out.ReadString('\n')
	if err == nil && strings.TrimSpace(line) != callHello {
		err = fmt.Errorf("it says %q", line)
	}
	return err
}

// tell hands the keeper what is to be taken down from now on.
func (k *keeping) tell(change func(*plan)) error {
	change(&k.plan)
	if err := json.NewEncoder(k.in).Encode(k.plan); err != nil {
		return fmt.Errorf("tell the keeper: %w", err)
	}
	return nil
}

// close has everything taken down and waits for it. Without a keeper, which
// somebody must have killed, it does the keeper's work.
func (k *keeping) close() error {
	_ = k.in.Close() // the keeper begins
	err := within(teardownLimit, func() error {
		said, err := io.ReadAll(k.out)
		switch waited := k.cmd.Wait(); {
		case waited == nil:
			return err
		case len(said) > 0:
			return errors.New(strings.TrimSpace(string(said)))
		}
		return k.plan.teardown()
	})
	if err != nil {
		return fmt.Errorf("take the volume down: %w", err)
	}
	return nil
}

// self makes a command that runs this program in a role of this package. It
// gets a session of its own, so that a Ctrl-C does not reach it.
func self(role, name string) (*exec.Cmd, error) {
	if os.Getenv(roleEnv) != "" {
		return nil, errors.New("volume made inside of its own helper process: main or TestMain must call slowvolume.ServeIfChild first")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{name}
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// volume is what block and file volumes have in common. Its methods may run
// concurrently.
type volume struct {
	kind kind
	dir  string
	seed uint64

	mu     sync.Mutex
	keeper *keeping
	cmd    *exec.Cmd
	stderr *tail
	conn   net.Conn
	in     *json.Decoder
	out    *json.Encoder

	closeOnce sync.Once
	closeErr  error
	closed    bool
}

// start starts keeper and server. On an error nothing is left.
func (v *volume) start() error {
	if err := v.kind.possible(); err != nil {
		return err
	}
	keeper, err := startKeeper()
	if err != nil {
		return err
	}
	v.keeper = keeper
	if err := v.startServer(); err != nil {
		return errors.Join(err, v.Close())
	}
	return nil
}

func (v *volume) startServer() error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	v.conn, v.in, v.out = ours, json.NewDecoder(ours), json.NewEncoder(ours)
	cmd, err := self(roleServer, serverName)
	if err != nil {
		return err
	}
	v.stderr = &tail{}
	cmd.ExtraFiles, cmd.Stderr = []*os.File{theirs}, v.stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start FUSE server: %w", err)
	}
	v.cmd = cmd
	if err := v.keeper.tell(func(p *plan) { p.Server = cmd.Process.Pid }); err != nil {
		return err
	}
	_, err = v.call(call{Name: callHello})
	return err
}

func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has its own descriptor
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	return conn, theirs, nil
}

// mountFUSE has the server mount its file system.
func (v *volume) mountFUSE(m mountCall) error {
	if err := v.keeper.tell(func(p *plan) { p.FUSE = m.Dir }); err != nil {
		return err
	}
	if _, err := v.call(call{Name: callMount, Mount: &m}); err != nil {
		return err
	}
	found, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(m.Dir))
	if err != nil || len(found) == 0 {
		return errors.Join(fmt.Errorf("FUSE is not mounted at %s", m.Dir), err)
	}
	return v.keeper.tell(func(p *plan) { p.Minor = found[0].Minor })
}

// call asks the server and waits for its answer. The caller holds mu, or is
// the only one that knows the volume.
func (v *volume) call(c call) (answer, error) {
	var a answer
	switch {
	case v.closed:
		return a, fmt.Errorf("%s: volume %s is closed", c.Name, v.dir)
	case v.keeper.plan.Stopped:
		return a, fmt.Errorf("%s: volume %s is stopped, call Continue first", c.Name, v.dir)
	}
	err := v.conn.SetDeadline(time.Now().Add(callLimit))
	if err == nil {
		err = v.out.Encode(c)
	}
	if err == nil {
		err = v.in.Decode(&a)
	}
	if err != nil {
		return a, fmt.Errorf("%s: FUSE server of %s does not answer: %w%s", c.Name, v.dir, err, v.stderr.quote())
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", c.Name, a.Error)
	}
	return a, nil
}

// Path returns where the volume is mounted.
func (v *volume) Path() string { return v.dir }

// ServerPID returns the process that serves the volume.
func (v *volume) ServerPID() int { return v.cmd.Process.Pid }

// SetFaults replaces the faults, whose times and counts begin now. Operations
// that wait for an old fault go on at once.
func (v *volume) SetFaults(faults ...Fault) error {
	list, err := texts(faults, v.kind)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	_, err = v.call(call{Name: callFaults, Faults: list, Seed: v.seed})
	return err
}

// Counts returns what the server has answered since the volume was made.
func (v *volume) Counts() (Counts, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a, err := v.call(call{Name: callCounts})
	if err != nil {
		return Counts{}, err
	}
	if a.Counts == nil {
		return Counts{}, errors.New("counts: the answer holds none")
	}
	return *a.Counts, nil
}

// Stop stops the server: the volume hangs, and whoever uses it hangs with it,
// not to be killed. It goes on with Continue or Close, when the program ends,
// and at the latest after HangLimit.
func (v *volume) Stop() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return fmt.Errorf("stop: volume %s is closed", v.dir)
	}
	if err := v.keeper.tell(func(p *plan) { p.Stopped = true }); err != nil {
		return err
	}
	if err := v.keeper.plan.signal(unix.SIGSTOP); err != nil {
		return fmt.Errorf("stop FUSE server: %w", err)
	}
	pid := v.cmd.Process.Pid
	if !waitFor(callLimit, func() bool { return processState(pid) == 'T' }) {
		return fmt.Errorf("FUSE server, process %d, does not stop", pid)
	}
	return nil
}

// Continue lets a stopped server go on. On one that runs it does nothing.
func (v *volume) Continue() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.goOn()
}

func (v *volume) goOn() error {
	if v.closed || !v.keeper.plan.Stopped {
		return nil
	}
	if err := v.keeper.plan.signal(unix.SIGCONT); err != nil {
		return fmt.Errorf("continue FUSE server: %w", err)
	}
	return v.keeper.tell(func(p *plan) { p.Stopped = false })
}

// Close takes the volume down: faults off, unmount, loop device, FUSE, server.
// It does so also when the volume hangs or its server is dead, and then in
// less than two minutes. An error tells what was still in use. Calling it
// again returns the same.
func (v *volume) Close() error {
	v.closeOnce.Do(func() { v.closeErr = v.close() })
	return v.closeErr
}

func (v *volume) close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.goOn() // the keeper does it too
	v.closed = true
	if v.conn != nil {
		_ = v.conn.Close() // the server turns its faults off
	}
	reaped := make(chan struct{})
	if v.cmd != nil {
		go func() { _ = v.cmd.Wait(); close(reaped) }()
	} else {
		close(reaped)
	}
	err := v.keeper.close()
	select {
	case <-reaped:
	case <-time.After(busyLimit): // a process that cannot be killed: the keeper said so
	}
	return err
}

// tail keeps the end of what a server writes to its stderr.
type tail struct {
	mu  sync.Mutex
	end []byte
}

const tailBytes = 4 << 10

// Write adds p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if extra := len(t.end) - tailBytes; extra > 0 {
		t.end = slices.Delete(t.end, 0, extra)
	}
	return len(p), nil
}

func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.end) == 0 {
		return ""
	}
	return "; it wrote: " + strings.TrimSpace(string(t.end))
}

// mountPoint returns dir without symbolic links, or a new temporary directory
// and its name again for removal when dir is empty.
func mountPoint(dir string) (path, remove string, err error) {
	if dir == "" {
		path, err = tempDir("slowvolume-")
		return path, path, err
	}
	if path, err = filepath.Abs(dir); err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", "", fmt.Errorf("mount point: %w", err)
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("mount point %s is not a directory", dir)
	}
	if err != nil {
		return "", "", err
	}
	// Taking ours down must never unmount what somebody else has put there.
	mounted, err := mountinfo.Mounted(path)
	if err == nil && mounted {
		err = fmt.Errorf("mount point %s has something mounted already", dir)
	}
	return path, "", err
}

// tempDir makes a directory and returns its name as the kernel will show it.
func tempDir(prefix string) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// possible says why volumes of this kind cannot be made here.
func (k kind) possible() error {
	if os.Geteuid() != 0 {
		return errors.New("mounting a volume needs root")
	}
	devices := []string{"/dev/fuse"}
	if k == blockKind {
		devices = append(devices, loopControl)
	}
	for _, path := range devices {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("device that a %s volume needs: %w", k, err)
		}
		_ = f.Close()
	}
	return nil
}

// CanBlock says why block volumes cannot be made here; nil when they can.
func CanBlock() error { return blockKind.possible() }

// CanFile says why file volumes cannot be made here; nil when they can.
func CanFile() error { return fileKind.possible() }
