package measure

import (
	"cmp"
	"slices"
)

// GivenUp is operations that were given up while they were under way: nothing more is
// known of them than that each took longer than Seconds.
type GivenUp struct {
	Seconds float64 `json:"seconds"`
	Count   int64   `json:"count"`
}

// MaxGivenUp is how many different times a Distribution keeps. Where there are more,
// the shortest are joined as the shorter one: that claims less.
const MaxGivenUp = 64

// GiveUp counts n operations that had been under way for took seconds when they were
// given up at at, both in seconds, as unfinished. As a stall they have their time.
func (d *Distribution) GiveUp(at, took float64, n int64) {
	if n <= 0 {
		return
	}
	d.Unfinished += n
	d.GivenUp = joinGivenUp(append(d.GivenUp, GivenUp{Seconds: max(0, took), Count: n}))
	d.AddStall(at, took)
}

// AddLost adds the operations of other that have no latency. Their stalls stay behind:
// those that ended have been recorded by whoever asks.
func (d *Distribution) AddLost(other *Distribution) {
	d.Failed += other.Failed
	d.Missed += other.Missed
	d.Unfinished += other.Unfinished
	d.GivenUp = joinGivenUp(slices.Concat(d.GivenUp, other.GivenUp))
}

// joinGivenUp sorts in place, shortest first, and joins equal times.
func joinGivenUp(all []GivenUp) []GivenUp {
	slices.SortFunc(all, func(a, b GivenUp) int { return cmp.Compare(a.Seconds, b.Seconds) })
	joined := all[:0]
	for _, g := range all {
		if last := len(joined) - 1; last >= 0 && joined[last].Seconds == g.Seconds {
			joined[last].Count += g.Count
			continue
		}
		joined = append(joined, g)
	}
	for len(joined) > MaxGivenUp {
		joined[1].Seconds, joined[1].Count = joined[0].Seconds, joined[0].Count+joined[1].Count
		joined = joined[1:]
	}
	return joined
}

// Exceeding returns how many operations took longer than bound seconds: those that
// certainly did, and those that possibly did. One that failed, or could not be sent, is
// beyond every bound. One that was given up before the bound may have ended in time.
func (d *Distribution) Exceeding(bound float64) (certain, possible int64) {
	certain = d.Beyond(bound) + d.Failed + d.Missed
	return certain + d.outlived(bound), certain + d.Unfinished
}

// outlived counts the unfinished operations that were under way for bound seconds or
// longer. Documents of before GivenUp was kept tell the longest as a stall alone.
func (d *Distribution) outlived(bound float64) (n int64) {
	if len(d.GivenUp) == 0 && len(d.Stalls) > 0 && d.Stalls[0].Seconds >= bound {
		return d.Unfinished
	}
	for _, g := range d.GivenUp {
		if g.Seconds >= bound {
			n += g.Count
		}
	}
	return n
}

// UnderWay is for how many seconds the unfinished operations had been under way in all
// when they were given up; it is 0 of those for which that is not known.
func (d *Distribution) UnderWay() (all float64) {
	for _, g := range d.GivenUp {
		all += g.Seconds * float64(g.Count)
	}
	return all
}
