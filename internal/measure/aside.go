package measure

import "math"

// Aside is what of some rounds was set aside, since the machine withheld its processors
// at the same moment.
type Aside struct {
	Operations int64   // that were set aside
	Of         int64   // of so many
	Slices     int     // in which some were
	Seconds    float64 // that were withheld in these slices
}

// Add adds what was set aside in another round.
func (a *Aside) Add(other Aside) {
	a.Operations += other.Operations
	a.Of += other.Of
	a.Slices += other.Slices
	a.Seconds += other.Seconds
}

// disturbing is the share of a bound from which on time that was withheld while an
// operation was under way makes its latency say little about that bound.
const disturbing = 0.5

// Undisturbed returns the operations of a round that tell whether the volume keeps a
// bound in seconds: those that met no more withheld time than half of the bound, and
// those that are beyond it even with all that was withheld given back to them. The others
// are set aside, the quick ones like the slow ones: to leave out the slow ones alone
// would make every volume look quick. Latencies are known to a slice's bucket, and are
// its upper end, up to 12 % too long.
//
// Where nothing was observed every operation counts, and the distribution is the round's
// own.
func (r Round) Undisturbed(bound float64) (*Distribution, Aside) {
	d, w := r.Distribution, r.Context.Withheld
	if d == nil || w == nil || len(w.Slices) == 0 || d.width == 0 {
		return d, Aside{}
	}
	kept := &Distribution{
		Failed: d.Failed, Missed: d.Missed, Unfinished: d.Unfinished, Clamped: d.Clamped,
		Stalls: d.Stalls, GivenUp: d.GivenUp, width: d.width,
	}
	aside := Aside{Of: d.Count()}
	for _, s := range d.slices {
		start, end := seconds(int64(s.index)*d.width), seconds(int64(s.index+1)*d.width)
		left := slice{index: s.index}
		for _, b := range s.buckets {
			longest := min(coarseFloor(b.index+1)-1, s.max)
			if r.disturbed(start, end, seconds(longest), bound) {
				aside.Operations += b.count
				continue
			}
			left.add(b, longest)
		}
		if left.count < s.count {
			held, _ := w.Between(r.Start, start, end)
			aside.Slices, aside.Seconds = aside.Slices+1, aside.Seconds+held
		}
		if left.count > 0 {
			kept.addSlice(left)
		}
	}
	if aside.Operations == 0 {
		return d, Aside{Of: d.Count()}
	}
	return kept, aside
}

// disturbed says whether at least half of an operation's time was withheld while it was
// under way, or half of the bound where that is longer. How long threads waited is not
// asked: it adds up many short waits of many operations.
func (r Round) disturbed(begin, end, took, bound float64) bool {
	span := max(took, bound)
	held, _ := r.Context.Withheld.sum(r.Start, begin-span, end, WithheldSlice.held)
	return held >= disturbing*span
}

// held is what was withheld from everybody on the machine, or in the cgroup.
func (s WithheldSlice) held() float64 { return max(s.Steal, s.Quota, s.Late) }

// add adds a bucket of operations that took at most so many nanoseconds.
func (s *slice) add(b bucket, longest int64) {
	s.buckets = append(s.buckets, b)
	s.count += b.count
	s.max = max(s.max, longest)
}

// addSlice adds a slice behind those that d has, its latencies as the upper ends of
// their buckets.
func (d *Distribution) addSlice(s slice) {
	if d.hist == nil {
		d.hist, d.min = newPacked(), math.MaxInt64
	}
	for _, b := range s.buckets {
		took := min(coarseFloor(b.index+1)-1, s.max)
		_ = d.hist.RecordValues(took, b.count) // in range, so it cannot fail
		d.min, d.max, d.sum = min(d.min, took), max(d.max, took), d.sum+took*b.count
	}
	d.slices = append(d.slices, s)
}
