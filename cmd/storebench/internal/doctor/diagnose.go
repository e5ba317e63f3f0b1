package doctor

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"storebench/internal/serverlog"
	"storebench/results"
)

// Diagnose says what the lines tell. It may be asked once.
func (l *Logs) Diagnose() *Diagnosis {
	nodes := l.servers()
	d := &Diagnosis{Status: results.Pass, Lines: l.lines, Foreign: l.foreign, Undated: l.undated, Skipped: l.skipped}
	for _, n := range nodes {
		d.From, d.To = earliest(d.From, n.first), latest(d.To, n.last)
		d.Nodes = append(d.Nodes, Node{n.key, n.version, n.first, n.last, n.lines, len(n.starts())})
	}
	if !slices.ContainsFunc(nodes, func(n *node) bool { return n.lines > 0 }) {
		d.Status = results.Inconclusive // what nobody looked at is not clear
	}
	d.tell(incidents(nodes, l.step))
	d.Kinds = kinds(nodes)
	d.Strip = strip(nodes, l.step, d.Kinds)
	d.note(l)
	return d
}

// tell takes the findings of the worst incident, the newest of equals, and names the
// others.
func (d *Diagnosis) tell(all []*incident) {
	var others []Incident
	worst := -1
	var chosen [][]Finding
	for _, in := range all {
		found := in.findings()
		chosen = append(chosen, found)
		i := len(chosen) - 1
		if len(found) == 0 {
			continue
		}
		if worst < 0 || gravity(status(found)) >= gravity(status(chosen[worst])) {
			worst = i
		}
		if s := status(found); gravity(s) > gravity(d.Status) {
			d.Status = s
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		if i != worst && len(chosen[i]) > 0 {
			others = append(others, Incident{all[i].from, all[i].to, status(chosen[i]), chosen[i][0].What, chosen[i][0].Nodes})
		}
	}
	if worst >= 0 {
		d.Findings = chosen[worst]
	}
	d.Others = others
}

// status is what findings say of storage.
func status(found []Finding) results.Status {
	s := results.Pass
	for _, f := range found {
		if f.Storage && gravity(f.Status) > gravity(s) {
			s = f.Status
		}
	}
	return s
}

func gravity(s results.Status) int {
	return slices.Index([]results.Status{results.Pass, results.Warn, results.Inconclusive, results.Fail}, s)
}

// findings are the patterns of an incident, the most important first.
func (in *incident) findings() []Finding {
	var found []Finding
	add := func(f *Finding) {
		if f != nil {
			found = append(found, *f)
		}
	}
	for _, r := range refusals {
		add(r.find(in))
	}
	if len(found) == 0 {
		add(writeFailed.find(in))
	}
	for _, find := range []func(*incident) *Finding{
		emptyVolume, slowStorage, restarts, applyQueue, ingest, network, slowWithoutStorage, metaLayer, catchups, uncleanStop,
	} {
		add(find(in))
	}
	if len(found) == 0 {
		add(unexplained(in))
	}
	return found
}

// kinds are the rows of the table, in the order in which they came.
func kinds(nodes []*node) []Kind {
	sums, on := map[sign]*tally{}, map[sign][]string{}
	var order []sign
	for _, n := range nodes {
		seen := map[sign]bool{}
		for key, t := range n.cells {
			s := key.sign
			if !isTrouble(s) || s == serverlog.Starting && len(n.starts()) < 2 {
				continue
			}
			if sums[s] == nil {
				sums[s] = &tally{}
				order = append(order, s)
			}
			sums[s].add(*t)
			seen[s] = true
		}
		for s := range seen {
			on[s] = append(on[s], n.key)
		}
	}
	slices.SortFunc(order, func(a, b sign) int {
		if c := sums[a].began.Compare(sums[b].began); c != 0 {
			return c
		}
		return slices.Compare([]byte(a), []byte(b))
	})
	var rows []Kind
	for _, s := range order {
		t := sums[s]
		slices.Sort(t.subjects)
		rows = append(rows, Kind{string(s), t.count, worst(s, *t), t.took, t.first, t.last, on[s], t.subjects, t.more, t.example})
	}
	return rows
}

// maxSteps is how many columns a strip has at most.
const maxSteps = 60

// strip counts the kinds of the table by time, with a step of a minute, or as many as
// make the strip short enough.
func strip(nodes []*node, step time.Duration, rows []Kind) Strip {
	var s Strip
	var from, to time.Time
	for _, k := range rows {
		from, to = earliest(from, k.First), latest(to, k.Last)
	}
	if from.IsZero() {
		return s
	}
	for to.Sub(from.Truncate(step)) >= maxSteps*step {
		step *= 2
	}
	s.Start, s.Step = from.Truncate(step), step
	columns := int(to.Sub(s.Start)/step) + 1
	for _, k := range rows {
		counts := make([]int64, columns)
		for _, n := range nodes {
			for key, t := range n.cells {
				if string(key.sign) == k.Kind && !key.at.IsZero() {
					counts[max(0, min(columns-1, int(key.at.Sub(s.Start)/step)))] += t.count
				}
			}
		}
		s.Rows = append(s.Rows, StripRow{k.Kind, counts})
	}
	return s
}

// note adds what a reader has to know of the logs themselves.
func (d *Diagnosis) note(l *Logs) {
	if l.foreign > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%s of %s not nats-server's, such as: %s", number(l.foreign), counted(l.lines, "line"), l.other))
	}
	if l.undated > 0 {
		d.Notes = append(d.Notes, counted(l.undated, "line")+" of trouble without a time: their place in the order cannot be told")
	}
	if len(d.Nodes) == 0 && len(l.nodes) > 0 {
		all := map[string]bool{}
		for _, n := range l.nodes {
			all[n.name()] = true
		}
		d.Notes = append(d.Notes, "no node fits --node; the logs are of "+names(slices.Sorted(maps.Keys(all))))
	}
	if l.skipped > 0 {
		d.Notes = append(d.Notes, counted(l.skipped, "line")+" outside of --since and --until")
	}
	if l.step > firstStep {
		d.Notes = append(d.Notes, "times are told to "+short(l.step)+", as the logs hold much trouble over a long time")
	}
}
