package doctor

import (
	"slices"
	"time"

	"storebench/internal/serverlog"
)

// maxSubjects is how many names of streams, groups or connections a tally keeps.
const maxSubjects = 12

// tally is what lines of one kind tell together, whatever their order.
type tally struct {
	count       int64
	first, last time.Time // zero where no line had a time
	began       time.Time // of the first, before the time that it took
	took        time.Duration
	n, bytes    int64 // the largest
	example     string
	subjects    []string
	more        bool
}

// newTally is of one line.
func newTally(e serverlog.Event) tally {
	t := tally{count: 1, first: e.At, last: e.At, began: began(e), took: e.Took, n: e.Count, bytes: e.Bytes, example: brief(e.Text)}
	if e.Subject != "" {
		t.subjects = []string{brief(e.Subject)}
	}
	return t
}

// began is when that began of which a line tells the end.
func began(e serverlog.Event) time.Time {
	if e.At.IsZero() || e.Kind == serverlog.ProducerStalled || e.Took < 0 {
		return e.At
	}
	return e.At.Add(-e.Took)
}

// maxExample bounds a line that is kept.
const maxExample = 240

func brief(text string) string {
	if runes := []rune(text); len(text) > maxExample && len(runes) > maxExample {
		return string(runes[:maxExample-1]) + "…"
	}
	return text
}

// add adds what another tally tells.
func (t *tally) add(o tally) {
	if o.count == 0 {
		return
	}
	if t.count == 0 || graver(o, *t) {
		t.example = o.example
	}
	t.count += o.count
	t.first, t.last = earliest(t.first, o.first), latest(t.last, o.last)
	t.began = earliest(t.began, o.began)
	t.took, t.n, t.bytes = max(t.took, o.took), max(t.n, o.n), max(t.bytes, o.bytes)
	t.more = t.more || o.more
	for _, s := range o.subjects {
		switch {
		case slices.Contains(t.subjects, s):
		case len(t.subjects) < maxSubjects:
			t.subjects = append(slices.Clip(t.subjects), s)
		default:
			t.more = true
		}
	}
}

// graver says whose example is worth more.
func graver(a, b tally) bool {
	if a.took != b.took {
		return a.took > b.took
	}
	return a.n > b.n
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
