package profiles_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"storebench/profiles"
)

func TestDurationText(t *testing.T) {
	for _, tc := range []struct {
		text string
		want time.Duration
	}{
		{"1.5s", 1500 * time.Millisecond},
		{"300ms", 300 * time.Millisecond},
		{"2m", 2 * time.Minute},
		{"1h", time.Hour},
		{"1h30m", 90 * time.Minute},
		{"1h0m5s", time.Hour + 5*time.Second},
		{"10s", 10 * time.Second},
		{"0s", 0},
		{"-4s", -4 * time.Second},
	} {
		t.Run(tc.text, func(t *testing.T) {
			var d profiles.Duration
			if err := d.UnmarshalText([]byte(tc.text)); err != nil {
				t.Fatal(err)
			}
			if time.Duration(d) != tc.want || d.String() != tc.text {
				t.Errorf("got %v, printed as %s; want %v", time.Duration(d), d, tc.want)
			}
		})
	}
}

func TestDurationRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"plain number", "55", `write "55s" if seconds are meant`},
		{"plain fraction", "1.5", `has no unit`},
		{"zero", "0", `has no unit`},
		{"word", "soon", "such as 1.5s"},
		{"infinite", "inf", "such as 1.5s"},
		{"empty", "", "such as 1.5s"},
		{"unknown unit", "5sec", "such as 1.5s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := profiles.Duration(time.Hour)
			err := d.UnmarshalText([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one with %q", err, tc.want)
			}
			if d != profiles.Duration(time.Hour) {
				t.Errorf("a refused text changed the duration to %s", d)
			}
		})
	}
}

func TestDurationInDocuments(t *testing.T) {
	type doc struct {
		D profiles.Duration `json:"d" yaml:"d"`
	}
	in := doc{profiles.Duration(1500 * time.Millisecond)}
	for _, tc := range []struct {
		name      string
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte, any) error
		want      string
	}{
		{"json", json.Marshal, json.Unmarshal, `{"d":"1.5s"}`},
		{"yaml", yaml.Marshal, yaml.Unmarshal, "d: 1.5s\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data, err := tc.marshal(in)
			if err != nil || string(data) != tc.want {
				t.Fatalf("marshal: %s, %v", data, err)
			}
			var out doc
			if err := tc.unmarshal(data, &out); err != nil || out != in {
				t.Errorf("unmarshal: %v, %v", out, err)
			}
		})
	}
	if err := json.Unmarshal([]byte(`{"d":55}`), &doc{}); err == nil {
		t.Error("a JSON number was taken for a duration")
	}
}
