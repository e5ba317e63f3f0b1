package load

import (
	"context"
	"testing"
	"time"
)

func TestPacersAreDue(t *testing.T) {
	cases := []struct {
		name  string
		pacer Pacer
		n     int64
		want  time.Duration
		never bool
	}{
		{"closed", Closed{}, 1 << 40, 0, false},
		{"closed, at its limit", Closed{Limit: 5}, 5, 0, true},
		{"open", Open{Rate: 1000}, 1500, 1500 * time.Millisecond, false},
		{"open, rate 0", Open{}, 0, 0, true},
		{"open, negative", Open{Rate: -1}, 1, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			at, ok := c.pacer.Due(c.n)
			if ok == c.never || at.Round(time.Microsecond) != c.want {
				t.Errorf("operation %d is due at %v, %v; want %v, %v", c.n, at, ok, c.want, !c.never)
			}
		})
	}
}

func TestDueBeforeCountsWhatIsDue(t *testing.T) {
	for _, p := range []Pacer{Open{Rate: 7}, limited{Open{Rate: 100}, 42}} {
		want := int64(0)
		for {
			if at, ok := p.Due(want); !ok || at >= 3*time.Second {
				break
			}
			want++
		}
		if got := dueBefore(p, 3*time.Second); got != want {
			t.Errorf("%+v: %d are due before 3s, want %d", p, got, want)
		}
	}
	if got := dueBefore(Open{Rate: 1}, 0); got != 0 {
		t.Errorf("%d are due before the start", got)
	}
}

func TestPreciseClockNeverWakesEarly(t *testing.T) {
	clock := NewClock()
	for _, wait := range []time.Duration{-1, 0, 10 * time.Microsecond, 300 * time.Microsecond, 5 * time.Millisecond} {
		until := clock.Now() + wait
		clock.SleepUntil(t.Context(), until)
		if now := clock.Now(); now < until {
			t.Errorf("woke %v early from %v", until-now, wait)
		}
	}
}

func TestPreciseClockHearsTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	woke := make(chan struct{})
	clock := NewClock()
	go func() {
		clock.SleepUntil(ctx, clock.Now()+time.Hour)
		close(woke)
	}()
	cancel()
	<-woke // or the test times out
}

// BenchmarkLateness shows how late the precise clock wakes from a wait of 1 ms.
func BenchmarkLateness(b *testing.B) {
	clock, late := NewClock(), time.Duration(0)
	for b.Loop() {
		until := clock.Now() + time.Millisecond
		clock.SleepUntil(b.Context(), until)
		late += clock.Now() - until
	}
	b.ReportMetric(float64(late.Nanoseconds())/float64(b.N), "ns-late/op")
}
