package probes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/serverlog"
)

// serverLine is a line of a server's log.
type serverLine struct {
	server int
	serverlog.Event
}

// String is the line as a report shows it, with the server's number before it.
func (l serverLine) String() string {
	return fmt.Sprintf("nats-server %d: %s", l.server, natscluster.Line(l.Event))
}

// logLines are what the servers logged of storage from a moment on, the gravest first: by
// level, then what is grave by itself, then the longest.
func (g *raftGroup) logLines(since time.Time) []serverLine {
	var all []serverLine
	for i, n := range g.cluster.Nodes() {
		for _, e := range n.Log(since) {
			all = append(all, serverLine{i, e})
		}
	}
	slices.SortStableFunc(all, func(a, b serverLine) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(gravity(b), gravity(a)), cmp.Compare(b.Took, a.Took))
	})
	return all
}

func gravity(l serverLine) int {
	if l.Grave() {
		return 1
	}
	return 0
}

// attachLog puts the gravest lines of the servers from its start on beside what was
// measured.
func (g *raftGroup) attachLog(measured []measure.Measurement) {
	for i := range measured {
		for j := range measured[i].Rounds {
			round := &measured[i].Rounds[j]
			for _, l := range g.logLines(round.Start) {
				if len(round.Context.Log) < measure.MaxLog {
					round.Context.Log = append(round.Context.Log, l.String())
				}
			}
		}
	}
}

// notWritten is the error of a server on a volume whose log says that the volume
// refused a write of it. Its groups go on without it, so no figure shows that.
func (g *raftGroup) notWritten() error {
	for _, l := range g.logLines(time.Time{}) {
		if errno := refusal(l.Event); errno != 0 && g.onVolume(l.server) {
			return writeError{"a server could not write to the volume under it: " + l.String(), errno}
		}
	}
	return nil
}

// writeError is a write of a server's that the operating system refused.
type writeError struct {
	text  string
	errno syscall.Errno
}

func (e writeError) Error() string { return e.text }
func (e writeError) Unwrap() error { return e.errno }

// writeKinds are the lines that a server logs when something could not be written.
// Servers that stop or step down log some of them as well, with errors of their own.
var writeKinds = map[serverlog.Kind]bool{
	serverlog.WriteError: true, serverlog.RaftStateNotWritten: true, serverlog.MessageNotStored: true, serverlog.SnapshotFailed: true,
	serverlog.OutOfResources: true, serverlog.PermissionDenied: true,
}

// refusal is the error of the operating system with which a write failed, as a line
// names it; 0 where it names none. Stores may be as large as the volume here, so a
// server is out of room for files when the volume is full.
func refusal(e serverlog.Event) syscall.Errno {
	if !writeKinds[e.Kind] {
		return 0
	}
	if errno := errnoIn(e.Text); errno != 0 {
		return errno
	}
	if e.Kind == serverlog.OutOfResources && e.Subject != "Memory" {
		return syscall.ENOSPC
	}
	return 0
}

// errnoIn is the error with which the operating system refuses a write that a text
// names; 0 where it names none.
func errnoIn(text string) syscall.Errno {
	for _, errno := range []syscall.Errno{
		syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ETIMEDOUT,
		syscall.EACCES, syscall.EPERM,
	} {
		if strings.Contains(text, errno.Error()) {
			return errno
		}
	}
	return 0
}
