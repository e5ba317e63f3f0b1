package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"storebench/internal/measure"
	"storebench/profiles"
)

// fullRun is a run with every part of the document in it.
func fullRun(t testing.TB) *Run {
	slow := lost(latencies(ops{1000, ms}, ops{40, 700 * ms}), func(d *measure.Distribution) {
		d.Failed, d.Missed, d.Unfinished = 1, 2, 3
	})
	rotational := true
	run := runOf(t, []measure.Round{latencies(ops{1000, ms}), around(slow, measure.Context{
		Slots:    &measure.SlotWaits{Slots: 6, Waiters: 2, Waits: 9, Seconds: 1.5, Max: .5},
		Device:   &measure.Device{Name: "vdb", Busy: .9, Writes: 7, WriteSeconds: .01},
		Pressure: &measure.Pressure{IO: .5}, CPU: &measure.CPU{Busy: .1}, GC: &measure.GC{Cycles: 3},
	})}, "disk.write p99 < 10ms", "disk.write max < 2s", "disk.write{size=4KiB} rate > 10/s")
	run.Volume.Device.Name, run.Volume.Device.Rotational = "vdb", &rotational
	run.Profile.Budget = profiles.Duration(time.Minute)
	run.Labels, run.Skipped, run.Notes = map[string]string{"class": "gp3"}, []string{"tape"}, []string{"a caveat"}
	run.Slots = Slots{Judged: []int{4096}, Source: "the default"}
	run.Incidents = []Incident{{Kind: VolumeError, Step: "disk", Round: 2, At: started.Add(time.Second), Detail: "EIO"}}
	run.Measurements = append(run.Measurements,
		measure.Measurement{Step: "disk", Probe: "disk", Metric: "drain", Unit: measure.Seconds, Rounds: values(1, 2), Warnings: []string{"w"}},
		measure.Measurement{Step: "disk", Probe: "disk", Metric: "lag", Unit: measure.Count, Rounds: []measure.Round{{Start: started, Elapsed: 1, Series: &measure.Series{Interval: .1, Values: []float64{1, 2}}}}})
	return run
}

func encode(t testing.TB, name string, run *Run) []byte {
	t.Helper()
	data, err := Encode(run)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := Compress(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"run.json", "run.json.zst"} {
		t.Run(name, func(t *testing.T) {
			want := fullRun(t)
			data := encode(t, name, want)
			if zipped := bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}); zipped != strings.HasSuffix(name, ".zst") {
				t.Errorf("compressed: %v", zipped)
			}
			got, err := Read(name, bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("run (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(Judge(want), Judge(got)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if !bytes.Equal(data, encode(t, name, got)) {
				t.Error("the run that was read is written in another way")
			}
		})
	}
}

// TestDocumentVerdict shows that a reader finds the verdict in the document,
// and that storebench itself does not believe it.
func TestDocumentVerdict(t *testing.T) {
	data := encode(t, "run.json", fullRun(t))
	var shown struct {
		Verdict struct{ Status string }
	}
	if err := json.Unmarshal(data, &shown); err != nil || shown.Verdict.Status != "fail" {
		t.Fatalf("verdict %q, %v", shown.Verdict.Status, err)
	}
	for _, other := range []string{`"status": "pass"`, `"status": "better than ever"`, `"status": 7`} {
		run, err := Read("run.json", bytes.NewReader(bytes.ReplaceAll(data, []byte(`"status": "fail"`), []byte(other))))
		if err != nil {
			t.Fatalf("with %s: %v", other, err)
		}
		if got := Judge(run).Status; got != Fail {
			t.Errorf("with %s the run is judged as %s", other, got)
		}
	}
}

