package results

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"storebench/internal/measure"
)

// pays is what more of a parameter must bring in throughput to pay: the ratio of
// the throughputs must be at least this power of the ratio of the values, so that
// twice as much brings 19 % or more. The knee is the value from which on nothing
// larger pays.
//
// That is where throughput⁴ over the value is greatest: Kleinrock's power
// ("Power and deterministic rules of thumb for probabilistic problems in computer
// communications", ICC 1979), throughput over response time, with the throughput
// weighing three times as much; in closed loop n writers have a response time of
// n over their throughput (Little's law). With his plain power (41 %) a disk whose
// file system joins the flushes of many writers would have its knee at one writer.
const pays = .25

// knees finds the knee along an axis at each value of the other one.
func (g *grid) knees(parameter string) []Knee {
	var all []Knee
	for _, line := range g.lines(parameter) {
		if len(line) > 1 {
			all = append(all, g.knee(parameter, line))
		}
	}
	return all
}

// knee finds the knee along a line, and which other values the noise does not
// exclude.
func (g *grid) knee(parameter string, line []gridCell) Knee {
	top, last := 0, len(line)-1
	for i := range line {
		if gain, _, ok := g.gain(parameter, line[i], line[top]); ok && gain > 0 {
			top = i
		}
	}
	low, high := top, top
	for i := range line {
		if _, interval, ok := g.gain(parameter, line[top], line[i]); !ok || !(interval.Low > 0) {
			low, high = min(low, i), max(high, i)
		}
	}
	value := func(i int) string { return line[i].At[parameter] }
	k := Knee{Parameter: parameter, At: others(parameter, line[0].At), Value: value(top), Low: value(low), High: value(high)}
	switch {
	case high < last:
		k.State, k.Reason = KneeFound, g.foundWords(parameter, line, top)
	case low == last:
		k.State, k.Reason = KneeBeyond, fmt.Sprintf("throughput still grows at the largest value: %s", g.stepWords(parameter, line[last-1], line[last]))
	default:
		for _, c := range append(line[low:high:high], line[last]) {
			g.undecided[c.Step] = true
		}
		k.State, k.Reason = KneeUnclear, fmt.Sprintf("too noisy to tell: it may be at %s to %s, or higher; observed: %s", k.Low, k.High, g.stepWords(parameter, line[0], line[last]))
	}
	return k
}

// gain is by how much going from b to a brings more (above 0) or less than pays,
// as a logarithm, with its interval.
func (g *grid) gain(parameter string, a, b gridCell) (gain float64, interval measure.Interval, ok bool) {
	mean, i, ok := g.ratio(a, b)
	x, _ := quantity(a.At[parameter])
	y, _ := quantity(b.At[parameter])
	asked := pays * math.Log(x/y)
	return mean - asked, measure.Interval{Low: i.Low - asked, High: i.High - asked}, ok
}

// foundWords is the evidence of a knee: what the values before it brought, and
// the ones behind it.
func (g *grid) foundWords(parameter string, line []gridCell, top int) string {
	behind := "behind it " + g.stepWords(parameter, line[top], line[len(line)-1])
	if top == 0 {
		return behind
	}
	return "up to it " + g.stepWords(parameter, line[0], line[top]) + "; " + behind
}

// stepWords says what going from one cell of a line to another brought.
func (g *grid) stepWords(parameter string, from, to gridCell) string {
	x, _ := quantity(from.At[parameter])
	y, _ := quantity(to.At[parameter])
	words := fmt.Sprintf("%s at %s, %s at %s", g.rateWords(from), measure.Readable(from.At[parameter]), g.rateWords(to), measure.Readable(to.At[parameter]))
	if before := *from.Rate.Value; before > 0 {
		words += fmt.Sprintf(": ×%s for %s times as much", short(*to.Rate.Value/before), short(y/x))
	}
	return words
}

// rateWords writes the throughput of a cell that has one.
func (g *grid) rateWords(c gridCell) string {
	if g.unit == measure.BytesPerSecond {
		return measure.Size(min(*c.Rate.Value, math.MaxInt64/2)).Human() + "/s"
	}
	return short(*c.Rate.Value) + "/s"
}

