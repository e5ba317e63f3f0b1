package natscluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/procfs"

	"storebench/internal/natscluster/natstest"
	"storebench/internal/natsfs"
	"storebench/internal/serverlog"
)

// mark is a variable that all processes of a test's clusters inherit.
const mark = "NATSCLUSTER_TEST"

// options are those of a cluster with directories of its own, whose processes are
// found by mark.
func options(t *testing.T, opts Options) Options {
	t.Helper()
	t.Setenv(mark, t.TempDir())
	opts.Work = t.TempDir()
	for i := range opts.Stores {
		opts.Stores[i] = t.TempDir()
	}
	return opts
}

// started is a cluster that is closed at the end of the test, and leaves nothing.
// With -short, as under the race detector, those of the probes' rounds must do.
func started(t *testing.T, opts Options) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs a real cluster")
	}
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, c) })
	return c
}

func closed(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
	if left := processes(t); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if left, err := filepath.Glob(filepath.Join(c.opts.Work, "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the work directory: %v, %v", left, err)
	}
}

// formed is a cluster that has formed.
func formed(t *testing.T, opts Options) *Cluster {
	t.Helper()
	c := started(t, opts)
	if _, err := c.WaitFormed(soon(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// processes are those of the test's clusters, zombies left out.
func processes(t *testing.T) (pids []int) {
	t.Helper()
	is := fmt.Appendf(nil, "%s=%s", mark, os.Getenv(mark))
	found, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		variables, err := os.ReadFile(path)
		pid, noNumber := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && noNumber == nil && pid != os.Getpid() && slices.ContainsFunc(bytes.Split(variables, []byte{0}), func(v []byte) bool { return bytes.Equal(v, is) }) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// await waits for something that another process does.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(patience)
	for tick := time.NewTicker(20 * time.Millisecond); !holds(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// each runs a test with the linked-in nats-server and with one that is a program.
func each(t *testing.T, test func(t *testing.T, program string)) {
	t.Run("linked", func(t *testing.T) { test(t, "") })
	t.Run("program", func(t *testing.T) { test(t, natstest.Program(t)) })
}

// TestCluster asks one cluster for all that a caller needs of it.
func TestCluster(t *testing.T) {
	each(t, func(t *testing.T, program string) {
		c := formed(t, options(t, Options{Program: program, Slots: 16}))
		if n := len(processes(t)); n < Size {
			t.Errorf("%d processes, want at least %d", n, Size)
		}
		requireLoopback(t, c)
		requirePrivate(t, c)
		requireCredentials(t, c)
		nc := connected(t, c, 1)
		js := replicated(t, nc)
		for i := range Size {
			if err := c.LeadMeta(soon(t), i); err != nil {
				t.Errorf("the meta group: %v", err)
			}
			if err := c.LeadStream(soon(t), nc, "S", i); err != nil {
				t.Errorf("the stream: %v", err)
			}
			requireLeads(t, c, js, i)
			if _, err := js.Publish(soon(t), "s", []byte("message")); err != nil {
				t.Errorf("publish with leader %d: %v", i, err)
			}
		}
		for i, n := range c.Nodes() {
			if n != c.Node(i) || n.PeakMemory() < 1<<20 || n.Died() != nil {
				t.Errorf("server %d: memory %d, died %v", i, n.PeakMemory(), n.Died())
			}
			version, err := n.Version(soon(t))
			if own, ownErr := ProgramVersion(t.Context(), natstest.Program(t)); err != nil || ownErr != nil || version != own {
				t.Errorf("version %q, %v; want %q, %v", version, err, own, ownErr)
			}
		}
	})
}

func connected(t *testing.T, c *Cluster, node int) *nats.Conn {
	t.Helper()
	nc, err := c.Connect(node, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// replicated makes the stream S, which all servers have.
func replicated(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateStream(soon(t), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: Size})
	}
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// requireLeads looks for a leader from three sides.
func requireLeads(t *testing.T, c *Cluster, js jetstream.JetStream, node int) {
	t.Helper()
	stream, err := js.Stream(soon(t), "S")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().Cluster.Leader; got != c.Node(node).Name {
		t.Errorf("%s leads the stream, want %s", got, c.Node(node).Name)
	}
	for what, of := range map[string]func(context.Context) (map[string]Group, error){"stream": c.Node(node).Raftz, "meta": c.Node(node).MetaRaftz} {
		groups, err := of(soon(t))
		if err != nil || len(groups) != 1 {
			t.Errorf("%s: %d groups, %v; want one", what, len(groups), err)
		}
		for name, g := range groups {
			if g.State != "LEADER" || g.Leader == "" || g.Term == 0 || g.Applied > g.Committed || g.Committed > g.PIndex {
				t.Errorf("%s group %s: %+v, want a leader", what, name, g)
			}
		}
	}
}

// requireLoopback fails the test when a server listens where others reach it.
func requireLoopback(t *testing.T, c *Cluster) {
	t.Helper()
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	listening := slices.Concat(tcpListeners(t, "/proc/net/tcp"), tcpListeners(t, "/proc/net/tcp6"))
	for _, n := range c.Nodes() {
		own := sockets(t, n.PID())
		var open []string
		for _, l := range listening {
			if own[l.inode] {
				open = append(open, l.address)
			}
		}
		var want []string
		for p := n.ports.Load(); len(want) < 3; {
			for _, port := range []int{p.client, p.monitor, p.route} {
				want = append(want, net.JoinHostPort(loopback, strconv.Itoa(port)))
			}
		}
		slices.Sort(open)
		slices.Sort(want)
		if !slices.Equal(open, want) {
			t.Errorf("%s listens on %v, want %v", n.Name, open, want)
		}
	}
	requireNoUDP(t, proc, c)
}

// tcpListener is a line of /proc/net/tcp or tcp6 of a socket that listens.
type tcpListener struct {
	address string // as net.JoinHostPort writes it
	inode   uint64
}

// tcpListeners reads such a file (proc_net(5)): the local address in hexadecimal,
// each group of four bytes in the machine's order, and the port.
func tcpListeners(t *testing.T, file string) (all []tcpListener) {
	t.Helper()
	text, err := os.ReadFile(file)
	if ignoreMissing(err) != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" {
			continue // the heading, or not listening
		}
		host, port, _ := strings.Cut(fields[1], ":")
		address, err := hex.DecodeString(host)
		number, err2 := strconv.ParseUint(port, 16, 16)
		inode, err3 := strconv.ParseUint(fields[9], 10, 64)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatalf("%s: %q: %v", file, line, err)
		}
		for i := 0; i+4 <= len(address); i += 4 {
			binary.BigEndian.PutUint32(address[i:], binary.NativeEndian.Uint32(address[i:]))
		}
		all = append(all, tcpListener{net.JoinHostPort(net.IP(address).String(), strconv.FormatUint(number, 10)), inode})
	}
	return all
}

func requireNoUDP(t *testing.T, proc procfs.FS, c *Cluster) {
	t.Helper()
	v4, err4 := proc.NetUDP()
	v6, err6 := proc.NetUDP6()
	if err := errors.Join(err4, ignoreMissing(err6)); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		own := sockets(t, n.PID())
		for _, line := range slices.Concat(v4, v6) {
			if own[line.Inode] {
				t.Errorf("%s has a datagram socket on %v", n.Name, line.LocalAddr)
			}
		}
	}
}

// ignoreMissing: a system without IPv6 has no table of it.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sockets are the inodes of a process's sockets.
func sockets(t *testing.T, pid int) map[uint64]bool {
	t.Helper()
	all := map[uint64]bool{}
	for _, name := range descriptors(t, pid) {
		number, is := strings.CutPrefix(name, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); is && err == nil {
			all[inode] = true
		}
	}
	return all
}

// descriptors are what a process has open.
func descriptors(t *testing.T, pid int) (names []string) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("process %d: %d descriptors, %v", pid, len(links), err)
	}
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// requirePrivate: the configuration holds the credentials, a command line does not.
func requirePrivate(t *testing.T, c *Cluster) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.opts.Work, "*"))
	if err != nil || len(files) != Size {
		t.Fatalf("files %v, %v; want %d", files, err, Size)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v; want that nobody else may read it", file, info.Mode(), err)
		}
	}
	for _, pid := range processes(t) {
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil || bytes.Contains(text, []byte(c.password)) {
				t.Errorf("process %d: the password is in its %s, or %v", pid, name, err)
			}
		}
	}
}

