package natscluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Command is the hidden command of this program that is one server of a cluster.
const Command = "raft-server"

// task is the first line that a server process reads.
type task struct {
	Config  string        `json:"config"`
	Report  time.Duration `json:"report,omitempty"`
	Program string        `json:"program,omitempty"`
	Held    int           `json:"held,omitempty"` // descriptors from 3 on that were handed down
}

// Linked runs the nats-server linked into this program until commands end; its
// answers are lines.
type Linked func(config string, report time.Duration, commands io.Reader, answers io.Writer) error

// Serve is the process of one server: it reads its task from stdin, writes the
// process number of nats-server to stdout, and then is that server, or guards
// the program that is. It returns when stdin ends, which it does with whoever
// started it, and its process has to end then. What a guarded program ended with is
// its last line.
func Serve(stdin io.Reader, stdout io.Writer, linked Linked) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the task (this command is for storebench itself): %w", err)
	}
	var t task
	if err := json.Unmarshal(line, &t); err != nil {
		return fmt.Errorf("read the task (this command is for storebench itself): %w", err)
	}
	if t.Program != "" {
		return guard(t, in, stdout)
	}
	if err := json.NewEncoder(stdout).Encode(os.Getpid()); err != nil {
		return err
	}
	return linked(t.Config, t.Report, in, stdout)
}

// guard runs another nats-server as a child. It kills it, and what it started, when
// the commands end; where the system can tell, the child also dies with this
// process, however that ends.
func guard(t task, commands io.Reader, answers io.Writer) error {
	runtime.LockOSThread() // the kernel tells the child of the end of the thread that started it
	cmd := exec.Command(t.Program, "-c", t.Config)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = diesWithParent()
	for i := range t.Held {
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(3+i), "held"))
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", t.Program, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, commands)
		killGroup(cmd.Process)
	}()
	told := json.NewEncoder(answers).Encode(cmd.Process.Pid)
	if told != nil {
		killGroup(cmd.Process)
	}
	err := cmd.Wait()
	killGroup(cmd.Process) // a script may have left its nats-server behind
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil // that is the state
	}
	_, failed := fmt.Fprintln(answers, cmd.ProcessState)
	return errors.Join(told, err, failed)
}
