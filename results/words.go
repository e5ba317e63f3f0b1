package results

import (
	"fmt"
	"strconv"
	"strings"

	"storebench/internal/measure"
)

// askedWords are the parameters that say what a figure was found at, in the
// order in which a person reads them, the words for one and for more, and the
// value that goes without saying.
var askedWords = []struct{ parameter, one, more, unsaid string }{
	{"groups", "1 Raft group", "%s Raft groups", ""},
	{"role", "", "each a %s", ""},
	{"rate", "1 message/s", "%s messages/s", ""},
	{"size", "", "writes of %s", ""},
	{"message-size", "", "messages of %s", ""},
	{"streams", "1 stream", "%s streams", ""},
	{"blocks", "1 block each", "%s blocks each", ""},
	{"block-size", "", "blocks of %s", ""},
	{"subjects", "1 subject each", "%s subjects each", ""},
	{"deletes", "1 interior delete each", "%s interior deletes each", "0"},
	{"stored", "", "%s each", ""},
	{"consumers", "1 consumer", "%s consumers", "0"},
	{"updates-per-second", "1 state/s each", "%s states/s each", ""},
	{"state", "", "state %s", ""},
	{"cache", "", "page cache %s", ""},
	{"concurrency", "1 writer", "%s writers", ""},
	{"writes-per-second", "1 write/s", "%s writes/s", "0"},
	{"sync", "", "sync %s", "default"},
	{"cipher", "", "cipher %s", "none"},
	{"compression", "", "compression %s", "none"},
	{"max-concurrent-io", "", "%s slots", "4096"},
}

// Asked says in words what the step asks of the volume.
func (s Step) Asked() string {
	var words []string
	for _, w := range askedWords {
		value, has := s.Parameters[w.parameter]
		mode := s.Parameters["mode"]
		switch {
		case !has, value == w.unsaid && mode != "storm":
		case w.parameter == "rate" && mode == "closed":
			words = append(words, "as fast as it goes")
		case (w.parameter == "groups" || w.parameter == "role") && mode == "write":
		case (w.parameter == "rate" || w.parameter == "concurrency") && mode == "alone": // nobody writes
		case w.parameter == "block-size" && s.Parameters["of"] == "server": // it chooses its own
		case w.parameter == "concurrency" && s.Parameters["block-size"] != "" && s.Parameters["message-size"] == "": // of readers
			words = append(words, readable(value)+" at once")
		case value == "1" && w.one != "":
			words = append(words, w.one)
		default:
			words = append(words, fmt.Sprintf(w.more, readable(value)))
		}
	}
	return strings.Join(words, ", ")
}

// readable writes a parameter's value for a person: 2,000 and 1 KiB instead of
// 2000 and 1KiB. What is neither a whole number nor a size stays as it is.
func readable(value string) string {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return grouped(n)
	}
	var size measure.Size
	digits := strings.TrimRight(value, "KMGTiB")
	if size.UnmarshalText([]byte(value)) != nil || digits == value {
		return value
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		digits = grouped(n)
	}
	return digits + " " + strings.TrimLeft(value, "0123456789.")
}

// grouped writes a whole number with commas between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(text) - 3; i > first; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// counted writes how many of a thing there are.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(int64(n)) + " " + thing + "s"
}
