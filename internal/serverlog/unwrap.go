package serverlog

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// wrapped is a line as a collector carries it, and what it says of the line.
type wrapped struct {
	line   string
	source string
	at     time.Time
	level  Level
}

const (
	// maxDepth is how often a line may be wrapped in another: a container's file
	// that a collector sent to a store that somebody exported.
	maxDepth = 4
	// maxBefore is how much may stand before the JSON of a line: a pod's name.
	maxBefore = 256
)

// unwrap takes a line out of the JSON or logfmt around it. A record of Loki's holds
// several lines; more are those behind the first.
func (p Parser) unwrap(line string) (first wrapped, more []wrapped) {
	first = wrapped{line: line}
	for range maxDepth {
		inner, rest, ok := p.unwrapOnce(first.line)
		if !ok {
			break
		}
		first = inner.inside(first)
		for _, w := range rest {
			more = append(more, w.inside(first))
		}
	}
	return first, more
}

// inside completes what is known of a line by what its wrapper knows.
func (w wrapped) inside(outer wrapped) wrapped {
	if w.source == "" {
		w.source = outer.source
	}
	if w.at.IsZero() {
		w.at = outer.at
	}
	if w.level == Unknown {
		w.level = outer.level
	}
	return w
}

func (p Parser) unwrapOnce(line string) (first wrapped, more []wrapped, ok bool) {
	line = strings.TrimRight(line, "\r\n\t ")
	if strings.HasSuffix(line, "}") {
		open := strings.IndexByte(line[:min(len(line), maxBefore)], '{')
		if open < 0 {
			return wrapped{}, nil, false
		}
		if _, level, _ := cutLevel(line[:open] + " "); level != Unknown {
			return wrapped{}, nil, false // what a client sent, quoted
		}
		return p.unwrapJSON(plain(line[:open]), line[open:])
	}
	if fields := logfmt(line); fields != nil {
		first, more = p.carried(fields)
		return first, more, first.line != ""
	}
	return wrapped{}, nil, false
}

func (p Parser) unwrapJSON(before, text string) (first wrapped, more []wrapped, ok bool) {
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) != nil {
		return wrapped{}, nil, false
	}
	first, more = p.carried(fields)
	if first.source == "" {
		first.source, _, _ = p.readPrefix(before)
	}
	return first, more, first.line != ""
}

// Where collectors put what they carry.
var (
	lineNames    = []string{"log", "message", "MESSAGE", "msg", "line", "textPayload", "@message", "body"}
	timeNames    = []string{"time", "timestamp", "@timestamp", "ts", "_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP", "date"}
	wordsOfLevel = []string{"level", "lvl", "severity", "PRIORITY"}
	sourceNames  = []string{"pod", "pod_name", "podName", "kubernetes_pod_name", "instance", "_HOSTNAME", "hostname", "host", "container_name", "container"}
	// nested are objects that hold such fields one level below.
	nested = []string{"_source", "jsonPayload", "fields", "kubernetes", "labels", "stream", "metadata", "resource"}
)

// carried reads what a record tells. Its line is empty where the record has none.
func (p Parser) carried(fields map[string]any) (first wrapped, more []wrapped) {
	w := wrapped{
		source: textOf(find(fields, sourceNames)),
		at:     p.timeOf(find(fields, timeNames)),
		level:  levelOf(textOf(find(fields, wordsOfLevel))),
	}
	if list, ok := fields["values"].([]any); ok {
		return lokiValues(w, list)
	}
	w.line = strings.TrimRight(textOf(find(fields, lineNames)), "\r\n")
	return w, nil
}

// lokiValues are pairs of a time in nanoseconds and a line.
func lokiValues(w wrapped, list []any) (first wrapped, more []wrapped) {
	var lines []wrapped
	for _, item := range list {
		pair, ok := item.([]any)
		if !ok || len(pair) < 2 {
			continue
		}
		w.at, w.line = epoch(textOf(pair[0])), strings.TrimRight(textOf(pair[1]), "\r\n")
		if w.line != "" {
			lines = append(lines, w)
		}
	}
	if len(lines) == 0 {
		return wrapped{}, nil
	}
	return lines[0], lines[1:]
}

// find is the first field that has one of these names and tells something, in the
// record itself or in one of the objects in it.
func find(fields map[string]any, names []string) any {
	for _, name := range names {
		if textOf(fields[name]) != "" {
			return fields[name]
		}
	}
	for _, name := range nested {
		if inner, ok := fields[name].(map[string]any); ok {
			if found := find(inner, names); found != nil {
				return found
			}
		}
	}
	return nil
}

// textOf is a field as text: a string, a number, the name of an object, or the bytes
// that journald writes as numbers where a line is not plain text.
func textOf(field any) string {
	switch field := field.(type) {
	case string:
		return field
	case float64:
		return strconv.FormatFloat(field, 'f', -1, 64)
	case map[string]any:
		name, _ := field["name"].(string)
		return name
	case []any:
		var text []byte
		for _, item := range field {
			b, ok := item.(float64)
			if !ok || b < 0 || b > math.MaxUint8 {
				return ""
			}
			text = append(text, byte(b))
		}
		return string(text)
	}
	return ""
}

// timeOf reads a time as text or as a number since 1970.
func (p Parser) timeOf(field any) time.Time {
	text := textOf(field)
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC()
	}
	if at := epoch(text); !at.IsZero() || text == "" {
		return at
	}
	at, _ := p.takeDate(text)
	return at
}

// epoch reads seconds, milliseconds, microseconds or nanoseconds since 1970, told
// apart by their size.
func epoch(text string) time.Time {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	switch {
	case n < 1e11:
		nanos, _ := readFraction("." + fraction[:min(len(fraction), 9)])
		return time.Unix(n, int64(nanos)).UTC()
	case n < 1e14:
		return time.UnixMilli(n).UTC()
	case n < 1e17:
		return time.UnixMicro(n).UTC()
	default:
		return time.Unix(0, n).UTC()
	}
}

// levelOf reads a level as collectors and other log libraries write it.
func levelOf(text string) Level {
	switch strings.ToLower(text) {
	case "trace", "trc":
		return Trace
	case "debug", "dbg":
		return Debug
	case "info", "inf", "information", "notice":
		return Info
	case "warn", "warning", "wrn":
		return Warning
	case "error", "err":
		return Error
	case "fatal", "ftl", "critical", "crit", "emergency", "alert", "panic":
		return Fatal
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < len(severities) {
		return severities[n]
	}
	return Unknown
}

// logfmt reads a line of key=value pairs; nil where it is not one that carries a line.
func logfmt(line string) map[string]any {
	first := strings.IndexAny(line, "= ")
	if first <= 0 || line[first] != '=' || !strings.Contains(line, "msg=") && !strings.Contains(line, "message=") && !strings.Contains(line, "log=") {
		return nil
	}
	fields := map[string]any{}
	for line != "" {
		key, rest, ok := strings.Cut(strings.TrimLeft(line, " "), "=")
		if !ok || strings.ContainsAny(key, " \"[]") {
			break
		}
		var value string
		if value, line = cutValue(rest); value != "" {
			fields[key] = value
		}
	}
	return fields
}

// cutValue cuts a value, quoted or not, off the front of the pairs that follow.
func cutValue(text string) (value, rest string) {
	if quoted, err := strconv.QuotedPrefix(text); err == nil && quoted[0] == '"' {
		value, _ = strconv.Unquote(quoted)
		return value, text[len(quoted):]
	}
	value, rest, _ = strings.Cut(text, " ")
	return value, rest
}
