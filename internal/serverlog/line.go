package serverlog

import (
	"encoding/json"
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
}

// Parse reads one line of the log of a server whose clock showed UTC.
func Parse(line string) Event { return Parser{}.Parse(line) }

// Parse reads one line. It takes what nats-server writes, with or without the
// process and the time, in colours or not, plain, as syslog has it or inside the
// JSON of a collector, and behind any prefix of at most 1 KiB. Where the line has
// no level it is looked at as a whole.
func (p Parser) Parse(line string) Event {
	line = strings.TrimRight(line[:min(len(line), MaxLine)], "\r\n")
	line, at := unwrap(line)
	line = plain(line)
	head, level, text := cutLevel(line)
	if level == Unknown {
		head, text = cutSyslog(line)
	}
	e := Event{Level: level, Kind: Other}
	e.Source, e.At = p.readHead(head)
	if e.At.IsZero() {
		e.At = at
	}
	text = printable(text, MaxLine)
	e.classify(text)
	e.Text = shorten(text, MaxText)
	return e
}

// classify finds the rule that the text fits. What a server logs at the two
// lowest levels holds messages of its clients, so no rule is for them.
func (e *Event) classify(text string) {
	if e.Level == Trace || e.Level == Debug {
		return
	}
	list := matchers()
	for i := range list {
		if list[i].by.outside && e.Level != Unknown {
			continue
		}
		if list[i].match(text, e) {
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

// unwrap takes a line and its time out of the JSON that a collector put around it.
func unwrap(line string) (inner string, at time.Time) {
	var fields map[string]any
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &fields) != nil {
		return line, time.Time{}
	}
	inner = strings.TrimRight(firstText(fields, "log", "message", "MESSAGE", "msg", "line"), "\r\n")
	if inner == "" {
		return line, time.Time{}
	}
	at, _ = time.Parse(time.RFC3339Nano, firstText(fields, "time", "timestamp", "@timestamp", "ts"))
	return inner, at.UTC()
}

func firstText(fields map[string]any, names ...string) string {
	for _, name := range names {
		if text, ok := fields[name].(string); ok && text != "" {
			return text
		}
	}
	return ""
}

var colourPattern = regexp.MustCompile("\x1b\\[[0-9;]*m")

// plain takes the colours off, which stand inside the level.
func plain(line string) string {
	if strings.IndexByte(line, 0x1b) < 0 {
		return line
	}
	return colourPattern.ReplaceAllString(line, "")
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

var syslogPattern = regexp.MustCompile(`^.{0,200}?\bnats-server(?:\.exe)?\[\d+\]: `)

// cutSyslog cuts off what syslog puts before a line; nats-server writes no level
// and no time there itself.
func cutSyslog(line string) (head, text string) {
	end := len(syslogPattern.FindString(line))
	return line[:end], line[end:]
}

var (
	// headPattern splits what is before the level: a collector's prefix, the
	// process, the time.
	headPattern = regexp.MustCompile(`(?s)^(.*?)(?:\[\d+\] )?(?:(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) )?$`)
	rfc3339     = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)`)
	criPattern  = regexp.MustCompile(`\bstd(?:out|err) [FP]\b`)
	hostPattern = regexp.MustCompile(`(\S+) \S+\[\d+\]:\s*$`)
)

// readHead reads who sent a line and when it was written.
func (p Parser) readHead(head string) (source string, at time.Time) {
	groups := headPattern.FindStringSubmatch(head)
	if groups == nil {
		return "", time.Time{}
	}
	zone := p.Location
	if zone == nil {
		zone = time.UTC
	}
	source, collected := readPrefix(groups[1])
	at, err := time.ParseInLocation("2006/01/02 15:04:05", groups[2], zone)
	if err != nil {
		return source, collected
	}
	return source, at.UTC()
}

// readPrefix reads what a collector put before a line.
func readPrefix(prefix string) (source string, at time.Time) {
	if span := rfc3339.FindStringIndex(prefix); span != nil {
		at, _ = time.Parse(time.RFC3339Nano, prefix[span[0]:span[1]])
		prefix = prefix[:span[0]] + prefix[span[1]:]
	}
	if host := hostPattern.FindStringSubmatch(prefix); host != nil {
		prefix = host[1]
	}
	prefix = criPattern.ReplaceAllString(prefix, "")
	prefix = strings.Trim(prefix, " \t|:")
	if strings.HasPrefix(prefix, "[") && strings.HasSuffix(prefix, "]") {
		prefix = prefix[1 : len(prefix)-1]
	}
	return printable(prefix, maxName), at.UTC()
}

// printable makes text safe to show on a terminal and bounds its bytes.
func printable(text string, limit int) string {
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
	return shorten(text, limit)
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
