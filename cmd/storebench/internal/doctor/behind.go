package doctor

import (
	"fmt"
	"slices"

	"storebench/internal/serverlog"
	"storebench/results"
)

// applyQueue finds groups that apply more slowly than they agree, most of all after a
// pause: the one place where millions of Raft entries can wait in memory.
func applyQueue(in *incident) *Finding {
	signs := []sign{serverlog.QuorumPaused, serverlog.LeaderOverrun, serverlog.LearnerOverrun, serverlog.SnapshotReplayed, serverlog.HealthBehind}
	t := in.sum(signs...)
	if t.count == 0 || t.count == in.count(serverlog.HealthBehind) && t.n < pendingLimit/2 {
		return nil
	}
	f := in.finding("apply-queue", "groups apply more slowly than they agree: entries that are committed wait in memory", signs...)
	f.Storage, f.Status, f.Certainty = true, results.Fail, Likely
	f.For = []string{fmt.Sprintf("up to %s entries committed and not applied: %s", number(t.n), names(t.subjects))}
	if n := in.count(serverlog.SnapshotReplayed); n > 0 {
		f.For = append(f.For, counted(n, "group")+" had paused for a catch-up and took a snapshot in place of what waited")
	}
	f.Now = []string{"memory of " + names(f.Nodes) + " (ipq_apply_len in /raftz); do not kill it, the queue is read back at the next start"}
	f.After = []string{"what pauses the applies: catch-ups of large streams, a slow volume; nats-server 2.14.10 and 2.15.3 take a newer snapshot instead"}
	return f
}

// ingest finds a stream that takes more than it can store.
func ingest(in *incident) *Finding {
	t := in.sum(serverlog.IngestDropped)
	if t.count == 0 {
		return nil
	}
	f := in.finding("ingest", "a stream is given more than it can store; messages are refused", serverlog.IngestDropped)
	f.Storage, f.Status, f.Certainty = true, results.Fail, Certain
	f.For = []string{counted(t.count, "line") + " for " + names(t.subjects)}
	f.Now = []string{"slow the publishers: publish with acknowledgement, and bound what is in flight"}
	f.After = []string{"how much the volume stores: storebench check at that rate"}
	return f
}

// metaLayer finds API requests that the meta layer cannot keep up with.
func metaLayer(in *incident) *Finding {
	signs := []sign{serverlog.APIQueueFull, serverlog.MetaLogLarge}
	t := in.sum(signs...)
	built := in.sum(serverlog.MetaSnapshotBuildSlow)
	if t.count == 0 && (built.count == 0 || built.count == in.count(lockWait)) {
		return nil
	}
	f := in.finding("meta-layer", "the meta layer does not keep up with API requests, or with streams and consumers that are made and deleted", append(signs, serverlog.MetaSnapshotBuildSlow)...)
	f.Status, f.Certainty = results.Warn, Likely
	t.add(built)
	f.For = []string{counted(t.count, "line") + ", such as: " + t.example}
	f.Now = []string{"who sends the requests: nats server report jetstream (API Req, API Err)"}
	f.After = []string{"consumers that live; info requests cached by the clients; meta_compact (2.11.11, 2.12.2)"}
	return f
}

// catchups finds streams that do not get through their catch-up.
func catchups(in *incident) *Finding {
	signs := []sign{serverlog.CatchupStalled, serverlog.CatchupFailed, serverlog.CatchupAborted, serverlog.RaftCatchupFailed, serverlog.StreamReset}
	t := in.sum(signs...)
	if t.count < 2 {
		return nil
	}
	f := in.finding("catch-up", "replicas do not get through their catch-up", signs...)
	f.Storage, f.Status, f.Certainty = true, results.Warn, Likely
	f.For = []string{fmt.Sprintf("%s for %s, such as: %s", counted(t.count, "line"), names(t.subjects), t.example)}
	f.Now = []string{"nats stream report: which replicas are not current, and whether their lag falls"}
	f.After = []string{"max_outstanding_catchup (64MB) lower, so that the catch-up leaves room for the rest"}
	return f
}

// unexplained finds trouble that nothing above has named.
func unexplained(in *incident) *Finding {
	signs := slices.Concat(behind, lost, []sign{serverlog.CatchupAborted, serverlog.SnapshotReplayed})
	t := in.sum(signs...)
	if t.count == 0 {
		return nil
	}
	f := in.finding("unknown", "replicas are behind or leaders were lost; the logs do not tell why", signs...)
	f.Storage, f.Status, f.Certainty = true, results.Inconclusive, Possible
	f.Order = in.order(signs...)
	f.For = append([]string{counted(t.count, "line") + ", such as: " + t.example}, in.timeLeft()...)
	f.Against = []string{"no line of a slow or failed write, of a lost route, or of a process that stood still"}
	f.Now = []string{"nats server report jetstream: which node lags; then iostat -x 5 and CPU there"}
	f.After = []string{"the logs of all nodes from ten minutes before"}
	return f
}
