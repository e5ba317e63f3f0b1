package profiles

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"storebench/internal/measure"
)

// LimitError says where the text of a limit is wrong.
type LimitError struct {
	Text   string // the whole text
	Offset int    // of the fault in Text, in bytes
	Reason string // what is wrong there
	Hint   string // what to write instead; may be empty
}

// Error returns the reason and, on two lines below, the text and a caret under
// the place of the fault.
func (e *LimitError) Error() string {
	message := e.Reason
	if e.Hint != "" {
		message += " (" + e.Hint + ")"
	}
	// A tab or a line break in the text would move the caret away.
	shown := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, e.Text)
	column := utf8.RuneCountInString(e.Text[:min(max(e.Offset, 0), len(e.Text))])
	return fmt.Sprintf("%s\n  %s\n  %s^", message, shown, strings.Repeat(" ", column))
}

// limitExample is shown where the whole shape is in doubt.
const limitExample = "write a limit such as block-write.store{mode=open} p99 < 10ms"

// ParseLimit reads a limit:
//
//	probe ["." metric] ["{" label "=" value, … "}"] stat op bound
//
// stat is min, mean, max, rate, value or a quantile such as p99.9, op one of
// < <= > >=, and bound a number that is not negative: a duration (ns, us, ms, s,
// m, h), a size (B to TiB), a rate (/s, also of a size), a percentage, or plain.
// The limit's level is fail and its text the canonical one. Whether the probe,
// metric and labels exist is not known here. Every error is a *LimitError.
func ParseLimit(s string) (Limit, error) {
	p := limitParser{text: s}
	if fault := p.parse(p.probe, p.metric, p.labels, p.stat, p.op, p.bound); fault != nil {
		return Limit{}, fault
	}
	p.limit.Level = LevelFail
	p.limit.Text = p.limit.String()
	return p.limit, nil
}

// limitParser walks once over a limit's text. Its methods read one part each,
// from pos on, into limit.
type limitParser struct {
	text  string
	pos   int
	limit Limit
}

func (p *limitParser) parse(parts ...func() *LimitError) *LimitError {
	if at := invalidUTF8(p.text); at >= 0 {
		return p.fault(at, "not text in UTF-8", limitExample)
	}
	for _, part := range parts {
		if fault := part(); fault != nil {
			return fault
		}
	}
	return nil
}

// invalidUTF8 returns where a text stops being UTF-8, or -1.
func invalidUTF8(text string) int {
	for at, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[at:], string(utf8.RuneError)) {
			return at
		}
	}
	return -1
}

func (p *limitParser) fault(at int, reason, hint string) *LimitError {
	return &LimitError{Text: p.text, Offset: at, Reason: reason, Hint: hint}
}

func (p *limitParser) probe() *LimitError {
	p.space()
	if p.limit.Probe = p.name("-"); p.limit.Probe == "" {
		return p.fault(p.pos, "the name of a probe is missing", limitExample)
	}
	if !p.endsName(".{") {
		return p.fault(p.pos, fmt.Sprintf("%q in the name of a probe", p.peek()),
			"names of probes are lower case with dashes, such as block-write")
	}
	return nil
}

func (p *limitParser) metric() *LimitError {
	if !p.take('.') {
		return nil
	}
	if p.limit.Metric = p.name("_"); p.limit.Metric == "" {
		return p.fault(p.pos, "the name of a metric is missing after the dot", "leave the dot out for the probe's first metric")
	}
	if !p.endsName("{") {
		return p.fault(p.pos, fmt.Sprintf("%q in the name of a metric", p.peek()),
			"names of metrics are lower case with underscores, such as store_outside_sync")
	}
	return nil
}

// endsName says whether a name may end here: at a space, at the text's end or
// before one of the given characters.
func (p *limitParser) endsName(follow string) bool {
	r := p.peek()
	return r == utf8.RuneError || isSpace(r) || strings.ContainsRune(follow, r)
}

func (p *limitParser) labels() *LimitError {
	p.space()
	if !p.take('{') {
		return nil
	}
	p.limit.Labels = map[string]string{}
	for {
		if fault := p.label(); fault != nil {
			return fault
		}
		if p.take('}') {
			return nil
		}
		if !p.take(',') {
			return p.fault(p.pos, "the labels do not end", "close them with }")
		}
	}
}

func (p *limitParser) label() *LimitError {
	p.space()
	at := p.pos
	name := p.name("-_")
	if name == "" {
		return p.fault(at, "the name of a label is missing", "write labels as {mode=open,step=block-write}")
	}
	if _, twice := p.limit.Labels[name]; twice {
		return p.fault(at, fmt.Sprintf("label %q appears twice", name), "keep one")
	}
	p.space()
	if !p.take('=') {
		return p.fault(p.pos, fmt.Sprintf("label %q needs = and a value", name), "write "+name+"=value")
	}
	return p.labelValue(name)
}

// labelValue reads a value up to the next comma or brace, which it cannot hold
// (a ? stands for them).
func (p *limitParser) labelValue(name string) *LimitError {
	p.space()
	at := p.pos
	value := strings.TrimSpace(p.until(",{}"))
	_, badPattern := path.Match(value, "")
	switch {
	case value == "":
		return p.fault(at, fmt.Sprintf("label %q has no value", name), "write "+name+"=value, or "+name+"=* for any")
	case strings.ContainsAny(value, `"'`):
		return p.fault(at, "quotes around a value", "write the value without them")
	case strings.ContainsFunc(value, unicode.IsControl):
		return p.fault(at, "a control character in a value", "write the value on one line")
	case badPattern != nil:
		return p.fault(at, "the pattern does not end", "close the [ or write \\[")
	}
	p.limit.Labels[name] = value
	return nil
}

