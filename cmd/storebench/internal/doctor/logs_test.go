package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"storebench/internal/serverlog"
	"storebench/results"
)

var epochStart = time.Date(2026, 11, 22, 6, 30, 0, 0, time.UTC)

// at is a line that a server wrote so long after the beginning.
func at(after time.Duration, format string, args ...any) string {
	return "[7] " + epochStart.Add(after).Format("2006/01/02 15:04:05.000000") + " " + fmt.Sprintf(format, args...)
}

// diagnose reads logs by node.
func diagnose(t *testing.T, logs map[string][]string) *Diagnosis {
	t.Helper()
	var l Logs
	for node, lines := range logs {
		if err := serverlog.Read(strings.NewReader(strings.Join(lines, "\n")), l.Source(node).Add); err != nil {
			t.Fatal(err)
		}
	}
	return l.Diagnose()
}

// banner is a server's start.
func banner(after time.Duration, name, version string) []string {
	return []string{
		at(after, "[INF] Starting nats-server"), at(after, "[INF]   Version:  %s", version), at(after, "[INF]   Name:     %s", name),
		at(after, "[INF] JetStream cluster recovering state"), at(after+time.Second, "[INF] Server is ready"),
	}
}

const sec = time.Second

// outage is the one that this project was born from, with its own figures.
func outage() map[string][]string {
	logs := map[string][]string{}
	for i := range 3 {
		name, late := fmt.Sprintf("nats-%d", i), time.Duration(i)*300*time.Millisecond
		logs[name] = append(banner(-2*time.Hour, name, "2.12.4"),
			at(66*sec+late, "[WRN] Filestore [S-R3F-7vzGqwRW] WriteFullState took 1m6s (73 bytes)"),
			at(70*sec+late, "[WRN] Metalayer snapshot took 61.000s (streams: 4, consumers: 43, marshal: 0.000s, s2: 0.000s, uncompressed: 9000, compressed: 2000)"),
			at(71*sec+late, "[WRN] Internal subscription on \"$NRG.P.7vzGqwRW\" took too long: 2.27s"),
			at(72*sec+late, "[WRN] 10.0.0.%d:6222 - rid:7 - Readloop processing time: 2.4s", i),
			at(80*sec+late, "[WRN] JetStream stream 'APP > ORDERS' has high message lag"),
			at(90*sec+late, "[WRN] RAFT [6DVFpukC - S-R3F-7vzGqwRW] 10000 append entries pending"))
	}
	return logs
}

// has reports whether a part of the diagnosis holds a text.
func has(list []string, text string) bool { return strings.Contains(strings.Join(list, "\n"), text) }

func TestOutage(t *testing.T) {
	logs := outage()
	for name := range logs { // a second line gives a rate: 5,000 in 50 s
		logs[name] = append(logs[name], at(140*sec, "[WRN] RAFT [6DVFpukC - S-R3F-7vzGqwRW] 15000 append entries pending"))
	}
	d := diagnose(t, logs)
	if d.Status != results.Fail || len(d.Findings) == 0 || d.Findings[0].Name != "slow-storage" {
		t.Fatalf("%+v", d)
	}
	f := d.Findings[0]
	if !strings.Contains(f.What, "3 of 3 nodes") || f.Certainty != Likely || len(f.Nodes) != 3 || !f.Since.Equal(epochStart) {
		t.Errorf("%+v", f)
	}
	last := -1
	for _, step := range []string{"WriteFullState (66 s for 73 bytes)", "metalayer snapshot (61 s)", "$NRG) (2.27 s)", "high message lag", "pending (15,000)"} {
		i := strings.Index(strings.Join(f.Order, "\n"), step)
		if i <= last {
			t.Errorf("%q is not in its place in %q", step, f.Order)
		}
		last = i
	}
	for _, want := range []string{"a wait and no write", "reaches 20,000 in 49.4 s", "Nothing is lost"} {
		if !has(f.For, want) {
			t.Errorf("%q does not speak for it: %q", want, f.For)
		}
	}
	if !has(f.Against, "up to 2.12 that proves nothing") || !has(f.After, "4,096 disk slots") {
		t.Errorf("%q, %q", f.Against, f.After)
	}
	if n := len(d.head()); n > 10 {
		t.Errorf("the diagnosis has %d lines", n)
	}
}

