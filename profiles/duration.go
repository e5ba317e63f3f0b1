package profiles

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// String returns the duration as "1.5s", "2m" or "1h30m".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText returns String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration does, but no number without a
// unit: whether 55 means seconds or nanoseconds is not for us to guess.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if _, err := strconv.ParseFloat(s, 64); err == nil && strings.ContainsAny(s, "0123456789") {
		return fmt.Errorf("duration %q has no unit; write %q if seconds are meant", s, s+"s")
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration %q cannot be read; write a number with a unit, such as 1.5s, 300ms or 2m", s)
	}
	*d = Duration(v)
	return nil
}
