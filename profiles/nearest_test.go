package profiles_test

import (
	"strings"
	"testing"

	"storebench/profiles"
)

func TestNearest(t *testing.T) {
	known := []string{"duration", "message-size", "messages-per-second", "probe", "ns", "ms", "s"}
	for _, tc := range []struct{ name, word, want string }{
		{"the word itself", "probe", "probe"},
		{"one letter too many", "dureation", "duration"},
		{"two letters swapped", "duratoin", "duration"},
		{"upper case", "PROBE", "probe"},
		{"several faults in a long word", "mesages-per-secnd", "messages-per-second"},
		{"beginning of a word", "message", "message-size"},
		{"short beginning", "dur", "duration"},
		{"two letters", "mss", "ms"},
		{"one letter", "x", ""},
		{"two other letters", "xy", ""},
		{"another word", "bandwidth", ""},
		{"empty", "", ""},
		{"endless", strings.Repeat("probe", 1000), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := profiles.Nearest(tc.word, known); got != tc.want {
				t.Errorf("nearest to %.20q is %q, want %q", tc.word, got, tc.want)
			}
		})
	}
	if got := profiles.Nearest("word", nil); got != "" {
		t.Errorf("nearest of none is %q", got)
	}
}
