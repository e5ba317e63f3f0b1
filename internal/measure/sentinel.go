package measure

import (
	"slices"
	"sync"
	"time"
)

// sentinel is a thread that sleeps and notes how late it is woken, and once a slice
// what the kernel says was withheld. What it notes may be read at any time.
type sentinel struct {
	source machine
	start  time.Time
	width  time.Duration

	mu     sync.Mutex
	slices []WithheldSlice // ascending by index
	seen   []string
	last   withheldCounters
}

// withheldCounters are seconds since boot or since a thread began; a negative one
// cannot be read here.
type withheldCounters struct {
	steal, quota float64
	threads      map[string]float64 // by the thread's number; nil where it cannot be read
}

const (
	// napping is how long the sentinel sleeps at a time.
	napping = 5 * time.Millisecond
	// punctual is how late it is woken on an idle machine, at most.
	punctual = 500 * time.Microsecond
)

func newSentinel(source machine, start time.Time) *sentinel {
	s := &sentinel{source: source, start: start, width: time.Duration(sliceWidth)}
	s.last = source.withheld()
	if s.last.steal >= 0 {
		s.seen = append(s.seen, "steal")
	}
	if s.last.quota >= 0 {
		s.seen = append(s.seen, "quota")
	}
	if s.last.threads != nil {
		s.seen = append(s.seen, "threads")
	}
	if len(s.seen) > 0 { // else nothing tells the machine's delays from the program's own
		s.seen = append(s.seen, "sentinel")
	}
	return s
}

func (s *sentinel) indexOf(at time.Time) int { return int(at.Sub(s.start) / s.width) }

// watch sleeps and notes until stop is closed.
func (s *sentinel) watch(stop <-chan struct{}) {
	current := s.indexOf(time.Now())
	for {
		select {
		case <-stop:
			return
		default:
		}
		due := time.Now().Add(napping)
		nap(napping)
		woken := time.Now()
		s.late(due, woken)
		if index := s.indexOf(woken); index != current {
			s.read(current)
			current = index
		}
	}
}

// late adds a delay to the slices that it lies in.
func (s *sentinel) late(due, woken time.Time) {
	took := woken.Sub(due)
	if took < punctual {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for begin := due; begin.Before(woken); {
		index := s.indexOf(begin)
		end := s.start.Add(time.Duration(index+1) * s.width)
		if woken.Before(end) {
			end = woken
		}
		one := s.slice(index)
		one.Late += end.Sub(begin).Seconds()
		one.Latest = max(one.Latest, took.Seconds())
		begin = end
	}
}

// read adds what the kernel's counters grew by since the last call to a slice. A delay
// of the sentinel may lie between: then it was withheld in the slices of that delay.
func (s *sentinel) read(index int) {
	now := s.source.withheld()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.slice(index)
	one.Steal += grown(s.last.steal, now.steal)
	one.Quota += grown(s.last.quota, now.quota)
	for thread, waited := range now.threads {
		if before, known := s.last.threads[thread]; known {
			one.Threads = max(one.Threads, grown(before, waited))
		}
	}
	s.last = now
	s.forget()
}

// grown is how much a counter grew; 0 of one that cannot be read or was reset.
func grown(before, now float64) float64 {
	if before < 0 || now < before {
		return 0
	}
	return now - before
}

// slice is the one with an index, which is made where there is none.
func (s *sentinel) slice(index int) *WithheldSlice {
	at, found := slices.BinarySearchFunc(s.slices, index, func(one WithheldSlice, index int) int { return one.Index - index })
	if !found {
		s.slices = slices.Insert(s.slices, at, WithheldSlice{Index: index})
	}
	return &s.slices[at]
}

// forget drops the older half of the slices when there are too many.
func (s *sentinel) forget() {
	if len(s.slices) >= maxWithheld {
		s.slices = slices.Delete(s.slices, 0, maxWithheld/2)
	}
}