// opCharacters are those that an operator, or what somebody took for one, has.
const opCharacters = "<>=!≤≥~"

// opSynonyms are what else people write for a comparison.
var opSynonyms = map[string]Op{
	"=<": LessEqual, "≤": LessEqual, "=>": GreaterEqual, "≥": GreaterEqual,
	"<<": Less, ">>": Greater,
}

func (p *limitParser) stat() *LimitError {
	p.space()
	at := p.pos
	text := p.until(opCharacters + " \t\r\n")
	if text == "" {
		return p.fault(at, "the statistic is missing", "write min, mean, max, rate, value or a quantile such as p99")
	}
	s, reason, hint := parseStat(text)
	if reason != "" {
		return p.fault(at, reason, hint)
	}
	p.limit.Stat = s
	return nil
}

func (p *limitParser) op() *LimitError {
	p.space()
	at := p.pos
	for p.pos < len(p.text) && strings.ContainsRune(opCharacters, p.peek()) {
		p.next()
	}
	switch op := Op(p.text[at:p.pos]); op {
	case Less, LessEqual, Greater, GreaterEqual:
		p.limit.Op = op
		return nil
	case "":
		return p.fault(at, "the comparison is missing", "write <, <=, > or >=")
	default:
		hint := "known are <, <=, > and >="
		if meant, ok := opSynonyms[string(op)]; ok {
			hint = "did you mean " + string(meant) + "?"
		}
		return p.fault(at, fmt.Sprintf("unknown comparison %q", string(op)), hint)
	}
}

// end reads nothing more.
func (p *limitParser) end() *LimitError {
	p.space()
	if p.pos < len(p.text) {
		return p.fault(p.pos, "text after the statistic", "a figure has no bound; write one such as raw-sync.fdatasync p99")
	}
	return nil
}

func (p *limitParser) bound() *LimitError {
	p.space()
	at := p.pos
	number, fault := p.number()
	if fault != nil {
		return fault
	}
	p.space()
	unitAt := p.pos
	unit := p.until(" \t\r\n")
	p.space()
	if p.pos < len(p.text) {
		return p.fault(p.pos, "text after the bound", "write one limit at a time")
	}
	value, base, wrong := parseBound(number, unit)
	if wrong != nil {
		if strings.HasPrefix(wrong.reason, "unknown unit") {
			at = unitAt
		}
		return p.fault(at, wrong.reason, wrong.hint)
	}
	if p.limit.Stat.Name == StatRate && unit != "" && base != measure.PerSecond {
		return p.fault(unitAt, "a rate counts operations", "write operations per second, such as 1000/s")
	}
	p.limit.Bound, p.limit.Unit = value, base
	return nil
}

// number reads digits with at most one dot between them.
func (p *limitParser) number() (string, *LimitError) {
	at := p.pos
	for p.pos < len(p.text) && strings.IndexByte("0123456789.", p.text[p.pos]) >= 0 {
		p.pos++
	}
	number := p.text[at:p.pos]
	if isDecimal(number) {
		return number, nil
	}
	rest := strings.ToLower(p.text[at:])
	const hint = "write a number with its unit, such as 10ms, 64MiB, 1000/s or 1%"
	switch {
	case rest == "":
		return "", p.fault(at, "the bound is missing", hint)
	case rest[0] == '-':
		return "", p.fault(at, "the bound is negative", "write 0 or more")
	case strings.HasPrefix(rest, "nan"), strings.HasPrefix(strings.TrimPrefix(rest, "+"), "inf"):
		return "", p.fault(at, "the bound is not a finite number", hint)
	default:
		return "", p.fault(at, "the bound does not begin with a number", hint)
	}
}

// name reads a lower-case letter and the letters, digits and given joiners
// that follow; empty when there is none.
func (p *limitParser) name(joiners string) string {
	at := p.pos
	for ; p.pos < len(p.text); p.pos++ {
		c := p.text[p.pos]
		letter := c >= 'a' && c <= 'z'
		inside := c >= '0' && c <= '9' || strings.IndexByte(joiners, c) >= 0
		if !letter && (p.pos == at || !inside) {
			break
		}
	}
	return p.text[at:p.pos]
}

// until reads up to one of the given characters or the text's end.
func (p *limitParser) until(stops string) string {
	rest := p.text[p.pos:]
	end := strings.IndexAny(rest, stops)
	if end < 0 {
		end = len(rest)
	}
	p.pos += end
	return rest[:end]
}

func (p *limitParser) space() {
	for p.pos < len(p.text) && isSpace(rune(p.text[p.pos])) {
		p.pos++
	}
}

// take steps over a character if it is next.
func (p *limitParser) take(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// peek returns the next character, utf8.RuneError at the end: the text is
// valid, so it stands for nothing else (a real U+FFFD ends a name as well).
func (p *limitParser) peek() rune {
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return r
}

func (p *limitParser) next() {
	_, size := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += size
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }
