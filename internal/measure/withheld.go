package measure

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Withheld is the time that this machine withheld from the threads of a round, by
// slices of its clock time: so a slow operation can be held against what was withheld
// at the same moment. Where nothing could be observed it is nil.
type Withheld struct {
	Start time.Time `json:"start"`
	Width float64   `json:"slice_width_seconds"`
	// Slices are those in which something was withheld, in order of time.
	Slices []WithheldSlice `json:"slices,omitempty"`
	// Seen is what was observed: some of steal, quota, threads, sentinel.
	Seen []string `json:"observed"`
}

// WithheldSlice is one slice, in seconds. What was withheld in several ways at the same
// moment stands in each of them, so the ways must not be added up.
type WithheldSlice struct {
	Index int `json:"index"` // it starts at Start + Index × Width
	// Steal is what the hypervisor took, a processor.
	Steal float64 `json:"steal_seconds,omitempty"`
	// Quota is how long a cgroup's CPU quota held its tasks back.
	Quota float64 `json:"quota_seconds,omitempty"`
	// Threads is how long that thread of the process which waited most could run and
	// did not (schedstat).
	Threads float64 `json:"threads_seconds,omitempty"`
	// Late is how late a thread that only sleeps was woken, added up; Latest is the
	// longest of these delays.
	Late   float64 `json:"late_seconds,omitempty"`
	Latest float64 `json:"latest_seconds,omitempty"`
}

const (
	// maxWithheld bounds the memory of a process that runs for long: an hour of
	// slices. Older ones are dropped.
	maxWithheld = 36000
	// leastWithheld is what is told: less happens in any slice of any machine.
	leastWithheld = 1e-3
)

// theSentinel is the one of this process; nil until StartSentinel.
var theSentinel atomic.Pointer[sentinel]

// StartSentinel begins to watch what is withheld from this process, for all contexts
// that are sampled from now on, and returns a function that ends it. It costs about
// 2 % of a processor (BenchmarkSentinel). A second call while one watches does nothing.
func StartSentinel() (stop func()) {
	s := newSentinel(thisMachine(), time.Now())
	if !theSentinel.CompareAndSwap(nil, s) {
		return func() {}
	}
	stopped := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watch(stopped)
	}()
	return func() {
		close(stopped)
		<-done
		theSentinel.Store(nil)
	}
}

// withheldBetween cuts what was withheld between two moments out of what the sentinel
// saw; nil without one, and where nothing can be observed.
func withheldBetween(from, to time.Time) *Withheld {
	s := theSentinel.Load()
	if s == nil {
		return nil
	}
	return s.between(from, to)
}

func (s *sentinel) between(from, to time.Time) *Withheld {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		return nil
	}
	first, last := max(0, s.indexOf(from)), s.indexOf(to)
	w := &Withheld{
		Start: s.start.Add(time.Duration(first) * s.width).UTC(), Width: s.width.Seconds(), Seen: slices.Clone(s.seen),
	}
	for _, one := range s.slices {
		if one.Index >= first && one.Index <= last && one.most() >= leastWithheld {
			one.Index -= first
			w.Slices = append(w.Slices, one)
		}
	}
	return w
}

// most is the longest that was withheld in one of the ways.
func (s WithheldSlice) most() float64 { return max(s.Steal, s.Quota, s.Threads, s.Late) }

// Between returns how many seconds were withheld between two moments in seconds after
// start, in each slice in the way that took most, and in how many slices. A slice that the
// span meets in part counts whole: nobody knows when in it the time was withheld.
func (w *Withheld) Between(start time.Time, from, to float64) (seconds float64, slices int) {
	return w.sum(start, from, to, WithheldSlice.most)
}

// sum adds up a figure of the slices that a span meets, which is at most their width, and
// counts them.
func (w *Withheld) sum(start time.Time, from, to float64, figure func(WithheldSlice) float64) (seconds float64, slices int) {
	if w == nil {
		return 0, 0
	}
	offset := start.Sub(w.Start).Seconds()
	for _, s := range w.Slices {
		begin := float64(s.Index)*w.Width - offset
		if begin < to && begin+w.Width > from {
			seconds += min(w.Width, figure(s))
			slices++
		}
	}
	return seconds, slices
}

// GivenBack is how long the longest operations of a round would have taken at least that
// took bound seconds or longer, had each been given back what was withheld while it was
// under way: the longest of these times, in seconds. It is 0 where no operation took
// that long, and infinite where nothing was observed, or one failed or was given up.
func (r Round) GivenBack(bound float64) (longest float64) {
	d, w := r.Distribution, r.Context.Withheld
	if d == nil || w == nil || d.Failed+d.Missed+d.Clamped+d.outlived(bound) > 0 {
		return math.Inf(1) // nobody knows when one that was given up would have ended
	}
	for _, s := range d.Slices() {
		if s.Max >= bound { // it ended somewhere in the slice
			withheld, _ := w.Between(r.Start, s.Start-s.Max, s.Start+s.Width)
			longest = max(longest, s.Max-withheld)
		}
	}
	return longest
}