// requireCredentials: nobody else comes in, neither as a client nor as a server.
func requireCredentials(t *testing.T, c *Cluster) {
	t.Helper()
	p := c.Node(0).ports.Load()
	for what, options := range map[string][]nats.Option{
		"nobody": nil, "a guess": {nats.UserInfo("bench", "")}, "the route's user": {nats.UserInfo("route", c.password)},
	} {
		nc, err := nats.Connect(fmt.Sprintf("nats://%s:%d", loopback, p.client), options...)
		if err == nil {
			nc.Close()
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s as a client: %v, want that it is refused", what, err)
		}
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(loopback, strconv.Itoa(p.route)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "CONNECT {\"user\":\"route\",\"pass\":\"\",\"name\":\"other\",\"cluster\":%q}\r\n", c.name); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	_, _ = said.ReadFrom(conn) // until the server closes it
	if !strings.Contains(said.String(), "Authorization") {
		t.Errorf("a route without credentials got %q", said.String())
	}
}

// TestKeepsMessages: a server that was killed and started again has what it had,
// and a cluster of which all were killed forms again.
func TestKeepsMessages(t *testing.T) {
	each(t, func(t *testing.T, program string) {
		c := formed(t, options(t, Options{Program: program, Cipher: "chacha"}))
		nc := connected(t, c, 0)
		js := replicated(t, nc)
		const messages = 100
		for range messages {
			if _, err := js.Publish(soon(t), "s", []byte("message")); err != nil {
				t.Fatal(err)
			}
		}
		nc.Close()
		for _, n := range c.Nodes() {
			before := n.PID()
			if err := n.Kill(soon(t)); err != nil {
				t.Fatal(err)
			}
			if err := n.Died(); err != nil {
				t.Errorf("one that was killed died by itself: %v", err)
			}
			if err := syscall.Kill(before, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d is there: %v", before, err)
			}
		}
		for _, n := range c.Nodes() {
			if err := n.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.WaitFormed(soon(t)); err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(connected(t, c, 0))
		if err != nil {
			t.Fatal(err)
		}
		await(t, "the stream's leader", func() bool {
			stream, err := js.Stream(t.Context(), "S")
			return err == nil && stream.CachedInfo().State.Msgs == messages
		})
	})
}

// TestHolderKilled: servers end with the process that holds them, however that ends.
func TestHolderKilled(t *testing.T) {
	programs := map[string]func(t *testing.T) string{
		"linked":  func(*testing.T) string { return "" },
		"program": func(t *testing.T) string { return natstest.Program(t) },
		"script":  func(t *testing.T) string { return program(t, 0o755, natstest.Program(t)+` "$@"; exit $?`) },
	}
	for name, of := range programs {
		t.Run(name, func(t *testing.T) {
			opts := options(t, Options{Program: of(t)})
			task, err := json.Marshal(opts)
			if err != nil {
				t.Fatal(err)
			}
			holder := exec.Command(os.Args[0], holderCommand)
			holder.Stderr = os.Stderr
			in, errIn := holder.StdinPipe()
			out, errOut := holder.StdoutPipe()
			if err := errors.Join(errIn, errOut, holder.Start()); err != nil {
				t.Fatal(err)
			}
			var pids []int
			_, err = in.Write(task)
			if err := errors.Join(err, json.NewDecoder(out).Decode(&pids)); err != nil || len(pids) != Size {
				t.Errorf("servers %v, %v", pids, err)
			}
			if n := len(processes(t)); n < 1+Size {
				t.Errorf("%d processes, want at least the holder and %d servers", n, Size)
			}
			if err := holder.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = holder.Wait() // it was killed
			await(t, "the end of the servers", func() bool { return len(processes(t)) == 0 })
		})
	}
}

// TestGuardKilled: a nats-server that is a program of its own ends with its guard.
func TestGuardKilled(t *testing.T) {
	c := formed(t, options(t, Options{Program: natstest.Program(t)}))
	n := c.Node(1)
	server := n.PID()
	if err := n.life().cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the server", func() bool { return errors.Is(syscall.Kill(server, 0), syscall.ESRCH) })
	await(t, "that it is told", func() bool { return n.Died() != nil })
}

// TestScriptKilled: what a script started is killed with it.
func TestScriptKilled(t *testing.T) {
	c := formed(t, options(t, Options{Program: program(t, 0o755, natstest.Program(t)+` "$@" & wait`)}))
	closed(t, c)
}

// TestServerEnds: the error of a server that ends by itself says how, and what it
// said last.
func TestServerEnds(t *testing.T) {
	each(t, func(t *testing.T, program string) {
		c := formed(t, options(t, Options{Program: program}))
		n := c.Node(2)
		if err := syscall.Kill(n.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "that it is told", func() bool { return n.Died() != nil })
		requireEnded(t, c, n.Died(), n.Name, "killed")
		_, err := c.WaitFormed(soon(t))
		requireEnded(t, c, err, n.Name, "killed")
	})
}

func requireEnded(t *testing.T, c *Cluster, err error, words ...string) {
	t.Helper()
	var ended *EndedError
	if !errors.As(err, &ended) {
		t.Fatalf("%v, want an EndedError", err)
	}
	for _, word := range append(words, ended.Node, ended.State, ended.Last) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q, want %q in it", err, word)
		}
	}
	requireNoSecrets(t, c, err.Error())
}

