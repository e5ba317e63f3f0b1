package doctor

import (
	"fmt"
	"slices"
	"time"

	"storebench/internal/serverlog"
	"storebench/results"
)

// pauses are times in which a process stood still: slow lines that end together.
type pauses struct {
	count   int
	lines   int // slow lines that are part of one
	all     int // slow lines there are
	longest time.Duration
	at      time.Time
	nodes   []string
}

func (p pauses) String() string {
	return fmt.Sprintf("%d of %s end within 2 ms of each other: %s of the process (CPU quota, garbage collector, VM), the longest %s at %s; they prove nothing of the disk",
		p.lines, counted(int64(p.all), "slow line"), counted(int64(p.count), "pause"), short(p.longest), clock(p.at))
}

const (
	// together is how near to each other lines end that one thing had held.
	together = 2 * time.Millisecond
	// enough is how many connections or subjects make a pause of the process.
	enough = 3
)

// paused finds the pauses of all processes.
func (in *incident) paused() (p pauses) {
	for _, v := range in.servers {
		p.all += len(v.endings)
		for rest := v.endings; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].at.Sub(rest[n-1].at) <= together {
				n++
			}
			group := rest[:n]
			rest = rest[n:]
			if onePause(group) {
				p.count++
				p.lines += n
				if took := slices.MaxFunc(group, func(a, b ending) int { return int(a.took - b.took) }).took; took > p.longest {
					p.longest, p.at = took, group[0].at
				}
				if !slices.Contains(p.nodes, v.key) {
					p.nodes = append(p.nodes, v.key)
				}
			}
		}
	}
	return p
}

// onePause reports whether lines are of several connections or subjects: one that
// waits makes a line of each.
func onePause(group []ending) bool {
	loops, subjects := map[string]bool{}, map[string]bool{}
	for i, e := range group {
		of := e.of
		if of == "" {
			of = fmt.Sprint(i)
		}
		if e.loop {
			loops[of] = true
		} else {
			subjects[of] = true
		}
	}
	return len(loops) >= enough || len(subjects) >= enough
}

// slowWithoutStorage finds slow lines that no line of storage goes with.
func slowWithoutStorage(in *incident) *Finding {
	slow := in.sum(waits...)
	if slow.count == 0 || in.count(writes...) > 0 {
		return nil
	}
	f := in.finding("cpu", "", waits...)
	f.Status = results.Warn
	p := in.paused()
	silent := "no line of a slow or failed write"
	f.For = []string{fmt.Sprintf("%s, the worst %s", counted(slow.count, "slow line")+" of subscriptions and readloops", short(slow.took)), silent}
	f.Now = []string{"CPU throttling (nr_throttled in cpu.stat), steal and run queue on " + names(f.Nodes), "GOMEMLIMIT and the garbage collector: memory near its limit?"}
	f.After = []string{"more cores, no CPU limit under 4; fewer API requests (stream and consumer info) a second"}
	raft := in.count(raftSlow)
	others := in.count(serverlog.ProducerStalled, clientSlow)
	switch {
	case 2*p.lines >= p.all && p.count > 0:
		f.Name, f.Certainty = "process-pause", Likely
		f.What = fmt.Sprintf("the process stood still (%s, the longest %s): CPU quota, garbage collector or VM, not shown to be the disk", counted(int64(p.count), "time"), short(p.longest))
		f.For = append(f.For, p.String())
		f.Nodes = p.nodes
	case others > 0 && 2*raft < slow.count:
		f.Certainty = Likely
		f.What = "the server is short of CPU, or clients are slower than what they ask for; not shown to be the disk"
		f.For = append(f.For, counted(others, "line")+" of slow clients or stalled producers")
	default:
		f.Name, f.Status, f.Certainty, f.Storage = "unknown", results.Inconclusive, Possible, true
		f.What = "subscriptions and readloops are slow; whether for CPU, a lock or the disk, these logs do not tell"
		f.Against = []string{silent + ": WriteFullState is logged from 1 min on only, meta snapshots from 1 or 2 s on"}
		f.Now = append(f.Now, "iostat -x 5 on the volume, at the same time: await over 10 ms speaks for the disk")
		f.After = append(f.After, "the logs of all nodes from ten minutes before")
	}
	if raft > 0 {
		f.Against = append(f.Against, counted(raft, "line")+" of Raft's own subscriptions, which wait for a group's lock, and so for its writes")
	}
	return f
}

// network finds routes that are lost though both servers live.
func network(in *incident) *Finding {
	lostRoute, slowRoute := in.sum(routeLost), in.sum(routeSlow)
	if lostRoute.count+slowRoute.count == 0 {
		return nil
	}
	f := in.finding("network", "routes between servers are lost, or not read in time", routeLost, routeSlow)
	f.Status, f.Certainty = results.Warn, Possible
	if lostRoute.count > 0 {
		f.For = append(f.For, fmt.Sprintf("%s lost: %s", counted(lostRoute.count, "route"), names(lostRoute.subjects)))
	}
	if slowRoute.count > 0 {
		f.For = append(f.For, fmt.Sprintf("%s of a route that was not read: %s", counted(slowRoute.count, "line"), names(slowRoute.subjects)))
	}
	if t := in.sum(serverlog.RouteCreated); t.count > 0 {
		f.For = append(f.For, counted(t.count, "route")+" made anew")
	}
	if t := in.sum(serverlog.CatchupStalled); t.count > 0 {
		f.For = append(f.For, "stalled catch-ups of "+names(t.subjects))
	}
	starts := 0
	for _, v := range in.servers {
		starts += len(v.during)
	}
	switch {
	case in.count(writes...) > 0:
		f.Against = append(f.Against, "a server that waits for its disk does not read its routes either")
	case starts > 0:
		f.Against = append(f.Against, "a server started or ended meanwhile, which closes its routes")
	case lostRoute.count+slowRoute.count > 1:
		f.Certainty, f.Status = Likely, results.Fail
	}
	f.Now = []string{"nats server ping and nats server report connections between the nodes; packet loss and conntrack on the hosts", "/routez on both sides: rtt and pending_size"}
	f.After = []string{"which pairs: one node with all others is a node, all with all a network"}
	return f
}
