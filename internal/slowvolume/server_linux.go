package slowvolume

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// roleEnv tells a program that it was started as a part of this package.
const roleEnv = "STOREBENCH_SLOWVOLUME"

const (
	roleServer = "server"
	roleKeeper = "keeper"
)

// controlFD is where a server finds its socket to the program.
const controlFD = 3

// ServeIfChild must be the first call of main or TestMain in a program that
// makes volumes. It returns at once in the program itself. In a process that
// this package started it does that process's work and ends it with os.Exit: the
// program or the tests that follow in its caller must not run there.
func ServeIfChild() {
	role := os.Getenv(roleEnv)
	if role == "" {
		return
	}
	// The volume must outlive a Ctrl-C of the program, and a reader of stderr
	// that went away must not end a file system.
	signal.Ignore(unix.SIGINT, unix.SIGHUP, unix.SIGPIPE, unix.SIGTERM)
	var err error
	switch role {
	case roleServer:
		err = serveControl(os.NewFile(controlFD, "control"))
	case roleKeeper:
		err = keep(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("%s=%q is not a role of this program", roleEnv, role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// call is a request of the program to the server.
type call struct {
	Name  string     `json:"name"`
	Mount *mountCall `json:"mount,omitempty"`

	Faults []string `json:"faults,omitempty"`
	Seed   uint64   `json:"seed,omitempty"`
}

// The names of the calls.
const (
	callHello   = "hello"   // answer, to show that ServeIfChild was called
	callMount   = "mount"   // mount the FUSE file system, faults paused
	callFaults  = "faults"  // replace the faults and begin them
	callCounts  = "counts"  // what was counted
	callCommit  = "commit"  // make durable all that was written
	callCut     = "cut"     // power off: everything fails
	callRestore = "restore" // power on: only what was durable is there, faults paused
	callResume  = "resume"  // go on with the faults
)

type mountCall struct {
	Kind     kind   `json:"kind"`
	Dir      string `json:"dir"`
	Size     int64  `json:"size,omitempty"`
	Backing  string `json:"backing,omitempty"`
	Uncached bool   `json:"uncached,omitempty"`
}

// answer is the server's reply to one call.
type answer struct {
	Error  string  `json:"error,omitempty"`
	Counts *Counts `json:"counts,omitempty"`
}

// server is the process that serves a volume.
type server struct {
	gate    *gate
	disk    *disk
	mounted *fuse.Server
}

// serveControl answers calls until the program hangs up, and then serves the
// file system until it is unmounted.
func serveControl(f *os.File) error {
	conn, err := net.FileConn(f)
	if err != nil {
		return fmt.Errorf("server without a control socket: %w", err)
	}
	_ = f.Close() // conn has its own descriptor
	s := &server{gate: newGate(), disk: newDisk()}
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	for {
		var c call
		if err := in.Decode(&c); err != nil {
			break // the program closed the volume, or died
		}
		if err := out.Encode(s.answer(c)); err != nil {
			break
		}
	}
	return s.finish()
}

// finish lets everything through at full speed, so that the keeper can unmount
// what lies above, and waits until our own file system is unmounted too.
func (s *server) finish() error {
	s.gate.set(nil, 0)
	if s.mounted == nil {
		return nil
	}
	done := make(chan struct{})
	go func() { s.mounted.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(teardownLimit):
		// The keeper is dead too. Without a server every request fails, which
		// is better than a volume that stays for ever.
		return errors.New("nobody unmounted the volume: its server ends")
	}
}

func (s *server) answer(c call) answer {
	var a answer
	if err := s.do(c, &a); err != nil {
		a.Error = err.Error()
	}
	return a
}

func (s *server) do(c call, a *answer) error {
	switch c.Name {
	case callHello:
	case callMount:
		return s.mount(c.Mount)
	case callFaults:
		faults, err := ParseFaults(c.Faults...)
		if err != nil {
			return err
		}
		s.gate.set(faults, c.Seed)
		s.gate.pause(false)
	case callCounts:
		counts := s.gate.counted()
		a.Counts = &counts
	case callCommit:
		s.disk.commit()
	case callCut:
		s.gate.die(true)
	case callRestore:
		s.disk.cut()
		s.gate.pause(true)
		s.gate.die(false)
	case callResume:
		s.gate.pause(false)
	default:
		return fmt.Errorf("unknown call %q", c.Name)
	}
	return nil
}

func (s *server) mount(m *mountCall) (err error) {
	switch {
	case m == nil || s.mounted != nil:
		return errors.New("mount called twice, or with nothing to mount")
	case m.Kind == blockKind:
		s.mounted, err = serveDisk(m.Dir, m.Size, s.gate, s.disk)
	case m.Kind == fileKind:
		s.mounted, err = serveFiles(m.Dir, m.Backing, m.Uncached, s.gate)
	default:
		err = fmt.Errorf("unknown kind of volume %q", m.Kind)
	}
	if err != nil {
		return fmt.Errorf("mount FUSE at %s: %w", m.Dir, err)
	}
	return nil
}
