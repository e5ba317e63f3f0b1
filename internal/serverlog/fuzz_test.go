package serverlog

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var fixedZone = time.FixedZone("EET", 2*3600)

// knownKinds are those that Parse may give.
func knownKinds() map[Kind]bool {
	known := map[Kind]bool{Other: true, Died: true, AddressInUse: true}
	for _, r := range rules {
		known[r.kind] = true
	}
	return known
}

// FuzzParse: no line makes Parse panic; what it gives is bounded, printable,
// known and the same each time; and the text alone tells what the line told.
func FuzzParse(f *testing.F) {
	for _, l := range loggedLines {
		f.Add(l.logged())
	}
	for _, line := range []string{
		"", "\x1b[31m[WRN]\x1b[0m", "[pod/nats-0/nats] 2026-11-22T06:31:08Z stderr F [7] 2026/11/22 06:31:08 [ERR] x\xff",
		`{"log":"[7] [WRN] Server is ready\n","time":"2026-11-22T06:31:08.9Z"}`, "Nov 22 06:31:08 h nats-server[7]: Server is ready",
		`nats-0 | {"MESSAGE":[91,87,82,78,93],"PRIORITY":"4"}`, `{"stream":{"pod":"a"},"values":[["1795329068000000001","[WRN] x"],["",""]]}`,
		`ts=1 lvl=warn msg="Server is ready"`, "<28>1 2026-11-22T06:31:08Z h n 7 - [a b=\"]\"] x", "│ Line 37: 22 nov. 06:31:08 [7] Server is ready │",
		"2026-11-22T06:31:08.987654321Z stderr P [7] [WRN] Internal", "pid[7][NOTICE]: Server is ready", `{"_source":{"log":"{\"msg\":\"x\"}"}}`,
	} {
		f.Add(line)
	}
	known := knownKinds()
	f.Fuzz(func(t *testing.T, line string) {
		e := Parse(line)
		if again := Parse(line); again != e {
			t.Errorf("%+v the first time, %+v the second", e, again)
		}
		if !known[e.Kind] || e.Level < Unknown || e.Level > Fatal {
			t.Errorf("kind %q, level %d", e.Kind, e.Level)
		}
		checkText(t, e.Text, MaxText)
		checkText(t, e.Subject, maxName)
		checkText(t, e.Source, maxName)
		if e.Level != Unknown && len(e.Text) < MaxText-len(ellipsis) {
			bare := e
			bare.At, bare.Source, bare.Process, bare.Foreign = time.Time{}, "", 0, false
			if got := Parse(label(e.Level) + " " + e.Text); got != bare {
				t.Errorf("%+v of the text alone, not %+v", got, bare)
			}
		}
	})
}

func checkText(t *testing.T, text string, limit int) {
	t.Helper()
	if len(text) > limit {
		t.Errorf("%d bytes, over %d", len(text), limit)
	}
	if !utf8.ValidString(text) {
		t.Errorf("not UTF-8: %q", text)
	}
	if i := slices.IndexFunc([]rune(text), func(r rune) bool { return !unicode.IsGraphic(r) }); i >= 0 {
		t.Errorf("not printable: %q", text)
	}
}

// FuzzRead: no log makes Read fail or give what is not bounded and printable, and
// each line gives an event at least, but those that wait for their other parts.
func FuzzRead(f *testing.F) {
	f.Add("[1] [INF] Server is ready\n\n\x00\n{\"log\":")
	f.Add("2026-11-22T06:31:08.987654321Z stderr P a\n2026-11-22T06:31:08.987654321Z stderr F b\n")
	f.Fuzz(func(t *testing.T, log string) {
		err := Read(strings.NewReader(log), func(e Event) {
			checkText(t, e.Text, MaxText)
			checkText(t, e.Subject, maxName)
			checkText(t, e.Source, maxName)
		})
		if err != nil {
			t.Error(err)
		}
	})
}
