package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"storebench/internal/serverlog"
	"storebench/results"
)

// The steps of the storage cascade.
var (
	writes = []sign{serverlog.StateWriteSlow, serverlog.StoreWorkSlow, serverlog.MetaSnapshotSlow, lockWait, serverlog.SnapshotFailed,
		serverlog.WriteError, serverlog.RaftStateNotWritten, serverlog.MessageNotStored}
	waits  = []sign{serverlog.SubscriptionSlow, serverlog.ReadLoopSlow}
	behind = []sign{serverlog.StreamLag, serverlog.AppendsPending, serverlog.QuorumPaused, serverlog.LeaderOverrun,
		serverlog.LearnerOverrun, serverlog.IngestDropped, serverlog.HealthBehind, serverlog.NotCurrent}
	// failed is where in writes those begin that failed.
	failed  = slices.Index(writes, serverlog.SnapshotFailed)
	lost    = []sign{serverlog.SteppedDown, serverlog.MetaLeaderNone, serverlog.NoQuorum, serverlog.CatchupStalled, serverlog.CatchupFailed}
	cascade = slices.Concat([]sign{serverlog.MetaSnapshotBuildSlow, raftSlow}, writes[:3], writes[failed:], waits, behind, lost)
)

// slowStorage finds writes that take too long, and what waits for them.
func slowStorage(in *incident) *Finding {
	slow := in.sum(writes[:failed]...)
	if slow.count == 0 {
		return nil
	}
	f := in.finding("slow-storage", "", slices.Concat(writes, []sign{raftSlow}, behind)...)
	f.Storage, f.Status, f.Certainty = true, results.Warn, Possible
	f.Nodes = in.on(writes...)
	follows := in.count(slices.Concat(waits, behind, lost)...)
	if in.count(serverlog.StateWriteSlow, lockWait) > 0 {
		f.Status = results.Fail
	}
	if follows > 0 {
		f.Status, f.Certainty = results.Fail, Likely
	}
	f.What = "storage is too slow: " + in.chain() + "; " + in.where(f.Nodes)
	f.Order = in.order(cascade...)
	in.argue(f)
	f.Now = []string{
		"do not restart all nodes: a server that is killed reads every block at its start",
		"on " + names(f.Nodes) + ": iostat -x 5 (await over 10 ms?), the cloud volume's throttling and burst credit, /proc/pressure/io",
	}
	if len(f.Nodes) == 1 && len(in.servers) > 1 {
		f.Now = append(f.Now, "take "+f.Nodes[0]+" out with lame duck mode (nats-server --signal ldm=PID): its leaders move to the others")
	} else {
		f.Now = append(f.Now, "take load off: publishers, consumers that are made and deleted, snapshots and backups on the same backend")
	}
	f.After = []string{"storebench check on a volume of the same class: can it carry this?"}
	if slices.ContainsFunc(in.versions(), slotsByCores) {
		f.After = append(f.After, "nats-server 2.12.14 or 2.14.4 and later: 4,096 disk slots in place of 4 to 16")
	}
	if slow.first.IsZero() {
		f.Status = results.Inconclusive
		f.Certainty = Possible
		f.Against = append(f.Against, "no line has a time, so what came first cannot be told")
	}
	return f
}

// chain names what came of it.
func (in *incident) chain() string {
	var steps []string
	for _, s := range []struct {
		text  string
		signs []sign
	}{
		{"writes", writes}, {"Raft and connections wait", waits}, {"replicas fall behind", behind}, {"leaders lost", lost},
	} {
		if in.count(s.signs...) > 0 {
			steps = append(steps, s.text)
		}
	}
	return strings.Join(steps, " → ")
}

// where says whether it is one node's disk or what all share.
func (in *incident) where(slow []string) string {
	var first, last time.Time
	for _, v := range in.servers {
		var began time.Time
		for _, s := range writes {
			if t := v.signs[s]; t != nil {
				began = earliest(began, t.began)
			}
		}
		first, last = earliest(first, began), latest(last, began)
	}
	switch {
	case len(in.servers) == 1:
		return "the logs are of one node"
	case len(slow) == 1:
		return fmt.Sprintf("1 of %d nodes, so its disk", len(in.servers))
	default:
		return fmt.Sprintf("%d of %d nodes within %s, so a shared backend or the load", len(slow), len(in.servers), short(last.Sub(first)))
	}
}

