package profiles

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fileError is a fault at a place in a profile's file.
type fileError struct {
	file string // may be empty: then the reader's caller knows it
	line int    // 0: the file as a whole
	err  error
}

func (e *fileError) Error() string {
	switch {
	case e.line == 0:
		return e.file + ": " + e.err.Error()
	case e.file == "":
		return fmt.Sprintf("line %d: %v", e.line, e.err)
	default:
		return fmt.Sprintf("%s:%d: %v", e.file, e.line, e.err)
	}
}

func (e *fileError) Unwrap() error { return e.err }

// reader turns YAML nodes into a profile. It does so itself, and not by
// yaml.Unmarshal, for three things: the line of every fault, the nearest known
// key, and all faults of a file at once. A place is named by its path, such as
// "steps[2].duration".
type reader struct {
	file  string
	lines map[string]int // where each path stands
	errs  []*fileError
}

func newReader(file string) *reader {
	return &reader{file: file, lines: map[string]int{}}
}

// field reads a node into a place of the profile.
type field func(n *yaml.Node, at string)

// err joins the faults in the order of their lines.
func (r *reader) err() error {
	slices.SortStableFunc(r.errs, func(a, b *fileError) int { return cmp.Compare(a.line, b.line) })
	errs := make([]error, len(r.errs))
	for i, e := range r.errs {
		errs[i] = e
	}
	return errors.Join(errs...)
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, &fileError{file: r.file, line: n.Line, err: fmt.Errorf(format, args...)})
}

// check adds what Validate found, with the lines of the fields.
func (r *reader) check(faults []*FieldError) {
	for _, f := range faults {
		r.errs = append(r.errs, &fileError{file: r.file, line: r.line(f.Field), err: f})
	}
}

// line is the line of a path or, when it is missing, of what should hold it.
func (r *reader) line(at string) int {
	for ; at != ""; at = parent(at) {
		if line, ok := r.lines[at]; ok {
			return line
		}
	}
	return r.lines[""]
}

// parent cuts the last part off a path; "" is the whole file.
func parent(at string) string {
	return at[:max(strings.LastIndexAny(at, ".["), 0)]
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

// resolve follows an alias to its anchor.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// mapping reads a node with known keys.
func (r *reader) mapping(n *yaml.Node, at string, fields map[string]field) {
	keys := slices.Sorted(maps.Keys(fields))
	r.pairs(n, at, "keys such as "+keys[0], func(key, value *yaml.Node) {
		if read, known := fields[key.Value]; known {
			read(value, join(at, key.Value))
		} else {
			r.fault(key, "unknown key %q (%s)", key.Value, keyHint(key.Value, keys))
		}
	})
}

func keyHint(key string, keys []string) string {
	if near := Nearest(key, keys); near != "" {
		return "did you mean " + strconv.Quote(near) + "?"
	}
	return "known are " + strings.Join(keys, ", ")
}

// pairs visits the keys of a node; a key that comes again is a fault.
func (r *reader) pairs(n *yaml.Node, at, want string, visit func(key, value *yaml.Node)) {
	n = resolve(n)
	r.lines[at] = n.Line
	if n.Kind != yaml.MappingNode {
		r.fault(n, "%s must hold %s", place(at), want)
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			r.fault(key, "%s has a key that is not plain text", place(at))
			continue
		}
		if line, twice := first[key.Value]; twice {
			r.fault(key, "key %q appears twice, first on line %d; keep one", key.Value, line)
			continue
		}
		first[key.Value] = key.Line
		r.lines[join(at, key.Value)] = key.Line
		visit(key, resolve(n.Content[i+1]))
	}
}

// place names a path in an error.
func place(at string) string {
	if at == "" {
		return "a profile"
	}
	return at
}

// list reads a node with items.
func (r *reader) list(n *yaml.Node, at string, item field) {
	if n.Kind != yaml.SequenceNode {
		r.fault(n, "%s must be a list: items that begin with a dash", at)
		return
	}
	for i, c := range n.Content {
		item(resolve(c), fmt.Sprintf("%s[%d]", at, i))
	}
}

// scalar returns the text of a node that holds one value of the tags given,
// of any when none is.
func (r *reader) scalar(n *yaml.Node, at, want string, tags ...string) (string, bool) {
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fault(n, "%s must be %s", at, want)
	case tag == "!!null":
		r.fault(n, "%s has no value; it must be %s", at, want)
	case len(tags) > 0 && !slices.Contains(tags, tag):
		r.fault(n, "%s must be %s, not %q", at, want, n.Value)
	default:
		return n.Value, true
	}
	return "", false
}

// text reads a word or prose; the line break that a folded block ends with is
// not part of it.
func text[T ~string](r *reader, to *T) field {
	return func(n *yaml.Node, at string) {
		if v, ok := r.scalar(n, at, "text (in quotes, if it looks like a number)", "!!str"); ok {
			*to = T(strings.TrimSpace(v))
		}
	}
}

