package probes

import (
	"fmt"
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
	{"max-concurrent-io", "", "%s I/O slots", "4096"},
}

// Asked says in words what a probe asks of the volume with the parameters it holds.
func Asked(p Probe) string {
	parameters := map[string]string{}
	for _, parameter := range Parameters(p) {
		parameters[parameter.Name] = parameter.Value
	}
	return askedOf(parameters)
}

// LoopOf says how a probe's operations follow each other with the parameters it holds:
// without pause, as many as there can be (measure.Closed), all in one go a round
// (measure.Once), or neither, which is empty: at a rate, or all together.
func LoopOf(p Probe) measure.Loop {
	value := func(name string) (string, bool) { return Value(p, name) }
	_, writers := value("concurrency")
	closed := measure.Once
	if writers {
		closed = measure.Closed
	}
	if mode, has := value("mode"); has {
		if mode == "closed" || mode == "write" {
			return closed
		}
		return measure.AtRate
	}
	if _, has := value("rate"); has {
		return measure.AtRate
	}
	if rate, has := value("writes-per-second"); has && rate != "0" {
		return measure.AtRate
	}
	return closed
}

func askedOf(parameters map[string]string) string {
	var words []string
	for _, w := range askedWords {
		value, has := parameters[w.parameter]
		mode := parameters["mode"]
		switch {
		case !has, value == w.unsaid && mode != "storm":
		case w.parameter == "rate" && mode == "closed":
			words = append(words, "as fast as it goes")
		case (w.parameter == "groups" || w.parameter == "role") && mode == "write":
		case (w.parameter == "rate" || w.parameter == "concurrency") && mode == "alone": // nobody writes
		case w.parameter == "block-size" && parameters["of"] == "server": // it chooses its own
		case w.parameter == "concurrency" && parameters["block-size"] != "" && parameters["message-size"] == "": // of readers
			words = append(words, measure.Readable(value)+" at once")
		case value == "1" && w.one != "":
			words = append(words, w.one)
		default:
			words = append(words, fmt.Sprintf(w.more, measure.Readable(value)))
		}
	}
	return strings.Join(words, ", ")
}
