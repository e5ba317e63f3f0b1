package measure_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"storebench/internal/measure"
)

func TestSizeUnmarshalText(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       measure.Size
		print      string // canonical text; empty: as given
	}{
		{"kibibyte", "1KiB", 1 << 10, ""},
		{"mebibytes", "64MiB", 64 << 20, ""},
		{"tebibyte", "2TiB", 2 << 40, ""},
		{"bytes", "2300B", 2300, ""},
		{"no unit", "2300", 2300, "2300B"},
		{"decimal", "9GB", 9e9, ""},
		{"decimal although 1024 divides it", "64MB", 64e6, ""},
		{"terabyte", "3TB", 3e12, ""},
		{"lower case", "16kib", 16 << 10, "16KiB"},
		{"upper case", "1GIB", 1 << 30, "1GiB"},
		{"fraction", "1.5GiB", 3 << 29, "1536MiB"},
		{"fraction to the nearest byte", "0.3KiB", 307, "307B"},
		{"fraction of no unit that is whole", "5.0", 5, "5B"},
		{"spaces", " 10 KB ", 10e3, "10KB"},
		{"bytes that make a kibibyte", "1024", 1024, "1KiB"},
		{"zero", "0", 0, "0B"},
		{"zero mebibytes", "0MiB", 0, "0B"},
		{"largest", "9223372036854775807", math.MaxInt64, "9223372036854775807B"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got measure.Size
			if err := got.UnmarshalText([]byte(tc.text)); err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("size of %q is %d, want %d", tc.text, got, tc.want)
			}
			want := tc.print
			if want == "" {
				want = tc.text
			}
			if got.String() != want {
				t.Errorf("text of %d is %q, want %q", got, got, want)
			}
		})
	}
}

func TestSizeUnmarshalTextRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "is empty"},
		{"negative", "-1KiB", "is negative"},
		{"unit alone", "MiB", "does not begin with a number"},
		{"word", "many", "does not begin with a number"},
		{"unknown unit", "5GBs", `unknown unit "GBs"`},
		{"unit without a byte", "64M", "use B, KB"},
		{"two dots", "1.2.3KiB", "does not begin with a number"},
		{"exponent", "1e3", `unknown unit "e3"`},
		{"half a byte", "2300.5B", "not a whole number of bytes"},
		{"one too many", "9223372036854775808", "too large"},
		{"too large by its unit", "9000000000TiB", "too large"},
		{"too long", strings.Repeat("9", 1000), "longer than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := measure.Size(7)
			err := got.UnmarshalText([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one with %q", err, tc.want)
			}
			if got != 7 {
				t.Errorf("a refused text changed the size to %d", got)
			}
		})
	}
}

func TestSizeStringOfNegative(t *testing.T) {
	if got := measure.Size(-2048).String(); got != "-2048B" {
		t.Errorf("got %q", got)
	}
}

func TestSizeJSON(t *testing.T) {
	data, err := json.Marshal(measure.Size(4 << 10))
	if err != nil || string(data) != `"4KiB"` {
		t.Fatalf("marshal: %s, %v", data, err)
	}
	var back measure.Size
	if err := json.Unmarshal(data, &back); err != nil || back != 4<<10 {
		t.Errorf("unmarshal: %d, %v", back, err)
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"1KiB", "2300", "1.5gib", "9GB", "-1", "", ".", "1.", "µB", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s measure.Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if s < 0 {
			t.Fatalf("%q gives the negative size %d", text, s)
		}
		var back measure.Size
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Fatalf("%q prints as %q, which reads as %d, %v", text, s, back, err)
		}
	})
}
