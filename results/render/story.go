package render

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"storebench/results"
)

// story is a report in the order in which a person asks: can I use it, what is wrong and
// what to do, how close is it to the edge, what does it carry, and the rest by topic. The
// formats for a person lay it out.
type story struct {
	troubles []trouble         // the worst first
	edge     []results.Finding // limits that are met with the least headroom, the closest first
	topics   []topic           // in the order in which the run's limits come
}

// trouble is what does not hold for one reason: its findings share a cause and what to do.
type trouble struct {
	heading  string // the cause with what shows it, or what is the matter
	listed   bool   // the heading names the findings, and there is nothing more to say of them
	findings []results.Finding
	log      []string // lines of nats-servers, the gravest first
	advice   string   // empty where nothing need be done
}

// topic is what a run says of one part of a server.
type topic struct {
	name     string
	findings []results.Finding // those with the least headroom first
}

// maxEdge is how many limits stand for how close the volume is to the edge.
const maxEdge = 5

func tell(r Report) story {
	all := r.Verdict.Findings
	s := story{troubles: troubles(r.Verdict), topics: topics(all)}
	for _, f := range all {
		if f.Status == results.Pass && f.Headroom != nil {
			s.edge = append(s.edge, f)
		}
	}
	slices.SortStableFunc(s.edge, byHeadroom)
	s.edge = s.edge[:min(maxEdge, len(s.edge))]
	return s
}

// titleOf is what a person reads first of a finding.
func titleOf(f results.Finding) string { return cmp.Or(f.Title, f.Name) }

// byHeadroom sorts findings with the least headroom first; one without comes last.
func byHeadroom(a, b results.Finding) int {
	of := func(f results.Finding) float64 {
		if f.Headroom == nil {
			return math.Inf(1)
		}
		return *f.Headroom
	}
	return cmp.Compare(of(a), of(b))
}

// severity sorts findings with the worst status first, of failures those that no limit
// asks, and then by headroom.
func severity(a, b results.Finding) int {
	order := cmp.Compare(rank(a.Status), rank(b.Status))
	if order == 0 && a.Status == results.Fail {
		order = cmp.Compare(btoi(a.Limit != nil), btoi(b.Limit != nil))
	}
	return cmp.Or(order, byHeadroom(a, b))
}

// rank is where a status stands among troubles.
func rank(s results.Status) int {
	return slices.Index([]results.Status{results.Fail, results.Inconclusive, results.Warn, results.Pass}, s)
}

// troubles groups what does not hold by cause and advice. A round that was stopped, or
// another trouble of the run itself, goes with what is wrong at the same step.
func troubles(v results.Verdict) []trouble {
	var all []results.Finding
	for _, f := range v.Findings {
		if f.Status != results.Pass {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, severity)
	var groups []trouble
	at := map[string]int{}
	stepAt := map[string]int{}
	for _, f := range sortedByCause(all) {
		key := groupKey(v, f)
		i, known := at[key]
		if beside, ok := stepAt[f.Step]; !known && ok && f.Limit == nil && f.Cause == nil && f.Step != "" {
			i, known = beside, true
		}
		if !known {
			i = len(groups)
			groups = append(groups, trouble{heading: headingOf(v, f), advice: adviceOf(v, f)})
		}
		at[key] = i
		if f.Cause != nil {
			stepAt[f.Step] = i
		}
		groups[i].add(f)
	}
	for i := range groups {
		groups[i].list(v)
	}
	slices.SortStableFunc(groups, func(a, b trouble) int { return severity(a.worst(), b.worst()) })
	return groups
}

// sortedByCause puts findings without a cause behind the others, so that they find those
// that they go with.
func sortedByCause(all []results.Finding) []results.Finding {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b results.Finding) int {
		return cmp.Compare(btoi(a.Cause == nil), btoi(b.Cause == nil))
	})
	return sorted
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (t *trouble) add(f results.Finding) {
	t.findings = append(t.findings, f)
	slices.SortStableFunc(t.findings, severity)
	for _, line := range f.Log {
		if !slices.Contains(t.log, line) && len(t.log) < maxLog {
			t.log = append(t.log, line)
		}
	}
}

// list puts the titles of limits that nothing was measured for into the heading, and those
// of limits that could not be decided where that changes nothing.
func (t *trouble) list(v results.Verdict) {
	if f := t.worst(); !f.NoData && !(decided(v) && f.Undecided) {
		return
	}
	var titles []string
	for _, f := range t.findings {
		titles = append(titles, titleOf(f))
	}
	t.heading, t.listed = t.heading+": "+strings.Join(titles, "; "), true
}

// rows are the findings with what happened several times in one row, told by the first.
func (t trouble) rows() (rows []results.Finding) {
	times := map[string]int{}
	for _, f := range t.findings {
		times[f.Name]++
		if f.Limit != nil || times[f.Name] == 1 {
			rows = append(rows, f)
		}
	}
	for i, f := range rows {
		if n := times[f.Name]; f.Limit == nil && n > 1 {
			rows[i].Title = fmt.Sprintf("%s, %s times", titleOf(f), grouped(float64(n)))
		}
	}
	return rows
}

