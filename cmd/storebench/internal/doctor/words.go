package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"storebench/internal/serverlog"
)

// clock is a time of day where a date would only be in the way.
func clock(at time.Time) string {
	if at.IsZero() {
		return "an unknown time"
	}
	return at.Format("15:04:05")
}

// short is a duration in three figures.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 100*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'g', 3, 64) + " s"
	default:
		return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
	}
}

// number is a count with separators.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// size is a number of bytes as nats-server rounds it.
func size(n int64) string {
	if n < 1024 {
		return number(n) + " bytes"
	}
	x, unit := float64(n), 0
	for x >= 1024 {
		x, unit = x/1024, unit+1
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + " " + "KMGTPE"[unit-1:unit] + "iB"
}

func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}

// names are a few names as a person would say them.
func names(list []string) string {
	const most = 6
	if more := len(list) - most; more > 1 {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// subject is what a tally is about, one of several.
func subject(t tally) string {
	if len(t.subjects) == 0 {
		return "unnamed"
	}
	return t.subjects[0]
}

// said are signs in words, for the order in which they came.
var said = map[sign]string{
	serverlog.StateWriteSlow: "WriteFullState", serverlog.StoreWorkSlow: "work under a store's lock",
	serverlog.MetaSnapshotBuildSlow: "metalayer snapshot", serverlog.MetaSnapshotSlow: "metalayer snapshot",
	serverlog.SubscriptionSlow: "internal subscriptions", serverlog.ReadLoopSlow: "readloops",
	serverlog.StreamLag: "high message lag", serverlog.AppendsPending: "append entries pending",
	serverlog.QuorumPaused: "quorum paused", serverlog.LeaderOverrun: "leader overrun", serverlog.LearnerOverrun: "learner overrun",
	serverlog.IngestDropped: "messages dropped", serverlog.HealthBehind: "behind in health checks", serverlog.NotCurrent: "streams not current",
	serverlog.SteppedDown: "leaders stepped down", serverlog.MetaLeaderNone: "no meta leader", serverlog.NoQuorum: "no quorum",
	serverlog.CatchupStalled: "catch-ups stalled", serverlog.CatchupFailed: "catch-ups failed", serverlog.CatchupAborted: "catch-ups aborted",
	serverlog.WriteError: "write errors", serverlog.SnapshotFailed: "snapshots failed", serverlog.RaftStateNotWritten: "Raft state not written",
	serverlog.MessageNotStored: "messages not stored", serverlog.OutOfResources: "JetStream disabled",
	raftSlow: "Raft's subscriptions ($NRG)", routeLost: "routes lost",
}

// worst is the figure of a tally that matters most, as text.
func worst(s sign, t tally) string {
	switch {
	case s == serverlog.StateWriteSlow && t.bytes > 0 && t.bytes < 1<<20:
		return short(t.took) + " for " + size(bytesOf(t))
	case t.took > 0:
		return short(t.took)
	case t.n > 0:
		return number(t.n)
	case t.bytes > 0:
		return size(t.bytes)
	}
	return ""
}

// bytesOf is the size in the worst line, as that of another line may be larger.
func bytesOf(t tally) int64 {
	if e := serverlog.Parse("[WRN] " + t.example); e.Bytes > 0 {
		return e.Bytes
	}
	return t.bytes
}

// order tells when each of these signs came first, in order of time.
func (in *incident) order(signs ...sign) []string {
	type step struct {
		sign
		tally
	}
	var steps []step
	for _, s := range signs {
		if s == serverlog.SubscriptionSlow && in.count(raftSlow) == in.count(s) {
			continue // said as Raft's
		}
		if t := in.sum(s); t.count > 0 && !t.began.IsZero() {
			steps = append(steps, step{s, t})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.began.Compare(b.began) })
	var list []string
	for _, s := range steps {
		text := clock(s.began) + " " + said[s.sign]
		if figure := worst(s.sign, s.tally); figure != "" {
			text += " (" + figure + ")"
		}
		list = append(list, text)
	}
	return list
}

// older reports whether a version comes before another; an unknown one does not.
func older(version, than string) bool {
	a, b := parts(version), parts(than)
	return a != nil && slices.Compare(a, b) < 0
}

func parts(version string) (list []int) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	for _, part := range strings.Split(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		list = append(list, n)
	}
	return list
}

// slotsByCores reports whether a server has 4 to 16 disk slots by its cores: before
// v2.12.14, and in v2.14.0 to v2.14.3.
func slotsByCores(version string) bool {
	return older(version, "2.12.14") || !older(version, "2.14.0") && older(version, "2.14.4")
}
