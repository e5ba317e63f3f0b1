package truth

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/cause"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/results"
)

// truth is a row of the truth table: a volume whose fault is known, what is
// asked of it, and the verdict that is right.
type truth struct {
	volume  string // as docs/accuracy.md names it
	profile string
	make    func(t *testing.T) ill
	want    []results.Status // any of these
	fails   []string         // limits that must fail, by the beginnings of their texts
	warns   []string         // and that must warn
	keeps   []string         // steps in which a limit must pass, and none may fail
	cause   cause.Name       // of each of these limits, unless empty
	excuse  cause.Name       // of a limit that stays open, where the verdict is inconclusive
	says    []string         // parts of the report
	args    []string         // of the run, in any form
	budget  time.Duration    // of a whole run, where the usual one ends before what the row is about
	// short are the arguments that keep the row's run short enough for the tests;
	// nil keeps the row out of them.
	short []string
}

// ill is a volume with its fault.
type ill struct {
	dir string
	// enter is a command that the program is run by: from inside a cgroup, say.
	enter []string
	// begin arms faults that count from the start of the run; it may be nil.
	begin func()
	// during is what happens beside the run, until ctx ends; it may be nil.
	during func(ctx context.Context)
	// after looks at the volume when the run is over; it may be nil.
	after func(t *testing.T)
}

