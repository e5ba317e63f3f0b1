package serverlog

import (
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Parser reads lines. Its zero value is ready.
type Parser struct {
	// Location is where the server's clock was when it wrote the log: its times
	// name no zone. Nil is UTC, which most containers have and logtime_utc says.
	Location *time.Location
	// Now dates what a collector wrote without a year, as syslog does: it is of the
	// last twelve months. The zero time leaves such lines without a time.
	Now time.Time
}

// Parse reads one line of the log of a server whose clock showed UTC.
func Parse(line string) Event { return Parser{}.Parse(line) }

// Parse reads one line. It takes what nats-server writes, with or without the
// process and the time, in colours or not, as syslog has it, in JSON or logfmt of a
// collector, framed by a viewer, and behind any prefix of at most 1 KiB. Where the
// line has no level it is looked at as a whole. Of a line that holds several it
// reads the first.
func (p Parser) Parse(line string) Event {
	first, _ := p.unwrap(line[:min(len(line), MaxLine)])
	return p.read(first)
}

// read makes an event of what was inside the wrappers.
func (p Parser) read(w wrapped) Event {
	line := unframe(plain(strings.TrimRight(w.line, "\r\n")))
	head, level, text := cutLevel(line)
	e := Event{Level: level, Kind: Other}
	if level == Unknown {
		head, text, e.Level = cutSyslog(line)
	}
	own := level != Unknown || natsTag.MatchString(head)
	if e.Level == Unknown {
		e.Level = w.level
	}
	e.Source, e.At, e.Process = p.readHead(head)
	if level == Unknown && head == "" {
		text = p.cutBareHead(text, &e)
	}
	if e.At.IsZero() {
		e.At = w.at
	}
	if w.source != "" {
		e.Source = printable(w.source, maxName)
	}
	text = strings.TrimRight(printable(text[:min(len(text), maxInner)], maxInner), " ")
	e.classify(text)
	if !own && (e.Kind == Other || e.Kind == Died) {
		e.Foreign, e.Kind, e.Level = true, Other, min(e.Level, Error)
	}
	e.Text = shorten(text, MaxText)
	return e
}

// classify finds the rule that the text fits. What a server logs at the two
// lowest levels holds messages of its clients, so no rule is for them.
func (e *Event) classify(text string) {
	if e.Level == Trace || e.Level == Debug {
		return
	}
	for _, m := range candidates(text) {
		if m.by.outside && e.Level != Unknown {
			continue
		}
		if m.match(text, e) {
			if e.Kind == ListenFailed && addressInUse(text) {
				e.Kind = AddressInUse
			}
			return
		}
	}
	if e.Level == Fatal {
		e.Kind = Died
	}
}

// addressInUse knows the words of the systems that nats-server runs on.
func addressInUse(text string) bool {
	return strings.Contains(text, "address already in use") ||
		strings.Contains(text, "Only one usage of each socket address")
}

var colourPattern = regexp.MustCompile("\x1b\\[[0-9;]*m")

// plain takes the colours off, which stand inside the level.
func plain(line string) string {
	if strings.IndexByte(line, 0x1b) < 0 {
		return line
	}
	return colourPattern.ReplaceAllString(line, "")
}

// unframe takes off the frame of a table that a line was copied from.
func unframe(line string) string {
	const bars = " │┃|"
	inner := strings.TrimLeft(line, " ")
	framed := strings.HasPrefix(inner, "│") || strings.HasPrefix(inner, "┃") || strings.HasPrefix(inner, "| ")
	if framed {
		line = strings.TrimLeft(line, bars)
	}
	if end := strings.TrimRight(line, " "); framed || strings.HasSuffix(end, "│") || strings.HasSuffix(end, "┃") {
		line = strings.TrimRight(end, bars)
	}
	return line
}

// maxHead is how far into a line its level is looked for.
const maxHead = 1 << 10

var labels = map[string]Level{
	"[TRC]": Trace, "[DBG]": Debug, "[INF]": Info, "[WRN]": Warning, "[ERR]": Error, "[FTL]": Fatal,
}

// cutLevel cuts a line around the first level in it. Without one it is all text.
func cutLevel(line string) (head string, level Level, text string) {
	for at := 0; ; at++ {
		next := strings.IndexByte(line[at:], '[')
		if at += next; next < 0 || at >= maxHead || at+5 > len(line) {
			return "", Unknown, line
		}
		level, known := labels[line[at:at+5]]
		if rest := line[at+5:]; known && (rest == "" || rest[0] == ' ') {
			return line[:at], level, strings.TrimPrefix(rest, " ")
		}
	}
}

// printable makes text safe to show on a terminal and bounds its bytes.
func printable(text string, limit int) string {
	if !plainASCII(text) {
		text = strings.Map(func(r rune) rune {
			switch {
			case r == '\t':
				return ' '
			case unicode.IsGraphic(r):
				return r
			default:
				return utf8.RuneError
			}
		}, text)
	}
	return shorten(text, limit)
}

// plainASCII reports whether every byte can be shown as it is.
func plainASCII(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

const ellipsis = "…"

// shorten cuts valid text to at most limit bytes.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