// lines are what is said once for all findings of a trouble.
func (t trouble) lines() []line {
	var all []line
	for _, l := range t.log {
		all = append(all, line{"log", l})
	}
	if t.advice != "" {
		all = append(all, line{"for NATS", t.worst().Meaning}, line{"to do", t.advice})
	}
	return filled(all)
}

// worst is the finding that a trouble is told by.
func (t trouble) worst() results.Finding { return t.findings[0] }

// maxLog is how many lines of nats-servers a trouble tells.
const maxLog = 3

// groupKey is equal for findings that are told together.
func groupKey(v results.Verdict, f results.Finding) string {
	switch {
	case f.NoData:
		return "no data"
	case f.Undecided && decided(v):
		return "undecided"
	case f.Cause != nil:
		if i := slices.IndexFunc(v.Findings, func(why results.Finding) bool { return why.Explains(f) }); i >= 0 {
			f = v.Findings[i]
		}
		return string(f.Cause.Name) + "\x00" + f.Advice()
	case f.Undecided:
		return "undecided"
	}
	return f.Name
}

// headingOf says what is the matter with findings like this one.
func headingOf(v results.Verdict, f results.Finding) string {
	switch {
	case f.NoData && decided(v):
		return "the run did not get to these limits"
	case f.NoData:
		return "no round gave a figure for these limits"
	case f.Undecided && decided(v):
		return "could not be decided, which changes nothing in the verdict"
	case f.Cause != nil:
		return causeOf(f)
	case f.Undecided:
		return "not enough data to decide"
	}
	return f.Reason
}

// adviceOf is what to do about findings like this one. Where the verdict stands already,
// what could not be decided or reached is not worth another run.
func adviceOf(v results.Verdict, f results.Finding) string {
	if decided(v) && (f.NoData || f.Undecided) {
		return ""
	}
	return f.Advice()
}

// decided says whether the verdict stands whatever else is measured.
func decided(v results.Verdict) bool { return v.Status == results.Fail }

// topics groups findings by what of a server they are about.
func topics(findings []results.Finding) []topic {
	var all []topic
	for _, f := range findings {
		name := cmp.Or(f.Topic, "the run")
		i := slices.IndexFunc(all, func(t topic) bool { return t.name == name })
		if i < 0 {
			i, all = len(all), append(all, topic{name: name})
		}
		all[i].findings = append(all[i].findings, f)
	}
	for _, t := range all {
		slices.SortStableFunc(t.findings, byHeadroom)
	}
	return all
}

// countWords counts the findings of each status, the worst first.
func countWords(findings []results.Finding) string {
	count := map[string]int{}
	for _, f := range findings {
		count[statusWord(f)]++
	}
	var words []string
	for _, word := range []string{"failed", "inconclusive", "not measured", "warning", "undecided warning", "met"} {
		switch n := count[word]; {
		case n > 1 && strings.HasSuffix(word, "warning"):
			words = append(words, grouped(float64(n))+" "+word+"s")
		case n > 0:
			words = append(words, grouped(float64(n))+" "+word)
		}
	}
	return strings.Join(words, ", ")
}

// statusWord is a finding's status as a count names it.
func statusWord(f results.Finding) string {
	switch {
	case f.NoData:
		return "not measured"
	case f.Status == results.Fail:
		return "failed"
	case f.Status == results.Warn && f.Undecided:
		return "undecided warning"
	case f.Status == results.Warn:
		return "warning"
	case f.Status == results.Pass:
		return "met"
	}
	return "inconclusive"
}

// bound is a limit's comparison and its bound as a person writes it.
func bound(f results.Finding) string {
	if f.Limit == nil {
		return ""
	}
	unit := f.Unit
	if unit == "" {
		unit = f.Limit.Unit
	}
	return string(f.Limit.Op) + " " + rounded(figure(&f.Limit.Bound, unit))
}

// rounded takes the zeros off the end of a figure: 4 s for 4.00 s.
func rounded(figure string) string {
	number, unit, found := strings.Cut(figure, " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	if !found {
		return number
	}
	return number + " " + unit
}

// reasonOf is why a finding of a trouble is what it is, where its figures and the heading do
// not say so.
func reasonOf(t trouble, f results.Finding) string {
	if f.Reason == t.heading || f.Limit != nil && f.Observed != nil && !f.Undecided && f.Status != results.Inconclusive {
		return ""
	}
	if f.Cause != nil && len(f.Cause.Evidence) > 0 {
		return strings.TrimSuffix(strings.TrimSuffix(f.Reason, f.Cause.Evidence[0]), ": ")
	}
	return f.Reason
}

// margin is how many times over a limit is kept, or how far over it the volume is.
func margin(f results.Finding) string {
	const noted, most = 1.005, 1e6 // times
	switch {
	case f.Headroom == nil:
		return ""
	case *f.Headroom >= 1:
		return headroom(f)
	}
	over := 1 / max(*f.Headroom, math.SmallestNonzeroFloat32)
	if over < noted {
		return ""
	}
	words := significant(over)
	switch {
	case over > most:
		return "over " + grouped(most) + "×"
	case over >= 99.5:
		words = grouped(over)
	}
	if f.AtLeast {
		words = "≥ " + words
	}
	if upwards(f) {
		return words + "× short"
	}
	return words + "× over"
}

// upwards says whether more is better.
func upwards(f results.Finding) bool {
	return f.Limit != nil && strings.HasPrefix(string(f.Limit.Op), ">")
}