func requireNoSecrets(t *testing.T, c *Cluster, text string) {
	t.Helper()
	for _, secret := range append(c.opts.Stores[:], c.opts.Work, c.password) {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %q", secret, text)
		}
	}
}

// TestNoDirectory: a nats-server that cannot start says why.
func TestNoDirectory(t *testing.T) {
	each(t, func(t *testing.T, program string) {
		opts := options(t, Options{Program: program})
		opts.Stores[1] = filepath.Join(opts.Stores[1], "file")
		if err := os.WriteFile(opts.Stores[1], nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c := started(t, opts)
		_, err := c.WaitFormed(soon(t))
		requireEnded(t, c, err, c.Node(1).Name, "[fatal]", "not a directory")
	})
}

// TestOtherPrograms: what a program does that is no nats-server, or a broken one, is
// told; none holds anybody.
func TestOtherPrograms(t *testing.T) {
	tests := []struct{ name, script, says string }{
		{"ends at once", "exit 3", "exit status 3"},
		{"is another program", "echo what is -c >&2; exit 1", "what is -c"},
		{"crashes", `for i in 1 2 3; do echo "[1] 2025/01/01 00:00:00.000000 [WRN] line $i" >&2; done
echo "panic: a broken build" >&2; i=0; while [ $i -lt 100 ]; do echo "goroutine $i [running]:" >&2; i=$((i+1)); done; exit 2`, "panic: a broken build"},
		{"is killed", "kill -9 $$", "signal: killed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := started(t, options(t, Options{Program: program(t, 0o755, test.script)}))
			_, err := c.WaitFormed(soon(t))
			requireEnded(t, c, err, test.says)
		})
	}
	t.Run("never answers", func(t *testing.T) {
		c := started(t, options(t, Options{Program: program(t, 0o755, "echo hello >&2; sleep 1000; exit 1")}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.WaitFormed(ctx)
		requireNotFormed(t, c, err, []int{0, 1, 2}, "hello")
	})
	t.Run("says nothing", func(t *testing.T) {
		c := started(t, options(t, Options{Program: program(t, 0o755, "exec sleep 1000")}))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.WaitFormed(ctx)
		requireNotFormed(t, c, err, []int{0, 1, 2}, "it logged nothing")
	})
	t.Run("cannot be run", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(path, []byte("\x7fELF and no more"), 0o755); err != nil {
			t.Fatal(err)
		}
		opts := options(t, Options{Program: path})
		c, err := Start(t.Context(), opts)
		if err == nil {
			closed(t, c)
			t.Fatal("it started")
		}
		if !strings.Contains(err.Error(), "exec format error") {
			t.Errorf("error %q", err)
		}
		if left := processes(t); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
	})
}

func requireNotFormed(t *testing.T, c *Cluster, err error, missing []int, words ...string) {
	t.Helper()
	var late *FormError
	if !errors.As(err, &late) {
		t.Fatalf("%v, want a FormError", err)
	}
	if !slices.Equal(late.Missing, missing) || late.After <= 0 {
		t.Errorf("%+v, want that %v are missing", late, missing)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q, want %q in it", err, word)
		}
	}
	requireNoSecrets(t, c, err.Error())
}

