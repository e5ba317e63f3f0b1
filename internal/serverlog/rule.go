package serverlog

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rule makes an event of a line; see rules.
type rule struct {
	kind   Kind
	by     speaker
	format string
	fields string
	until  string
}

// speaker is what part of a server says a line: what stands before and behind
// the line's own format, as regular expressions.
type speaker struct {
	before, after string
	named         bool // before has one group: the subject, where the format has none
	outside       bool // not from the log: such a line has no level
}

var (
	server  = speaker{}
	outside = speaker{outside: true}
	store   = speaker{before: `Filestore \[(.+?)\] `, named: true}
	raft    = speaker{before: `RAFT \[.*? - (.+?)\] `, named: true}
	// A connection is an address and a number, then what its client calls itself
	// and its account, quoted; the server's own have a name alone.
	connection = speaker{
		before: `(?:(\S* - [a-z_]+:\d+|[A-Z]+)(?: - "(?:[^"\\]|\\.)*")* - )?`,
		after:  `(?: - .*)?`,
		named:  true,
	}
)

// matcher is a rule made ready.
type matcher struct {
	rule
	literal string // must be in the text: looked for first, as that costs little
	pattern *regexp.Regexp
	fields  []string // one a group
}

var matchers = sync.OnceValue(func() []matcher {
	list := make([]matcher, len(rules))
	for i, r := range rules {
		list[i] = r.matcher()
	}
	return list
})

// keyLength is how many bytes of a text choose the rules to try.
const keyLength = 4

// index has the rules to try, in their order, by the first bytes of a text, and under
// the empty key those that may stand behind anything.
var index = sync.OnceValue(func() map[string][]*matcher {
	list := matchers()
	keys := map[string]bool{"": true}
	for i := range list {
		keys[list[i].key()] = true
	}
	byKey := map[string][]*matcher{}
	for key := range keys {
		for i := range list {
			if own := list[i].key(); own == key || own == "" {
				byKey[key] = append(byKey[key], &list[i])
			}
		}
	}
	return byKey
})

// candidates are the rules that may fit a text: most texts begin as none does.
func candidates(text string) []*matcher {
	all := index()
	if len(text) >= keyLength {
		if list, ok := all[text[:keyLength]]; ok {
			return list
		}
	}
	return all[""]
}

// key is how every text of a rule begins; empty where they differ.
func (m *matcher) key() string {
	text := m.format
	switch {
	case m.by.before == store.before:
		text = "Filestore ["
	case m.by.before == raft.before:
		text = "RAFT ["
	case m.by.before != "":
		return ""
	}
	if verb := strings.IndexByte(text, '%'); verb >= 0 {
		text = text[:verb]
	}
	if len(text) < keyLength {
		return ""
	}
	return text[:keyLength]
}

// verbPattern finds the verbs of a format string.
var verbPattern = regexp.MustCompile(`%[+.\d]*[a-z]`)

func (r rule) matcher() matcher {
	format, fields := r.fixed()
	m := matcher{rule: r}
	if r.by.named {
		m.fields = append(m.fields, speakerField(fields))
	}
	var expr strings.Builder
	expr.WriteString("^" + r.by.before)
	rest := format
	for i := 0; ; i++ {
		at := verbPattern.FindStringIndex(rest)
		if at == nil {
			break
		}
		m.addLiteral(&expr, rest[:at[0]])
		expr.WriteString("(" + verbExpr(rest[at[0]:at[1]], fields[i]) + ")")
		m.fields = append(m.fields, fields[i])
		rest = rest[at[1]:]
	}
	m.addLiteral(&expr, rest)
	expr.WriteString(r.by.after + "$")
	m.pattern = regexp.MustCompile(expr.String())
	return m
}

// fixed is the format, and the words for its verbs, where those that stand for one
// text alone are that text.
func (r rule) fixed() (format string, fields []string) {
	words := strings.Fields(r.fields)
	format = verbPattern.ReplaceAllStringFunc(r.format, func(verb string) string {
		word := words[0]
		words = words[1:]
		if text, fixed := strings.CutPrefix(word, "="); fixed {
			return text
		}
		fields = append(fields, word)
		return verb
	})
	return format, fields
}

