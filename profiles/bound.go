package profiles

import (
	"fmt"
	"strconv"
	"strings"

	"storebench/internal/measure"
)

// timeUnit is a unit of a duration: seconds × 10^exponent × times.
type timeUnit struct {
	name     string
	exponent int
	times    float64
}

// timeUnits are in descending order. Both signs for micro are known: the one
// of Latin-1 and the Greek letter.
var timeUnits = []timeUnit{
	{"h", 0, 3600}, {"m", 0, 60}, {"s", 0, 1}, {"ms", -3, 1},
	{"us", -6, 1}, {"µs", -6, 1}, {"μs", -6, 1}, {"ns", -9, 1},
}

// sizeUnits are measure.Size's; they are known in upper and lower case.
var sizeUnits = []string{"B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"}

// unitWords are the words that a mistyped unit is compared with.
var unitWords = []string{
	"ns", "us", "ms", "s", "m", "h", "B", "KB", "MB", "GB", "TB",
	"KiB", "MiB", "GiB", "TiB", "/s", "MB/s", "MiB/s", "%",
}

const (
	// maxBound keeps a bound's text short; nothing measured comes near it.
	maxBound = 1e18
	// maxExactBytes is where a float64 stops telling neighbouring sizes apart.
	maxExactBytes = 1 << 53
)

// faulty says what is wrong with a part of a limit, and what to write instead.
type faulty struct{ reason, hint string }

// parseBound gives a number and its unit, both as written, in base units.
func parseBound(number, unit string) (float64, measure.Unit, *faulty) {
	if unit == "" {
		return finite(number, "", 0, 1)
	}
	if unit == "%" {
		return finite(number, "", -2, 1)
	}
	for _, u := range timeUnits {
		if unit == u.name {
			return finite(number, measure.Seconds, u.exponent, u.times)
		}
	}
	base, isRate := strings.CutSuffix(unit, "/s")
	switch {
	case isRate && base == "":
		return finite(number, measure.PerSecond, 0, 1)
	case isRate && isSizeUnit(base):
		return bytesBound(number+base, measure.BytesPerSecond)
	case isSizeUnit(unit):
		return bytesBound(number+unit, measure.Bytes)
	}
	return 0, "", &faulty{fmt.Sprintf("unknown unit %q", unit), unitHint(unit)}
}

// finite gives number × 10^exponent × times. The exponent goes into the text,
// so that 10ms is the float64 nearest to 0.01.
func finite(number string, unit measure.Unit, exponent int, times float64) (float64, measure.Unit, *faulty) {
	v, err := strconv.ParseFloat(number+"e"+strconv.Itoa(exponent), 64)
	if v *= times; err != nil || v > maxBound {
		return 0, "", &faulty{"the bound is too large", "write a smaller number"}
	}
	return v, unit, nil
}

func bytesBound(text string, unit measure.Unit) (float64, measure.Unit, *faulty) {
	var s measure.Size
	if err := s.UnmarshalText([]byte(text)); err != nil {
		return 0, "", &faulty{err.Error(), "write a size such as 64MiB"}
	}
	if s > maxExactBytes {
		return 0, "", &faulty{"the bound is too large", "write at most 8192TiB"}
	}
	return float64(s), unit, nil
}

func isSizeUnit(name string) bool {
	for _, u := range sizeUnits {
		if strings.EqualFold(name, u) {
			return true
		}
	}
	return false
}

func unitHint(unit string) string {
	if _, per, ok := strings.Cut(unit, "/"); ok && per != "s" {
		return "rates are per second: write /s, as in 1000/s or 50MB/s"
	}
	// A single letter is near to every other one.
	if len(unit) > 1 {
		if near := Nearest(unit, unitWords); near != "" {
			return "did you mean " + near + "?"
		}
	}
	return "known are ns, us, ms, s, m, h, B to TiB, /s, % and none"
}

// formatBound writes a bound so that parseBound reads the same back.
func formatBound(v float64, unit measure.Unit) string {
	switch unit {
	case measure.Seconds:
		return formatSeconds(v)
	case measure.Bytes:
		return formatBytes(v)
	case measure.BytesPerSecond:
		return formatBytes(v) + "/s"
	case measure.PerSecond:
		return shifted(v, 0) + "/s"
	default:
		return shifted(v, 0)
	}
}

// formatSeconds writes seconds in the largest unit that leaves at least one.
func formatSeconds(v float64) string {
	switch {
	case v == 0 || v >= 1:
		return shifted(v, 0) + "s"
	case v >= 1e-3:
		return shifted(v, 3) + "ms"
	case v >= 1e-6:
		return shifted(v, 6) + "us"
	default:
		return shifted(v, 9) + "ns"
	}
}

// formatBytes writes a size as measure.Size does, or with a fraction where that is shorter:
// 2.5MB rather than 2500KB.
func formatBytes(v float64) string {
	best := measure.Size(v).String()
	for _, unit := range sizeUnits {
		var one, back measure.Size
		if one.UnmarshalText([]byte("1"+unit)) != nil {
			continue
		}
		text := strconv.FormatFloat(v/float64(one), 'f', -1, 64) + unit
		if len(text) < len(best) && back.UnmarshalText([]byte(text)) == nil && back == measure.Size(v) {
			best = text
		}
	}
	return best
}
