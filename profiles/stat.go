package profiles

import (
	"fmt"
	"strconv"
	"strings"
)

// The names that a Stat can have.
const (
	StatMin      = "min"
	StatMean     = "mean"
	StatMax      = "max"
	StatRate     = "rate"  // operations per second
	StatValue    = "value" // of a measurement that is one number
	StatQuantile = "quantile"
)

// namedStats are the statistics with a name; quantiles are written p99.
var namedStats = []string{StatMin, StatMean, StatMax, StatRate, StatValue}

// statWords are the words that a mistyped statistic is compared with.
var statWords = append([]string{"p50", "p90", "p99", "p99.9", "p99.99"}, namedStats...)

// statSynonyms are what other tools call the same thing.
var statSynonyms = map[string]string{
	"avg": StatMean, "average": StatMean, "median": "p50",
	"minimum": StatMin, "maximum": StatMax, "p0": StatMin, "p100": StatMax,
	"throughput": StatRate, "count": StatValue,
}

// String returns the statistic as limits write it: max, p50, p99.9. The zero
// Stat is "".
func (s Stat) String() string {
	if s.Name != StatQuantile {
		return s.Name
	}
	return "p" + shifted(s.Quantile, 2)
}

// MarshalText returns String.
func (s Stat) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes; "" is the zero Stat. It refuses an
// unknown statistic and a quantile that is not strictly inside 0 to 100.
func (s *Stat) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Stat{}
		return nil
	}
	v, reason, hint := parseStat(string(text))
	if reason != "" {
		return fmt.Errorf("%s; %s", reason, hint)
	}
	*s = v
	return nil
}

// parseStat reads a statistic; reason and hint say what is wrong with it.
func parseStat(text string) (s Stat, reason, hint string) {
	for _, name := range namedStats {
		if text == name {
			return Stat{Name: name}, "", ""
		}
	}
	percent, isQuantile := strings.CutPrefix(text, "p")
	if !isQuantile || !isDecimal(percent) {
		return Stat{}, fmt.Sprintf("unknown statistic %q", text), statHint(text)
	}
	// Shifting the text and not the number keeps p99.9 the nearest to 0.999.
	q, err := strconv.ParseFloat(percent+"e-2", 64)
	if err != nil || q <= 0 || q >= 1 {
		return Stat{}, fmt.Sprintf("quantile %q is not inside 0 to 100", text),
			"use min or max for the ends, or a quantile such as p99.9"
	}
	return Stat{Name: StatQuantile, Quantile: q}, "", ""
}

func statHint(text string) string {
	if meant, ok := statSynonyms[strings.ToLower(text)]; ok {
		return "did you mean " + meant + "?"
	}
	if near := Nearest(text, statWords); near != "" {
		return "did you mean " + near + "?"
	}
	return "known are " + strings.Join(namedStats, ", ") + " and quantiles such as p50 or p99.9"
}

// isDecimal says whether a text is digits with at most one dot between them.
func isDecimal(text string) bool {
	whole, fraction, dotted := strings.Cut(text, ".")
	return isDigits(whole) && (!dotted || isDigits(fraction))
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// shifted writes f × 10^places exactly: it moves the dot in f's shortest text,
// so that the text with the exponent -places reads back as f. f is finite and
// not negative.
func shifted(f float64, places int) string {
	if f == 0 {
		return "0"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	digits := strings.Replace(mantissa, ".", "", 1)
	e, _ := strconv.Atoi(exponent) // FormatFloat wrote it
	switch dot := 1 + e + places; {
	case dot <= 0:
		return "0." + strings.Repeat("0", -dot) + digits
	case dot >= len(digits):
		return digits + strings.Repeat("0", dot-len(digits))
	default:
		return digits[:dot] + "." + digits[dot:]
	}
}
