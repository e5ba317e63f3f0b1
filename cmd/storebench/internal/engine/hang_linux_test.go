package engine_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

func TestHungVolumeGetsItsVerdict(t *testing.T) {
	t.Parallel()
	const budget = 12 * time.Second
	volume := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
	// A pipe behind the program must end with it: no worker holds it open.
	shell := programtest.Command(t, "bash", "-c", `"$0" check "$1" --profile quick --only raw-sync --budget 12s | cat; exit "${PIPESTATUS[0]}"`, programtest.Path, volume.Path())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for !programtest.WorkingOn(volume.Path())() {
			time.Sleep(20 * time.Millisecond)
		}
		if err := volume.Stop(); err != nil {
			t.Error(err)
		}
	}()
	o := programtest.Finish(t, shell)
	<-stopped
	programtest.RequireCode(t, o, 3)
	if o.Took > budget+5*time.Second {
		t.Errorf("it took %v, the deadline is %v\n%s", o.Took, budget, o.Stdout)
	}
	for _, word := range []string{"The volume stopped answering", "storebench clean"} {
		if !strings.Contains(o.Stdout, word) {
			t.Errorf("the report does not speak of %q\n%s", word, o.Stdout)
		}
	}
	if err := volume.Continue(); err != nil {
		t.Fatal(err)
	}
	programtest.WaitFor(t, "clean after the volume came back", 20*time.Second, func() bool { return programtest.Run(t, "clean", volume.Path()).Code == 0 })
	programtest.Empty(t, volume.Path())
}

func TestHungFromTheStart(t *testing.T) {
	t.Parallel()
	volume := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
	if err := volume.Stop(); err != nil {
		t.Fatal(err)
	}
	o := programtest.Run(t, "check", volume.Path(), "--profile", "quick", "--budget", "5s")
	if err := volume.Continue(); err != nil {
		t.Fatal(err)
	}
	programtest.RequireCode(t, o, 3)
	if o.Took > 10*time.Second {
		t.Errorf("it took %v, the deadline is 5s", o.Took)
	}
}

// TestHungWhereTheReportGoes: the look at where a report is to go must not keep the
// program, whose thread in the kernel no signal would end.
func TestHungWhereTheReportGoes(t *testing.T) {
	t.Parallel()
	volume := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
	for _, format := range []string{"json", "text"} {
		if err := volume.Stop(); err != nil {
			t.Fatal(err)
		}
		o := programtest.Run(t, "check", t.TempDir(), "--profile", "quick", "-o", format+"="+filepath.Join(volume.Path(), "run.out"))
		if err := volume.Continue(); err != nil {
			t.Fatal(err)
		}
		programtest.RequireCode(t, o, 2)
		if !strings.Contains(o.Stderr, "did not answer") {
			t.Errorf("it says: %s", o.Stderr)
		}
		if o.Took > 8*time.Second {
			t.Errorf("it took %v, the look takes 3s", o.Took)
		}
	}
	programtest.WaitFor(t, "the looks that were left behind", 20*time.Second, func() bool {
		entries, err := os.ReadDir(volume.Path())
		return err == nil && len(entries) == 0
	})
}

func TestKilledRunIsFoundAgain(t *testing.T) {
	volume := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
	run := programtest.Command(t, programtest.Path, "check", volume.Path(), "--only", "raw-sync")
	run.Stdout, run.Stderr = io.Discard, io.Discard
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	programtest.WaitFor(t, "a round", 20*time.Second, programtest.WorkingOn(volume.Path()))
	// A worker that is blocked in the kernel outlives the kill of its run.
	if err := volume.SetFaults(slowtest.Faults(t, "fsync 15s")...); err != nil {
		t.Fatal(err)
	}
	programtest.WaitFor(t, "a worker in a slow sync", 10*time.Second, quiet(t, volume))
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait() // it was killed
	leftover, err := filepath.Glob(filepath.Join(volume.Path(), "storebench-*"))
	if err != nil || len(leftover) != 1 {
		t.Fatalf("leftovers: %v, %v", leftover, err)
	}
	again := []string{"check", volume.Path(), "--profile", "quick", "--only", "raw-sync", "--budget", "4s"}
	if o := programtest.Run(t, again...); o.Code != 1 || !strings.Contains(o.Stderr, "holds it") {
		t.Errorf("beside a living worker: exit code %d\n%s", o.Code, o.Stderr)
	}
	if o := programtest.Run(t, "clean", volume.Path()); o.Code != 1 || !strings.Contains(o.Stdout, "kept") {
		t.Errorf("clean beside a living worker: exit code %d\n%s", o.Code, o.Stdout)
	}
	if _, err := os.Stat(leftover[0]); err != nil {
		t.Errorf("a leftover that a process holds was touched: %v", err)
	}
	if err := volume.SetFaults(); err != nil { // lets the sync go
		t.Fatal(err)
	}
	programtest.WaitFor(t, "the leftover's removal", 30*time.Second, func() bool {
		return strings.Contains(programtest.Run(t, again...).Stderr, "removed "+leftover[0])
	})
	programtest.Empty(t, volume.Path())
}

// quiet says whether nothing has passed through the volume for a while.
func quiet(t *testing.T, volume *slowvolume.File) func() bool {
	last, since := slowvolume.Counts{}, time.Now()
	return func() bool {
		counts, err := volume.Counts()
		if err != nil {
			t.Fatal(err)
		}
		if counts.Writes != last.Writes {
			last, since = counts, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	}
}

func TestInterruptKeepsWhatWasMeasured(t *testing.T) {
	dir, doc := programtest.Target(t), filepath.Join(t.TempDir(), "run.json")
	run := programtest.Command(t, programtest.Path, "check", dir, "--only", "raw-sync,term-vote", "-o", "json="+doc)
	stderr, err := run.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	programtest.WaitFor(t, "the third round", 30*time.Second, func() bool {
		third, err := filepath.Glob(filepath.Join(dir, "storebench-*", "*-2-*"))
		return err == nil && len(third) > 0
	})
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(stderr)
	_ = run.Wait()
	if code := run.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, said)
	}
	d := programtest.Document(t, doc)
	if len(d.Measurements) == 0 || !d.Interrupted || d.Verdict.Status.String() == "pass" {
		t.Errorf("%d measurements, interrupted %v, verdict %s", len(d.Measurements), d.Interrupted, d.Verdict.Status)
	}
	programtest.Empty(t, dir)
}
