package measure

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Size is a number of bytes. Its text form carries a unit: 2300B, 64MiB, 9GB.
// KB, MB, GB and TB are powers of 1000, KiB to TiB powers of 1024. A plain
// number counts bytes; upper and lower case are the same.
type Size int64

// sizeUnit is a unit of a size's text form.
type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits stand in the order in which String prefers them: storage software
// counts in powers of 1024, so these come first.
var sizeUnits = []sizeUnit{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
	{"B", 1},
}

// maxSizeText bounds the text that is parsed exactly; no size is that long.
const maxSizeText = 64

// String returns the size in the unit that shows it exactly with the fewest
// digits, a power of 1024 where two need as many: 1KiB, 64MB, 2300B. What it
// returns for a size that is not negative reads back as the same size.
func (s Size) String() string {
	best := strconv.FormatInt(int64(s), 10)
	if s <= 0 {
		return best + "B"
	}
	unit, digits := "B", len(best)
	for _, u := range sizeUnits {
		if int64(s)%u.bytes != 0 {
			continue
		}
		if n := strconv.FormatInt(int64(s)/u.bytes, 10); len(n) < digits {
			best, unit, digits = n, u.name, len(n)
		}
	}
	return best + unit
}

// MarshalText returns String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a text form. A fraction is taken to the nearest byte
// ("1.5GiB"). It refuses a negative size, one beyond 8 EiB, a fraction of a
// byte and an unknown unit; the size is then as before.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	n, err := parseSize(t)
	if err != nil {
		return fmt.Errorf("size %.40q: %w", t, err)
	}
	*s = n
	return nil
}

func parseSize(text string) (Size, error) {
	switch {
	case text == "":
		return 0, fmt.Errorf("is empty; write a number with a unit, such as 64MiB")
	case strings.HasPrefix(text, "-"):
		return 0, fmt.Errorf("is negative; write 0 or more")
	case len(text) > maxSizeText:
		return 0, fmt.Errorf("is longer than %d characters", maxSizeText)
	}
	number, unit := splitNumber(text)
	bytes, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("does not begin with a number; write a number with a unit, such as 64MiB")
	}
	u, err := findSizeUnit(unit)
	if err != nil {
		return 0, err
	}
	if u.bytes == 1 && !bytes.IsInt() {
		return 0, fmt.Errorf("is not a whole number of bytes")
	}
	return roundSize(bytes.Mul(bytes, new(big.Rat).SetInt64(u.bytes)))
}

// splitNumber parts the digits and dots that a text begins with from its unit.
func splitNumber(text string) (number, unit string) {
	rest := strings.TrimLeft(text, "0123456789.")
	return text[:len(text)-len(rest)], strings.TrimSpace(rest)
}

func findSizeUnit(name string) (sizeUnit, error) {
	if name == "" {
		name = "B"
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(name, u.name) {
			return u, nil
		}
	}
	return sizeUnit{}, fmt.Errorf("has the unknown unit %q; use B, KB, MB, GB, TB, KiB, MiB, GiB or TiB", name)
}

// roundSize takes an exact number of bytes to the nearest whole one.
func roundSize(bytes *big.Rat) (Size, error) {
	half := big.NewRat(1, 2)
	sum := half.Add(half, bytes)
	whole := new(big.Int).Quo(sum.Num(), sum.Denom())
	if !whole.IsInt64() {
		return 0, fmt.Errorf("is too large; the largest size is 8EiB less a byte")
	}
	return Size(whole.Int64()), nil
}

// Human writes the size for a person: rounded, in the largest binary unit.
func (s Size) Human() string {
	x, unit := float64(s), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if x < 1000 {
			break
		}
		x, unit = x/1024, larger
	}
	digits := 0
	if x < 100 && unit != "B" {
		digits = 1
	}
	return strconv.FormatFloat(x, 'f', digits, 64) + " " + unit
}
