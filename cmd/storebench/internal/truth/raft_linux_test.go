package truth

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/serverlog"
	"storebench/results"
)

// scripts/raft-accuracy.sh sets these.
var (
	raftFile    = flag.String("raft-accuracy", "", "ask real groups of servers and the probes of the file store about the same volumes, and keep the answers in this file")
	raftServers = flag.String("raft-accuracy-servers", "", "the nats-servers, VERSION=FILE with commas")
	raftRuns    = flag.Int("raft-accuracy-runs", 3, "answers a row")
	raftUntil   = flag.Duration("raft-accuracy-until", time.Hour, "begin no run after this time")
)

// raftVolumes are the rows of the truth table that a living cluster is asked about,
// the most telling first.
var raftVolumes = []string{
	"flush 300 ms", "flush 15 ms", "stall of 5 s every 8 s", "healthy ext4", "flush 2 s", "throttled to 50 IOPS",
	"reads of 300 ms", "flush 1 ms", "a lying cache", "healthy xfs", "healthy btrfs",
}

// fewSlots is why a storm fails where a group of four streams does not.
const fewSlots = "2,000 groups behind its 4 slots do not vote within 4 s; the cluster has 4 streams"

// disagreements say why the two levels differ about a volume.
var disagreements = map[string]string{
	"flush 1 ms, 2.12.4":   fewSlots,
	"flush 15 ms, 2.12.4":  fewSlots,
	"throttled to 50 IOPS": "2,000 groups do not vote within 4 s at 50 operations a second; the cluster has 4 streams, and in default mode few of its writes wait for the disk",
	"reads of 300 ms":      "a restart reads what is stored, and only the file store's level restarts a server; a cluster at work reads next to nothing",
}

// A level is what was asked: the probes of the file store, or a real group.
const (
	fileStore = "file store"
	cluster   = "cluster"
)

var levelArgs = map[string][]string{
	fileStore: {"--skip", "raft-*", "--budget", "40s"},
	cluster:   {"--only", "raft-*", "--set", "raft-stall.sync-every=3s"},
}

// told is what one run said of a volume, as the file keeps it, a line each.
type told struct {
	Volume  string         `json:"volume"`
	Server  string         `json:"nats_server"`
	Level   string         `json:"level"`
	When    time.Time      `json:"when"`
	Status  results.Status `json:"status"`
	Failed  []string       `json:"failed,omitempty"` // limits and rules
	Lost    float64        `json:"cpu_lost"`         // share of the processors
	Seconds float64        `json:"seconds"`
	Cluster *behaviour     `json:"cluster,omitempty"` // at that level
}

// behaviour is what the real clusters of a run did, one of each round.
type behaviour struct {
	Rounds    int            `json:"rounds"`
	Unformed  int            `json:"unformed,omitempty"`       // rounds in which no cluster came of the servers in time
	Unplaced  int            `json:"unplaced,omitempty"`       // in which the server on the volume did not become leader
	Formed    float64        `json:"formed_seconds,omitempty"` // the slowest that did
	Lost      int            `json:"leaders_lost,omitempty"`
	Published int64          `json:"published,omitempty"`
	Refused   int64          `json:"refused,omitempty"`         // or never answered
	Longest   float64        `json:"longest_seconds,omitempty"` // of a publish
	P99       float64        `json:"p99_seconds,omitempty"`     // of raft-propose
	Lines     map[string]int `json:"lines,omitempty"`           // of the servers' logs, by kind
}

// TestRaftAccuracy asks both levels about every volume until each row has its number
// of answers. It judges nothing: the table that it prints does.
func TestRaftAccuracy(t *testing.T) {
	if *raftFile == "" {
		t.Skip("it takes an hour and installed nats-servers: scripts/raft-accuracy.sh runs it")
	}
	answers, err := readAnswers[told](*raftFile)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for turn := range *raftRuns {
		for _, ask := range raftQuestions(t) {
			if time.Since(begin) > *raftUntil || len(ask.of(answers)) > turn {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s, %s, %d", ask.row.volume, ask.server, ask.level, turn+1), func(t *testing.T) {
				one := ask.answer(t)
				if err := keep(*raftFile, one); err != nil {
					t.Fatal(err)
				}
				answers = append(answers, one)
			})
		}
	}
	fmt.Print(raftTable(answers))
}

