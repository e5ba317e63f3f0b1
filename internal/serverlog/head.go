package serverlog

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// readHead reads what stands before the level: a collector's prefix, the process,
// the server's time.
func (p Parser) readHead(head string) (source string, at time.Time, process int) {
	head, own := p.cutOwnTime(strings.TrimSuffix(head, " "))
	head, process = cutProcess(head)
	source, collected, tagged := p.readPrefix(head)
	if own.IsZero() {
		own = collected
	}
	if process == 0 {
		process = tagged
	}
	return source, own, process
}

// cutOwnTime cuts the time that nats-server writes off the end of a head.
func (p Parser) cutOwnTime(head string) (rest string, at time.Time) {
	clock := strings.LastIndexByte(head, ' ') + 1
	day := clock - len("2006/01/02 ")
	if day < 0 || day > 0 && head[day-1] != ' ' || head[day+4] != '/' || head[day+7] != '/' {
		return head, time.Time{}
	}
	return head[:day], p.readOwnTime(head[day:])
}

// readOwnTime reads "2006/01/02 15:04:05.999999"; it is zero where that is no time.
func (p Parser) readOwnTime(text string) time.Time {
	var part [6]int
	const shape = "2006/01/02 15:04:05"
	if len(text) < len(shape) {
		return time.Time{}
	}
	field := 0
	for i := range len(shape) {
		switch c := text[i]; {
		case c >= '0' && c <= '9' && shape[i] >= '0' && shape[i] <= '9':
			part[field] = part[field]*10 + int(c-'0')
		case c == shape[i]:
			field++
		default:
			return time.Time{}
		}
	}
	nanos, ok := readFraction(text[len(shape):])
	at := time.Date(part[0], time.Month(part[1]), part[2], part[3], part[4], part[5], nanos, p.zone())
	if !ok || at.Day() != part[2] || part[1] > 12 || part[3] > 23 || part[4] > 59 || part[5] > 59 {
		return time.Time{}
	}
	return at.UTC()
}

// readFraction reads ".123456" as nanoseconds.
func readFraction(text string) (nanos int, ok bool) {
	if text == "" {
		return 0, true
	}
	if text[0] != '.' || len(text) == 1 || len(text) > 10 {
		return 0, false
	}
	n, err := strconv.ParseUint((text[1:] + "00000000")[:9], 10, 64)
	return int(n), err == nil
}

func (p Parser) zone() *time.Location {
	if p.Location == nil {
		return time.UTC
	}
	return p.Location
}

// cutProcess cuts "[7]" off the end of a head.
func cutProcess(head string) (rest string, process int) {
	trimmed := strings.TrimSuffix(head, " ")
	open := strings.LastIndexByte(trimmed, '[')
	if open < 0 || !strings.HasSuffix(trimmed, "]") || open > 0 && trimmed[open-1] != ' ' {
		return head, 0
	}
	n, err := strconv.ParseUint(trimmed[open+1:len(trimmed)-1], 10, 31)
	if err != nil {
		return head, 0
	}
	return trimmed[:open], int(n)
}

var (
	criPattern    = regexp.MustCompile(`\bstd(?:out|err) [FP]\b`)
	hostPattern   = regexp.MustCompile(`(\S+) \S+?\[(\d+)\]:\s*$`)
	numberPattern = regexp.MustCompile(`^\s*(?:(?i:line)\s+)?\d+\s*[:|]`)
)

// readPrefix reads what a collector put before a line.
func (p Parser) readPrefix(prefix string) (source string, at time.Time, process int) {
	if strings.TrimSpace(prefix) == "" {
		return "", time.Time{}, 0
	}
	if m := syslog5424.FindStringSubmatch(prefix); m != nil {
		at, _ = time.Parse(time.RFC3339Nano, m[2])
		process, _ = strconv.Atoi(m[4])
		return printable(m[3], maxName), at.UTC(), process
	}
	prefix = numberPattern.ReplaceAllString(prefix, "")
	at, prefix = p.takeDate(prefix)
	if host := hostPattern.FindStringSubmatch(prefix); host != nil {
		prefix = host[1]
		process, _ = strconv.Atoi(host[2])
	}
	prefix = criPattern.ReplaceAllString(prefix, "")
	prefix = strings.Trim(prefix, " \t|:│┃›>")
	if strings.HasPrefix(prefix, "[") && strings.HasSuffix(prefix, "]") {
		prefix = prefix[1 : len(prefix)-1]
	}
	if strings.IndexFunc(prefix, unicode.IsLetter) < 0 {
		prefix = "" // a viewer's time or number, not a name
	}
	return printable(prefix, maxName), at, process
}

// cutBareHead cuts a time and a process off a line that has no level. A line that
// begins with anything else is all text.
func (p Parser) cutBareHead(line string, e *Event) (text string) {
	rest := numberPattern.ReplaceAllString(line, "")
	if span := datePattern.FindStringIndex(rest); span != nil && strings.Trim(rest[:span[0]], " ") == "" {
		e.At = p.readDate(rest[span[0]:span[1]])
		rest = rest[span[1]:]
	} else if m := bareOwnTime.FindStringSubmatch(rest); m != nil {
		e.Process, _ = strconv.Atoi(m[1])
		e.At = p.readOwnTime(m[2])
		rest = rest[len(m[0]):]
	}
	if len(rest) == len(line) {
		return line
	}
	rest = strings.TrimLeft(rest, "|│: ")
	if m := leadingProcess.FindStringSubmatch(rest); m != nil {
		e.Process, _ = strconv.Atoi(m[1])
		rest = rest[len(m[0]):]
	}
	return rest
}

var (
	bareOwnTime    = regexp.MustCompile(`^\s*(?:\[(\d{1,9})\] )?(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:\s|$)`)
	leadingProcess = regexp.MustCompile(`^\[(\d{1,9})\] `)
)
