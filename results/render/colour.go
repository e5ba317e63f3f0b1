package render

import (
	"regexp"
	"strings"
)

// The places where a text names a status: a row of what does not hold, a cell of the table
// of limits, the head of an explanation, the verdict, the outcome of a comparison. Colour is
// a coat on the finished text, so that a terminal and a file hold the same words in the same
// columns.
var statusPlaces = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^(  )(pass|warn|fail|inconclusive)((?:, undecided)?  .*)$`),
	regexp.MustCompile(`(?m)^(  \S.*  )(pass|warn|fail|inconclusive)((?:, undecided)?(?:  .*)?)$`),
	regexp.MustCompile(`(?m)^()(PASS|WARN|FAIL|INCONCLUSIVE)((?:, UNDECIDED)?  .*)$`),
	regexp.MustCompile(`(?m)^((?:(?:VERDICT|RESULT )   )?(?:PARTIAL )?)(PASS|WARN|FAIL|INCONCLUSIVE)(:.*)$`),
	regexp.MustCompile(`(?m)^(  \S.*  )(better|worse|REGRESSION)()$`),
}

// The codes (SGR) of the colours, all bold.
const (
	red    = "\x1b[1;31m"
	green  = "\x1b[1;32m"
	yellow = "\x1b[1;33m"
	purple = "\x1b[1;35m"
)

var statusColours = map[string]string{
	"pass": green, "warn": yellow, "fail": red, "inconclusive": purple,
	"better": green, "worse": yellow, "regression": red,
}

const plainAgain = "\x1b[0m"

// paint colours the statuses in a text report.
func paint(text []byte) []byte {
	for _, place := range statusPlaces {
		text = place.ReplaceAllFunc(text, func(line []byte) []byte {
			part := place.FindSubmatch(line)
			word := string(part[2])
			return []byte(string(part[1]) + statusColours[strings.ToLower(word)] + word + plainAgain + string(part[3]))
		})
	}
	return text
}