// argue gathers what speaks for slow storage and what against it.
func (in *incident) argue(f *Finding) {
	if t := in.sum(serverlog.StateWriteSlow); t.count > 0 {
		text := fmt.Sprintf("WriteFullState over 1 min: %s, the worst %s", counted(t.count, "line"), worst(serverlog.StateWriteSlow, t))
		if bytesOf(t) < 1<<20 {
			text += ", which is a wait and no write: for a disk slot, or a lock that a slow write holds"
		}
		f.For = append(f.For, text)
	}
	if t := in.sum(lockWait); t.count > 0 {
		f.For = append(f.For, "metalayer snapshot took "+short(t.took)+", hardly any of it for its own work: a wait for JetStream's lock")
	}
	if t := in.sum(serverlog.MetaSnapshotSlow); t.count > 0 {
		f.For = append(f.For, "metalayer snapshot with its installation took "+short(t.took))
	}
	if t := in.sum(writes[failed:]...); t.count > 0 {
		f.For = append(f.For, counted(t.count, "write")+" failed: "+t.example)
	} else if slices.ContainsFunc(in.versions(), func(v string) bool { return v == "" || older(v, "2.14.0") }) {
		f.Against = append(f.Against, "no write error in the log; up to 2.12 that proves nothing, as a failed fsync of a block is silent")
	} else {
		f.Against = append(f.Against, "no write error in the log")
	}
	if t := in.sum(raftSlow); t.count > 0 {
		f.For = append(f.For, fmt.Sprintf("Raft's own subscriptions waited: %s, %s", worst(raftSlow, t), subject(t)))
	}
	f.For = append(f.For, in.timeLeft()...)
	if p := in.paused(); p.lines > 0 {
		f.Against = append(f.Against, p.String())
	}
	if n := in.count(routeLost, routeSlow); n > 0 {
		f.Against = append(f.Against, counted(n, "line")+" of routes that were lost or not read: the network may have a part")
	}
	if n := in.count(serverlog.ProducerStalled, clientSlow); n > 0 {
		f.Against = append(f.Against, counted(n, "line")+" of slow clients or stalled producers: CPU may have a part")
	}
}

// What a follower keeps in memory of entries that are not committed, and from when on
// it says so; see cachePendingEntry in nats-server's raft.go.
const (
	pendingLimit = 20_000
	pendingBytes = 256 << 20
)

// timeLeft tells when groups reach the bound of pending entries, and what that means.
func (in *incident) timeLeft() []string {
	all := in.sum(serverlog.AppendsPending)
	if all.count == 0 {
		return nil
	}
	left, rate, group := time.Duration(-1), 0., ""
	for _, v := range in.servers {
		for name, list := range v.pending {
			if l, r, ok := in.leftOf(list); ok && (left < 0 || l < left) {
				left, rate, group = l, r, name
			}
		}
	}
	text := fmt.Sprintf("%s append entries pending on %s", number(all.n), names(in.on(serverlog.AppendsPending)))
	switch {
	case all.n >= pendingLimit || all.bytes >= pendingBytes:
		text += "; the bound of 20,000 entries or 256 MiB is reached"
	case left >= 0:
		text += fmt.Sprintf("; %s grows by %s entries/s and reaches 20,000 in %s", group, number(int64(rate)), short(left))
	default:
		text += "; the rate cannot be told from one line a group (20,000 is the bound, or 256 MiB since 2.14.6)"
	}
	return []string{text + ". Nothing is lost there: later entries stay in the log on disk and are read back, which costs a read each"}
}

// leftOf is the time to the bound at the rate of the last rise.
func (in *incident) leftOf(list []sample) (left time.Duration, rate float64, ok bool) {
	var during []sample
	for _, s := range list {
		if !s.at.Before(in.from) && s.at.Before(in.to.Add(quiet)) {
			during = append(during, s)
		}
	}
	if len(during) < 2 {
		return 0, 0, false
	}
	a, b := during[len(during)-2], during[len(during)-1]
	if b.n <= a.n || !b.at.After(a.at) || b.n >= pendingLimit {
		return 0, 0, false
	}
	rate = float64(b.n-a.n) / b.at.Sub(a.at).Seconds()
	return time.Duration(float64(pendingLimit-b.n) / rate * float64(time.Second)), rate, true
}