// short writes a number with about three figures.
func short(x float64) string {
	if x >= 999.5 && x < math.MaxInt64/2 {
		return measure.Grouped(int64(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// nearBest is the share of the best throughput that is enough.
const nearBest = .95

// slots finds the smallest max_concurrent_io that is within 5 % of the best,
// where the volume does most. nil when it was not varied.
func (g *grid) slots() *SlotsFound {
	var line []gridCell
	most := 0.0
	for _, l := range g.lines(g.sweep.SlotsAxis) {
		for _, c := range l {
			if *c.Rate.Value > most && len(l) > 1 {
				line, most = l, *c.Rate.Value
			}
		}
	}
	if line == nil {
		return nil
	}
	best := slices.IndexFunc(line, func(c gridCell) bool { return *c.Rate.Value == most })
	found := &SlotsFound{At: others(g.sweep.SlotsAxis, line[0].At), Best: g.slotsOf(line[best])}
	enough := g.enough(line, best)
	for i, c := range line {
		if i != enough && (enough < 0 || i < enough) && g.mayBeNear(c, line[best]) {
			found.Open = append(found.Open, g.slotsOf(c))
			g.undecided[c.Step] = true
		}
	}
	if len(found.Open) > 0 {
		g.undecided[line[best].Step], g.undecided[line[max(0, enough)].Step] = true, true
	}
	if enough >= 0 {
		found.Enough = g.slotsOf(line[enough])
		found.Line = fmt.Sprintf("jetstream { max_concurrent_io: %d }", found.Enough)
		found.Ratio = g.over(line[enough], line[best])
	}
	found.Reason = g.slotsWords(found, line, best, enough)
	return found
}

func (g *grid) slotsOf(c gridCell) int {
	n, _ := strconv.Atoi(c.At[g.sweep.SlotsAxis])
	return n
}

// enough is the first cell of a line that is shown to be within 5 % of the best
// observed and of every larger value, -1 where the noise allows to say so of
// none. Each comparison has 97.5 % confidence, and so has the whole, since all
// must hold (the intersection-union test of Berger, Technometrics 24, 1982).
func (g *grid) enough(line []gridCell, best int) int {
	near := func(i, j int) bool {
		_, interval, ok := g.ratio(line[i], line[j])
		return i == j || ok && interval.Low >= math.Log(nearBest)
	}
	for i := range line {
		holds := near(i, best)
		for j := i + 1; j < len(line); j++ {
			holds = holds && near(i, j)
		}
		if holds {
			return i
		}
	}
	return -1
}

// mayBeNear says whether the noise leaves it open that a cell is within 5 % of
// the best.
func (g *grid) mayBeNear(c, best gridCell) bool {
	_, interval, ok := g.ratio(c, best)
	return !ok || !(interval.High < math.Log(nearBest))
}

// over is a cell's throughput over another's.
func (g *grid) over(c, other gridCell) Estimate {
	if maps.Equal(c.At, other.At) {
		one := 1.0
		return Estimate{Value: &one, Low: &one, High: &one}
	}
	mean, i, _ := g.ratio(c, other)
	return Estimate{Value: finite(math.Exp(mean)), Low: finite(math.Exp(i.Low)), High: finite(math.Exp(i.High))}
}

// slotsWords is the evidence for the slots.
func (g *grid) slotsWords(found *SlotsFound, line []gridCell, best, enough int) string {
	where := ""
	if len(found.At) > 0 {
		where = fmt.Sprintf(" (at %s, where this volume does most)", placeWords(found.At))
	}
	top := fmt.Sprintf("%s at %s slots", g.rateWords(line[best]), measure.Grouped(int64(found.Best)))
	switch {
	case enough < 0:
		return fmt.Sprintf("too noisy to tell which value is within 5 %% of the best, which was %s%s; possible: %s", top, where, slotsList(found.Open))
	case enough == best:
		return fmt.Sprintf("%s, the best observed%s%s", top, where, g.smallerWords(found, line, best, enough))
	}
	return fmt.Sprintf("%s, %s of the best, %s%s%s", g.rateWords(line[enough]), percentOf(found.Ratio), top, where, g.smallerWords(found, line, best, enough))
}

// smallerWords says why it is not a smaller value.
func (g *grid) smallerWords(found *SlotsFound, line []gridCell, best, enough int) string {
	switch {
	case enough == 0:
		return "; no smaller value was tried"
	case len(found.Open) > 0:
		return fmt.Sprintf("; too noisy to tell for %s", slotsList(found.Open))
	}
	below := line[enough-1]
	return fmt.Sprintf("; %s slots do %s, %s", measure.Grouped(int64(g.slotsOf(below))), g.rateWords(below), percentOf(g.over(below, line[best])))
}

// percentOf writes a ratio in per cent with its interval.
func percentOf(e Estimate) string {
	if e.Value == nil {
		return "–"
	}
	text := fmt.Sprintf("%.0f %%", 100**e.Value)
	if e.Low == nil || e.High == nil {
		return text
	}
	if low, high := fmt.Sprintf("%.0f", 100**e.Low), fmt.Sprintf("%.0f", 100**e.High); low != high {
		text += fmt.Sprintf(" [%s to %s]", low, high)
	}
	return text
}

func slotsList(all []int) string {
	var words []string
	for _, n := range all {
		words = append(words, measure.Grouped(int64(n)))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// placeWords writes values of parameters: concurrency 64.
func placeWords(at map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(at)) {
		words = append(words, name+" "+measure.Readable(at[name]))
	}
	return strings.Join(words, ", ")
}
