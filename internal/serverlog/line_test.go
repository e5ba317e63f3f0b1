package serverlog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// TestPrefixes: one line as servers and collectors of many kinds have it.
func TestPrefixes(t *testing.T) {
	const text = "Filestore [ORDERS] WriteFullState took 1m6.1s (73 bytes)"
	at := time.Date(2026, 11, 22, 6, 31, 8, 123456000, time.UTC)
	second := at.Truncate(time.Second)
	nano := second.Add(987654321)
	berlin := time.FixedZone("CET", 3600)
	tests := []struct {
		name, line string
		zone       *time.Location
		level      Level
		at         time.Time
		source     string
		process    int
	}{
		{"as it is", "[1] 2026/11/22 06:31:08.123456 [WRN] " + text, nil, Warning, at, "", 1},
		{"line end of a rotated file", "[1] 2026/11/22 06:31:08.123456 [WRN] " + text + "\r\n", nil, Warning, at, "", 1},
		{"a clock elsewhere", "[1] 2026/11/22 07:31:08.123456 [WRN] " + text, berlin, Warning, at, "", 1},
		{"whole seconds", "[1] 2026/11/22 06:31:08 [WRN] " + text, nil, Warning, second, "", 1},
		{"no such day", "[1] 2026/02/31 06:31:08 [WRN] " + text, nil, Warning, time.Time{}, "", 1},
		{"no process", "2026/11/22 06:31:08.123456 [WRN] " + text, nil, Warning, at, "", 0},
		{"no time", "[1] [WRN] " + text, nil, Warning, time.Time{}, "", 1},
		{"level alone", "[WRN] " + text, nil, Warning, time.Time{}, "", 0},
		{"text alone", text, nil, Unknown, time.Time{}, "", 0},
		{"in colours", "[1] 2026/11/22 06:31:08.123456 [\x1b[0;93mWRN\x1b[0m] " + text, nil, Warning, at, "", 1},
		{"error", "[1] 2026/11/22 06:31:08.123456 [ERR] " + text, nil, Error, at, "", 1},
		{"kubectl --prefix", "[pod/nats-0/nats] [7] 2026/11/22 06:31:08.123456 [WRN] " + text, nil, Warning, at, "pod/nats-0/nats", 7},
		{"kubectl --prefix --timestamps", "[pod/nats-0/nats] 2026-11-22T06:31:08.987654321Z [7] [WRN] " + text, nil, Warning, nano, "pod/nats-0/nats", 7},
		{"the server's own time comes first", "2026-11-22T09:00:00Z [7] 2026/11/22 06:31:08.123456 [WRN] " + text, nil, Warning, at, "", 7},
		{"a container's file", "2026-11-22T07:31:08.987654321+01:00 stderr F [7] [WRN] " + text, nil, Warning, nano, "", 7},
		{"compose", "nats-0  | [7] 2026/11/22 06:31:08.123456 [WRN] " + text, nil, Warning, at, "nats-0", 7},
		{"server's name", "[nats-0] [7] 2026/11/22 06:31:08.123456 [WRN] " + text, nil, Warning, at, "nats-0", 7},
		{"journal", "Nov 22 06:31:08 host7 nats-server[7]: [7] 2026/11/22 06:31:08.123456 [WRN] " + text, nil, Warning, at, "host7", 7},
		{"syslog", "Nov 22 06:31:08 host7 nats-server[7]: " + text, nil, Unknown, time.Time{}, "host7", 7},
		{"syslog of now", "2026-11-22T06:31:08.987654321Z host7 nats-server[7]: " + text, nil, Unknown, nano, "host7", 7},
		{"docker", `{"log":"[7] 2026/11/22 06:31:08.123456 [WRN] ` + text + `\n","stream":"stderr","time":"2026-11-22T06:31:09Z"}`, nil, Warning, at, "", 7},
		{"docker, no time", `{"log":"[7] [WRN] ` + text + `\n","stream":"stderr","time":"2026-11-22T06:31:08.987654321Z"}`, nil, Warning, nano, "", 7},
		{"journal as JSON", `{"MESSAGE":"[7] [WRN] ` + text + `","PRIORITY":6}`, nil, Warning, time.Time{}, "", 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Event{
				At: tt.at, Source: tt.source, Process: tt.process, Level: tt.level, Text: text,
				Kind: StateWriteSlow, Subject: "ORDERS", Took: 66100 * time.Millisecond, Bytes: 73,
			}
			if diff := cmp.Diff(want, Parser{Location: tt.zone}.Parse(tt.line)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNotFooled: a client must not write a line of the server's.
func TestNotFooled(t *testing.T) {
	const slow = "Readloop processing time: 9s"
	for name, line := range map[string]string{
		"a message that is traced":    "[1] [TRC] 10.0.0.9:5 - cid:7 - <<- MSG_PAYLOAD: [\"" + slow + "\"]",
		"the message alone":           "[1] [TRC] 10.0.0.9:5 - cid:7 - " + slow,
		"a debug line":                "[1] [DBG] 10.0.0.9:5 - cid:7 - " + slow,
		"a level in a message":        "[1] [TRC] 10.0.0.9:5 - cid:7 - <<- [WRN] " + slow,
		"a client's name":             "[1] [ERR] 10.0.0.9:5 - cid:7 - \"v1:go:x - " + slow + "\" - authentication error",
		"a client's name with quotes": "[1] [ERR] 10.0.0.9:5 - cid:7 - \"v1:go:x\\\" - " + slow + "\" - authentication error",
		"a subject":                   "[1] [ERR] 10.0.0.9:5 - cid:7 - Publish Violation - Subject \"a - " + slow + "\"",
		"words in between":            "[1] [WRN] he said: " + slow,
		"panic in a log line":         "[1] [INF] panic: not really",
	} {
		if e := Parse(line); e.Kind != Other || e.Took != 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestUnreadableLines(t *testing.T) {
	for _, line := range []string{
		"", "\n", "[", "[WRN", "[WRN]", "[WRN] ", "{", "{}", "{\"log\":7}", "{\"log\":\"\"}", "[1]", "\x00", "\xff\xfe",
		"[WRN] RAFT [", "[WRN] Filestore [] WriteFullState took  ( bytes)", "[WRN] Internal subscription on \" took too long: ",
	} {
		if e := Parse(line); e.Kind != Other {
			t.Errorf("%q is a %s", line, e.Kind)
		}
	}
}

func TestTextIsPrintable(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"as it is", "  two  spaces, ümläut, 漢字 %s", "  two  spaces, ümläut, 漢字 %s"},
		{"escape", "a\x1b]0;title\x07b", "a\ufffd]0;title\ufffdb"},
		{"colour", "a\x1b[31mb\x1b[0m", "ab"},
		{"carriage return", "a\rb", "a\ufffdb"},
		{"tab", "a\tb", "a b"},
		{"right to left", "a\u202eb", "a\ufffdb"},
		{"C1", "a\u009b31mb", "a\ufffd31mb"},
		{"not UTF-8", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Parse("[1] [INF] " + tt.text).Text; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if e := Parse(`[1] [WRN] Internal subscription on "a\x1b[31m\nb" took too long: 3s`); e.Subject != "a\ufffd[31m\ufffdb" {
		t.Errorf("subject %q", e.Subject)
	}
	if e := Parse("\x1b]0;x\x07 [1] [INF] hello"); e.Source != "\ufffd]0;x\ufffd" {
		t.Errorf("source %q", e.Source)
	}
}

func TestLongLines(t *testing.T) {
	long := Parse("[1] [WRN] JetStream stream 'APP > " + strings.Repeat("ü", MaxText) + "' has high message lag")
	if long.Kind != StreamLag {
		t.Errorf("a line longer than its text is a %s", long.Kind)
	}
	if n := len(long.Text); n > MaxText || n < MaxText-4 || !strings.HasSuffix(long.Text, ellipsis) || !utf8.ValidString(long.Text) {
		t.Errorf("text of %d bytes", n)
	}
	if n := len(long.Subject); n > maxName || !utf8.ValidString(long.Subject) {
		t.Errorf("subject of %d bytes", n)
	}
	if e := Parse("[1] [WRN] " + strings.Repeat("x", 10*MaxLine)); len(e.Text) > MaxText || e.Level != Warning {
		t.Errorf("text of %d bytes, %v", len(e.Text), e.Level)
	}
	if e := Parse(strings.Repeat(" ", maxHead) + "[WRN] Server is ready"); e.Level != Unknown {
		t.Errorf("a level far into the line: %v", e.Level)
	}
	wrapped, err := json.Marshal(map[string]string{"log": "[1] [WRN] " + strings.Repeat("x", 2*MaxText)})
	if err != nil {
		t.Fatal(err)
	}
	if e := Parse(string(wrapped)); len(e.Text) > MaxText || e.Level != Warning {
		t.Errorf("text of %d bytes, %v", len(e.Text), e.Level)
	}
}

func TestLevelString(t *testing.T) {
	for level, want := range map[Level]string{Unknown: "unknown", Info: "info", Warning: "warning", Fatal: "fatal", -1: "unknown", 99: "unknown"} {
		if got := level.String(); got != want {
			t.Errorf("%d is %q", level, got)
		}
	}
}
