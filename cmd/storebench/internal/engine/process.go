package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// process is a worker as the engine sees it. Nothing here waits on the volume:
// the worker's exit is awaited by a goroutine of its own, which may never end.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	events chan event
	exited chan struct{} // closed when the process is gone
	stderr *tail
}

// errNoAnswer is in the error of a worker that was killed at its deadline.
var errNoAnswer = errors.New("no answer")

// startWait bounds the start of a process, which reads the program's file.
const startWait = 10 * time.Second

// start runs a worker with its task. The worker inherits neither stdout nor
// stderr nor the process group of the shell, so that a pipe behind this
// program ends with it and Ctrl-C reaches the engine alone.
func start(name string, t task) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	line, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode the task of %s: %w", name, err)
	}
	p := &process{name: name, events: make(chan event, 64), exited: make(chan struct{}), stderr: &tail{limit: 16 << 10}}
	p.cmd = exec.Command(program, WorkerCommand)
	p.cmd.SysProcAttr = ownGroup()
	read, write, err := p.pipes()
	if err == nil {
		err = startWithin(p.cmd, startWait)
		_ = write.Close() // the worker holds its own
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.read(read)
	go func() { _ = p.cmd.Wait(); close(p.exited) }()
	go func() { _, _ = p.stdin.Write(append(line, '\n')) }()
	return p, nil
}

// pipes connects the worker. The pipe of its events is our own and not
// os/exec's, whose Wait would close it with events still unread.
func (p *process) pipes() (read, write *os.File, err error) {
	p.stdin, err = p.cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	p.cmd.Stderr = p.stderr
	read, write, err = os.Pipe()
	p.cmd.Stdout = write
	return read, write, err
}

// startWithin starts cmd without waiting longer than that: execve reads the
// program's file, which may lie on the volume.
func startWithin(cmd *exec.Cmd, wait time.Duration) error {
	started := make(chan error)
	late := make(chan struct{})
	go func() {
		err := cmd.Start()
		select {
		case started <- err:
		case <-late:
			if err == nil { // nobody waits for it any more
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
	}()
	select {
	case err := <-started:
		return err
	case <-time.After(wait):
		close(late)
		return fmt.Errorf("%w within %v", errNoAnswer, wait)
	}
}

// read turns lines into events until the pipe ends.
func (p *process) read(stdout io.ReadCloser) {
	defer close(p.events)
	defer stdout.Close()
	in := bufio.NewReaderSize(stdout, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var ev event
		if err := json.Unmarshal(line, &ev); err != nil {
			ev = event{Err: &workerError{Kind: kindTool, Text: fmt.Sprintf("%s sent a line that is no event: %v", p.name, err)}}
		}
		p.events <- ev
	}
}

// await hands each event to each until the last one, the deadline, or the end
// of ctx. An event that ends the task leaves the process to end by itself.
func (p *process) await(ctx context.Context, wait time.Duration, each func(event)) error {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		select {
		case ev, ok := <-p.events:
			if !ok {
				return p.crashed()
			}
			if ev.Err != nil {
				each(ev)
				return ev.Err
			}
			each(ev)
			if ev.Done {
				return nil
			}
		case <-deadline.C:
			return fmt.Errorf("%s: %w within %v", p.name, errNoAnswer, wait.Round(time.Millisecond))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// crashed says why a worker's events ended before its task did.
func (p *process) crashed() error {
	select {
	case <-p.exited:
	case <-time.After(time.Second):
		return &workerError{Kind: kindTool, Text: p.name + " closed its pipe and did not exit"}
	}
	text := fmt.Sprintf("%s ended before its task did (%s)", p.name, p.cmd.ProcessState)
	if said := p.stderr.firstLines(3); said != "" {
		text += ": " + said
	}
	return &workerError{Kind: kindTool, Text: text}
}

// stop asks the worker to end (its stdin ends), kills it after grace, and says
// whether it is gone then. A process that is not is blocked in
// the kernel; it holds the scratch directory's lock until the volume lets go.
func (p *process) stop(grace time.Duration) (gone bool) {
	_ = p.stdin.Close()
	go p.drain()
	if p.gone(grace) {
		return true
	}
	_ = p.cmd.Process.Kill()
	return p.gone(lateGrace)
}

func (p *process) gone(wait time.Duration) bool {
	if wait <= 0 {
		wait = time.Millisecond
	}
	select {
	case <-p.exited:
		return true
	case <-time.After(wait):
		return false
	}
}

// drain lets a worker that still speaks get rid of its words.
func (p *process) drain() {
	for range p.events {
	}
}

// tail keeps the first bytes written to it: a panic's reason stands first.
type tail struct {
	mu    sync.Mutex
	limit int
	buf   bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := t.limit - t.buf.Len(); room > 0 {
		t.buf.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (t *tail) firstLines(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.SplitN(bytes.TrimSpace(t.buf.Bytes()), []byte("\n"), n+1)
	return string(bytes.Join(lines[:min(n, len(lines))], []byte("; ")))
}
