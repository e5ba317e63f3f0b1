// Package serverlog reads the lines that a nats-server logs as typed events:
// what happened, to what, how long it took, how much it was. It knows the lines
// of nats-server v2.10.0 to v2.15.3 that speak of storage, of what slow storage
// does to a cluster, and of a server's start and end; each is one line of the
// table in rules.go, written as the format string that nats-server itself
// prints with. Every other line is kept as Other with its text.
//
// A log is what somebody else wrote: lines may be of any length and hold any
// byte. What an Event holds is bounded, valid UTF-8 and safe to print.
package serverlog

import "time"

const (
	// MaxLine is how many bytes of a line are looked at; the rest is dropped. It is
	// this much for the JSON around a line.
	MaxLine = 1 << 20
	// maxInner is how many bytes are looked at of what nats-server itself wrote.
	maxInner = 64 << 10
	// MaxText bounds Event.Text in bytes; what was cut ends with an ellipsis.
	MaxText = 4 << 10
	// maxName bounds Event.Subject and Event.Source the same way. The longest
	// stream name has 255 bytes, and a consumer is named by three names.
	maxName = 1 << 10
)

// Event is one line of a nats-server's log. Which of Subject, Took, Count and
// Bytes are set, and what they mean, is said at each Kind. A number that is too
// large for its field is the field's largest.
type Event struct {
	// At is when the server wrote the line, in UTC; see Parser.Location. Where
	// the server writes no times it is the time that a collector put before the
	// line in the form of RFC 3339, and zero where there is neither.
	At time.Time
	// Source is what a collector put before the line: "pod/nats-0/nats" of
	// kubectl logs --prefix, the container of compose, the host of syslog.
	Source string
	// Process is the number of the server's process, 0 where the line has none.
	Process int
	// Foreign reports that nothing shows the line to be nats-server's: it has no
	// level of a nats-server, no rule knows it, and no syslog names nats-server.
	Foreign bool
	Level   Level
	Kind    Kind
	Subject string        // what the line is about
	Took    time.Duration // 0 where the line tells no duration
	Count   int64         // entries, chunks, requests, messages; 0 where the line tells none
	Bytes   int64         // 0 where the line tells none; nats-server prints sizes rounded to 3 or more digits
	// Text is the line behind its level. Control characters, and those that
	// change the direction of writing, are replaced; the rest is unchanged and
	// may name clients, users and accounts.
	Text string
}

// Level is how grave a line is, for nats-server. Graver levels compare greater.
type Level int

// The levels of a log. What nats-server's code calls a notice it prints as info.
const (
	Unknown Level = iota // no level was found in the line
	Trace
	Debug
	Info
	Warning
	Error
	Fatal // the server ends behind this line
)

var levelNames = [...]string{"unknown", "trace", "debug", "info", "warning", "error", "fatal"}

// String is the level as a word: "warning".
func (l Level) String() string {
	if l < Unknown || l > Fatal {
		return levelNames[Unknown]
	}
	return levelNames[l]
}

// Storage reports whether the line speaks of storage, or of what slow storage
// does to a server. The latter have other causes as well, a busy processor and a
// slow network above all: they are signs, not proof.
func (e Event) Storage() bool {
	if e.Kind == SlowConsumer {
		// A client that does not read is its own trouble. A server that does not
		// read may wait for its disk.
		return routePattern.MatchString(e.Subject)
	}
	return storageKinds[e.Kind]
}

// Grave reports whether the line is one of storage that tells by itself that a server
// failed at something, or falls behind. Of the others that tell of trouble it is Took
// that says how much.
func (e Event) Grave() bool { return graveKinds[e.Kind] }