// truthTable is what every change must keep. docs/accuracy.md says how often
// the verdicts were right.
var truthTable = []truth{
	{volume: "healthy ext4", profile: "raft", make: block("ext4"), want: passes},
	{volume: "healthy ext4", profile: "sync-always", make: block("ext4"), want: passes},
	{volume: "healthy xfs", profile: "raft", make: block("xfs"), want: passes},
	{volume: "healthy xfs", profile: "sync-always", make: block("xfs"), want: passes,
		short: []string{"--only", "raw-sync,dir-sync,block-write", "--skip", "*-sequential,*-parallel,*-max", "--budget", "60s"}},
	{volume: "healthy btrfs", profile: "raft", make: block("btrfs"), want: passes},
	{volume: "healthy btrfs", profile: "sync-always", make: block("btrfs"), want: passes},
	{volume: "flush 1 ms", profile: "raft", make: block("ext4", "flush 1ms"), want: passes},
	{volume: "flush 1 ms", profile: "sync-always", make: block("ext4", "flush 1ms"), want: passes},
	{volume: "flush 15 ms", profile: "raft", make: block("ext4", "flush 15ms"), want: warns, warns: []string{rawSync}, cause: cause.Device},
	{volume: "flush 15 ms", profile: "sync-always", make: block("ext4", "flush 15ms"), want: fails,
		fails: []string{rawSync, blockWrite}, cause: cause.Device,
		short: []string{"--only", "raw-sync,block-write", "--skip", "*-sequential,*-parallel,*-max", "--budget", "20s"}},
	{volume: "flush 300 ms", profile: "raft", make: block("ext4", "flush 300ms"), want: fails, fails: []string{storm}, cause: cause.Device,
		short: []string{"--only", "election-storm", "--budget", "30s"}},
	{volume: "flush 300 ms", profile: "sync-always", make: block("ext4", "flush 300ms"), want: fails, fails: []string{blockWrite}, cause: cause.Device},
	{volume: "flush 2 s", profile: "raft", make: block("ext4", "flush 2s"), want: fails, fails: []string{storm, stall}, cause: cause.Device,
		budget: 2 * time.Minute, // a round takes five flushes and more, and the storm is the last
		short:  []string{"--only", "election-storm,block-sync", "--budget", "40s"}},
	{volume: "flush 2 s", profile: "sync-always", make: block("ext4", "flush 2s"), want: fails, cause: cause.Device},
	{volume: "flush 3 ms, 6 and 4,096 slots", profile: "raft", make: block("ext4", "flush 3ms"), want: fails, fails: []string{storm}, cause: cause.Slots,
		keeps: []string{"election-storm max-concurrent-io=4096"},
		args:  []string{"--max-concurrent-io", "6,4096"},
		short: []string{"--only", "election-storm", "--budget", "30s"}},
	{volume: "stall of 5 s every 8 s", profile: "raft", make: block("ext4", "stall 5s every 8s"), want: fails, cause: cause.Device, says: []string{"stalled"}},
	{volume: "stall of 5 s every 8 s", profile: "sync-always", make: block("ext4", "stall 5s every 8s"), want: fails, cause: cause.Device, says: []string{"stalled"}},
	{volume: "throttled to 50 IOPS", profile: "raft", make: throttled, want: []results.Status{results.Warn, results.Fail}},
	{volume: "throttled to 50 IOPS", profile: "sync-always", make: throttled, want: fails, fails: []string{blockWrite}, cause: cause.Throttle,
		short: []string{"--only", "raw-sync,block-write", "--skip", "*-sequential,*-parallel,*-max", "--budget", "30s"}},
	{volume: "2 MB/s", profile: "raft", make: block("ext4", "bandwidth 2MB/s"), want: fails, fails: []string{throughput}, cause: cause.Device,
		budget: 2 * time.Minute, // what it still has to write delays each step
		short:  []string{"--only", "raw-sync-sequential", "--budget", "20s"}},
	{volume: "burst credit that ends", profile: "raft", make: block("ext4", "iops 300 after 20000"), want: neverPasses, says: []string{keepsPace}},
	{volume: "burst credit that ends", profile: "sync-always", make: block("ext4", "iops 300 after 20000"), want: neverPasses, says: []string{keepsPace},
		short: []string{"--only", "raw-sync", "--skip", "*-sequential,*-parallel", "--budget", "60s"}},
	{volume: "reads of 300 ms", profile: "raft", make: block("ext4", "read 300ms"), want: fails, fails: []string{restart}, cause: cause.Device,
		short: []string{"--only", "recovery", "--budget", "30s"}},
	{volume: "EIO on a flush", profile: "raft", make: block("ext4", "error EIO on flush 40+"), want: fails, says: []string{"input/output error"},
		short: []string{"--only", "raw-sync,dir-sync", "--budget", "20s"}},
	{volume: "EIO on a flush", profile: "sync-always", make: block("ext4", "error EIO on flush 40+"), want: fails, says: []string{"input/output error"}},
	{volume: "read-only after 3 s", profile: "raft", make: file("readonly after 3s"), want: fails, says: []string{"read-only file system"},
		short: []string{"--only", "raw-sync,dir-sync", "--budget", "20s"}},
	{volume: "read-only after 3 s", profile: "sync-always", make: file("readonly after 3s"), want: fails, says: []string{"read-only file system"}},
	{volume: "somebody else fills it", profile: "raft", make: filled, want: []results.Status{results.Inconclusive}, says: []string{"reserve"},
		short: []string{"--only", "raw-sync,block-write", "--budget", "20s"}},
	{volume: "hangs after 5 s", profile: "raft", make: block("ext4", "hang after 5s for 60s"), want: fails, says: []string{"The volume stopped answering"}},
	{volume: "hangs after 5 s", profile: "sync-always", make: block("ext4", "hang after 5s for 60s"), want: fails, says: []string{"The volume stopped answering"}},
	{volume: "overlay, volatile", profile: "raft", make: overlay, want: fails, fails: []string{persists},
		short: []string{"--only", "raw-sync", "--budget", "5s"}},
	{volume: "overlay, volatile", profile: "sync-always", make: overlay, want: fails, fails: []string{persists}},
	{volume: "tmpfs", profile: "raft", make: tmpfs, want: fails, fails: []string{persists}},
	{volume: "tmpfs", profile: "sync-always", make: tmpfs, want: fails, fails: []string{persists}},
	{volume: "ext4 with barrier=0", profile: "raft", make: noBarrier, want: fails, fails: []string{persists}},
	{volume: "ext4 with barrier=0", profile: "sync-always", make: noBarrier, want: fails, fails: []string{persists}},
	{volume: "directory sync does nothing", profile: "raft", make: file("fsync 10ms", "fsyncdir nothing"), want: warns, says: []string{mayNotPersist},
		short: []string{"--only", "raw-sync,dir-sync", "--skip", "*-sequential,*-parallel", "--budget", "30s"}},
	{volume: "a lying cache", profile: "raft", make: block("ext4", "lie"), want: passes, says: []string{"a power cut"}},
	{volume: "a lying cache", profile: "sync-always", make: block("ext4", "lie"), want: passes, says: []string{"a power cut"}},
	{volume: "two CPU burners", profile: "raft", make: burnt("ext4"), want: neverFails, excuse: cause.CPU,
		short: []string{"--only", "raw-sync,block-write,block-sync", "--skip", "*-sequential,*-parallel", "--budget", "25s"}},
	{volume: "two CPU burners", profile: "sync-always", make: burnt("ext4"), want: neverFails, excuse: cause.CPU},
	{volume: "a quota of half a CPU", profile: "raft", make: rationed("ext4"), want: neverFails, excuse: cause.CPU},
	{volume: "a quota of half a CPU", profile: "sync-always", make: rationed("ext4"), want: neverFails, excuse: cause.CPU},
	{volume: "flush 15 ms, two CPU burners", profile: "sync-always", make: burnt("ext4", "flush 15ms"), want: fails, fails: []string{blockWrite}, cause: cause.Device},
	{volume: "flush 15 ms, a quota of half a CPU", profile: "sync-always", make: rationed("ext4", "flush 15ms"), want: fails, fails: []string{blockWrite}, cause: cause.Device},
	{volume: "flush 300 ms, two CPU burners", profile: "raft", make: burnt("ext4", "flush 300ms"), want: fails, fails: []string{storm}, cause: cause.Device},
	{volume: "flush 300 ms, a quota of half a CPU", profile: "raft", make: rationed("ext4", "flush 300ms"), want: fails, fails: []string{storm}, cause: cause.Device},
	{volume: "stall of 5 s every 8 s, two CPU burners", profile: "raft", make: burnt("ext4", "stall 5s every 8s"), want: fails, cause: cause.Device},
	{volume: "flush 3 ms, 6 slots, two CPU burners", profile: "raft", make: burnt("ext4", "flush 3ms"), want: fails, fails: []string{storm}, cause: cause.Slots,
		args: []string{"--max-concurrent-io", "6"}},
}