// question is one cell of the table: a volume, a server and a level.
type question struct {
	row                    truth
	server, program, level string
}

func raftQuestions(t *testing.T) []question {
	t.Helper()
	var all []question
	for _, volume := range raftVolumes {
		i := slices.IndexFunc(truthTable, func(row truth) bool { return row.volume == volume && row.profile == "raft" })
		if i < 0 {
			t.Fatalf("the truth table has no volume %q", volume)
		}
		for named := range strings.SplitSeq(*raftServers, ",") {
			version, file, ok := strings.Cut(named, "=")
			if !ok {
				t.Fatalf("-raft-accuracy-servers %q: write VERSION=FILE", named)
			}
			for _, level := range []string{cluster, fileStore} {
				all = append(all, question{truthTable[i], version, file, level})
			}
		}
	}
	return all
}

func (q question) of(answers []told) []told {
	return slices.DeleteFunc(slices.Clone(answers), func(a told) bool {
		return a.Volume != q.row.volume || a.Server != q.server || a.Level != q.level
	})
}

// answer runs the program. The probes of the file store are judged at the slots of
// the server, too.
func (q question) answer(t *testing.T) told {
	t.Helper()
	a, broken := q.row.ask(t, append([]string{"--nats-server", q.program}, levelArgs[q.level]...))
	if broken != "" {
		t.Fatal(broken)
	}
	one := told{
		Volume: q.row.volume, Server: q.server, Level: q.level, When: time.Now().UTC().Truncate(time.Second),
		Status: a.Run.Verdict.Status, Lost: a.Run.Lost(), Seconds: a.Took.Seconds(),
	}
	one.Failed = namesOf(a.Run.Verdict, results.Fail)
	if q.level == cluster {
		one.Cluster = behaviourOf(a.Run.Measurements)
	}
	t.Logf("%+v %+v", one, one.Cluster)
	return one
}