// TestStopped: of a cluster that one server keeps from being whole, that one is
// named. A caller that gives up is told nothing of the servers.
func TestStopped(t *testing.T) {
	c := formed(t, options(t, Options{}))
	if err := c.LeadMeta(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	stopped := c.Node(0).PID()
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "that it is missed", func() bool { return slices.Equal(c.missing(t.Context()), []int{0}) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.WaitFormed(ctx)
	requireNotFormed(t, c, err, []int{0})

	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := c.WaitFormed(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller's end: %v", err)
	}
	if err := syscall.Kill(stopped, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitFormed(soon(t)); err != nil {
		t.Error(err)
	}
}

// TestLeft: a server that does not end in time is left, and said to be.
func TestLeft(t *testing.T) {
	c := started(t, options(t, Options{}))
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.Node(0).gone(ended); !errors.Is(err, ErrLeft) {
		t.Errorf("%v, want ErrLeft", err)
	}
}

// TestCloseLeaves: of a cluster's servers those that do not end are named, and no other.
func TestCloseLeaves(t *testing.T) {
	c := &Cluster{opts: Options{Program: "nats-server", Work: t.TempDir()}}
	for i := range c.nodes {
		stdin, other := net.Pipe()
		defer other.Close()
		r := &run{stdin: stdin, answers: make(chan []byte), exited: make(chan struct{})}
		close(r.answers)
		if i != 1 {
			close(r.exited)
		}
		c.nodes[i] = &Node{cluster: c, run: r}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for range 20 { // what has ended is told, whatever else has
		var left *LeftError
		if err := c.Close(ended); !errors.As(err, &left) || !slices.Equal(left.Nodes, []int{1}) {
			t.Fatalf("%v, want that server 1 is left", err)
		}
	}
}

// TestTakenPort: ports that are taken when the servers come to them are no error, as
// long as that ends.
func TestTakenPort(t *testing.T) {
	const line = `echo '[1] 2025/01/01 00:00:00.000000 [FTL] Error listening on port: 127.0.0.1:1, "listen tcp 127.0.0.1:1: bind: address already in use"' >&2; exit 1`
	t.Run("once", func(t *testing.T) {
		first := filepath.Join(t.TempDir(), "first")
		c := started(t, options(t, Options{Program: program(t, 0o755, fmt.Sprintf("mkdir %q 2>/dev/null && { %s; }\nexec %q \"$@\"", first, line, natstest.Program(t)))}))
		before := *c.Node(0).ports.Load()
		if _, err := c.WaitFormed(soon(t)); err != nil {
			t.Fatal(err)
		}
		if after := *c.Node(0).ports.Load(); after == before || c.launches != 2 {
			t.Errorf("ports %+v after %+v, with %d launches; want others at the second", after, before, c.launches)
		}
		connected(t, c, 0)
	})
	t.Run("for good", func(t *testing.T) {
		c := started(t, options(t, Options{Program: program(t, 0o755, line)}))
		_, err := c.WaitFormed(soon(t))
		if !errors.Is(err, errPortTaken) || c.launches != maxLaunches {
			t.Errorf("%v after %d launches", err, c.launches)
		}
	})
	// What a nats-server says of a port that is taken is what is looked for.
	each(t, func(t *testing.T, program string) {
		c := formed(t, options(t, Options{Program: program}))
		n := c.Node(0)
		if err := n.Kill(soon(t)); err != nil {
			t.Fatal(err)
		}
		p := n.ports.Load()
		for what, port := range map[string]int{"client": p.client, "monitor": p.monitor, "route": p.route} {
			l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Restart(); err != nil {
				t.Fatal(err)
			}
			await(t, "its end", func() bool { return n.Died() != nil })
			before := *p
			if _, err := c.WaitFormed(soon(t)); !errors.Is(err, errPortTaken) || !strings.Contains(err.Error(), strconv.Itoa(port)) {
				t.Errorf("%s port %d: %v", what, port, err)
			}
			if after := *n.ports.Load(); after != before || c.launches != 1 {
				t.Errorf("%s port: a cluster that had formed got other ports, with %d launches", what, c.launches)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestLog: what a server says of storage, and of what that does, is kept.
func TestLog(t *testing.T) {
	c := formed(t, options(t, Options{Report: time.Nanosecond}))
	nc := connected(t, c, 0)
	if _, err := nc.Request("$JS.API.INFO", nil, patience); err != nil {
		t.Fatal(err)
	}
	await(t, "a pause of a read loop in the log", func() bool {
		return slices.ContainsFunc(c.Node(0).Log(time.Time{}), func(e serverlog.Event) bool {
			return e.Kind == serverlog.ReadLoopSlow && e.Took > 0 && e.Level == serverlog.Warning
		})
	})
	for _, e := range c.Node(0).Log(time.Time{}) {
		if !e.Storage() || !strings.HasPrefix(Line(e), "["+e.Level.String()+"] ") {
			t.Errorf("%+v: %s", e, Line(e))
		}
		requireNoSecrets(t, c, Line(e))
	}
}

// TestLogIsBounded: a server that says the same all the time fills nothing, and what is
// grave is kept also then.
func TestLogIsBounded(t *testing.T) {
	const line = `[1] 2025/01/01 00:00:00.000000 [WRN] 127.0.0.1:1 - cid:1 - Readloop processing time: 2.5s`
	const grave = `[1] 2025/01/01 00:00:00.000000 [WRN] RAFT [a - b] 10000 append entries pending`
	say := func(line string) string { return "echo '" + line + "' >&2; " }
	c := started(t, options(t, Options{Program: program(t, 0o755, "i=0; while [ $i -lt 2000 ]; do "+say(line)+"i=$((i+1)); done; "+say(grave)+say(grave)+say(line)+"exit 1")}))
	n := c.Node(0)
	await(t, "its end", func() bool { return n.Died() != nil })
	kept := n.Log(time.Time{})
	if len(kept) != maxEvents || !kept[maxEvents-2].Grave() || !kept[maxEvents-1].Grave() || kept[maxEvents-3].Grave() {
		t.Errorf("%d events, the last of them %+v; want %d, the last two grave", len(kept), kept[max(0, len(kept)-3):], maxEvents)
	}
	if later := n.Log(time.Now()); len(later) > 0 {
		t.Errorf("%d events from now on", len(later))
	}
	var ended *EndedError
	if err := n.Died(); !errors.As(err, &ended) || strings.Count(ended.Last, "[warning]") != toldLines {
		t.Errorf("%v, want %d lines", err, toldLines)
	}
}

// TestDo: the linked-in server does what it is told, each caller gets his own
// answer, and other programs take no commands.
func TestDo(t *testing.T) {
	c := formed(t, options(t, Options{}))
	nc := connected(t, c, 0)
	replicated(t, nc)
	if err := c.LeadMeta(soon(t), 0); err != nil {
		t.Fatal(err)
	}
	state := natsfs.NodeCommand{Do: natsfs.CommandFullState, Account: Account, Stream: "S"}
	nonsense := natsfs.NodeCommand{Do: "nonsense"}
	// The answer to the one that nobody waited for is not the next one's.
	ended, end := context.WithCancel(t.Context())
	end()
	var answer natsfs.NodeAnswer
	if err := c.Node(0).Do(ended, nonsense, &answer); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("%v, want an end", err)
	}
	answer = natsfs.NodeAnswer{}
	if err := c.Node(0).Do(soon(t), state, &answer); err != nil || answer.Error != "" || !answer.End.After(answer.Begin) {
		t.Errorf("%+v, %v", answer, err)
	}
	if err := c.Node(0).Do(soon(t), nonsense, &answer); err != nil || !strings.Contains(answer.Error, "nonsense") {
		t.Errorf("%+v, %v; want that it cannot", answer, err)
	}
	if err := syscall.Kill(c.Node(0).PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Node(0).Do(soon(t), state, &answer); err == nil {
			t.Error("a server that is gone answers")
		}
	}
	other := started(t, options(t, Options{Program: program(t, 0o755, "exec sleep 1000")}))
	if err := other.Node(0).Do(soon(t), state, &answer); !errors.Is(err, ErrForeign) {
		t.Errorf("%v, want ErrForeign", err)
	}
	closed(t, other)
}

// TestHold: every server keeps what it was given open.
func TestHold(t *testing.T) {
	each(t, func(t *testing.T, program string) {
		held, err := os.Create(filepath.Join(t.TempDir(), "held"))
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		c := formed(t, options(t, Options{Program: program, Hold: []*os.File{held}}))
		for _, n := range c.Nodes() {
			if !slices.Contains(descriptors(t, n.PID()), held.Name()) {
				t.Errorf("%s does not hold it", n.Name)
			}
		}
		if err := c.Node(0).Kill(soon(t)); err != nil {
			t.Fatal(err)
		}
		if err := c.Node(0).Restart(); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(descriptors(t, c.Node(0).PID()), held.Name()) {
			t.Error("one that was started again does not hold it")
		}
	})
}

// TestOddDirectories: a directory may have any name.
func TestOddDirectories(t *testing.T) {
	opts := options(t, Options{})
	for i, name := range []string{`it's "odd" \x41 $HOME #{}[]`, "tab\tline\nbell\a and é\u00a0\u2028", "bytes \xff\xfe"} {
		opts.Stores[i] = filepath.Join(opts.Stores[i], name)
		if err := os.Mkdir(opts.Stores[i], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := formed(t, opts)
	replicated(t, connected(t, c, 0))
	for _, dir := range opts.Stores {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
			t.Errorf("%q holds nothing: %v", dir, err)
		}
	}
}

// TestOptions: they reach the servers.
func TestOptions(t *testing.T) {
	c := formed(t, options(t, Options{Slots: 7, Cipher: "aes", SyncInterval: 1500 * time.Millisecond}))
	var jsz struct {
		Config struct {
			SyncInterval time.Duration `json:"sync_interval"`
			SyncAlways   bool          `json:"sync_always"`
		} `json:"config"`
	}
	if err := c.Node(0).get(soon(t), "/jsz?config=true", &jsz); err != nil || jsz.Config.SyncInterval != 1500*time.Millisecond || jsz.Config.SyncAlways {
		t.Errorf("%+v, %v", jsz, err)
	}
	replicated(t, connected(t, c, 0))
	found, err := filepath.Glob(filepath.Join(c.opts.Stores[0], "jetstream", Account, "streams", "S", "meta.key"))
	if err != nil || len(found) != 1 {
		t.Errorf("the stream's key: %v, %v; want one, as the store is encrypted", found, err)
	}
	config, err := os.ReadFile(c.Node(0).configFile())
	if err != nil || !bytes.Contains(config, []byte("max_concurrent_io: 7\n")) {
		t.Errorf("no slots in the configuration, or %v", err)
	}
	always := (&Cluster{opts: Options{SyncAlways: true, SyncInterval: time.Second}}).storeConfig()
	if always != "  sync_interval: always\n" {
		t.Errorf("sync always is written %q", always)
	}
}