var (
	passes = []results.Status{results.Pass}
	warns  = []results.Status{results.Warn}
	fails  = []results.Status{results.Fail}
	// neverPasses: the limits are held against two volumes in one, which may leave
	// them open.
	neverPasses = []results.Status{results.Warn, results.Inconclusive, results.Fail}
	neverFails  = []results.Status{results.Pass, results.Warn, results.Inconclusive}
)

// Limits and rules as the rows name them.
const (
	rawSync       = "raw-sync.fdatasync{step=raw-sync} p99"
	blockWrite    = "block-write.store{mode=open} p99"
	throughput    = "raw-sync.throughput value"
	storm         = "term-vote.election max"
	stall         = "block-sync.stall max < 2s"
	restart       = "recovery.restart max"
	keepsPace     = "the volume keeps its pace"
	persists      = "the volume persists"
	mayNotPersist = "the volume may not persist"
)

// TestTruthTable runs the rows that have a short form: a part of the profile's
// steps, with the profile's own limits.
func TestTruthTable(t *testing.T) {
	for _, row := range truthTable {
		if row.short == nil {
			continue
		}
		t.Run(row.volume+", "+row.profile, func(t *testing.T) {
			ask := func() answer {
				a, broken := row.ask(t, row.short)
				if broken != "" {
					t.Fatal(broken)
				}
				return a
			}
			answer := ask()
			for try := 1; answer.unsettled(row) && answer.Again(try); try++ {
				answer = ask()
			}
			// What a row makes scarce itself must be named, however much it is.
			if answer.unsettled(row) && answer.Loud() && row.excuse == "" {
				t.Skipf("not as it should be again and again, while this machine kept %.0f %% of its processors from the run\n%s", 100*answer.Run.Lost(), answer.Stdout)
			}
			for _, wrong := range slices.Concat(answer.wrong(row), answer.blamed(row)) {
				t.Error(wrong)
			}
			if t.Failed() {
				t.Logf("%s\n%s", answer.Stdout, answer.Stderr)
			}
		})
	}
}

