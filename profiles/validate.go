package profiles

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"storebench/internal/measure"
)

// FieldError is a value of a profile that cannot be used.
type FieldError struct {
	Field  string // its place, such as "steps[2].duration"
	Reason string // what is wrong and what to write instead
}

// Error returns the field and the reason.
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Bounds of a workload, from nats-server v2.15.3.
const (
	minSlots = 4    // max_concurrent_io: minConcurrentIOs in dios.go
	maxSlots = 8192 // and maxConcurrentIOs
	// A server refuses a max_payload over its max_pending, which is 64 MiB
	// unless set (MAX_PENDING_SIZE in const.go).
	maxMessageSize measure.Size = 64 << 20
)

// maxVariants bounds what the commas of one step's values multiply to.
const maxVariants = 64

// Validate says what in a profile cannot be used, all of it, as joined
// *FieldErrors. It looks at the whole profile, before steps are left out: a
// limit must be about some step. What a probe's parameters and metrics are is
// not known here, nor is the budget compared with the steps (Measuring).
func (p *Profile) Validate() error {
	var errs []error
	for _, f := range p.faults() {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}

// Measuring is how long all rounds of all variants of all steps measure and
// warm up, one after another.
func (p *Profile) Measuring() time.Duration {
	var total float64
	for _, s := range p.Steps {
		turns := float64(cmp.Or(s.Rounds, p.Rounds)) * float64(s.variantCount())
		total += turns * (float64(s.Duration) + float64(s.Warmup))
	}
	if total >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(total)
}

// validator gathers faults; its methods look at one part each.
type validator struct{ found []*FieldError }

// require notes a fault unless a condition holds.
func (v *validator) require(ok bool, field, format string, args ...any) bool {
	if !ok {
		v.found = append(v.found, &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	return ok
}

func (p *Profile) faults() []*FieldError {
	var v validator
	v.name("name", p.Name)
	v.require(p.Budget > 0, "budget", "must be over 0, such as 55s")
	v.require(p.Rounds >= 1, "rounds", "must be 1 or more")
	v.workload(p.Workload)
	v.require(len(p.Steps) > 0, "steps", "must have at least one step")
	v.steps(p.Steps)
	v.limits(p)
	v.figures(p)
	return v.found
}

var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (v *validator) name(field, name string) bool {
	return v.require(kebab.MatchString(name), field, "must be lower-case words with dashes, such as block-write, not %q", name)
}

func (v *validator) workload(w Workload) {
	const at = "workload."
	v.require(w.Rate > 0 && !math.IsInf(w.Rate, 0), at+"messages-per-second", "must be over 0")
	v.require(w.MessageSize > 0 && w.MessageSize <= maxMessageSize, at+"message-size",
		"must be over 0 and at most %s, the most that nats-server takes by default", maxMessageSize)
	v.require(w.Streams >= 1, at+"streams", "must be 1 or more")
	v.require(w.Consumers >= 0, at+"consumers", "must be 0 or more")
	v.require(w.Groups >= 1, at+"raft-groups", "must be 1 or more")
	v.value(at+"sync", "sync", w.Sync)
	v.value(at+"cipher", "cipher", w.Cipher)
	v.value(at+"compression", "compression", w.Compression)
	v.value(at+"max-concurrent-io", "max-concurrent-io", strconv.Itoa(w.Slots))
}

// parameterChecks say what is wrong with a value ("" if nothing) of the
// parameters that a workload has too, and of those by which every probe means
// the same. All others are the probe's to judge.
var parameterChecks = map[string]func(string) string{
	"sync":              oneOf("default", "always"),
	"cipher":            oneOf("none", "chacha", "aes"),
	"compression":       oneOf("none", "s2"),
	"max-concurrent-io": slots,
	"concurrency":       atLeastOne,
	"streams":           atLeastOne,
	"groups":            atLeastOne,
	"size":              positiveSize,
	"message-size":      positiveSize,
}

// value notes what is wrong with the value of a parameter.
func (v *validator) value(field, parameter, value string) {
	if check, known := parameterChecks[parameter]; known {
		reason := check(value)
		v.require(reason == "", field, "%s", reason)
	}
}

func oneOf(known ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(known, value) {
			return ""
		}
		reason := fmt.Sprintf("must be %s, not %q", strings.Join(known, " or "), value)
		if near := Nearest(value, known); near != "" {
			reason += " (did you mean " + near + "?)"
		}
		return reason
	}
}

// serverVersion is a nats-server version in place of slots: those that it takes
// by itself on the machine that runs the check.
var serverVersion = regexp.MustCompile(`^v?2\.[0-9]+(\.[0-9]+)?$`)

func slots(value string) string {
	n, err := strconv.Atoi(value)
	if err == nil && (n == 0 || n >= minSlots && n <= maxSlots) || serverVersion.MatchString(value) {
		return ""
	}
	return fmt.Sprintf("must be 0 (the server's default), %d to %d, or a server's version such as 2.12.12, not %q", minSlots, maxSlots, value)
}

func atLeastOne(value string) string {
	if n, err := strconv.Atoi(value); err == nil && n >= 1 {
		return ""
	}
	return fmt.Sprintf("must be a whole number of 1 or more, not %q", value)
}

func positiveSize(value string) string {
	var s measure.Size
	if err := s.UnmarshalText([]byte(value)); err != nil {
		return err.Error()
	}
	if s == 0 {
		return "must be over 0"
	}
	return ""
}

func (v *validator) steps(steps []Step) {
	first := map[string]int{}
	for i, s := range steps {
		at := fmt.Sprintf("steps[%d]", i)
		if v.name(at+".name", s.Name) {
			earlier, twice := first[s.Name]
			v.require(!twice, at+".name", "%q is the name of steps[%d] already", s.Name, earlier)
			first[s.Name] = i
		}
		v.name(at+".probe", s.Probe)
		v.require(s.Duration > 0, at+".duration", "must be over 0, such as 1.5s")
		v.require(s.Warmup >= 0, at+".warmup", "must be 0 or more")
		v.require(s.Rounds >= 0, at+".rounds", "must be 0 (the profile's) or more")
		v.parameters(at+".set", s)
	}
}

func (v *validator) parameters(at string, s Step) {
	for _, name := range slices.Sorted(maps.Keys(s.Set)) {
		field := at + "." + name
		if !v.name(field, name) {
			continue
		}
		variants := splitValues(s.Set[name])
		distinct := map[string]bool{}
		for _, value := range variants {
			if v.require(value != "", field, "has an empty value; write one or more, such as 1,4") {
				v.value(field, name, value)
			}
			distinct[value] = true
		}
		v.require(len(distinct) == len(variants), field, "has a value twice: %s", s.Set[name])
	}
	n := s.variantCount()
	v.require(n <= maxVariants, at, "makes %d variants of the step; at most %d are taken", n, maxVariants)
}

// splitValues parts the values of a parameter at its commas.
func splitValues(text string) []string {
	values := strings.Split(text, ",")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values
}

// variantCount is how many variants the values with commas make, or some
// number over maxVariants.
func (s Step) variantCount() int {
	n := 1
	for _, text := range s.Set {
		if n *= 1 + strings.Count(text, ","); n > maxVariants {
			return n // too many already, and soon beyond an int
		}
	}
	return n
}

// Variants returns the parameters of every variant of the step: each value of
// a parameter with commas together with each of the others'. The last parameter
// in the alphabet varies fastest. A step without such values has one.
func (s Step) Variants() []map[string]string {
	variants := []map[string]string{{}}
	for _, name := range slices.Sorted(maps.Keys(s.Set)) {
		var next []map[string]string
		for _, v := range variants {
			for _, value := range splitValues(s.Set[name]) {
				variant := maps.Clone(v)
				variant[name] = value
				next = append(next, variant)
			}
		}
		variants = next
	}
	return variants
}

func (v *validator) limits(p *Profile) {
	first := map[string]int{}
	for i, l := range p.Limits {
		at := fmt.Sprintf("limits[%d]", i)
		v.require(l.Level == LevelFail || l.Level == LevelWarn, at+".level", "must be fail or warn, not %q", string(l.Level))
		v.title(at+".title", l.Title)
		if !v.require(l.Probe != "", at+".limit", "is missing; "+limitExample) {
			continue
		}
		earlier, twice := first[l.String()]
		v.require(!twice, at+".limit", "%q is limits[%d] already", l.String(), earlier)
		first[l.String()] = i
		reason := l.unmet(p.Steps)
		v.require(reason == "", at+".limit", "%s", reason)
	}
}

// unmet says why no step can have what the limit is about; empty if one can.
// Labels that a step does not set may still come from its probe.
func (l Limit) unmet(steps []Step) string {
	var probes, names []string
	for _, s := range steps {
		probes = append(probes, s.Probe)
		if s.Probe != l.Probe {
			continue
		}
		names = append(names, s.Name)
		if l.mayMatch(s) {
			return ""
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("no step runs the probe %q (%s)", l.Probe, didYouMean(l.Probe, probes))
	}
	return fmt.Sprintf("%q is about none of the steps %s: its labels are not theirs", l.String(), strings.Join(names, ", "))
}

// mayMatch says whether every label that a step fixes has a value of the
// limit's.
func (l Limit) mayMatch(s Step) bool {
	for name, pattern := range l.Labels {
		text, fixed := s.Set[name]
		if name == stepLabel {
			text, fixed = s.Name, true
		}
		if fixed && !slices.ContainsFunc(splitValues(text), func(v string) bool { return matchValue(pattern, v) }) {
			return false
		}
	}
	return true
}
