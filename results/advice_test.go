package results

import (
	"strings"
	"testing"

	"storebench/internal/cause"
	"storebench/internal/measure"
)

// TestAdvice: the advice follows what happened, and not the cause alone.
func TestAdvice(t *testing.T) {
	device := &cause.Cause{Name: cause.Device}
	for _, tt := range []struct {
		name    string
		finding Finding
		want    string // a part of it
	}{
		{"a slow flush", Finding{Status: Fail, Unit: measure.Seconds, Cause: device}, "flushes faster"},
		{"few bytes a second", Finding{Status: Fail, Unit: measure.BytesPerSecond, Cause: device}, "more bandwidth"},
		{"no answer", Finding{Status: Fail, Name: incidentRules[Stalled].name, Cause: device}, "stopped answering"},
		{"too few slots", Finding{Status: Fail, Cause: &cause.Cause{Name: cause.Slots}}, "max_concurrent_io"},
		{"undecided", Finding{Undecided: true}, "longer --budget"},
	} {
		if got := tt.finding.Advice(); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q in it", tt.name, got, tt.want)
		}
	}
	if got := (Finding{Status: Pass, Cause: device}).Advice(); got != "" {
		t.Errorf("what holds is told: %q", got)
	}
}