// decoded reads a number or a truth value.
func (r *reader) decoded(to any, want string, tags ...string) field {
	return func(n *yaml.Node, at string) {
		v, ok := r.scalar(n, at, want, tags...)
		if ok && n.Decode(to) != nil {
			r.fault(n, "%s must be %s, not %q", at, want, v)
		}
	}
}

func (r *reader) whole(to *int) field { return r.decoded(to, "a whole number", "!!int") }

func (r *reader) number(to *float64) field { return r.decoded(to, "a number", "!!int", "!!float") }

func (r *reader) flag(to *bool) field { return r.decoded(to, "true or false", "!!bool") }

// value reads what has a text form of its own.
func (r *reader) value(to encoding.TextUnmarshaler, want string) field {
	return func(n *yaml.Node, at string) {
		v, ok := r.scalar(n, at, want)
		if !ok {
			return
		}
		if err := to.UnmarshalText([]byte(v)); err != nil {
			r.fault(n, "%s: %w", at, err)
		}
	}
}

func (r *reader) duration(to *Duration) field { return r.value(to, "a duration such as 1.5s") }

func (r *reader) profile(n *yaml.Node) *Profile {
	p := &Profile{}
	r.mapping(n, "", map[string]field{
		"name":        text(r, &p.Name),
		"description": text(r, &p.Description),
		"workload":    func(n *yaml.Node, at string) { r.workload(n, at, &p.Workload) },
		"budget":      r.duration(&p.Budget),
		"rounds":      r.whole(&p.Rounds),
		"steps":       listOf(r, &p.Steps, r.step),
		"limits":      listOf(r, &p.Limits, r.limit),
		"figures":     listOf(r, &p.Figures, r.figure),
	})
	return p
}

// listOf reads items with read. A faulty item keeps its place, so that paths
// of later faults count right.
func listOf[T any](r *reader, to *[]T, read func(*yaml.Node, string, *T)) field {
	return func(n *yaml.Node, at string) {
		r.list(n, at, func(n *yaml.Node, at string) {
			var item T
			read(n, at, &item)
			*to = append(*to, item)
		})
	}
}

func (r *reader) workload(n *yaml.Node, at string, w *Workload) {
	r.mapping(n, at, map[string]field{
		"messages-per-second": r.number(&w.Rate),
		"message-size":        r.value(&w.MessageSize, "a size such as 1KiB"),
		"streams":             r.whole(&w.Streams),
		"consumers":           r.whole(&w.Consumers),
		"raft-groups":         r.whole(&w.Groups),
		"sync":                text(r, &w.Sync),
		"cipher":              text(r, &w.Cipher),
		"compression":         text(r, &w.Compression),
		"max-concurrent-io":   r.whole(&w.Slots),
	})
}

func (r *reader) step(n *yaml.Node, at string, s *Step) {
	r.mapping(n, at, map[string]field{
		"name":        text(r, &s.Name),
		"probe":       text(r, &s.Probe),
		"set":         func(n *yaml.Node, at string) { s.Set = r.parameters(n, at) },
		"duration":    r.duration(&s.Duration),
		"warmup":      r.duration(&s.Warmup),
		"rounds":      r.whole(&s.Rounds),
		"informative": r.flag(&s.Informative),
	})
}

// parameters reads values of any kind as text: a probe knows their types.
func (r *reader) parameters(n *yaml.Node, at string) map[string]string {
	set := map[string]string{}
	r.pairs(n, at, "parameters, such as concurrency: 4", func(key, value *yaml.Node) {
		const want = "one value, or several with commas between them, such as 1,4"
		if v, ok := r.scalar(value, join(at, key.Value), want); ok {
			set[key.Value] = v
		}
	})
	if len(set) == 0 {
		return nil
	}
	return set
}

// limit reads a limit. In a file it needs a level and a why: whoever is woken
// by it has to learn what it means.
func (r *reader) limit(n *yaml.Node, at string, l *Limit) {
	before := len(r.errs)
	var v limitYAML
	r.mapping(n, at, map[string]field{
		"limit": text(r, &v.Limit),
		"title": text(r, &v.Title),
		"level": text(r, &v.Level),
		"why":   text(r, &v.Why),
	})
	if len(r.errs) > before {
		return
	}
	if v.Why == "" {
		r.faultAt(join(at, "why"), "is missing; say what breaks and where the number comes from")
	}
	parsed, err := ParseLimit(v.Limit)
	switch {
	case v.Limit == "":
		r.faultAt(join(at, "limit"), "is missing; %s", limitExample)
	case err != nil:
		r.faultAt(join(at, "limit"), "%w", err)
	default:
		*l = parsed
	}
	l.Level, l.Why, l.Title = v.Level, v.Why, v.Title
}

// faultAt is fault for a path, which may be missing.
func (r *reader) faultAt(at string, format string, args ...any) {
	r.errs = append(r.errs, &fileError{file: r.file, line: r.line(at), err: fmt.Errorf(at+": "+format, args...)})
}
