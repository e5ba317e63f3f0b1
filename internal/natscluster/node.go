package natscluster

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"storebench/internal/serverlog"
)

// Node is one server of a cluster. Its process is this program itself with the
// hidden command Command: the linked-in nats-server, or a guard that starts
// another one. It ends when the pipe from here does.
type Node struct {
	cluster *Cluster
	// Name is the server's in the cluster.
	Name  string
	store string
	ports atomic.Pointer[ports]

	mu    sync.Mutex
	run   *run // the process, or the last one that was
	log   []logged
	lines []string // the newest of this life, of any level
	grave []string // of these, warnings and worse
}

// logged is an event of a log, and when it was read.
type logged struct {
	serverlog.Event
	at time.Time
}

// run is one life of a server.
type run struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers chan []byte   // lines on its stdout; closed when that ends
	guarded bool          // it is a guard, and nats-server its child
	state   string        // how a guarded program ended, once exited is closed
	pid     int           // of nats-server itself; under the node's mu
	killed  atomic.Bool   // by us
	read    chan struct{} // closed when its stderr has ended
	told    chan struct{} // closed when its stdout has ended
	exited  chan struct{}
	asking  sync.Mutex // one command at a time
	owed    int        // answers to commands that nobody waited for; under asking
}

const (
	// startWait is how long a process may take until it says that it runs, and
	// requestWait a client's or an operator's request to a server.
	startWait   = 10 * time.Second
	requestWait = 5 * time.Second
	// maxEvents and maxLines bound what is kept of a log, in events that matter
	// and in lines of any kind.
	maxEvents = 1000
	maxLines  = 40
)

var errPortTaken = errors.New("a port was taken in between")

// start starts the server and waits until its process runs.
func (n *Node) start() error {
	if err := n.writeConfig(); err != nil {
		return err
	}
	r, stderr, err := n.spawn()
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	n.mu.Lock()
	n.run, n.lines, n.grave = r, nil, nil
	n.mu.Unlock()
	go n.follow(r, stderr)
	go r.wait()
	select {
	case line, ok := <-r.answers:
		pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if !ok || err != nil {
			return n.ended(r)
		}
		n.mu.Lock()
		r.pid = pid
		n.mu.Unlock()
	case <-time.After(startWait):
		return fmt.Errorf("%s did not start within %v", n.Name, startWait)
	}
	return nil
}

// spawn starts the process. It has no group of the shell's, so that Ctrl-C
// reaches only whoever decides.
func (n *Node) spawn() (*run, io.Reader, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find this program's file: %w", err)
	}
	c := n.cluster
	cmd := exec.Command(program, Command)
	cmd.SysProcAttr = ownGroup()
	cmd.ExtraFiles = c.opts.Hold
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	r := &run{cmd: cmd, stdin: stdin, answers: make(chan []byte, 1), guarded: c.opts.Program != "", read: make(chan struct{}), told: make(chan struct{}), exited: make(chan struct{})}
	go r.listen(stdout)
	t := task{Config: n.configFile(), Report: c.opts.Report, Program: c.opts.Program, Held: len(c.opts.Hold)}
	go func() { _ = json.NewEncoder(stdin).Encode(t) }() // one that does not read it does not start either
	return r, stderr, nil
}

// listen hands on what the process answers. A guard says two things: the number of
// its child's process, and how that ended.
func (r *run) listen(stdout io.Reader) {
	defer close(r.told)
	defer close(r.answers)
	in := bufio.NewReader(stdout)
	for first := true; ; first = false {
		line, err := in.ReadBytes('\n')
		switch {
		case err != nil:
			return
		case r.guarded && !first:
			r.state = string(bytes.TrimSpace(line))
		default:
			r.answers <- line
		}
	}
}

// wait waits for the end of the process. os/exec would close the pipes with lines
// still unread; answers that nobody reads are not waited for.
func (r *run) wait() {
	<-r.read
	if r.guarded {
		<-r.told
	}
	_ = r.cmd.Wait() // the state tells more
	close(r.exited)
}

// follow reads the log of the server as long as it lives. What is kept of it has
// neither the credentials that a line might carry nor the names of directories.
func (n *Node) follow(r *run, stderr io.Reader) {
	defer close(r.read)
	c := n.cluster
	hide := []string{c.password, "…", n.store, "…", c.opts.Work, "…"}
	if c.key != "" {
		hide = append(hide, c.key, "…")
	}
	hidden := strings.NewReplacer(hide...)
	_ = serverlog.Read(stderr, func(e serverlog.Event) { // the end of a log is no error
		n.mu.Lock()
		defer n.mu.Unlock()
		e.Text = hidden.Replace(e.Text)
		if e.Storage() {
			n.log = keep(n.log, logged{e, time.Now()})
		}
		n.lines = newest(n.lines, Line(e))
		if e.Level >= serverlog.Warning || crash(e.Text) {
			n.grave = newest(n.grave, Line(e))
		}
	})
}