// TestReadCutShort cuts a document at many places; a zstd file is refused from
// its last byte on, a plain one from its last bracket on.
func TestReadCutShort(t *testing.T) {
	const step = 97
	for _, name := range []string{"run.json", "run.json.zst"} {
		t.Run(name, func(t *testing.T) {
			data := bytes.TrimSpace(encode(t, name, fullRun(t)))
			for n := len(data) - 1; n >= 4; n -= step {
				_, err := Read(name, bytes.NewReader(data[:n]))
				if !errors.Is(err, ErrDocument) || !strings.Contains(err.Error(), "cut short") {
					t.Fatalf("the first %d of %d bytes: %v", n, len(data), err)
				}
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	whole := string(encode(t, "run.json", fullRun(t)))
	change := func(from, to string) string {
		if !strings.Contains(whole, from) {
			t.Fatalf("%q is not in the document", from)
		}
		return strings.Replace(whole, from, to, 1)
	}
	tests := []struct{ name, text, want string }{
		{"empty", "", "it is empty"},
		{"white space", " \n\t", "it is empty"},
		{"text", "no json at all", "it is not JSON (byte 2"},
		{"yaml", "name: raft\n", "it is not JSON"},
		{"binary", "\x1f\x8b\x08\x00", "it is not JSON"},
		{"two documents", whole + whole, "it is not JSON"},
		{"the magic of zstd alone", "\x28\xb5\x2f\xfd", "cut short or damaged"},
		{"zstd of nothing good", "\x28\xb5\x2f\xfd\xff\xff\xff\xff", "cut short or damaged"},
		{"null", "null", "no run of storebench"},
		{"a list", "[1]", "no run of storebench"},
		{"a number", "7", "no run of storebench"},
		{"another tool's", `{"fio version": "fio-3.39", "jobs": []}`, "no run of storebench"},
		{"another tool's with a tool", `{"tool": "fio", "schema": 1}`, "no run of storebench"},
		{"another tool's by name", `{"tool": {"name": "fio"}, "schema": 1}`, "no run of storebench"},
		{"without a schema", `{"tool": {"name": "storebench"}}`, "no run of storebench"},
		{"a schema that is text", change(`"schema": 1`, `"schema": "1"`), "no run of storebench"},
		{"a newer schema", change(`"schema": 1`, `"schema": 2`), "its schema is 2 (written by storebench test), this program reads up to 1: use a newer storebench"},
		{"a newer schema of another shape", `{"schema": 9, "tool": {"name": "storebench", "version": "3.0"}, "steps": "none"}`, "its schema is 9 (written by storebench 3.0)"},
		{"a schema below 1", change(`"schema": 1`, `"schema": 0`), "its schema is 0"},
		{"a field of another type", change(`"steps": [`, `"steps": 7, "other": [`), "steps, byte"},
		{"a limit that was changed", change(`"bound": 0.01`, `"bound": 10`), "its parts say something else than its text"},
		{"a distribution that was changed", change(`"count": 1000`, `"count": 1001`), "read distribution"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run, err := Read("that.json", strings.NewReader(tt.text))
			if !errors.Is(err, ErrDocument) || run != nil {
				t.Fatalf("run %v, error %v", run, err)
			}
			if !strings.HasPrefix(err.Error(), "that.json: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
}

// TestReadHuge stops a reader at a bound, plain and packed: some bytes of zstd
// can stand for any number of them.
func TestReadHuge(t *testing.T) {
	const limit = 1 << 20
	packed, err := Compress("a.zst", make([]byte, 8*limit))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]io.Reader{
		"plain":  bytes.NewReader(bytes.Repeat([]byte("x"), limit+1)),
		"packed": bytes.NewReader(packed),
	} {
		if _, err := plain(in, limit); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if data, err := plain(bytes.NewReader(bytes.Repeat([]byte("x"), limit)), limit); err != nil || len(data) != limit {
		t.Errorf("%d bytes at the bound: %v", len(data), err)
	}
}

// TestReadError passes an error of the file on.
func TestReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	_, err := Read("that.json", io.MultiReader(strings.NewReader("{"), errorReader{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// FuzzRead reads what nobody wrote. What is read after all must be judged
// without a panic, pass only by measurements that hold, and survive being
// written again.
func FuzzRead(f *testing.F) {
	full := encode(f, "run.json", fullRun(f))
	f.Add(full)
	f.Add(encode(f, "run.json.zst", fullRun(f)))
	f.Add(encode(f, "run.json", runOf(f, times(2, latencies(ops{100, ms})), "disk.write p99 < 10ms")))
	f.Add(encode(f, "run.json", sweepRun()))
	f.Add(full[:len(full)/2])
	f.Add([]byte(`{"schema":1,"tool":{"name":"storebench"}}`))
	f.Add([]byte(`{"schema":1,"tool":{"name":"storebench"},"profile":{"limits":[{},null]},"measurements":[{},{"rounds":[{}]}],"incidents":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}) && declaresMuch(data) {
			t.Skip("a fuzzer soon finds out how to make half a gigabyte of a few bytes")
		}
		run, err := Read("fuzzed", bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrDocument) {
				t.Fatalf("error of an unknown kind: %v", err)
			}
			return
		}
		v := Judge(run)
		if v.Status == Pass || v.Status == Warn {
			mustBeEarned(t, run, v)
		}
		again, err := Encode(run)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := Read("again", bytes.NewReader(again))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if got := Judge(back).Status; got != v.Status {
			t.Fatalf("judged as %s, and after writing as %s", v.Status, got)
		}
	})
}

func declaresMuch(data []byte) bool {
	dec, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20))
	if err != nil {
		return true
	}
	defer dec.Close()
	n, _ := io.Copy(io.Discard, io.LimitReader(dec, 1<<20))
	return n == 1<<20
}

// mustBeEarned fails unless a run was measured, nothing went wrong in it, and
// every finding rests on a figure.
func mustBeEarned(t *testing.T, run *Run, v Verdict) {
	if len(v.Findings) == 0 || len(run.Measurements) == 0 || run.Interrupted {
		t.Fatalf("%s of %d findings and %d measurements, interrupted %v", v.Status, len(v.Findings), len(run.Measurements), run.Interrupted)
	}
	for _, in := range run.Incidents {
		if in.Kind != OutOfTime && !(in.Kind == Cut && run.Sweep != nil) {
			t.Fatalf("%s after an incident: %+v", v.Status, in)
		}
	}
	for _, found := range v.Findings {
		if found.Limit == nil && found.Name != sweptRule || found.Observed == nil {
			t.Fatalf("%s with a finding that shows no figure: %+v", v.Status, found)
		}
	}
}
