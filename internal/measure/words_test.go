package measure

import "testing"

func TestReadable(t *testing.T) {
	for value, want := range map[string]string{
		"2000": "2,000", "-1234567": "-1,234,567", "1KiB": "1 KiB", "2300B": "2,300 B", "1.5GiB": "1.5 GiB",
		"4s": "4 s", "150ms": "150 ms", "1m30s": "1m30s", "open": "open", "1,4": "1,4", "": "",
	} {
		if got := Readable(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
