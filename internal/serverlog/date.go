package serverlog

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// datePattern finds the times that collectors and viewers put before a line: those
// of RFC 3339 and what is near to it, and those with a month's name, which syslog
// writes without a year.
var datePattern = regexp.MustCompile(
	`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?` +
		`|(?:\p{L}{3,5}\.? +\d{1,2}|\d{1,2}\.? \p{L}{3,5}\.?)(?:,? \d{4},?)? +\d\d:\d\d:\d\d(?:[.,]\d{1,9})?`)

// takeDate takes the first time out of a prefix.
func (p Parser) takeDate(prefix string) (at time.Time, rest string) {
	span := datePattern.FindStringIndex(prefix)
	if span == nil {
		return time.Time{}, prefix
	}
	return p.readDate(prefix[span[0]:span[1]]), prefix[:span[0]] + prefix[span[1]:]
}

// readDate reads a time that datePattern found; it is zero where there is no such
// time, or where only Parser.Now could tell its year.
func (p Parser) readDate(text string) time.Time {
	if text[0] >= '0' && text[0] <= '9' && len(text) > 4 && text[4] == '-' {
		return p.readNumericDate(text)
	}
	return p.readNamedDate(text)
}

func (p Parser) readNumericDate(text string) time.Time {
	text = strings.Replace(strings.Replace(text, ",", ".", 1), "T", " ", 1)
	day, clock, _ := strings.Cut(text, " ")
	text = day + " " + strings.ReplaceAll(clock, " ", "")
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, p.zone()); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// readNamedDate reads "Nov 22 06:31:08", "22 Nov 2026 06:31:08" and the like.
func (p Parser) readNamedDate(text string) time.Time {
	var day, year, month int
	fields := strings.Fields(strings.ReplaceAll(text, ",", " "))
	last := len(fields) - 1
	clock := fields[last]
	if i := strings.LastIndexByte(text, ','); i > strings.LastIndexByte(text, ':') {
		clock = fields[last-1] + "." + fields[last]
		last--
	}
	for _, f := range fields[:last] {
		n, err := strconv.Atoi(strings.TrimSuffix(f, "."))
		switch {
		case err != nil:
			month = monthOf(f)
		case len(f) == 4:
			year = n
		default:
			day = n
		}
	}
	if month == 0 || year == 0 && p.Now.IsZero() {
		return time.Time{}
	}
	return p.date(year, month, day, clock)
}

// date puts a date together. Without a year it is the last such day before
// tomorrow: clocks differ.
func (p Parser) date(year, month, day int, clock string) time.Time {
	of, err := time.Parse("15:04:05", clock)
	if err != nil {
		return time.Time{}
	}
	in := func(year int) time.Time {
		return time.Date(year, time.Month(month), day, of.Hour(), of.Minute(), of.Second(), of.Nanosecond(), p.zone())
	}
	at := in(year)
	if year == 0 {
		if at = in(p.Now.Year()); at.After(p.Now.Add(24 * time.Hour)) {
			at = in(p.Now.Year() - 1)
		}
	}
	if at.Day() != day {
		return time.Time{}
	}
	return at.UTC()
}

// months are the first letters of the months as journals write them in English,
// German, French, Spanish, Italian, Portuguese and Dutch.
var months = [...][]string{
	{"jan", "ene", "gen"}, {"feb", "fév", "fev"}, {"mar", "mär", "mrz", "maa", "mrt"}, {"apr", "avr", "abr"},
	{"may", "mai", "mag", "mei"}, {"jun", "juin", "giu"}, {"jul", "juil", "lug"}, {"aug", "aoû", "ago"},
	{"sep", "set"}, {"oct", "okt", "ott", "out"}, {"nov"}, {"dec", "dez", "déc", "dic"},
}

// monthOf is the number of a month by its name, 0 where it is none.
func monthOf(name string) int {
	name = strings.ToLower(name)
	for i, words := range months {
		for _, word := range words {
			if strings.HasPrefix(name, word) {
				return i + 1
			}
		}
	}
	return 0
}
