package measure

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Grouped writes a whole number with commas between thousands: 2,000.
func Grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(text) - 3; i > first; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Readable writes a parameter's value for a person: 2,000, 4 s and 1 KiB instead of 2000, 4s
// and 1KiB. What is no whole number, size or duration of one unit stays as it is.
func Readable(value string) string {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return Grouped(n)
	}
	if at := strings.IndexFunc(value, unicode.IsLetter); at > 0 {
		if _, err := time.ParseDuration(value); err == nil && strings.IndexFunc(value[at:], unicode.IsDigit) < 0 {
			return value[:at] + " " + value[at:]
		}
	}
	var size Size
	digits := strings.TrimRight(value, "KMGTiB")
	if size.UnmarshalText([]byte(value)) != nil || digits == value {
		return value
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		digits = Grouped(n)
	}
	return digits + " " + strings.TrimLeft(value, "0123456789.")
}
