package profiles_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"storebench/internal/measure"
	"storebench/profiles"
)

func quantile(q float64) profiles.Stat {
	return profiles.Stat{Name: profiles.StatQuantile, Quantile: q}
}

// limitOf gives a limit with what ParseLimit always sets.
func limitOf(l profiles.Limit, text string) profiles.Limit {
	l.Level, l.Text = profiles.LevelFail, text
	return l
}

func TestParseLimit(t *testing.T) {
	type labels = map[string]string
	type limit = profiles.Limit
	for _, tc := range []struct {
		name, text, canonical string
		want                  limit
	}{
		{"milliseconds", "block-write p99 < 10ms", "",
			limit{Probe: "block-write", Stat: quantile(.99), Op: "<", Bound: .01, Unit: measure.Seconds}},
		{"metric and label", "block-write.store{mode=open} p99 < 10ms", "",
			limit{Probe: "block-write", Metric: "store", Labels: labels{"mode": "open"}, Stat: quantile(.99), Op: "<", Bound: .01, Unit: measure.Seconds}},
		{"labels are sorted", " block-write{ step = block-write-max , mode=closed } rate>1000 /s ", "block-write{mode=closed,step=block-write-max} rate > 1000/s",
			limit{Probe: "block-write", Labels: labels{"step": "block-write-max", "mode": "closed"}, Stat: profiles.Stat{Name: "rate"}, Op: ">", Bound: 1000, Unit: measure.PerSecond}},
		{"bytes per second", "raw-sync.throughput value > 50MB/s", "",
			limit{Probe: "raw-sync", Metric: "throughput", Stat: profiles.Stat{Name: "value"}, Op: ">", Bound: 50e6, Unit: measure.BytesPerSecond}},
		{"bytes", "catch-up.memory max <= 1.5gib", "catch-up.memory max <= 1.5GiB",
			limit{Probe: "catch-up", Metric: "memory", Stat: profiles.Stat{Name: "max"}, Op: "<=", Bound: 3 << 29, Unit: measure.Bytes}},
		{"count", "term-vote.groups_elected value >= 2000", "",
			limit{Probe: "term-vote", Metric: "groups_elected", Stat: profiles.Stat{Name: "value"}, Op: ">=", Bound: 2000}},
		{"percent", "cpu-steal mean < 1%", "cpu-steal mean < 0.01",
			limit{Probe: "cpu-steal", Stat: profiles.Stat{Name: "mean"}, Op: "<", Bound: .01}},
		{"microseconds in Latin-1", "a min<7µs", "a min < 7us",
			limit{Probe: "a", Stat: profiles.Stat{Name: "min"}, Op: "<", Bound: 7e-6, Unit: measure.Seconds}},
		{"microseconds in Greek", "a min<7μs", "a min < 7us",
			limit{Probe: "a", Stat: profiles.Stat{Name: "min"}, Op: "<", Bound: 7e-6, Unit: measure.Seconds}},
		{"nanoseconds", "a p50 < 250ns", "",
			limit{Probe: "a", Stat: quantile(.5), Op: "<", Bound: 250e-9, Unit: measure.Seconds}},
		{"minutes", "a max < 1.5m", "a max < 90s",
			limit{Probe: "a", Stat: profiles.Stat{Name: "max"}, Op: "<", Bound: 90, Unit: measure.Seconds}},
		{"hours", "a max < 2h", "a max < 7200s",
			limit{Probe: "a", Stat: profiles.Stat{Name: "max"}, Op: "<", Bound: 7200, Unit: measure.Seconds}},
		{"zero", "a max <= 0ms", "a max <= 0s",
			limit{Probe: "a", Stat: profiles.Stat{Name: "max"}, Op: "<=", Unit: measure.Seconds}},
		{"quantile with a fraction", "a p99.99 < 1s", "",
			limit{Probe: "a", Stat: quantile(.9999), Op: "<", Bound: 1, Unit: measure.Seconds}},
		{"quantile with zeros", "a p099.90 < 1s", "a p99.9 < 1s",
			limit{Probe: "a", Stat: quantile(.999), Op: "<", Bound: 1, Unit: measure.Seconds}},
		{"small quantile", "a p0.5 < 1s", "",
			limit{Probe: "a", Stat: quantile(.005), Op: "<", Bound: 1, Unit: measure.Seconds}},
		{"wildcard", "term-vote.election{slots=40*,step=election-?torm} max < 4s", "",
			limit{Probe: "term-vote", Metric: "election", Labels: labels{"slots": "40*", "step": "election-?torm"}, Stat: profiles.Stat{Name: "max"}, Op: "<", Bound: 4, Unit: measure.Seconds}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			canonical := tc.canonical
			if canonical == "" {
				canonical = tc.text
			}
			got, err := profiles.ParseLimit(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(limitOf(tc.want, canonical), got); diff != "" {
				t.Error(diff)
			}
			again, err := profiles.ParseLimit(got.String())
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("%s reads back differently: %v %s", got, err, diff)
			}
		})
	}
}

func TestParseLimitRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"mistyped statistic", "block-write pp99 < 10ms", `
unknown statistic "pp99" (did you mean p99?)
  block-write pp99 < 10ms
              ^`},
		{"other word for a statistic", "block-write avg < 10ms", `
unknown statistic "avg" (did you mean mean?)
  block-write avg < 10ms
              ^`},
		{"quantile 100", "block-write p100 < 10ms", `
quantile "p100" is not inside 0 to 100 (use min or max for the ends, or a quantile such as p99.9)
  block-write p100 < 10ms
              ^`},
		{"quantile 0", "block-write p0 < 10ms", `
quantile "p0" is not inside 0 to 100 (use min or max for the ends, or a quantile such as p99.9)
  block-write p0 < 10ms
              ^`},
		{"quantile that rounds to 100", "a p99.99999999999999999999 < 1s", `
quantile "p99.99999999999999999999" is not inside 0 to 100 (use min or max for the ends, or a quantile such as p99.9)
  a p99.99999999999999999999 < 1s
    ^`},
		{"caret counts characters", "a{k=äöü} p99 < 10mz", `
unknown unit "mz" (did you mean ms?)
  a{k=äöü} p99 < 10mz
                   ^`},
		{"unit of the wrong case", "a p99 < 10MS", `
unknown unit "MS" (did you mean ms?)
  a p99 < 10MS
            ^`},
		{"unit of one letter", "a value > 64M", `
unknown unit "M" (known are ns, us, ms, s, m, h, B to TiB, /s, % and none)
  a value > 64M
              ^`},
		{"rate per minute", "a rate > 5/min", `
unknown unit "/min" (rates are per second: write /s, as in 1000/s or 50MB/s)
  a rate > 5/min
            ^`},
		{"rate in seconds", "a rate > 5ms", `
a rate counts operations (write operations per second, such as 1000/s)
  a rate > 5ms
            ^`},
		{"turned comparison", "a p99 =< 10ms", `
unknown comparison "=<" (did you mean <=?)
  a p99 =< 10ms
        ^`},
		{"equality", "a p99 == 10ms", `
unknown comparison "==" (known are <, <=, > and >=)
  a p99 == 10ms
        ^`},
		{"comparison in one character", "a p99 ≤ 10ms", `
unknown comparison "≤" (did you mean <=?)
  a p99 ≤ 10ms
        ^`},
		{"no comparison", "a p99 10ms", `
the comparison is missing (write <, <=, > or >=)
  a p99 10ms
        ^`},
		{"no bound", "a p99 <", `
the bound is missing (write a number with its unit, such as 10ms, 64MiB, 1000/s or 1%)
  a p99 <
         ^`},
		{"negative bound", "a p99 < -10ms", `
the bound is negative (write 0 or more)
  a p99 < -10ms
          ^`},
		{"not a number", "a p99 < NaN", `
the bound is not a finite number (write a number with its unit, such as 10ms, 64MiB, 1000/s or 1%)
  a p99 < NaN
          ^`},
		{"infinite", "a p99 < +Inf", `
the bound is not a finite number (write a number with its unit, such as 10ms, 64MiB, 1000/s or 1%)
  a p99 < +Inf
          ^`},
		{"two dots", "a p99 < 1.2.3s", `
the bound does not begin with a number (write a number with its unit, such as 10ms, 64MiB, 1000/s or 1%)
  a p99 < 1.2.3s
          ^`},
		{"too large", "a p99 < " + strings.Repeat("9", 30) + "s", `
the bound is too large (write a smaller number)
  a p99 < 999999999999999999999999999999s
          ^`},
		{"size too large", "a value < 9000TiB", `
the bound is too large (write at most 8192TiB)
  a value < 9000TiB
            ^`},
		{"two limits", "a p99 < 10ms, b p99 < 1s", `
text after the bound (write one limit at a time)
  a p99 < 10ms, b p99 < 1s
                ^`},
		{"empty", "", `
the name of a probe is missing (write a limit such as block-write.store{mode=open} p99 < 10ms)
  
  ^`},
		{"upper case", "Block p99 < 1s", `
the name of a probe is missing (write a limit such as block-write.store{mode=open} p99 < 10ms)
  Block p99 < 1s
  ^`},
		{"underscore in a probe", "block_write p99 < 1s", `
'_' in the name of a probe (names of probes are lower case with dashes, such as block-write)
  block_write p99 < 1s
       ^`},
		{"dash in a metric", "block-sync.store-between p99 < 1s", `
'-' in the name of a metric (names of metrics are lower case with underscores, such as store_outside_sync)
  block-sync.store-between p99 < 1s
                  ^`},
		{"no metric", "block-sync. p99 < 1s", `
the name of a metric is missing after the dot (leave the dot out for the probe's first metric)
  block-sync. p99 < 1s
             ^`},
		{"only a probe", "block-sync", `
the statistic is missing (write min, mean, max, rate, value or a quantile such as p99)
  block-sync
            ^`},
		{"quoted value", `a{mode="open"} p99 < 1s`, `
quotes around a value (write the value without them)
  a{mode="open"} p99 < 1s
         ^`},
		{"label without a value", "a{mode=} p99 < 1s", `
label "mode" has no value (write mode=value, or mode=* for any)
  a{mode=} p99 < 1s
         ^`},
		{"label without =", "a{mode} p99 < 1s", `
label "mode" needs = and a value (write mode=value)
  a{mode} p99 < 1s
        ^`},
		{"no labels", "a{} p99 < 1s", `
the name of a label is missing (write labels as {mode=open,step=block-write})
  a{} p99 < 1s
    ^`},
		{"label twice", "a{b=1, b=2} p99 < 1s", `
label "b" appears twice (keep one)
  a{b=1, b=2} p99 < 1s
         ^`},
		{"labels without an end", "a{b=1 p99 < 1s", `
the labels do not end (close them with })
  a{b=1 p99 < 1s
                ^`},
		{"pattern without an end", "a{b=[1} p99 < 1s", `
the pattern does not end (close the [ or write \[)
  a{b=[1} p99 < 1s
      ^`},
		{"line break", "a\np99 < 1w", `
unknown unit "w" (known are ns, us, ms, s, m, h, B to TiB, /s, % and none)
  a p99 < 1w
           ^`},
		{"not UTF-8", "a p\xff99 < 1s", `
not text in UTF-8 (write a limit such as block-write.store{mode=open} p99 < 10ms)
  a p�99 < 1s
     ^`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := profiles.ParseLimit(tc.text)
			var fault *profiles.LimitError
			if !errors.As(err, &fault) {
				t.Fatalf("%q gives %v, %v; want a *LimitError", tc.text, got, err)
			}
			if diff := cmp.Diff(tc.want, "\n"+err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStatText(t *testing.T) {
	for _, text := range []string{"min", "mean", "max", "rate", "value", "p50", "p99", "p99.9", "p99.999", "p0.01", "p7", ""} {
		t.Run(text, func(t *testing.T) {
			var s profiles.Stat
			if err := s.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if s.String() != text {
				t.Errorf("%q prints as %q", text, s)
			}
		})
	}
	for _, text := range []string{"p", "p-1", "p101", "p1e1", "p.5", "p5.", "P99", "quantile", " max"} {
		t.Run("refuses "+text, func(t *testing.T) {
			var s profiles.Stat
			if err := s.UnmarshalText([]byte(text)); err == nil {
				t.Errorf("%q was taken for %v", text, s)
			}
		})
	}
}

func mustParse(t *testing.T, text string) profiles.Limit {
	t.Helper()
	l, err := profiles.ParseLimit(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimitMatches(t *testing.T) {
	m := measure.Measurement{Step: "election-storm", Probe: "term-vote", Metric: "election",
		Labels: map[string]string{"slots": "4096", "role": "voter"}}
	for _, tc := range []struct {
		name, limit string
		want        bool
	}{
		{"metric named", "term-vote.election max < 4s", true},
		{"metric left out", "term-vote max < 4s", true},
		{"other metric", "term-vote.write max < 4s", false},
		{"other probe", "block-sync.storm max < 4s", false},
		{"label", "term-vote{slots=4096} max < 4s", true},
		{"other value", "term-vote{slots=6} max < 4s", false},
		{"one of two labels", "term-vote{slots=4096,role=candidate} max < 4s", false},
		{"label that it has not", "term-vote{cipher=*} max < 4s", false},
		{"wildcard", "term-vote{slots=4*} max < 4s", true},
		{"class", "term-vote{role=[uv]oter} max < 4s", true},
		{"step", "term-vote{step=election-storm} max < 4s", true},
		{"wildcard of a step", "term-vote{step=election-*} max < 4s", true},
		{"other step", "term-vote{step=term-vote} max < 4s", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := mustParse(t, tc.limit).Matches(m, "election"); got != tc.want {
				t.Errorf("%s matches: %v, want %v", tc.limit, got, tc.want)
			}
		})
	}
	if mustParse(t, "term-vote max < 4s").Matches(m, "write") {
		t.Error("a limit without a metric matches one that is not the first")
	}
}

func TestLimitCheckUnit(t *testing.T) {
	for _, tc := range []struct {
		limit  string
		metric measure.Unit
		want   string // in the error; empty: none
	}{
		{"a p99 < 10ms", measure.Seconds, ""},
		{"a p99 < 10", measure.Seconds, "seconds, such as 10ms"},
		{"a p99 < 10MB", measure.Seconds, "seconds"},
		{"a rate > 1000/s", measure.Seconds, ""},
		{"a rate > 1000", measure.Seconds, ""},
		{"a value > 50MB/s", measure.BytesPerSecond, ""},
		{"a value > 50MB", measure.BytesPerSecond, "such as 50MB/s"},
		{"a value > 50", measure.Bytes, "such as 64MiB"},
		{"a value > 50", measure.Count, ""},
		{"a value > 50s", measure.Count, "such as 1000"},
		{"a value > 50ms", measure.PerSecond, "such as 1000/s"},
	} {
		t.Run(tc.limit+" of "+string(tc.metric), func(t *testing.T) {
			err := mustParse(t, tc.limit).CheckUnit(tc.metric)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error is %v, want %q", err, tc.want)
			}
		})
	}
}

func TestLimitInDocuments(t *testing.T) {
	in := mustParse(t, "block-write.store{mode=open,step=b*} p99.9 <= 12.5ms")
	in.Level, in.Why = profiles.LevelWarn, "because: it breaks\nand hurts"
	for _, tc := range []struct {
		name      string
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte, any) error
		want      string
	}{
		{"json", json.Marshal, json.Unmarshal, `{"level":"warn","why":"because: it breaks\nand hurts","probe":"block-write","metric":"store","labels":{"mode":"open","step":"b*"},"stat":"p99.9","op":"\u003c=","bound":0.0125,"unit":"seconds","text":"block-write.store{mode=open,step=b*} p99.9 \u003c= 12.5ms"}`},
		{"yaml", yaml.Marshal, yaml.Unmarshal, "limit: block-write.store{mode=open,step=b*} p99.9 <= 12.5ms\nlevel: warn\nwhy: |-\n    because: it breaks\n    and hurts\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data, err := tc.marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(data)); diff != "" {
				t.Error(diff)
			}
			var out profiles.Limit
			if err := tc.unmarshal(data, &out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(in, out); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLimitUnmarshalJSON(t *testing.T) {
	for _, tc := range []struct{ name, data, want string }{
		{"zero limit", `{"level":"","why":"","probe":"","stat":"","op":"","bound":0,"text":""}`, ""},
		{"null", `null`, ""},
		{"bound was changed", `{"probe":"a","stat":"p99","op":"<","bound":9,"unit":"seconds","text":"a p99 < 1s"}`, "the document was changed"},
		{"text is missing", `{"probe":"a","stat":"p99","op":"<","bound":9}`, "name of a probe is missing"},
		{"unknown statistic", `{"probe":"a","stat":"p9x","text":"a p99 < 1s"}`, "unknown statistic"},
		{"not an object", `[]`, "limit:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var l profiles.Limit
			err := json.Unmarshal([]byte(tc.data), &l)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error is %v, want %q", err, tc.want)
			}
		})
	}
}

func TestLimitUnmarshalYAMLRefuses(t *testing.T) {
	var l profiles.Limit
	err := yaml.Unmarshal([]byte("limit: a p99 < 1s\nlevle: warn\n"), &l)
	if err == nil || !strings.Contains(err.Error(), `line 2: unknown key "levle" (did you mean "level"?)`) {
		t.Errorf("error is %v", err)
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, s := range []string{
		"block-write.store{mode=open} p99 < 10ms", "a{b=c, d=[x]*} rate >= 1000/s", "a p99.9<=1.5GiB",
		"a value > 50MB/s", "a mean < 1%", "a max < 7µs", "a{", "a p100 < 1s", "", "a\xff", "a min < 0h",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := profiles.ParseLimit(text)
		if err != nil {
			var fault *profiles.LimitError
			if !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(text) || fault.Error() == "" {
				t.Fatalf("%q gives the error %#v", text, err)
			}
			return
		}
		again, err := profiles.ParseLimit(l.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which is refused: %v", text, l, err)
		}
		if diff := cmp.Diff(l, again); diff != "" {
			t.Fatalf("%q does not read back: %s", text, diff)
		}
	})
}