// answer is what the program said of a row's volume.
type answer struct{ programtest.Answer }

// ask makes the row's volume and has the program check it. broken says why there is no
// answer, or why it is none.
func (row truth) ask(t *testing.T, args []string) (a answer, broken string) {
	t.Helper()
	v := row.make(t)
	doc := filepath.Join(t.TempDir(), "run.json")
	line := slices.Concat(v.enter, []string{programtest.Path, "check", v.dir, "--profile", row.profile, "--verbose", "-o", "text", "-o", "json=" + doc}, row.args, args)
	cmd := programtest.Command(t, line[0], line[1:]...)
	ctx, over := context.WithCancel(t.Context())
	beside := make(chan struct{})
	go func() {
		defer close(beside)
		if v.during != nil {
			v.during(ctx)
		}
	}()
	if v.begin != nil {
		v.begin()
	}
	a = answer{programtest.Answer{Outcome: programtest.Finish(t, cmd)}}
	over()
	<-beside
	if _, err := os.Stat(doc); err != nil {
		return a, fmt.Sprintf("exit code %d and no document\n%s\n%s", a.Code, a.Stdout, a.Stderr)
	}
	a.Run = programtest.Document(t, doc)
	if v.after != nil {
		v.after(t)
	}
	if t.Failed() {
		broken = "what happened to the volume beside the run is not as it should be"
	}
	return a, broken
}

// unsettled says that the answer is not the row's, though no false one: a false fail
// is one on any machine, of a step that the row keeps as of the whole, and so is a
// false pass.
func (a answer) unsettled(row truth) bool {
	status := a.Run.Verdict.Status
	falsely := (status == results.Fail || status == results.Pass) && !slices.Contains(row.want, status) || len(a.unkept(row)) > 0
	return !falsely && len(a.wrong(row))+len(a.blamed(row)) > 0
}

func (a answer) inconclusive(row truth) bool {
	return a.Run.Verdict.Status == results.Inconclusive && !slices.Contains(row.want, results.Inconclusive)
}

var exitCodes = map[results.Status]int{results.Pass: 0, results.Warn: 0, results.Fail: 3, results.Inconclusive: 4}

// wrong lists what is not as the row has it, causes aside.
func (a answer) wrong(row truth) []string {
	var all []string
	status := a.Run.Verdict.Status
	if !slices.Contains(row.want, status) || a.Code != exitCodes[status] {
		all = append(all, fmt.Sprintf("verdict %s with exit code %d, want one of %v", status, a.Code, row.want))
	}
	for want, names := range map[results.Status][]string{results.Fail: row.fails, results.Warn: row.warns} {
		for _, name := range names {
			if f, ok := a.finding(name); !ok || f.Status != want || f.Undecided {
				all = append(all, fmt.Sprintf("%s is %s (%s), want %s", name, f.Status, f.Reason, want))
			}
		}
	}
	for _, step := range row.keeps {
		if !slices.ContainsFunc(a.Run.Verdict.Findings, func(f results.Finding) bool { return f.Step == step && f.Status == results.Pass }) {
			all = append(all, fmt.Sprintf("no limit passes at %s", step))
		}
	}
	for _, f := range a.unkept(row) {
		all = append(all, fmt.Sprintf("%s at %s fails: %s", f.Name, f.Step, f.Reason))
	}
	if row.excuse != "" && status == results.Inconclusive && !slices.ContainsFunc(a.Run.Verdict.Findings, func(f results.Finding) bool {
		return f.Status == results.Inconclusive && f.Cause != nil && f.Cause.Name == row.excuse
	}) {
		all = append(all, fmt.Sprintf("inconclusive, and no limit that is open has the cause %s", row.excuse))
	}
	for _, part := range row.says {
		named := slices.ContainsFunc(a.Run.Verdict.Findings, func(f results.Finding) bool { return f.Name == part })
		if !named && !strings.Contains(strings.Join(strings.Fields(a.Stdout), " "), part) { // lines are folded
			all = append(all, fmt.Sprintf("the report does not say %q", part))
		}
	}
	return all
}