// TestOrder: newest first is what exports give, and changes nothing.
func TestOrder(t *testing.T) {
	forward := diagnose(t, outage())
	turned := outage()
	for _, lines := range turned {
		for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
			lines[i], lines[j] = lines[j], lines[i]
		}
	}
	backward := diagnose(t, turned)
	a, b := strings.Join(forward.Findings[0].Order, "\n"), strings.Join(backward.Findings[0].Order, "\n")
	if a != b || !forward.Findings[0].Since.Equal(backward.Findings[0].Since) {
		t.Errorf("%s\nand newest first\n%s", a, b)
	}
}

// TestPatterns: what each log is called, and whether it is storage's.
func TestPatterns(t *testing.T) {
	var pause, scattered []string
	for i := range 8 {
		pause = append(pause, at(10*sec+time.Duration(i)*90*time.Microsecond, "[WRN] 10.0.0.9:%d - cid:%d - Readloop processing time: 2.%d2s", 5000+i, i, i%4+1))
		scattered = append(scattered, at(time.Duration(i)*sec, "[WRN] Internal subscription on \"$JS.API.STREAM.INFO.KV_%d\" took too long: 2.%ds", i, i+1))
	}
	tests := []struct {
		name, want string
		status     results.Status
		lines      []string
	}{
		{"healthy", "", results.Pass, append(banner(0, "n0", "2.15.2"), at(5*sec, "[INF] JetStream cluster new stream leader for 'APP > ORDERS'"))},
		{"a pause", "process-pause", results.Pass, pause},
		{"CPU", "cpu", results.Pass, append(scattered, at(3*sec, "[WRN] 10.0.0.9:1 - cid:1 - Producer was stalled for a total of 3s"))},
		{"slow, and nothing else", "unknown", results.Inconclusive, scattered},
		{"network", "network", results.Pass, []string{
			at(sec, "[INF] 10.0.0.2:6222 - rid:7 - Router connection closed: Stale Connection"), at(2*sec, "[INF] 10.0.0.2:6222 - rid:8 - Route connection created"),
			at(30*sec, "[INF] 10.0.0.2:6222 - rid:8 - Router connection closed: Stale Connection"),
		}},
		{"EIO before all else", "io-error", results.Fail, []string{
			at(sec, "[WRN] Filestore [S] WriteFullState took 1m6s (73 bytes)"),
			at(2*sec, "[ERR] Filestore [ORDERS] Critical write error: write /data/jetstream/APP/streams/ORDERS/msgs/7.blk: input/output error"),
		}},
		{"read-only", "read-only", results.Fail, []string{at(sec, "[WRN] RAFT [a - g] Error writing term and vote file for \"g\": open /data/jetstream/x: read-only file system")}},
		{"full", "out-of-space", results.Fail, []string{at(sec, "[ERR] JetStream failed to store a msg on stream 'APP > ORDERS': write /data/jetstream/7.blk: no space left on device")}},
		{"limit", "out-of-space", results.Fail, []string{at(sec, "[ERR] JetStream file resource limits exceeded for server")}},
		{"store removed", "store-removed", results.Fail, []string{at(sec, "[WRN] Filestore [ORDERS] Resource not found: open /tmp/nats/jetstream/x/7.blk: no such file or directory")}},
		{"key lost", "encryption-key", results.Fail, []string{at(sec, "[WRN]   Error decrypting our stream metafile: chacha20poly1305: message authentication failed")}},
		{"permission", "permission", results.Fail, []string{at(sec, "[ERR] File system permission denied while writing, disabling JetStream")}},
		{"corruption", "corruption", results.Fail, []string{at(sec, "[WRN] Filestore [ORDERS] loadBlock error: checksum mismatch")}},
		{"a defect", "server-defect", results.Pass, []string{at(sec, "[ERR] Filestore [ORDERS] Critical write error: message too large"), at(sec, "[INF] x")}},
		{"a write that failed", "write-failed", results.Fail, []string{at(sec, "[ERR] Filestore [ORDERS] Critical write error: bad address")}},
		{"apply queue", "apply-queue", results.Fail, []string{at(sec, "[WRN] RAFT [a - g] Quorum paused, falling behind: commit 250000 != applied 100000, WAL size 1.00 GB")}},
		{"ingest", "ingest", results.Fail, []string{at(sec, "[WRN] Dropping messages due to excessive stream ingest rate on 'APP' > 'ORDERS': IPQ len limit reached")}},
		{"a lag alone", "unknown", results.Inconclusive, []string{at(sec, "[WRN] JetStream stream 'APP > ORDERS' has high message lag")}},
		{"no times", "slow-storage", results.Inconclusive, []string{"[WRN] Filestore [S] WriteFullState took 1m6s (73 bytes)", "[WRN] 1.2.3.4:5 - cid:7 - Readloop processing time: 9s"}},
		{"killed in recovery", "restart-storm", results.Pass, []string{
			at(0, "[INF] Starting nats-server"), at(sec, "[INF]   Starting restore for stream 'APP > ORDERS'"),
			at(60*sec, "[INF] Starting nats-server"), at(120*sec, "[INF] Starting nats-server"),
		}},
		{"an empty volume", "empty-volume", results.Fail, append(banner(0, "n0", "2.15.2"),
			at(60*sec, "[INF] Server Exiting.."), at(70*sec, "[INF] Starting nats-server"), at(70*sec, "[INF] JetStream cluster bootstrapping"), at(71*sec, "[INF] Server is ready"))},
		{"what a client sent", "", results.Pass, []string{at(sec, "[TRC] 1.2.3.4:5 - cid:7 - <<- MSG_PAYLOAD: [\"[ERR] input/output error jetstream\"]")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := diagnose(t, map[string][]string{"n0": tt.lines})
			first := ""
			if len(d.Findings) > 0 {
				first = d.Findings[0].Name
			}
			if first != tt.want || d.Status != tt.status {
				t.Errorf("%q, %s; want %q, %s: %+v", first, d.Status, tt.want, tt.status, d.Findings)
			}
			for _, f := range d.Findings {
				if f.What == "" || len(f.For) == 0 || len(f.Now) == 0 || len(f.After) == 0 || f.Certainty == "" || len(f.Nodes) == 0 {
					t.Errorf("%s is not whole: %+v", f.Name, f)
				}
			}
			if n := len(d.head()); n > 10 {
				t.Errorf("the diagnosis has %d lines", n)
			}
		})
	}
}

