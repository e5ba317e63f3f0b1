package slowvolume

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// size is a number of bytes with a text form.
type size int64

type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits are ordered so that printing finds the shortest exact form.
var sizeUnits = []sizeUnit{
	{"TiB", 1 << 40},
	{"TB", 1e12},
	{"GiB", 1 << 30},
	{"GB", 1e9},
	{"MiB", 1 << 20},
	{"MB", 1e6},
	{"KiB", 1 << 10},
	{"kB", 1e3},
	{"B", 1},
}

// String prints the size in the largest unit that holds it without a fraction.
func (s size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// parseSize reads a whole number and its unit. Fractions are refused: they
// would not print back exactly.
func parseSize(text string) (size, error) {
	digits := strings.TrimRight(text, "TGMKkiB")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("size %q: want a whole number above 0 with a unit, such as 100MB or 64KiB", text)
	}
	name := text[len(digits):]
	for _, u := range sizeUnits {
		if !strings.EqualFold(u.name, name) {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("size %q is too large", text)
		}
		return size(n * u.bytes), nil
	}
	return 0, fmt.Errorf("size %q: want a unit of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", text)
}

// parseDuration reads a duration of at least least and at most MaxDelay.
func parseDuration(text string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("duration %q: want a number with a unit, such as 20ms or 5s", text)
	}
	if d < least || d > MaxDelay {
		return 0, fmt.Errorf("duration %q: want %v to %v", text, least, MaxDelay)
	}
	return d, nil
}

// parseCount reads a whole number from 1 to most.
func parseCount(text string, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("number %q: want a whole number from 1 to %d", text, most)
	}
	return n, nil
}

var errWords = errors.New("words missing or left over")