// unkept are the findings that fail in a step in which none may.
func (a answer) unkept(row truth) []results.Finding {
	var all []results.Finding
	for _, f := range a.Run.Verdict.Findings {
		if slices.Contains(row.keeps, f.Step) && f.Status == results.Fail {
			all = append(all, f)
		}
	}
	return all
}

// blamed lists the findings with another cause than the row's.
func (a answer) blamed(row truth) []string {
	if row.cause == "" {
		return nil
	}
	var all []string
	for _, f := range a.explained(row) {
		if f.Cause == nil || f.Cause.Name != row.cause {
			all = append(all, fmt.Sprintf("cause of %s: %v, want %s", f.Name, f.Cause, row.cause))
		}
	}
	return all
}

// explained are the findings whose cause the row knows: those that it names, or
// all that failed.
func (a answer) explained(row truth) []results.Finding {
	var all []results.Finding
	for _, name := range slices.Concat(row.fails, row.warns) {
		if f, ok := a.finding(name); ok {
			all = append(all, f)
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, f := range a.Run.Verdict.Findings {
		if f.Status == results.Fail {
			all = append(all, f)
		}
	}
	return all
}

// finding is the worst of a limit's findings.
func (a answer) finding(name string) (worst results.Finding, found bool) {
	for _, f := range a.Run.Verdict.Findings {
		if strings.HasPrefix(f.Name, name) && (!found || f.Status == results.Fail) {
			worst, found = f, true
		}
	}
	return worst, found
}

const rowSize = 2 << 30 // of a row's volume

// block is a row's block volume.
func block(fs string, faults ...string) func(*testing.T) ill {
	return func(t *testing.T) ill {
		t.Helper()
		v := slowtest.Block(t, slowvolume.BlockConfig{FS: fs, Size: rowSize, Dir: t.TempDir()})
		return ill{dir: v.Path(), begin: arm(t, v, faults)}
	}
}

// file is a row's file volume.
func file(faults ...string) func(*testing.T) ill {
	return func(t *testing.T) ill {
		t.Helper()
		v := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
		return ill{dir: v.Path(), begin: arm(t, v, faults)}
	}
}

func arm(t *testing.T, v interface {
	SetFaults(...slowvolume.Fault) error
}, faults []string) func() {
	parsed := slowtest.Faults(t, faults...)
	return func() {
		if err := v.SetFaults(parsed...); err != nil {
			t.Error(err)
		}
	}
}

func noBarrier(t *testing.T) ill {
	config := slowvolume.Ext4NoBarrier()
	config.Size, config.Dir = rowSize, t.TempDir()
	return ill{dir: slowtest.Block(t, config).Path()}
}

func tmpfs(t *testing.T) ill {
	dir := t.TempDir()
	v, err := slowvolume.NewTmpfs(t.Context(), dir, rowSize)
	return plain(t, dir, v, err)
}

// overlay lies on a block volume, as a container's file system lies on a disk.
func overlay(t *testing.T) ill {
	base := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: rowSize}) // a directory without the commas of a test's name
	dir := t.TempDir()
	v, err := slowvolume.NewOverlayVolatile(t.Context(), dir, base.Path())
	return plain(t, dir, v, err)
}

