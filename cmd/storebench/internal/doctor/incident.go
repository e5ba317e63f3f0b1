package doctor

import (
	"slices"
	"time"

	"storebench/internal/serverlog"
)

// incident is a time of trouble: what came before and after lies more than a quiet
// time away.
type incident struct {
	from, to time.Time
	servers  []*view // every node of the logs
}

// view is what the lines of one node tell within an incident.
type view struct {
	*node
	signs    map[sign]*tally
	during   []mark
	endings  []ending
	starting []start
}

// quiet is how long there must be no trouble for the next one to be another incident.
const quiet = 30 * time.Minute

// harmless are signs of storage that tell of no trouble by themselves.
var harmless = map[sign]bool{
	serverlog.HealthRecovered: true, serverlog.QuorumResumed: true, serverlog.MetaSnapshotBlocking: true,
}

// troubles are signs of trouble that are not storage's.
var troubles = map[sign]bool{
	serverlog.Starting: true, serverlog.ProducerStalled: true, serverlog.AcceptFailed: true, serverlog.AccountLimit: true,
	serverlog.Panic: true, serverlog.Died: true, serverlog.JetStreamFailed: true, serverlog.MetaLeaderNone: true,
	serverlog.SteppedDown: true, serverlog.Orphaned: true, serverlog.HealthcheckFailed: true,
	ioError: true, readOnly: true, noSpace: true, overQuota: true, denied: true, gone: true, staleHandle: true, tooManyOpen: true,
	refusedSize: true, raftSlow: true, lockWait: true, routeSlow: true, clientSlow: true, routeLost: true,
}

func isTrouble(s sign) bool {
	return troubles[s] || serverlog.Event{Kind: s}.Storage() && !harmless[s]
}

// incidents are the times of trouble, in order. What has no time is part of the only
// one there is, or one of its own.
func incidents(nodes []*node, step time.Duration) []*incident {
	var times []time.Time
	undated := false
	for _, n := range nodes {
		for key := range n.cells {
			if !isTrouble(key.sign) {
				continue
			}
			if key.at.IsZero() {
				undated = true
			} else {
				times = append(times, key.at)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	var list []*incident
	for _, at := range times {
		if last := len(list) - 1; last >= 0 && at.Sub(list[last].to) <= max(quiet, 2*step) {
			list[last].to = at
			continue
		}
		list = append(list, &incident{from: at, to: at})
	}
	if undated && len(list) != 1 {
		list = append(list, &incident{})
	}
	for _, in := range list {
		in.look(nodes, step, undated && len(list) == 1)
	}
	return list
}

// look takes from the nodes what lies within the incident.
func (in *incident) look(nodes []*node, step time.Duration, undated bool) {
	end := in.to.Add(step)
	within := func(at time.Time) bool {
		if at.IsZero() || in.from.IsZero() {
			return at.IsZero() && (in.from.IsZero() || undated)
		}
		return !at.Before(in.from) && at.Before(end)
	}
	for _, n := range nodes {
		v := &view{node: n, signs: map[sign]*tally{}}
		for key, t := range n.cells {
			if !within(key.at) {
				continue
			}
			if v.signs[key.sign] == nil {
				v.signs[key.sign] = &tally{}
			}
			v.signs[key.sign].add(*t)
		}
		for _, m := range n.marks {
			if within(m.at) {
				v.during = append(v.during, m)
			}
		}
		for _, e := range n.endings {
			if within(e.at) {
				v.endings = append(v.endings, e)
			}
		}
		for _, s := range n.starts() {
			if within(s.at) {
				v.starting = append(v.starting, s)
			}
		}
		in.servers = append(in.servers, v)
	}
}

// sum is what all lines with one of these signs tell, on all nodes.
func (in *incident) sum(signs ...sign) tally {
	var all tally
	for _, v := range in.servers {
		for _, s := range signs {
			if t := v.signs[s]; t != nil {
				all.add(*t)
			}
		}
	}
	return all
}

func (in *incident) count(signs ...sign) int64 { return in.sum(signs...).count }

// on are the names of the nodes with one of these signs.
func (in *incident) on(signs ...sign) []string {
	var names []string
	for _, v := range in.servers {
		if slices.ContainsFunc(signs, func(s sign) bool { return v.signs[s] != nil }) {
			names = append(names, v.key)
		}
	}
	return names
}

// versions are those of the nodes, each once; an empty one is not known.
func (in *incident) versions() []string {
	var list []string
	for _, v := range in.servers {
		if !slices.Contains(list, v.version) {
			list = append(list, v.version)
		}
	}
	return list
}

// finding is one of these signs' time and nodes.
func (in *incident) finding(name, what string, signs ...sign) *Finding {
	t := in.sum(signs...)
	return &Finding{Name: name, What: what, Since: t.began, Until: t.last, Nodes: in.on(signs...)}
}