// TestTwoLives: what lies months apart is two incidents.
func TestTwoLives(t *testing.T) {
	lines := outage()["nats-0"]
	lines = append(lines, at(60*24*time.Hour, "[WRN] Filestore [ORDERS] WriteFullState took 2m6s (9 bytes)"))
	d := diagnose(t, map[string][]string{"nats-0": lines})
	if len(d.Others) != 1 || len(d.Findings) == 0 {
		t.Errorf("%+v", d)
	}
}

// TestBounded: however much trouble there is, memory is not more.
func TestBounded(t *testing.T) {
	var l Logs
	s := l.Source("n0")
	for i := range 300_000 {
		s.Add(serverlog.Event{At: epochStart.Add(time.Duration(i) * time.Minute), Level: serverlog.Warning, Kind: serverlog.ReadLoopSlow, Subject: fmt.Sprint(i), Took: 3 * sec})
	}
	if l.cells > maxCells || len(l.nodes["n0"].endings) > maxEndings {
		t.Errorf("%d cells, %d endings", l.cells, len(l.nodes["n0"].endings))
	}
	d := l.Diagnose()
	if len(d.Kinds) != 1 || d.Kinds[0].Count != 300_000 || len(d.Strip.Rows[0].Counts) > maxSteps {
		t.Errorf("%+v", d.Kinds)
	}
}

// TestFormats: each format tells the status and the first finding, and nothing of a
// log changes a terminal or a page.
func TestFormats(t *testing.T) {
	logs := outage()
	logs["nats-0"] = append(logs["nats-0"], at(95*sec, "[WRN] JetStream stream 'APP > <b>\x1b[31m|x' has high message lag"))
	d := diagnose(t, logs)
	for format, want := range map[string]string{"text": "FAILING", "markdown": "## FAILING", "json": `"status": "fail"`} {
		var page strings.Builder
		if err := Write(&page, format, d); err != nil {
			t.Fatal(err)
		}
		if text := page.String(); !strings.Contains(text, want) || strings.Contains(text, "\x1b") || format == "markdown" && strings.Contains(text, "<b>") {
			t.Errorf("%s:\n%s", format, text)
		}
	}
	if err := Write(&strings.Builder{}, "junit", d); err == nil {
		t.Error("an unknown format is taken")
	}
}
