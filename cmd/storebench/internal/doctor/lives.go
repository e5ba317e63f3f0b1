package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"storebench/internal/serverlog"
	"storebench/results"
)

// start is one start of a server.
type start struct {
	at        time.Time
	first     bool // the log has none before it
	unclean   bool // the life before it ended without a word
	ready     bool // it came to its end
	killed    bool // the next one began before this was ready, without a word
	recovered bool // the meta group's files were there
	empty     bool // they were not
	stopped   bool // by an error that it told
}

// starts are those of a server, in order.
func (n *node) starts() []start {
	var list []start
	ended := false
	for _, m := range n.marks {
		last := len(list) - 1
		if m.kind == serverlog.Starting {
			if last >= 0 && !ended && !list[last].ready && !list[last].stopped {
				list[last].killed = true
			}
			list = append(list, start{at: m.at, first: last < 0, unclean: last >= 0 && !ended})
			ended = false
			continue
		}
		switch m.kind {
		case serverlog.ShuttingDown, serverlog.Exiting, serverlog.Signal, serverlog.LameDuck:
			ended = true
		case serverlog.Panic, serverlog.Died, serverlog.StartFailed, serverlog.AddressInUse:
			ended = true
			if last >= 0 {
				list[last].stopped = true
			}
		}
		if last < 0 {
			continue
		}
		switch m.kind {
		case serverlog.Ready:
			list[last].ready = true
		case serverlog.Recovering:
			list[last].recovered = true
		case serverlog.Bootstrapping:
			list[last].empty = true
		}
	}
	return list
}

// restarts finds servers that start again and again.
func restarts(in *incident) *Finding {
	f := &Finding{Name: "restart-storm", Status: results.Fail, Certainty: Likely}
	killed := 0
	for _, v := range in.servers {
		var unready, unclean int
		for _, s := range v.starting {
			if s.killed {
				unready++
			}
			if s.unclean {
				unclean++
			}
		}
		if len(v.starting) < 3 && unready < 2 {
			continue
		}
		killed += unready
		f.Nodes = append(f.Nodes, v.key)
		f.Since, f.Until = earliest(f.Since, v.starting[0].at), latest(f.Until, v.starting[len(v.starting)-1].at)
		f.For = append(f.For, fmt.Sprintf("%s: %s, %d without a word at the end of the life before, %d ended before they were ready",
			v.key, counted(int64(len(v.starting)), "start"), unclean, unready))
	}
	if f.Nodes == nil {
		return nil
	}
	f.What = "servers start again and again"
	f.Now = []string{"kubectl describe pod (or journalctl -u nats-server): the last state's reason tells a memory kill, a failed probe or a crash apart"}
	f.After = []string{"what was logged just before each start"}
	if killed > 0 {
		f.What = "a server is killed again and again before its start ends: as a rule for memory, or by a probe, while it recovers its streams"
		f.Now = append(f.Now, "raise the memory limit (and GOMEMLIMIT to 90 % of it), or the startup probe's time, before the next start")
		f.After = append(f.After, "each kill makes the next start longer: state files are outdated, so every block is read")
	}
	if t := in.sum(serverlog.Panic, serverlog.Died); t.count > 0 {
		f.For = append(f.For, "it says why: "+t.example)
	}
	return f
}

// emptyVolume finds a server that came back without what it had stored.
func emptyVolume(in *incident) *Finding {
	f := &Finding{Name: "empty-volume", Status: results.Fail, Storage: true}
	var others []string
	for _, v := range in.servers {
		lives := v.starts()
		for i, s := range v.starting {
			if !s.empty {
				continue
			}
			before := slices.ContainsFunc(lives, func(o start) bool { return o.at.Before(s.at) && (o.recovered || o.empty) })
			if before {
				f.Certainty = Certain
				f.For = append(f.For, fmt.Sprintf("%s says bootstrapping at %s: the Raft files that it had at an earlier start are not there", v.key, clock(s.at)))
			} else if others = in.recoveredOn(v.key); len(others) > 0 && i == 0 {
				f.For = append(f.For, fmt.Sprintf("%s says bootstrapping at %s while %s recovered what they had", v.key, clock(s.at), names(others)))
			} else {
				continue
			}
			f.Nodes = append(f.Nodes, v.key)
			f.Since, f.Until = earliest(f.Since, s.at), latest(f.Until, s.at)
			if v.temporary || strings.HasPrefix(v.storeDir, "/tmp/") {
				f.For = append(f.For, v.key+" stores in "+v.storeDir+", which systems clean up")
			}
		}
	}
	if f.Nodes == nil {
		return nil
	}
	if f.Certainty == "" {
		f.Certainty = Possible
		f.Against = append(f.Against, "a server that is new to the cluster begins the same way")
	}
	f.Nodes = slices.Compact(f.Nodes)
	f.What = "a server came back with an empty store: volume lost, not mounted, or another directory"
	f.Now = []string{
		"do not restart other nodes: its streams are copied from them",
		"compare store_dir with what is mounted there (findmnt -T STORE_DIR; kubectl get pvc)",
	}
	f.After = []string{"nats stream report: replicas current again; R1 streams of that node are gone unless the volume is found"}
	return f
}

// recoveredOn are the other nodes that found their Raft files in this incident.
func (in *incident) recoveredOn(but string) (list []string) {
	for _, v := range in.servers {
		if v.key != but && slices.ContainsFunc(v.during, func(m mark) bool { return m.kind == serverlog.Recovering }) {
			list = append(list, v.key)
		}
	}
	return list
}

// uncleanStop finds starts that read every block.
func uncleanStop(in *incident) *Finding {
	t := in.sum(serverlog.StateOutdated)
	if t.count == 0 {
		return nil
	}
	f := in.finding("unclean-stop", "a server was not stopped in order: its start reads the blocks of streams whose state files are outdated", serverlog.StateOutdated)
	f.Status, f.Storage, f.Certainty = results.Warn, true, Likely
	f.For = []string{fmt.Sprintf("%s with an outdated state file, such as %s", counted(t.count, "store"), subject(t))}
	for _, v := range in.servers {
		for _, s := range v.starting {
			if s.unclean {
				f.Certainty = Certain
				f.For = append(f.For, fmt.Sprintf("%s started at %s and had not said that it ends", v.key, clock(s.at)))
			}
		}
	}
	f.Now = []string{"let the start end: a second kill makes it longer"}
	f.After = []string{"what killed it; give it time to stop (terminationGracePeriodSeconds 60 or more, lame duck mode)"}
	return f
}