// keep adds an event to a log. In a full one a grave event takes the place of the
// newest that is not.
func keep(log []logged, e logged) []logged {
	if len(log) < maxEvents {
		return append(log, e)
	}
	for i := len(log) - 1; i >= 0 && e.Grave(); i-- {
		if !log[i].Grave() {
			return append(slices.Delete(log, i, i+1), e)
		}
	}
	return log
}

// crash says whether a line is the first of a program that the Go runtime ends; the
// stacks behind it are no help.
func crash(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
}

// newest adds a line and drops the oldest of too many.
func newest(lines []string, line string) []string {
	if len(lines) == maxLines {
		lines = lines[1:]
	}
	return append(lines, line)
}

// Line is an event as a reader of the result sees it.
func Line(e serverlog.Event) string { return fmt.Sprintf("[%s] %s", e.Level, e.Text) }

// Log is what the server logged of storage, or of what slow storage does, from a moment
// on, over all its lives.
func (n *Node) Log(since time.Time) []serverlog.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	var events []serverlog.Event
	for _, l := range n.log {
		if !l.at.Before(since) {
			events = append(events, l.Event)
		}
	}
	return events
}

// lastLines are the newest warnings and errors of the server's log, or its newest
// lines where it has none.
func (n *Node) lastLines(most int) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := n.grave
	if len(lines) == 0 {
		lines = n.lines
	}
	return strings.Join(lines[max(0, len(lines)-most):], "; ")
}

// toldLines is how many of a server's last lines an error carries.
const toldLines = 6

// ended is the error of a server that ended by itself.
func (n *Node) ended(r *run) error {
	state := "its process has not ended"
	select {
	case <-r.exited:
		state = cmp.Or(r.state, r.cmd.ProcessState.String())
	case <-time.After(requestWait):
	}
	last := n.lastLines(toldLines)
	if strings.Contains(last, "address already in use") {
		return fmt.Errorf("%s: %w: %s", n.Name, errPortTaken, last)
	}
	return &EndedError{Node: n.Name, State: state, Last: last}
}

// EndedError is a server that ended by itself.
type EndedError struct {
	Node  string
	State string // how its process ended
	Last  string // of its log; empty when it logged nothing
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("nats-server %s ended by itself (%s); %s", e.Node, e.State, lastWords(e.Last))
}

// Crashed says whether it failed by itself. A signal comes from outside, and one that
// was asked to stop ends well.
func (e *EndedError) Crashed() bool {
	return strings.HasPrefix(e.State, "exit status ") && e.State != "exit status 0"
}

func lastWords(lines string) string {
	if lines == "" {
		return "it logged nothing"
	}
	return "its last lines: " + lines
}

// Died returns an EndedError when the server is not running though nobody killed
// it, else nil.
func (n *Node) Died() error {
	r := n.life()
	if r == nil || r.killed.Load() {
		return nil
	}
	select {
	case <-r.exited:
		return n.ended(r)
	default:
		return nil
	}
}

func (n *Node) life() *run {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run
}

// ErrForeign is returned for commands to a server that is not the linked-in one.
var ErrForeign = errors.New("only the nats-server linked into this program takes commands")

// Do sends a command line to the linked-in server and decodes its answer. It is done
// also when ctx ends first.
func (n *Node) Do(ctx context.Context, command, into any) error {
	if n.cluster.opts.Program != "" {
		return ErrForeign
	}
	line, err := json.Marshal(command)
	if err != nil {
		return fmt.Errorf("encode a command for %s: %w", n.Name, err)
	}
	r := n.life()
	r.asking.Lock()
	defer r.asking.Unlock()
	if _, err := r.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("ask %s: %w", n.Name, err)
	}
	for r.owed++; ; {
		select {
		case answer, ok := <-r.answers:
			if !ok {
				return n.ended(r)
			}
			if r.owed--; r.owed == 0 {
				return json.Unmarshal(answer, into)
			}
		case <-ctx.Done():
			return fmt.Errorf("ask %s: %w", n.Name, context.Cause(ctx))
		}
	}
}

// Kill kills the server as a crash would, and waits until it is gone or ctx ends.
func (n *Node) Kill(ctx context.Context) error {
	n.kill()
	return n.gone(ctx)
}

// Restart starts a killed server again on the same ports and the same store.
func (n *Node) Restart() error { return n.start() }

// PID is the process of nats-server, 0 when it has none.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run == nil {
		return 0
	}
	return n.run.pid
}

// kill ends the process. A guard kills its server when the pipe ends, and ends
// when that is gone.
func (n *Node) kill() {
	r := n.life()
	if r == nil {
		return
	}
	r.killed.Store(true)
	_ = r.stdin.Close()
	if n.cluster.opts.Program == "" {
		_ = r.cmd.Process.Kill()
	}
}

// gone waits until the process has ended.
func (n *Node) gone(ctx context.Context) error {
	r := n.life()
	if r == nil {
		return nil
	}
	go func() {
		for range r.answers { // it may still speak
		}
	}()
	select {
	case <-r.exited:
	case <-ctx.Done():
	}
	select { // ctx may have ended over another server
	case <-r.exited:
		return nil
	default:
		return ErrLeft
	}
}
