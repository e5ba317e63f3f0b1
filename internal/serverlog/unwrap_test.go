package serverlog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asBytes is how journald exports a line that is not plain text.
func asBytes(t *testing.T, line string) string {
	t.Helper()
	var numbers []int
	for i := range len(line) {
		numbers = append(numbers, int(line[i]))
	}
	text, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWrappers: a line with a time of its own, and one without, as collectors and
// viewers carry them.
func TestWrappers(t *testing.T) {
	const (
		text = "Filestore [ORDERS] WriteFullState took 1m6.1s (73 bytes)"
		own  = "[7] 2026/11/22 06:31:08.123456 [WRN] " + text
		bare = "[7] [WRN] " + text
	)
	at := time.Date(2026, 11, 22, 6, 31, 8, 123456000, time.UTC)
	second := at.Truncate(time.Second)
	milli := second.Add(987 * time.Millisecond)
	tests := []struct {
		name, line string
		level      Level
		at         time.Time
		source     string
		process    int
	}{
		{"compose before Docker's JSON", `nats-0  | {"log":"` + own + `\n","stream":"stderr"}`, Warning, at, "nats-0", 7},
		{"kubectl --prefix before JSON", `[pod/nats-0/nats] {"log":"` + own + `\n"}`, Warning, at, "pod/nats-0/nats", 7},
		{"JSON in JSON", `{"line":"{\"log\":\"` + bare + `\\n\",\"time\":\"2026-11-22T06:31:08.987Z\"}","pod":"nats-0"}`, Warning, milli, "nats-0", 7},
		{"stern", "nats-0 › nats " + own, Warning, at, "nats-0 › nats", 7},
		{"stern's JSON", `{"message":"` + own + `","podName":"nats-0","containerName":"nats"}`, Warning, at, "nats-0", 7},
		{"journal's bytes", `{"__REALTIME_TIMESTAMP":"1795329068987000","_HOSTNAME":"host7","PRIORITY":"6","MESSAGE":` + asBytes(t, bare) + `}`, Warning, milli, "host7", 7},
		{"journal's priority", `{"_HOSTNAME":"host7","PRIORITY":"4","MESSAGE":"` + text + `"}`, Warning, time.Time{}, "host7", 0},
		{"Elasticsearch", `{"_index":"logs","_source":{"@timestamp":"2026-11-22T06:31:08.987Z","message":"` + bare + `","kubernetes":{"pod":{"name":"nats-0"}}}}`, Warning, milli, "nats-0", 7},
		{"Google Cloud", `{"textPayload":"` + bare + `","timestamp":"2026-11-22T06:31:08.987Z","resource":{"labels":{"pod_name":"nats-0"}},"severity":"ERROR"}`, Warning, milli, "nats-0", 7},
		{"CloudWatch", `{"@timestamp":"2026-11-22 06:31:08.987","@message":"` + bare + `"}`, Warning, milli, "", 7},
		{"Fluent Bit", `{"date":1795329068.987,"log":"` + bare + `","kubernetes":{"pod_name":"nats-0"}}`, Warning, milli, "nats-0", 7},
		{"Loki", `{"stream":{"pod":"nats-0"},"values":[["1795329068987000000","` + bare + `"]]}`, Warning, milli, "nats-0", 7},
		{"logcli", `{"labels":{"pod":"nats-0"},"line":"` + bare + `","timestamp":"2026-11-22T06:31:08.987Z"}`, Warning, milli, "nats-0", 7},
		{"another library's JSON", `{"level":"warn","ts":1795329068.987,"caller":"server/log.go:93","msg":"` + text + `"}`, Warning, milli, "", 0},
		{"logfmt", `ts=2026-11-22T06:31:08.987Z lvl=warn pod=nats-0 msg="` + text + `"`, Warning, milli, "nats-0", 0},
		{"logfmt around a line", `time="2026-11-22T06:31:08.987Z" level=info msg="` + own + `"`, Warning, at, "", 7},
		{"Grafana", "2026-11-22 06:31:08.987 | " + bare, Warning, milli, "", 7},
		{"a console without levels", "Nov 22, 2026  06:31:08.987 " + text, Unknown, milli, "", 0},
		{"a date without a level", "2026-11-22 06:31:08,987 " + text, Unknown, milli, "", 0},
		{"the server's date without a level", "[7] 2026/11/22 06:31:08.123456 " + text, Unknown, at, "", 7},
		{"a date and a process", "2026/11/22 06:31:08.123456 [7] " + text, Unknown, at, "", 7},
		{"German months", "22. Nov 2026 06:31:08 host7 nats-server[7]: " + text, Unknown, second, "host7", 7},
		{"French months", "22 nov. 06:31:08 host7 nats-server[7]: " + text, Unknown, second, "host7", 7},
		{"syslog without a year", "Nov 22 06:31:08 host7 nats-server[7]: " + text, Unknown, second, "host7", 7},
		{"syslog under another name", "Nov 22 06:31:08 host7 queue[7]: " + text, Unknown, second, "host7", 0},
		{"syslog's severity", "<28>Nov 22 06:31:08 host7 queue[7]: " + text, Warning, second, "host7", 0},
		{"RFC 5424", "<28>1 2026-11-22T06:31:08.987Z host7 nats-server 7 - - " + text, Warning, milli, "host7", 7},
		{"RFC 5424 with data", `<30>1 2026-11-22T06:31:08.987Z host7 nats 7 - [meta id="1"] ` + bare, Warning, milli, "host7", 7},
		{"Windows' events", "pid[7][WARN]: " + text, Warning, time.Time{}, "", 0},
		{"a table's frame", "│ " + own + "   │", Warning, at, "", 7},
		{"a table's frame of lines", "| " + own + " |", Warning, at, "", 7},
		{"a table with a name", "│ nats-0 │ " + own + " │", Warning, at, "nats-0", 7},
		{"a viewer's number", "Line 37: " + own, Warning, at, "", 7},
		{"a viewer's time", "06:31:09.001 " + own, Warning, at, "", 7},
		{"line ends of two systems", own + " \r\n", Warning, at, "", 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Event{
				At: tt.at, Source: tt.source, Process: tt.process, Level: tt.level, Text: text,
				Kind: StateWriteSlow, Subject: "ORDERS", Took: 66100 * time.Millisecond, Bytes: 73,
			}
			got := Parser{Now: at.Add(24 * time.Hour)}.Parse(tt.line)
			got.Text = strings.TrimRight(got.Text, " ")
			if tt.process == 0 {
				got.Process = 0
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestForeign: only what nats-server wrote is taken for its own.
func TestForeign(t *testing.T) {
	for line, want := range map[string]bool{
		"[7] [INF] hello": false,
		"Nov 22 06:31:08 host7 nats-server[7]: hello":                    false,
		"Readloop processing time: 3s":                                   false,
		`{"log":"[7] [DBG] hello\n"}`:                                    false,
		"hello":                                                          true,
		`{"level":"fatal","msg":"out of memory"}`:                        true,
		"Nov 22 06:31:08 host7 sshd[7]: Server is listening on 0.0.0.0":  true,
		"time=2026-11-22T06:31:08Z level=error msg=\"no route to host\"": true,
		"10.0.0.1 - - [22/Nov/2026:06:31:08 +0000] \"GET / HTTP/1.1\"":   true,
		"{\"a\":1}": true,
	} {
		if e := Parse(line); e.Foreign != want || e.Foreign && e.Kind != Other {
			t.Errorf("%q: %+v", line, e)
		}
	}
}

// TestQuoted: a client's message is no wrapper, whatever it looks like.
func TestQuoted(t *testing.T) {
	for _, line := range []string{
		`[7] [TRC] 10.0.0.9:5 - cid:7 - <<- {"log":"[7] [WRN] Readloop processing time: 9s"}`,
		`{"level":"trace","msg":"Readloop processing time: 9s"}`,
		`{"log":"[7] [TRC] 10.0.0.9:5 - cid:7 - <<- MSG_PAYLOAD: [\"Readloop processing time: 9s\"]\n"}`,
	} {
		if e := Parse(line); e.Kind != Other || e.Took != 0 {
			t.Errorf("%q: %+v", line, e)
		}
	}
}

// TestYear: a date without a year is of the last twelve months.
func TestYear(t *testing.T) {
	const line = "Nov 22 06:31:08 host7 nats-server[7]: Server is ready"
	for now, want := range map[string]string{
		"2026-11-22T05:00:00Z": "2026-11-22T06:31:08Z", // clocks differ
		"2027-01-03T00:00:00Z": "2026-11-22T06:31:08Z",
		"2026-11-01T00:00:00Z": "2025-11-22T06:31:08Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Parser{Now: at}).Parse(line).At.Format(time.RFC3339); got != want {
			t.Errorf("at %s: %s, want %s", now, got, want)
		}
	}
}

func TestMonths(t *testing.T) {
	for i, names := range []string{
		"Jan janv. ene gen", "Feb févr. fev feb", "Mar Mär März mars maa mrt", "Apr avr. abr", "May Mai mag mei", "Jun juin giu",
		"Jul juil. lug", "Aug août ago", "Sep sept. set", "Oct Okt ott out", "Nov nov.", "Dec Dez déc. dic",
	} {
		for _, name := range strings.Fields(names) {
			if got := monthOf(name); got != i+1 {
				t.Errorf("%s is month %d, want %d", name, got, i+1)
			}
		}
	}
}
