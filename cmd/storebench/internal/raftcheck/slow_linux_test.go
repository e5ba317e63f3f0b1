package raftcheck

import (
	"slices"
	"strings"
	"testing"
	"time"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/serverlog"
	"storebench/results"
)

// failed are the findings of a step that failed.
func failed(run programtest.Judged, title string) (all []results.Finding) {
	for _, f := range run.Verdict.Findings {
		if f.Step == title && f.Status == results.Fail && f.Limit != nil {
			all = append(all, f)
		}
	}
	return all
}

// TestSlowFlushes: a volume that fails under the leader may do under a follower, and
// the report says what that means.
func TestSlowFlushes(t *testing.T) {
	g := newGround(t, "flush 300ms")
	ask(t, g.args(profile(t, []string{propose}, proposeLimits), "--place", "leader,follower"), func(a programtest.Answer) []string {
		wrong := a.Exits(3)
		if len(failed(a.Run, "raft-propose place=leader")) == 0 {
			wrong = append(wrong, "no limit fails under the leader")
		}
		for _, f := range failed(a.Run, "raft-propose place=follower") {
			wrong = append(wrong, f.Name+" fails under a follower: "+f.Reason)
		}
		if !strings.Contains(strings.Join(strings.Fields(a.Stdout), " "), "it says nothing of the volume under a leader") {
			wrong = append(wrong, "the report does not say what a follower's place means")
		}
		return wrong
	})
}

// TestStall: the gravest that nats-server itself says of a volume that stops for 3 s is
// the evidence.
func TestStall(t *testing.T) {
	g := newGround(t, "stall 3s every 6s")
	ask(t, g.args(profile(t, []string{stall}, stallLimits)), func(a programtest.Answer) []string {
		for _, f := range failed(a.Run, "raft-stall") {
			if slices.ContainsFunc(f.Log, grave) {
				return a.Exits(3)
			}
		}
		return append(a.Exits(3), "no failure has a line of 2 s or more, or a grave one, as its evidence")
	})
}

// grave says whether a piece of evidence is a server's line that tells of 2 s or more,
// or is grave by itself.
func grave(evidence string) bool {
	_, line, found := strings.Cut(evidence, ": [warning] ")
	e := serverlog.Parse("[WRN] " + line)
	return found && (e.Grave() || e.Took >= 2*time.Second)
}
