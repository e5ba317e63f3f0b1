package load

import (
	"time"

	"storebench/internal/measure"
)

// outcome adds up what the workers have. It may be called after abandon alone.
func (r *run) outcome() Outcome {
	now := r.now()
	out := Outcome{Response: r.response.Distribution()}
	if r.service != nil {
		out.Service, out.Late = r.service.Distribution(), r.late.Distribution()
	}
	lastEnd, errorAt, served := r.warmup, time.Duration(0), false
	early := int64(0) // unfinished ones that were due in the warm-up
	for _, w := range r.workers {
		out.Done += w.done
		out.Failed += w.failed
		lastEnd = max(lastEnd, w.lastEnd)
		served = served || w.served
		if w.firstError != nil && (out.FirstError == nil || w.errorAt < errorAt) {
			out.FirstError, errorAt = w.firstError, w.errorAt
		}
		// A hung operation counts whenever it was due: nothing that came after it
		// could be begun by its worker, so nothing else tells of it.
		if w.state.Load() == abandoned && now > r.warmup {
			if w.due < r.warmup {
				early++
			}
			out.giveUp(now-r.warmup, now-w.from, now-w.began)
			lastEnd = now
		}
	}
	out.Missed = r.missed(out.Done + out.Failed + out.Unfinished - early)
	out.Elapsed = max(lastEnd, r.until(now, served)) - r.warmup
	out.count(out.Response, out.Missed)
	if out.Service != nil {
		out.count(out.Service, 0) // what was not begun has no service
	}
	return out
}

// giveUp counts an operation that is under way still. How long it would have
// taken is not known, so it is in no quantile; as a stall it has its time.
func (out *Outcome) giveUp(at, response, service time.Duration) {
	out.Unfinished++
	out.Response.GiveUp(at.Seconds(), response.Seconds(), 1)
	if out.Service != nil {
		out.Service.GiveUp(at.Seconds(), service.Seconds(), 1)
	}
}

func (out *Outcome) count(d *measure.Distribution, missed int64) {
	d.Failed, d.Missed = out.Failed, missed
}

// missed returns how many operations were due while measuring, until ctx ended,
// beside those that were begun. Workers that end early over failures leave
// theirs to be missed.
func (r *run) missed(begun int64) int64 {
	if r.closed {
		return 0
	}
	until := min(r.end, time.Duration(r.cutAt.Load()))
	due := dueBefore(r.cfg.Pacer, until) - dueBefore(r.cfg.Pacer, r.warmup)
	return max(due-begun, 0)
}

// until returns when measuring ended: at its end if some worker was there to
// serve it, or when it was cut short.
func (r *run) until(now time.Duration, served bool) time.Duration {
	if cut := time.Duration(r.cutAt.Load()); cut < r.end {
		return max(cut, r.warmup)
	}
	if served {
		return r.end
	}
	return min(max(now, r.warmup), r.end)
}