func plain(t *testing.T, dir string, v *slowvolume.Plain, err error) ill {
	t.Helper()
	slowtest.Need(t, "loop", err) // mounting needs root, as a loop device does
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return ill{dir: dir}
}

// throttled is a container's limit: the device is healthy, a cgroup holds the
// requests back.
func throttled(t *testing.T) ill {
	v := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: rowSize, Dir: t.TempDir()})
	group, err := slowvolume.NewCgroup(v.Device(), slowvolume.Throttle{ReadIOPS: 50, WriteIOPS: 50})
	slowtest.Need(t, "cgroup", err)
	t.Cleanup(func() {
		if err := group.Close(); err != nil {
			t.Error(err)
		}
	})
	return ill{dir: v.Path(), enter: entering(group.Dir())}
}

// entering is a command that joins a cgroup and becomes the one behind it.
func entering(cgroup string) []string {
	return []string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, cgroup}
}

// filled is a healthy volume that somebody else writes full.
func filled(t *testing.T) ill {
	v := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: rowSize, Dir: t.TempDir()})
	intruder := filepath.Join(v.Path(), "intruder")
	var written int64
	return ill{
		dir: v.Path(),
		during: func(ctx context.Context) {
			for ctx.Err() == nil && !programtest.WorkingOn(v.Path())() {
				time.Sleep(20 * time.Millisecond)
			}
			var err error
			if written, err = fill(ctx, intruder, 40<<20); err != nil {
				t.Error(err)
			}
		},
		after: func(t *testing.T) {
			if info, err := os.Stat(intruder); err != nil || info.Size() != written {
				t.Errorf("somebody else's file has %v, %v; it had %d bytes", info, err, written)
			}
			if err := os.Remove(intruder); err != nil {
				t.Error(err)
			}
			programtest.Empty(t, v.Path())
		},
	}
}

// fill writes a file until its volume has no more than so many bytes left.
func fill(ctx context.Context, path string, left int64) (written int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	chunk := make([]byte, 16<<20)
	for ctx.Err() == nil {
		var fs unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
			return written, err
		}
		if free := int64(fs.Bavail) * fs.Bsize; free < left+int64(len(chunk)) {
			return written, nil
		}
		n, err := f.Write(chunk)
		if written += int64(n); err != nil {
			return written, err
		}
	}
	return written, nil
}

// burnt is a volume beside two processes that take all they get.
func burnt(fs string, faults ...string) func(*testing.T) ill {
	return func(t *testing.T) ill {
		v := block(fs, faults...)(t)
		v.during = func(ctx context.Context) { burn(ctx, t) }
		return v
	}
}

// burn keeps two processors busy until ctx ends.
func burn(ctx context.Context, t *testing.T) {
	var burners []*exec.Cmd
	for range 2 {
		// The limit ends one that outlives these tests.
		burner := exec.CommandContext(ctx, "sh", "-c", "ulimit -t 120; while :; do :; done")
		if err := burner.Start(); err != nil {
			t.Error(err)
			continue
		}
		burners = append(burners, burner)
	}
	<-ctx.Done()
	for _, burner := range burners {
		_ = burner.Wait() // it was killed
	}
}

// rationed is a volume under a program that gets half a processor.
func rationed(fs string, faults ...string) func(*testing.T) ill {
	return func(t *testing.T) ill {
		v := block(fs, faults...)(t)
		group, err := slowvolume.NewCPUQuota(0.5)
		slowtest.Need(t, "cgroup", err)
		t.Cleanup(func() {
			if err := group.Close(); err != nil {
				t.Error(err)
			}
		})
		v.enter = entering(group.Dir())
		return v
	}
}
