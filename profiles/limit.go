package profiles

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"storebench/internal/measure"
)

// stepLabel is the label that stands for the step's name.
const stepLabel = "step"

// String returns the canonical text: labels sorted, one space between the
// parts, the bound in the unit that shows it best. ParseLimit reads it back as
// the same limit. Level, Why and Title are not part of it.
func (l Limit) String() string {
	return fmt.Sprintf("%s %s %s", l.selection(), l.Op, formatBound(l.Bound, l.Unit))
}

// selection is the part of the text before the comparison.
func (l Limit) selection() string {
	var b strings.Builder
	b.WriteString(l.Probe)
	if l.Metric != "" {
		b.WriteString("." + l.Metric)
	}
	if len(l.Labels) > 0 {
		pairs := make([]string, 0, len(l.Labels))
		for _, name := range slices.Sorted(maps.Keys(l.Labels)) {
			pairs = append(pairs, name+"="+l.Labels[name])
		}
		b.WriteString("{" + strings.Join(pairs, ",") + "}")
	}
	fmt.Fprintf(&b, " %s", l.Stat)
	return b.String()
}

// Holds says whether x, in the bound's base unit, keeps the bound.
func (l Limit) Holds(x float64) bool {
	switch l.Op {
	case Less:
		return x < l.Bound
	case LessEqual:
		return x <= l.Bound
	case Greater:
		return x > l.Bound
	}
	return x >= l.Bound
}

// Matches says whether the limit is about a measurement: its probe, its metric
// (primaryMetric, the first of the probe, when the limit names none) and every
// label. A label's value may hold the wildcards of path.Match; the label "step"
// is the step's name.
func (l Limit) Matches(m measure.Measurement, primaryMetric string) bool {
	if m.Probe != l.Probe || m.Metric != cmp.Or(l.Metric, primaryMetric) {
		return false
	}
	for name, pattern := range l.Labels {
		value, ok := m.Labels[name]
		if name == stepLabel {
			value, ok = m.Step, true
		}
		if !ok || !matchValue(pattern, value) {
			return false
		}
	}
	return true
}

// matchValue compares a label's value with a pattern that ParseLimit accepted.
func matchValue(pattern, value string) bool {
	if pattern == value {
		return true
	}
	ok, err := path.Match(pattern, value)
	return err == nil && ok
}

// CheckUnit says whether the bound can be compared with a metric in a unit. A
// rate counts operations per second of any metric; every other statistic has
// the metric's unit. A bound without a unit is a count or a ratio, for a rate
// operations per second.
func (l Limit) CheckUnit(metric measure.Unit) error {
	want := metric
	if l.Stat.Name == StatRate {
		want = measure.PerSecond
	}
	if l.Unit == want || l.Unit == "" && (want == measure.Count || want == measure.PerSecond) {
		return nil
	}
	return fmt.Errorf("its bound must be in %s, such as %s", want, unitExample(want))
}

func unitExample(u measure.Unit) string {
	switch u {
	case measure.Seconds:
		return "10ms"
	case measure.Bytes:
		return "64MiB"
	case measure.BytesPerSecond:
		return "50MB/s"
	case measure.PerSecond:
		return "1000/s"
	default:
		return "1000"
	}
}

// UnmarshalJSON reads a limit and checks that its text says the same as its
// parts: a document that shows one limit and judges by another is refused.
func (l *Limit) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	type plain Limit // without this method
	var v plain
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	if reflect.ValueOf(v).IsZero() {
		*l = Limit{}
		return nil
	}
	parsed, err := ParseLimit(v.Text)
	if err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	parsed.Level, parsed.Why, parsed.Title = v.Level, v.Why, v.Title
	v.Text = parsed.Text
	if len(v.Labels) == 0 {
		v.Labels = nil
	}
	if !reflect.DeepEqual(Limit(v), parsed) {
		return fmt.Errorf("limit %q: its parts say something else than its text; the document was changed", v.Text)
	}
	*l = parsed
	return nil
}

// limitYAML is the form of a limit in a profile.
type limitYAML struct {
	Limit string `yaml:"limit"`
	Title string `yaml:"title,omitempty"`
	Level Level  `yaml:"level"`
	Why   string `yaml:"why"`
}

// MarshalYAML returns the form that profiles have: limit, title, level, why.
func (l Limit) MarshalYAML() (any, error) {
	return limitYAML{Limit: l.String(), Title: l.Title, Level: l.Level, Why: l.Why}, nil
}

// UnmarshalYAML reads the form that profiles have.
func (l *Limit) UnmarshalYAML(node *yaml.Node) error {
	r := newReader("")
	var v Limit
	r.limit(node, "limit", &v)
	if err := r.err(); err != nil {
		return err
	}
	*l = v
	return nil
}
