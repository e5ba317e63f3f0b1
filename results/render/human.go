package render

import (
	"math"
	"strconv"
	"strings"

	"storebench/internal/measure"
)

// figure writes a value of a unit for a person: three significant figures and
// a scaled unit. A value that is not known is a dash.
func figure(x *float64, unit measure.Unit) string {
	if x == nil || math.IsNaN(*x) || math.IsInf(*x, 0) {
		return "–"
	}
	switch unit {
	case measure.Seconds:
		return seconds(*x)
	case measure.Bytes:
		return bytesOf(*x)
	case measure.BytesPerSecond:
		return bytesOf(*x) + "/s"
	case measure.PerSecond:
		return grouped(*x) + "/s"
	}
	return grouped(*x)
}

// seconds writes a duration: 0, 950 ns, 12.3 µs, 4.56 ms, 1.23 s, 12 min.
func seconds(s float64) string {
	switch a := math.Abs(s); {
	case a == 0:
		return "0"
	case a < 999.5e-9:
		return significant(s*1e9) + " ns"
	case a < 999.5e-6:
		return significant(s*1e6) + " µs"
	case a < 999.5e-3:
		return significant(s*1e3) + " ms"
	case a < 600:
		return significant(s) + " s"
	}
	return grouped(s/60) + " min"
}

// maxBytes is about the largest size that there is; a document from elsewhere
// may claim more.
const maxBytes = 1 << 62

// bytesOf writes a size in binary units.
func bytesOf(b float64) string {
	return measure.Size(min(max(b, 0), maxBytes)).Human()
}

// significant writes three significant figures without an exponent.
func significant(x float64) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return "0"
	}
	// Rounding first: 99.96 has as many digits as 100.
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 2, 64), 64)
	if err != nil {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(rounded))))
	return strconv.FormatFloat(x, 'f', max(0, min(maxDigits, digits)), 64)
}

// maxDigits is how many digits follow the dot at most.
const maxDigits = 6

// grouped writes a number with commas between thousands: whole from 100 on.
func grouped(x float64) string {
	if math.Abs(x) < 99.5 {
		text := significant(x)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return text
	}
	text := strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if x < 0 {
		return "-" + text
	}
	return text
}

// counted writes how many of a thing there are.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(float64(n)) + " " + thing + "s"
}

// spaced writes a size exactly, with a space before its unit: 1 KiB, 2300 B.
func spaced(size measure.Size) string {
	text := size.String()
	digits := strings.TrimRight(text, "KMGTiB")
	return digits + " " + text[len(digits):]
}
