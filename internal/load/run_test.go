package load

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"storebench/internal/measure"
)

const ms = time.Millisecond

// takes sleeps in the bubble's time: an operation that takes that long.
func takes(d time.Duration) func(int, int64) error {
	return func(int, int64) error {
		time.Sleep(d)
		return nil
	}
}

func run1(t *testing.T, ctx context.Context, cfg Config, op func(int, int64) error) Outcome {
	t.Helper()
	cfg.Clock = NewTimerClock()
	out, err := Run(ctx, cfg, op)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return out
}

func TestClosedLoopIsAsFastAsItsOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := run1(t, t.Context(), Config{Workers: 2, Duration: time.Second, Warmup: 100 * ms}, takes(10*ms))
		if out.Done != 200 || out.Response.Count() != 200 {
			t.Errorf("done %d, recorded %d, want 200 of each", out.Done, out.Response.Count())
		}
		if out.Service != nil {
			t.Error("closed loop has a service time apart from the response time")
		}
		if out.Elapsed != time.Second || out.Response.Quantile(0.5) != 0.01 {
			t.Errorf("elapsed %v, median %v s; want 1s and 0.01", out.Elapsed, out.Response.Quantile(0.5))
		}
	})
}

func TestClosedLoopEndsAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := run1(t, t.Context(), Config{Workers: 3, Pacer: Closed{Limit: 10}, Duration: time.Hour}, takes(10*ms))
		if out.Done != 10 || out.Elapsed != 40*ms {
			t.Errorf("done %d in %v, want 10 in 40ms", out.Done, out.Elapsed)
		}
	})
}

func TestOpenLoopLosesNoOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make([]atomic.Int32, 1100)
		cfg := Config{Workers: 4, Pacer: Open{Rate: 1000}, Duration: time.Second, Warmup: 100 * ms}
		out := run1(t, t.Context(), cfg, func(_ int, n int64) error {
			seen[n].Add(1)
			time.Sleep(2 * ms)
			return nil
		})
		for n := range seen {
			if got := seen[n].Load(); got != 1 {
				t.Fatalf("operation %d was run %d times", n, got)
			}
		}
		if out.Done != 1000 || out.Missed != 0 {
			t.Errorf("done %d, missed %d; want the 1000 that were due after the warm-up", out.Done, out.Missed)
		}
	})
}

// Workers that share their shards lose nothing, and take the room of a few.
func TestManyWorkersShareShards(t *testing.T) {
	r := newRun(Config{Workers: 1024, Pacer: Open{Rate: 1}, Duration: time.Second, Clock: NewTimerClock()}, takes(0))
	shards := map[*measure.Shard]bool{}
	for _, w := range r.workers {
		shards[w.response], shards[w.service], shards[w.late] = true, true, true
	}
	if len(shards) != 3*maxShards {
		t.Errorf("%d shards, want %d", len(shards), 3*maxShards)
	}
	const n = 50_000
	out, err := Run(t.Context(), Config{Workers: 1024, Pacer: Closed{Limit: n}, Duration: time.Minute}, func(int, int64) error { return nil })
	if err != nil || out.Response.Count() != n {
		t.Errorf("%d of %d are recorded, error %v", out.Response.Count(), n, err)
	}
}

// One operation stalls for a second at 100 a second with one worker: a hundred
// wait behind it. Service time sees one slow operation; response time sees all.
func TestResponseTimeSeesTheQueueBehindAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Workers: 1, Pacer: Open{Rate: 100}, Duration: 10 * time.Second}
		out := run1(t, t.Context(), cfg, func(_ int, n int64) error {
			if n == 300 {
				time.Sleep(time.Second)
			}
			time.Sleep(ms)
			return nil
		})
		if out.Done != 1000 {
			t.Errorf("done %d, want 1000", out.Done)
		}
		if service := out.Service.Quantile(0.99); service > 0.002 {
			t.Errorf("service p99 %v s, want one slow operation to stay out of it", service)
		}
		if response := out.Response.Quantile(0.99); response < 0.8 {
			t.Errorf("response p99 %v s, want it to hold the queue", response)
		}
		if first := out.Response.Stalls[0]; first.Seconds != 1.001 || first.At != 4.001 {
			t.Errorf("longest stall %+v, want 1.001 s that ended at 4.001 s", first)
		}
	})
}

func TestOperationsThatCannotBeSentAreMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Workers: 1, Pacer: Open{Rate: 100}, Duration: time.Second, Grace: 2050 * ms}
		out := run1(t, t.Context(), cfg, takes(100*ms))
		time.Sleep(time.Second) // the one that was given up ends meanwhile
		if out.Done != 30 || out.Unfinished != 1 || out.Missed != 69 || out.Response.Missed != 69 || out.Service.Missed != 0 {
			t.Errorf("done %d, missed %d (response %d, service %d); want 30, 69, 69, 0 and one unfinished",
				out.Done, out.Missed, out.Response.Missed, out.Service.Missed)
		}
	})
}

// lateClock wakes whoever sleeps on it late, as a machine without a free
// processor does.
type lateClock struct {
	Clock
	by time.Duration
}

func (c lateClock) SleepUntil(ctx context.Context, t time.Duration) { c.Clock.SleepUntil(ctx, t+c.by) }

func TestLateWakeIsTheMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Workers: 1, Pacer: Open{Rate: 100}, Duration: time.Second, Clock: lateClock{NewTimerClock(), 5 * ms}}
		out, err := Run(t.Context(), cfg, takes(ms))
		if err != nil {
			t.Fatal(err)
		}
		if out.Response.Max() != 0.001 || out.Late.Max() != 0.005 || out.Late.Count() != out.Done {
			t.Errorf("longest response %v s, woken late by up to %v s in %d of %d; want 1 ms and 5 ms in all",
				out.Response.Max(), out.Late.Max(), out.Late.Count(), out.Done)
		}
	})
}

// What becomes due while an idle worker is woken late is late by the machine
// too, and not by the operations before it.
func TestQueueBehindALateWakeIsTheMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Workers: 1, Pacer: Open{Rate: 100}, Duration: time.Second, Clock: lateClock{NewTimerClock(), 55 * ms}}
		out, err := Run(t.Context(), cfg, takes(ms))
		if err != nil {
			t.Fatal(err)
		}
		if longest := out.Response.Max(); longest > 0.007 {
			t.Errorf("longest response %v s, want the 6 operations of a late wake after each other", longest)
		}
		if longest := out.Late.Max(); longest != 0.055 {
			t.Errorf("woken late by up to %v s, want 55 ms", longest)
		}
	})
}

// A queue at the end is no loss: what was due is begun late, and its response
// tells how late.
func TestQueueAtTheEndIsDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Workers: 1, Pacer: Open{Rate: 100}, Duration: time.Second, Grace: 10 * time.Second}
		out := run1(t, t.Context(), cfg, takes(20*ms))
		if out.Done != 100 || out.Missed != 0 || out.Elapsed != 2*time.Second {
			t.Errorf("done %d, missed %d in %v; want all 100 in 2s", out.Done, out.Missed, out.Elapsed)
		}
		if longest := out.Response.Max(); longest != 1.01 {
			t.Errorf("longest response %v s, want 1.01: the last was due at 0.99 s", longest)
		}
	})
}

func TestHungOperationIsUnfinishedAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		cfg := Config{Workers: 2, Pacer: Open{Rate: 10}, Duration: time.Second, Grace: 2 * time.Second}
		out := run1(t, t.Context(), cfg, func(_ int, n int64) error {
			if n == 5 {
				<-hung
			}
			return nil
		})
		close(hung) // the worker comes back to a run that is over
		synctest.Wait()
		if out.Done != 9 || out.Unfinished != 1 || out.Missed != 0 {
			t.Errorf("done %d, unfinished %d, missed %d; want 9, 1, 0", out.Done, out.Unfinished, out.Missed)
		}
		if out.Elapsed != 3*time.Second {
			t.Errorf("elapsed %v, want 3s: the hung operation was given up then", out.Elapsed)
		}
		if len(out.Response.Stalls) != 1 || out.Response.Stalls[0].Seconds != 2.5 {
			t.Errorf("stalls %+v, want one of 2.5 s", out.Response.Stalls)
		}
	})
}