// speakerField is what the speaker's own group is for.
func speakerField(fields []string) string {
	if slices.Contains(fields, "subject") {
		return "-"
	}
	return "subject"
}

func (m *matcher) addLiteral(expr *strings.Builder, text string) {
	expr.WriteString(regexp.QuoteMeta(text))
	if len(text) > len(m.literal) {
		m.literal = text
	}
}

const (
	durationExpr = `-?(?:\d+(?:\.\d+)?(?:h|ms|m|s|µs|ns))+`
	sizeExpr     = `-?\d+(?:\.\d+)? [KMGTPE]?B`
	quotedExpr   = `"(?:[^"\\]|\\.)*"`
)

// verbExpr is what a verb prints, as a regular expression.
func verbExpr(verb, field string) string {
	switch kind := verb[len(verb)-1]; {
	case kind == 'q':
		return quotedExpr
	case kind == 'd':
		return `-?\d+`
	case kind == 'f':
		return `-?\d+\.\d+`
	case field == "took":
		return durationExpr
	case field == "bytes":
		return sizeExpr
	case field == "count":
		return `-?[\d,]+`
	default:
		return `.*?`
	}
}

// match fills an event where the text is the rule's line.
func (m *matcher) match(text string, e *Event) bool {
	if !strings.Contains(text, m.literal) {
		return false
	}
	groups := m.pattern.FindStringSubmatch(text)
	if groups == nil {
		return false
	}
	e.Kind = m.kind
	var subject []string
	var marks []uint64
	for i, group := range groups[1:] {
		switch m.fields[i] {
		case "subject":
			subject = append(subject, unquote(group))
		case "took":
			e.Took = parseDuration(group)
		case "count":
			e.Count = parseInt(strings.ReplaceAll(group, ",", ""))
		case "bytes":
			e.Bytes = parseSize(group)
		case "mark":
			marks = append(marks, parseUint(group))
		}
	}
	e.Subject = printable(strings.Join(subject, " > "), maxName)
	e.Count = max(e.Count, largestGap(marks))
	return true
}

// unquote undoes %q. What a format with another verb printed stays as it is, as
// does what is in quotes and was not printed by Go.
func unquote(text string) string {
	if plain, err := strconv.Unquote(text); err == nil {
		return plain
	}
	return text
}

// parseDuration reads what %v prints of a time.Duration, exactly, or a number of
// seconds.
func parseDuration(text string) time.Duration {
	if last := text[len(text)-1]; last >= '0' && last <= '9' {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	switch {
	case err == nil:
		return d
	case strings.HasPrefix(text, "-"):
		return math.MinInt64
	default:
		return math.MaxInt64
	}
}

// parseInt reads digits. Where they are too many it is the nearest number there
// is, and so are the two below.
func parseInt(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func parseUint(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// parseSize reads a number of bytes, or a size as nats-server rounds it: "73 B",
// "1.00 GB", the letters being powers of 1024.
func parseSize(text string) int64 {
	number, unit, sized := strings.Cut(text, " ")
	power := strings.IndexByte("BKMGTPE", (unit + "B")[0])
	if !sized || power == 0 {
		return parseInt(number)
	}
	value, _ := strconv.ParseFloat(number, 64)
	value = math.Round(math.Ldexp(value, 10*power))
	switch {
	case value >= math.MaxInt64:
		return math.MaxInt64
	case value <= math.MinInt64:
		return math.MinInt64
	default:
		return int64(value)
	}
}

// largestGap is the largest distance by which a mark lies behind the one before.
func largestGap(marks []uint64) int64 {
	var gap uint64
	for i := 1; i < len(marks); i++ {
		if marks[i] < marks[i-1] {
			gap = max(gap, marks[i-1]-marks[i])
		}
	}
	return int64(min(gap, math.MaxInt64))
}
