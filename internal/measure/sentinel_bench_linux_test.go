package measure

import (
	"testing"
	"time"
)

// BenchmarkSentinel tells what share of a processor a process takes that does nothing but
// keep a sentinel.
func BenchmarkSentinel(b *testing.B) {
	stop := StartSentinel()
	defer stop()
	used := ownSeconds()
	begin := time.Now()
	for b.Loop() {
		nap(time.Second)
	}
	b.ReportMetric(100*(ownSeconds()-used)/time.Since(begin).Seconds(), "%CPU")
}