// A stall that begins in the warm-up of a closed loop and outlasts it is seen,
// whole.
func TestClosedLoopMeasuresWhatTheWarmupEndsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var from, end time.Duration
		cfg := Config{
			Workers: 1, Pacer: Closed{Limit: 10}, Duration: 10 * time.Second, Warmup: 100 * ms,
			Observe: func(_ int, f, e time.Duration) {
				if e-f > time.Second {
					from, end = f, e
				}
			},
		}
		out := run1(t, t.Context(), cfg, func(_ int, n int64) error {
			if n == 3 {
				time.Sleep(2 * time.Second)
			}
			time.Sleep(20 * ms)
			return nil
		})
		if out.Done != 7 || out.Response.Max() != 2.02 || out.Elapsed != 2100*ms {
			t.Errorf("done %d in %v, longest %v s; want 7 in 2.1s, 2.02 s", out.Done, out.Elapsed, out.Response.Max())
		}
		if from != -40*ms || end != 1980*ms {
			t.Errorf("observed from %v to %v, want -40ms to 1.98s", from, end)
		}
	})
}

// An operation of the warm-up that never ends is unfinished in either loop, and
// takes nothing from what the others missed.
func TestHungInTheWarmupIsUnfinished(t *testing.T) {
	cases := map[string]struct {
		pacer        Pacer
		done, missed int64
	}{
		"closed": {Closed{}, 0, 0},
		"open":   {Open{Rate: 10}, 0, 10},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hung := make(chan struct{})
				cfg := Config{Workers: 1, Pacer: c.pacer, Duration: time.Second, Warmup: 500 * ms, Grace: time.Second}
				out := run1(t, t.Context(), cfg, func(_ int, n int64) error {
					if n == 2 {
						<-hung
					}
					time.Sleep(50 * ms)
					return nil
				})
				close(hung)
				time.Sleep(time.Second) // it comes back to a run that is over
				if out.Done != c.done || out.Unfinished != 1 || out.Missed != c.missed || out.Elapsed != 2*time.Second {
					t.Errorf("done %d, unfinished %d, missed %d in %v; want %d, 1, %d in 2s",
						out.Done, out.Unfinished, out.Missed, out.Elapsed, c.done, c.missed)
				}
				if len(out.Response.Stalls) != 1 || out.Response.Stalls[0].At != 2 || out.Response.Stalls[0].Seconds < 2.3 {
					t.Errorf("stalls %+v, want one of over 2.3 s, at 2 s", out.Response.Stalls)
				}
			})
		})
	}
}

// What a cancel in the warm-up leaves has no part in the figures.
func TestCancelInTheWarmupMeasuresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 105*ms)
		defer cancel()
		out, err := Run(ctx, Config{Workers: 2, Duration: time.Second, Warmup: time.Minute, Clock: NewTimerClock()}, takes(10*ms))
		if err == nil || out.Done != 0 || out.Unfinished != 0 || out.Elapsed != 0 {
			t.Errorf("done %d, unfinished %d in %v, error %v", out.Done, out.Unfinished, out.Elapsed, err)
		}
	})
}

func TestCancelEndsPromptlyAndKeepsWhatWasMeasured(t *testing.T) {
	cases := map[string]struct {
		hang       bool
		unfinished int64
		within     time.Duration
	}{
		"idle volume":         {false, 0, 0},
		"hung in cancel time": {true, 1, settle},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hung := make(chan struct{})
				defer close(hung)
				ctx, cancel := context.WithTimeout(t.Context(), 1005*ms)
				defer cancel()
				cfg := Config{Workers: 2, Pacer: Open{Rate: 100}, Duration: time.Hour, Clock: NewTimerClock()}
				start := time.Now()
				out, err := Run(ctx, cfg, func(_ int, n int64) error {
					if c.hang && n == 50 {
						<-hung
					}
					return nil
				})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want the context's", err)
				}
				if over := time.Since(start) - 1005*ms; over != c.within {
					t.Errorf("ended %v after the cancel, want %v", over, c.within)
				}
				if out.Done+out.Unfinished != 101 || out.Unfinished != c.unfinished || out.Missed != 0 {
					t.Errorf("done %d, unfinished %d, missed %d; want 101 in all, %d of them unfinished",
						out.Done, out.Unfinished, out.Missed, c.unfinished)
				}
			})
		})
	}
}

func TestDeadVolumeStopsTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("input/output error")
		var calls atomic.Int64
		fail := func(int, int64) error {
			calls.Add(1)
			return broken
		}
		out := run1(t, t.Context(), Config{Workers: 2, Duration: time.Hour}, fail)
		if calls.Load() != 2*maxFailures || out.Failed != 2*maxFailures || !errors.Is(out.FirstError, broken) {
			t.Errorf("%d calls, %d failed, first error %v", calls.Load(), out.Failed, out.FirstError)
		}
		cfg := Config{Workers: 1, Pacer: Open{Rate: 100}, Duration: 10 * time.Second}
		if out := run1(t, t.Context(), cfg, fail); out.Failed != 100 || out.Missed != 900 {
			t.Errorf("open loop: failed %d, missed %d; want 100 and 900", out.Failed, out.Missed)
		}
	})
}

func TestObserveSeesEveryMeasuredOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dues []time.Duration
		cfg := Config{
			Workers: 1, Pacer: Open{Rate: 10}, Duration: 300 * ms, Warmup: 200 * ms,
			Observe: func(_ int, due, end time.Duration) {
				if end-due != ms {
					t.Errorf("due %v, end %v; want 1ms between", due, end)
				}
				dues = append(dues, due)
			},
		}
		run1(t, t.Context(), cfg, takes(ms))
		if len(dues) != 3 || dues[0] != 0 || dues[2] != 200*ms {
			t.Errorf("observed %v, want 0, 100ms and 200ms", dues)
		}
	})
}

func TestRunRefusesNonsense(t *testing.T) {
	cases := map[string]Config{
		"no workers":     {Workers: 0, Duration: time.Second},
		"no duration":    {Workers: 1},
		"negative grace": {Workers: 1, Duration: time.Second, Grace: -1},
		"rate 0":         {Workers: 1, Duration: time.Second, Pacer: Open{}},
		"no rate":        {Workers: 1, Duration: time.Second, Pacer: Open{Rate: math.NaN()}},
	}
	for name, cfg := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Run(t.Context(), cfg, takes(0)); err == nil {
				t.Error("no error")
			}
		})
	}
}

// Real time and real threads, for the race detector: workers that hang and come
// back while Run is adding up.
func TestAbandonedWorkersDoNotRace(t *testing.T) {
	release := make(chan struct{})
	var begun, back atomic.Int64
	cfg := Config{Workers: 4, Duration: 20 * ms, Grace: ms}
	out, err := Run(t.Context(), cfg, func(worker int, n int64) error {
		begun.Add(1)
		defer back.Add(1)
		if worker%2 == 1 && n > 50 {
			<-release
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	// A worker that a busy machine kept from running is given up like one that
	// hangs, so both are waited for.
	for back.Load() < begun.Load() {
		<-time.After(ms)
	}
	if out.Response.Count() != out.Done {
		t.Errorf("recorded %d of %d", out.Response.Count(), out.Done)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	perRun := func(operations int64) float64 {
		return testing.AllocsPerRun(1, func() {
			_, err := Run(t.Context(), Config{Workers: 1, Pacer: Closed{Limit: operations}, Duration: time.Hour},
				func(int, int64) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := perRun(10), perRun(100_010); many-few > 1000 {
		t.Errorf("%v allocations for 10 operations and %v for 100,010", few, many)
	}
}

func BenchmarkHarnessCost(b *testing.B) {
	cases := map[string]Pacer{"closed": Closed{Limit: int64(b.N)}, "open": Open{Rate: 1e9}}
	for name := range cases {
		b.Run(name, func(b *testing.B) {
			var pacer Pacer = Closed{Limit: int64(b.N)}
			if name == "open" {
				pacer = limited{Open{Rate: 1e9}, int64(b.N)}
			}
			b.ReportAllocs()
			_, err := Run(b.Context(), Config{Workers: 1, Pacer: pacer, Duration: time.Hour},
				func(int, int64) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

// limited ends a pacer after some operations.
type limited struct {
	Pacer
	operations int64
}

func (l limited) Due(n int64) (time.Duration, bool) {
	if n >= l.operations {
		return 0, false
	}
	return l.Pacer.Due(n)
}