// namesOf are the limits and rules with a status.
func namesOf(v results.Verdict, status results.Status) (names []string) {
	for _, f := range v.Findings {
		if f.Status == status && !(status == results.Warn && f.Undecided) && !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// behaviourOf reads what a run's clusters did.
func behaviourOf(measured []measure.Measurement) *behaviour {
	b := &behaviour{Lines: map[string]int{}}
	propose := &measure.Distribution{}
	for _, m := range measured {
		for _, r := range m.Rounds {
			b.add(m.Metric, r)
			if m.Metric == "ack" && r.Distribution != nil {
				_ = propose.Merge(r.Distribution) // of one probe, so they can be added
			}
		}
	}
	if propose.Count() > 0 {
		b.P99 = propose.Quantile(0.99)
	}
	return b
}

func (b *behaviour) add(metric string, r measure.Round) {
	switch d := r.Distribution; metric {
	case "cluster_formed": // of every round, whatever came of it
		b.Rounds++
		b.Unformed += int(d.Unfinished)
		b.Formed = max(b.Formed, longest(d))
		for _, line := range r.Context.Log {
			_, text, _ := strings.Cut(line, "] ") // after the server and the level
			b.Lines[string(serverlog.Parse(text).Kind)]++
		}
	case "leaders_moved":
		b.Unplaced += int(d.Unfinished)
	case "leaders_lost":
		b.Lost += int(*r.Value)
	case "ack", "pause":
		b.Published += d.Count() + d.Lost()
		b.Refused += d.Lost()
		b.Longest = max(b.Longest, longest(d))
	}
}

// longest is the longest operation in seconds; 0 where none has ended.
func longest(d *measure.Distribution) float64 {
	if d.Count() == 0 {
		return 0
	}
	return d.Max()
}

// raftTable is the table in docs/accuracy.md.
func raftTable(answers []told) string {
	var out strings.Builder
	out.WriteString("| volume | nats-server | file store: n | says | limits that fail | real cluster: n | says | what it did | CPU lost, below and above | agree | why not |\n")
	out.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, volume := range raftVolumes {
		for _, server := range serversOf(answers) {
			row := question{row: truth{volume: volume}, server: server, level: fileStore}
			below := row.of(answers)
			row.level = cluster
			above := row.of(answers)
			if len(below)+len(above) > 0 {
				out.WriteString(raftLine(volume, server, below, above))
			}
		}
	}
	return out.String()
}

func serversOf(answers []told) []string {
	all := map[string]bool{}
	for _, a := range answers {
		all[a.Server] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func raftLine(volume, server string, below, above []told) string {
	agree, why := agreement(below, above), ""
	if agree != "yes" {
		why = cmp.Or(disagreements[volume+", "+server], disagreements[volume])
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %d | %s | %s | %s, %s | %s | %s |\n", volume, server,
		len(below), verdicts(below), failedLimits(below), len(above), verdicts(above), deeds(above), spent(below), spent(above), agree, why)
}

// spent is what the runs lacked of the processors and how long they took on average.
func spent(answers []told) string {
	if len(answers) == 0 {
		return "–"
	}
	lost, seconds := 0.0, 0.0
	for _, a := range answers {
		lost, seconds = lost+a.Lost, seconds+a.Seconds
	}
	n := float64(len(answers))
	return fmt.Sprintf("%.0f %% of %.0f s", 100*lost/n, seconds/n)
}

// agreement says whether both levels let a volume pass or both do not. Answers that
// decide nothing do not count.
func agreement(below, above []told) string {
	fails := map[bool]bool{}
	for _, level := range [][]told{below, above} {
		decided := false
		for _, a := range level {
			if a.Status != results.Inconclusive {
				fails[a.Status == results.Fail], decided = true, true
			}
		}
		if !decided {
			return "open"
		}
	}
	if len(fails) > 1 {
		return "no"
	}
	return "yes"
}

// verdicts counts them, such as "2 pass, 1 inconclusive".
func verdicts(answers []told) string {
	var words []string
	for _, status := range []results.Status{results.Pass, results.Warn, results.Fail, results.Inconclusive} {
		n := 0
		for _, a := range answers {
			if a.Status == status {
				n++
			}
		}
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, status))
		}
	}
	return strings.Join(words, ", ")
}

// failedLimits are those that failed in any of the answers.
func failedLimits(answers []told) string {
	var all []string
	for _, a := range answers {
		for _, name := range a.Failed {
			if name = "`" + name + "`"; !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return strings.Join(all, ", ")
}

// deeds is what the clusters of all answers did together.
func deeds(answers []told) string {
	all := behaviour{Lines: map[string]int{}}
	for _, a := range answers {
		all.join(a.Cluster)
	}
	var words []string
	say := func(really bool, format string, args ...any) {
		if really {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	say(all.Unformed > 0, "not formed in %d of %d rounds", all.Unformed, all.Rounds)
	say(all.Formed > 0, "formed within %.1f s", all.Formed)
	say(all.Unplaced > 0, "not leader in %d of %d rounds", all.Unplaced, all.Rounds-all.Unformed)
	say(all.Lost > 0, "%d leaders lost", all.Lost)
	say(all.Refused > 0, "%.1f %% of publishes refused or lost", 100*float64(all.Refused)/float64(max(1, all.Published)))
	say(all.P99 > 0, "p99 at most %.3g ms", 1000*all.P99)
	say(all.Longest > 0, "longest pause %.3g s", all.Longest)
	for _, kind := range slices.Sorted(maps.Keys(all.Lines)) {
		say(true, "%d × %s", all.Lines[kind], kind)
	}
	return strings.Join(words, "; ")
}

// join adds what other clusters did; of times the longest counts.
func (b *behaviour) join(other *behaviour) {
	b.Rounds, b.Unformed, b.Unplaced, b.Lost = b.Rounds+other.Rounds, b.Unformed+other.Unformed, b.Unplaced+other.Unplaced, b.Lost+other.Lost
	b.Published, b.Refused = b.Published+other.Published, b.Refused+other.Refused
	b.Formed, b.Longest, b.P99 = max(b.Formed, other.Formed), max(b.Longest, other.Longest), max(b.P99, other.P99)
	for kind, n := range other.Lines {
		b.Lines[kind] += n
	}
}
