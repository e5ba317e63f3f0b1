package render

import (
	"strings"

	"storebench/results"
)

// withStatus are the findings of some statuses, in the order of these.
func withStatus(findings []results.Finding, statuses ...results.Status) []results.Finding {
	var all []results.Finding
	for _, status := range statuses {
		for _, f := range findings {
			if f.Status == status {
				all = append(all, f)
			}
		}
	}
	return all
}

// findingLines is all that is known of a finding.
func findingLines(f results.Finding) []line {
	seen := ""
	if f.Observed != nil {
		seen = strings.TrimSpace(observed(f) + " " + bracketed(interval(f)))
	}
	return filled([]line{
		{"limit", limitText(f)}, {"at", where(f)}, {"observed", seen}, {"reason", f.Reason},
		{"cause", causeOf(f)}, {"log", strings.Join(f.Log, "; ")}, {"for NATS", f.Meaning}, {"to do", f.Advice()},
	})
}

// causeOf is what is to blame, with the evidence; empty when nothing is.
func causeOf(f results.Finding) string {
	if f.Cause == nil {
		return ""
	}
	return strings.TrimSuffix(string(f.Cause.Name)+": "+strings.Join(f.Cause.Evidence, "; "), ": ")
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "[" + s + "]"
}

// limitText is the limit as profiles and --limit write it, where the title is another.
func limitText(f results.Finding) string {
	if f.Limit == nil {
		return ""
	}
	return f.Name
}
