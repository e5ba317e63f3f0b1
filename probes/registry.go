package probes

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// registry holds a constructor a probe; each probe's file adds its own.
var registry = map[string]func() Probe{}

// register adds a probe under its own name. It returns a value so that a
// probe's file can call it in a variable declaration.
func register(make func() Probe) struct{} {
	registry[make().Info().Name] = make
	return struct{}{}
}

// ErrUnknown is in the error of New and Set for a name that does not exist.
var ErrUnknown = errors.New("unknown")

// New returns the probe of that name with its defaults.
func New(name string) (Probe, error) {
	make, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("%w probe %q (there are: %s)", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	return make(), nil
}

// Names returns the names of all probes in order.
func Names() []string {
	names := make([]string, 0, len(registry))
	for name := range registry {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Parameter is one parameter of a probe with the value it holds.
type Parameter struct {
	Name    string   `json:"name"`
	Value   string   `json:"value"`
	Help    string   `json:"help"`
	Choices []string `json:"choices,omitempty"` // empty when any value of its kind goes
}

// Parameters lists the parameters of p in the order of its fields.
func Parameters(p Probe) []Parameter {
	var all []Parameter
	for f := range fields(reflect.ValueOf(p).Elem()) {
		all = append(all, f.parameter())
	}
	return all
}

// Set gives one parameter of p a value in text form. The error names the
// parameters or the values that there are.
func Set(p Probe, name, value string) error {
	var known []string
	for f := range fields(reflect.ValueOf(p).Elem()) {
		if f.name() == name {
			return f.set(value)
		}
		known = append(known, f.name())
	}
	return fmt.Errorf("%w parameter %q of probe %s (it has: %s)", ErrUnknown, name, p.Info().Name, strings.Join(known, ", "))
}

// Value returns the text form of one parameter, and whether p has it.
func Value(p Probe, name string) (string, bool) {
	for f := range fields(reflect.ValueOf(p).Elem()) {
		if f.name() == name {
			return f.text(), true
		}
	}
	return "", false
}

// adjuster is a probe some of whose parameters give way to others.
type adjuster interface{ adjust() }

// Adjust brings the parameters of p into line with each other, as its rounds
// would take them anyway, so that what is shown of them is true. Call it after
// the last Set and before Parameters and Value are read.
func Adjust(p Probe) {
	if a, ok := p.(adjuster); ok {
		a.adjust()
	}
}

// field is an exported field with a param tag.
type field struct {
	value reflect.Value
	tag   reflect.StructTag
}

// fields ranges over the parameters of a probe; those of an embedded struct
// stand where it stands.
func fields(v reflect.Value) func(yield func(field) bool) {
	return func(yield func(field) bool) { walk(v, yield) }
}

func walk(v reflect.Value, yield func(field) bool) bool {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		switch {
		case sf.Anonymous:
			if !walk(v.Field(i), yield) {
				return false
			}
		case sf.Tag.Get("param") != "":
			if !yield(field{v.Field(i), sf.Tag}) {
				return false
			}
		}
	}
	return true
}

func (f field) name() string { return f.tag.Get("param") }

func (f field) choices() []string {
	if c := f.tag.Get("choices"); c != "" {
		return strings.Split(c, ",")
	}
	return nil
}

func (f field) parameter() Parameter {
	return Parameter{Name: f.name(), Value: f.text(), Help: f.tag.Get("help"), Choices: f.choices()}
}

func (f field) text() string {
	if m, ok := f.value.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(f.value.Interface())
}

func (f field) set(value string) error {
	before := reflect.ValueOf(f.value.Interface())
	if err := f.parse(value); err != nil {
		f.value.Set(before) // a value that is refused changes nothing
		return fmt.Errorf("parameter %s: %w", f.name(), err)
	}
	return nil
}

// parse knows the kinds that parameters have; a new kind is added here.
func (f field) parse(value string) error {
	if u, ok := f.value.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(value)); err != nil {
			return err
		}
		if f.value.CanInt() {
			return f.inRange(float64(f.value.Int()))
		}
		return nil
	}
	switch f.value.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is no duration above zero such as 500ms or 4s", value)
		}
		if err := f.inRange(float64(d)); err != nil {
			return err
		}
		f.value.SetInt(int64(d))
	case int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", value)
		}
		if err := f.inRange(float64(n)); err != nil {
			return err
		}
		f.value.SetInt(int64(n))
	case float64:
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is not a number", value)
		}
		if err := f.inRange(x); err != nil {
			return err
		}
		f.value.SetFloat(x)
	case string:
		if c := f.choices(); c != nil && !slices.Contains(c, value) {
			return fmt.Errorf("%q is none of: %s", value, strings.Join(c, ", "))
		}
		f.value.SetString(value)
	default:
		return fmt.Errorf("a parameter of type %s cannot be set", f.value.Type())
	}
	return nil
}

func (f field) inRange(x float64) error {
	for _, edge := range []struct {
		tag, word string
		beyond    func(x, edge float64) bool
	}{
		{"min", "least", func(x, edge float64) bool { return x < edge }},
		{"max", "most", func(x, edge float64) bool { return x > edge }},
	} {
		text := f.tag.Get(edge.tag)
		if text == "" {
			continue
		}
		bound, err := f.number(text)
		if err != nil {
			return fmt.Errorf("tag %s: %w", edge.tag, err)
		}
		if edge.beyond(x, bound) {
			return fmt.Errorf("%s is out of range: at %s %s", f.write(x), edge.word, text)
		}
	}
	return nil
}

// number reads an edge of the field's range: a duration's is one ("4s"), those
// of all other kinds are plain numbers.
func (f field) number(text string) (float64, error) {
	if f.isDuration() {
		d, err := time.ParseDuration(text)
		return float64(d), err
	}
	return strconv.ParseFloat(text, 64)
}

// write is the reverse of number.
func (f field) write(x float64) string {
	if f.isDuration() {
		return time.Duration(x).String()
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

func (f field) isDuration() bool { return f.value.Type() == reflect.TypeFor[time.Duration]() }
