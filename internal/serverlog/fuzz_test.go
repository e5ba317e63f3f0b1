package serverlog

import (
	"slices"
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
			bare.At, bare.Source = time.Time{}, ""
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
