package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"

	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/profiles"
	"storebench/results"
)

var _ = register(Format{Name: "text", Ext: ".txt", Summary: "for a person in a terminal", Render: renderText, Compare: compareText})

// textWidth is where sentences are folded, in columns; a table takes what it
// needs, which is about as much.
const textWidth = 118

// textParts are what each level of detail tells of a run: the verdict last,
// where a terminal shows it.
func textParts(r Report) []func(io.Writer, Report) {
	switch {
	case r.Run.Sweep != nil:
		return sweepParts[r.Detail]
	case r.Detail == Brief:
		return []func(io.Writer, Report){writeFailures, writeVerdict}
	case r.Detail == Full:
		return []func(io.Writer, Report){
			writeHead, writeMeasured, writeRounds, writeLimits, writeSkipped, writeInformative, writeNotes, writeUnseen, writePasses, writeFailures, writeVerdict,
		}
	}
	return []func(io.Writer, Report){
		writeHead, writeMeasured, writeLimits, writeSkipped, writeInformative, writeNotes, writeUnseen, writeFailures, writeVerdict,
	}
}

func renderText(w io.Writer, r Report) error {
	var out bytes.Buffer
	for _, part := range textParts(r) {
		part(&out, r)
	}
	plain := bytes.TrimLeft(bytes.Map(printable, out.Bytes()), "\n")
	if r.Colour {
		plain = paint(plain)
	}
	_, err := w.Write(plain)
	return err
}

// printable keeps what a run document from elsewhere holds from steering the
// terminal.
func printable(r rune) rune {
	if unicode.IsControl(r) && r != '\n' {
		return unicode.ReplacementChar
	}
	return r
}

// writeHead says what was looked at and what was asked of it.
func writeHead(w io.Writer, r Report) {
	for _, fact := range factLines(r.Run) {
		head(w, fact.name, fact.value)
	}
}

// line is something with a name for a person.
type line struct{ name, value string }

// filled leaves out lines without a value.
func filled(lines []line) []line {
	return slices.DeleteFunc(lines, func(l line) bool { return l.value == "" })
}

// factLines is what was looked at and what was asked of it.
func factLines(run *results.Run) []line {
	v := run.Volume
	asked, varied, fixed := fmt.Sprintf("profile %s: %s", run.Profile.Name, workload(run.Profile.Workload)), "", ""
	if run.Sweep != nil {
		asked = ""
		varied, fixed = sweptWords(run)
	}
	return filled([]line{
		{"volume", v.Path + ": " + strings.Join(volumeWords(v), ", ")},
		{"mounted", mounted(v)},
		{"persists", persistence(v.Persistence)},
		{"host", strings.Join(hostWords(run), ", ")},
		{"asked", asked},
		{"swept", varied},
		{"fixed", fixed},
		{"slots", slotsWords(run.Slots)},
		{"raft", raftWords(run.Raft)},
		{"targets", targetWords(run.Raft)},
		{"run", fmt.Sprintf("%s, %s, %.1f s of %.0f s, seed %d, storebench %s", run.ID,
			run.Started.UTC().Format(time.RFC3339), run.Ended.Sub(run.Started).Seconds(), run.Budget, run.Seed, run.Tool.Version)},
		{"labels", joinLabels(run.Labels)},
	})
}

func mounted(v volume.Facts) string {
	if len(v.MountOptions) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s)", v.MountPoint, strings.Join(v.MountOptions, ","))
}

func slotsWords(s results.Slots) string {
	if len(s.Judged) == 0 {
		return ""
	}
	return fmt.Sprintf("max_concurrent_io %s (%s)", joinInts(s.Judged), s.Source)
}

// raftWords says which servers the Raft groups were made of, where those stood that
// had no volume, and how long they took.
func raftWords(r *results.Raft) string {
	if r == nil {
		return ""
	}
	words := "nats-server " + r.Server
	if r.Linked {
		words += " (linked in)"
	} else {
		words += " (--nats-server)"
	}
	if r.Seconds > 0 {
		words += fmt.Sprintf(", %.1f s in all rounds", r.Seconds)
	}
	switch {
	case r.Peers != nil:
		place := "on a disk"
		if r.Peers.InMemory() {
			place = "in memory"
		}
		return fmt.Sprintf("%s; servers without a volume stand %s: %s, %s", words, place, r.Peers.Path, strings.Join(volumeWords(*r.Peers), ", "))
	case len(r.Targets) == 0:
		return words + "; all servers stand on the volume"
	}
	return words
}

// targetWords are the further volumes, each under a server of its own.
func targetWords(r *results.Raft) string {
	if r == nil {
		return ""
	}
	var words []string
	for _, v := range r.Targets {
		words = append(words, v.Path+": "+strings.Join(volumeWords(v), ", ")+"; persists: "+persistence(v.Persistence))
	}
	return strings.Join(words, "; ")
}

func head(w io.Writer, name, value string) {
	paragraph(w, "", fmt.Sprintf("%-8s  ", name), value)
}

func volumeWords(v volume.Facts) []string {
	if v.FileSystem == "" {
		return []string{"nothing is known of it"}
	}
	words := []string{v.FileSystem}
	if name := cmp.Or(v.Device.Source, v.Device.Name); name != "" {
		words = append(words, "on "+name)
	}
	return append(words, bytesOf(float64(v.SizeBytes)), bytesOf(float64(v.AvailableBytes))+" available")
}

// persistence says whether what was synced is there after a power cut.
func persistence(p volume.Persistence) string {
	word, ok := map[volume.PersistenceState]string{
		volume.PersistenceAssumed: "assumed", volume.PersistenceUnknown: "unknown", volume.NotPersistent: "NO",
	}[p.State]
	if !ok || p.How == "" {
		return word
	}
	return word + ": " + p.How
}

func hostWords(run *results.Run) []string {
	words := []string{strings.TrimSpace(run.Host.OS + "/" + run.Host.Arch + " " + run.Host.Kernel), counted(run.Host.CPUs, "CPU")}
	if run.Host.Memory > 0 {
		words = append(words, bytesOf(float64(run.Host.Memory))+" memory")
	}
	return append(words, "nats-server "+run.Tool.NATSServer)
}

func workload(w profiles.Workload) string {
	return fmt.Sprintf("%s messages/s of %s over %s, %s, %s, sync %s, cipher %s",
		grouped(w.Rate), spaced(w.MessageSize), counted(w.Streams, "stream"), counted(w.Consumers, "consumer"), counted(w.Groups, "Raft group"), w.Sync, w.Cipher)
}

func joinInts(all []int) string {
	var words []string
	for _, n := range all {
		words = append(words, fmt.Sprint(n))
	}
	return strings.Join(words, ", ")
}

func joinLabels(labels map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}

// writeMeasured is a line a metric below each step, over all its rounds.
func writeMeasured(w io.Writer, r Report) {
	if len(r.Run.Measurements) == 0 {
		return
	}
	s := newSheet("measured", "p50", "p99", "p99.9", "p99.9 within (95 %)", "max", "rate", "operations")
	s.alignRight(2, 3, 4, 6, 7, 8)
	width := 0
	for _, m := range r.Run.Measurements {
		width = max(width, text.RuneWidthWithoutEscSequences(m.Metric))
	}
	last := ""
	for _, m := range inStepOrder(r.Run) {
		step := r.Run.StepOf(m)
		if title := step.Title(); title != last {
			s.line("", stepLine(step, len(m.Rounds)))
			last = title
		}
		writeMetric(s, m, width)
		for _, t := range r.Verdict.FirstTouch {
			if t.Step == step.Title() && t.Metric == m.Metric {
				s.line(strings.Repeat(" ", 4), firstTouch(t))
			}
		}
	}
	s.write(w)
}

// firstTouch tells the first pass of a metric from the later ones.
func firstTouch(t results.FirstTouch) string {
	return fmt.Sprintf("median of the first round %s, of later ones %s (up to %s would be their noise): blocks that are touched for the first time may be slow here, and --precondition touches them beforehand",
		figure(&t.First, measure.Seconds), figure(&t.Later, measure.Seconds), figure(&t.Most, measure.Seconds))
}

// caveats are the notes of a run, and those that text tells beside its figures.
func caveats(r Report) []string {
	all := notes(r.Run)
	for _, t := range r.Verdict.FirstTouch {
		all = append(all, t.Step+", "+t.Metric+": "+firstTouch(t))
	}
	return all
}

// stepLine names a step with what it asks and how often it ran.
func stepLine(s results.Step, rounds int) string {
	line := s.Title() + ": " + strings.TrimPrefix(s.Asked()+", ", ", ") + counted(rounds, "round")
	if s.Extended {
		line += " (extended, since the first were not enough to tell)"
	}
	if s.Informative {
		line += " (for information)"
	}
	return line
}

// inStepOrder sorts measurements as their steps stand in the profile; the
// rounds themselves ran in random order.
func inStepOrder(run *results.Run) []measure.Measurement {
	order := slices.Clone(run.Measurements)
	slices.SortStableFunc(order, func(a, b measure.Measurement) int {
		return run.StepIndex(a) - run.StepIndex(b)
	})
	return order
}

// summary is what the rounds of a measurement found.
type summary struct {
	distributions []*measure.Distribution
	values        []float64
	rate          float64 // operations a second, the mean of all rounds
}

func summarise(m measure.Measurement) summary {
	var s summary
	for _, round := range m.Rounds {
		switch {
		case round.Distribution != nil:
			s.distributions = append(s.distributions, round.Distribution)
			if rate := round.Distribution.Rate(round.Elapsed); !math.IsNaN(rate) {
				s.rate += rate / float64(len(m.Rounds))
			}
		case round.Value != nil:
			s.values = append(s.values, *round.Value)
		case round.Series != nil:
			s.values = append(s.values, round.Series.Values...)
		}
	}
	return s
}

// writeMetric writes latencies as a row, anything else as a line of its own.
func writeMetric(s *sheet, m measure.Measurement, width int) {
	found := summarise(m)
	name := fmt.Sprintf("  %-*s", width, m.Metric)
	if len(found.distributions) == 0 {
		s.line("", name+"  "+medianRange(found.values, m.Unit))
		return
	}
	whole := merged(found.distributions)
	at := func(q float64) string { x := whole.Quantile(q); return figure(&x, m.Unit) }
	far := measure.QuantileInterval(found.distributions, .999)
	s.row(name, at(.5), at(.99), at(.999), span(&far.Low, &far.High, m.Unit), longest(whole, m.Unit), figure(&found.rate, measure.PerSecond), grouped(float64(whole.Count())))
	if gone := lost(whole); gone != "" {
		s.line(strings.Repeat(" ", 4), gone)
	}
}

func merged(ds []*measure.Distribution) *measure.Distribution {
	whole := &measure.Distribution{}
	for _, d := range ds {
		_ = whole.Merge(d) // fails only when counts overflow, which those of a run cannot
	}
	return whole
}

// longest is the longest latency; an operation that did not finish took longer.
func longest(d *measure.Distribution, unit measure.Unit) string {
	most := d.Max()
	if d.Unfinished > 0 {
		return "> " + figure(&most, unit)
	}
	return figure(&most, unit)
}

// medianRange writes the median of single values with their range.
func medianRange(values []float64, unit measure.Unit) string {
	if len(values) == 0 {
		return "–"
	}
	middle, least, most := median(values), slices.Min(values), slices.Max(values)
	if least == most {
		return figure(&middle, unit)
	}
	return fmt.Sprintf("%s (%s to %s)", figure(&middle, unit), figure(&least, unit), figure(&most, unit))
}

// median is the middle one of some values, of two the greater.
func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// lost says what became of the operations that have no latency.
func lost(d *measure.Distribution) string {
	var words []string
	for _, l := range []struct {
		n    int64
		what string
	}{{d.Failed, "failed"}, {d.Missed, "could not be sent"}, {d.Unfinished, "did not finish"}} {
		if l.n > 0 {
			words = append(words, grouped(float64(l.n))+" "+l.what)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "besides these " + strings.Join(words, ", ")
}

// writeLimits is a line a limit below each step that it was held against.
func writeLimits(w io.Writer, r Report) {
	if len(r.Verdict.Findings) == 0 {
		fmt.Fprint(w, "\nno limit was judged\n")
		return
	}
	s := newSheet("limits", "status", "observed", "within (95 %)", "headroom")
	s.alignRight(3, 5)
	for _, group := range byStep(r.Verdict.Findings) {
		s.line("", heading(group))
		for _, f := range group {
			s.row("  "+f.Name, f.Word(), observed(f), interval(f), headroom(f))
		}
	}
	s.write(w)
}

// byStep groups findings by their step, in the order in which steps come first.
func byStep(findings []results.Finding) [][]results.Finding {
	var groups [][]results.Finding
	for _, f := range findings {
		at := slices.IndexFunc(groups, func(g []results.Finding) bool { return g[0].Step == f.Step })
		if at < 0 {
			at, groups = len(groups), append(groups, nil)
		}
		groups[at] = append(groups[at], f)
	}
	return groups
}

// heading is what a step asked; what went wrong at it does not say so.
func heading(group []results.Finding) string {
	for _, f := range group {
		if f.Asked != "" {
			return where(f)
		}
	}
	return where(group[0])
}

// where says what a finding was found at.
func where(f results.Finding) string {
	switch {
	case f.Step == "":
		return "the whole run"
	case f.Asked == "":
		return f.Step
	}
	return f.Step + ": " + f.Asked
}

func observed(f results.Finding) string {
	switch {
	case f.Observed == nil && f.Limit == nil:
		return ""
	case f.AtLeast:
		return "over " + figure(f.Observed, f.Unit)
	}
	return figure(f.Observed, f.Unit)
}

func interval(f results.Finding) string { return span(f.Low, f.High, f.Unit) }

// span writes an interval whose ends may be unknown.
func span(low, high *float64, unit measure.Unit) string {
	const unknown = "–"
	from, to := figure(low, unit), figure(high, unit)
	switch {
	case from == unknown && to == unknown:
		return ""
	case to == unknown && from == "0":
		return ""
	case to == unknown:
		return "over " + from
	case from == unknown:
		return "under " + to
	case from == to:
		return from
	}
	return from + " to " + to
}

func headroom(f results.Finding) string {
	if f.Headroom == nil {
		return ""
	}
	const least = .01
	switch x := *f.Headroom; {
	case x < least:
		return fmt.Sprintf("under %.2f×", least)
	case f.AtLeast:
		return fmt.Sprintf("under %.2f×", x)
	case x < 10:
		return fmt.Sprintf("%.2f×", x)
	default:
		return grouped(x) + "×"
	}
}

// writeSkipped names the limits that a partial verdict says nothing of.
func writeSkipped(w io.Writer, r Report) {
	list(w, "limits that were not judged, because their steps were left out", r.Verdict.Skipped)
}

// writeInformative tells of limits held against informative steps: mostly the
// servers that this volume does not carry.
func writeInformative(w io.Writer, r Report) {
	for _, f := range r.Verdict.Informative {
		slots, isServer := f.Labels["max-concurrent-io"]
		if !isServer {
			paragraph(w, "\n", "besides   ", fmt.Sprintf("%s is %s for %s: observed %s. This changes nothing in the verdict.", f.Name, f.Status, where(f), observed(f)))
			continue
		}
		if note := r.Run.StepNote(f.Step); note != "" {
			slots += " (" + note + ")"
		}
		paragraph(w, "\n", "servers   ", fmt.Sprintf("this volume %s servers with max_concurrent_io %s: %s, observed %s. This changes nothing in the verdict.",
			carries(f.Status), slots, f.Name, observed(f)))
	}
}

func carries(s results.Status) string {
	switch s {
	case results.Pass:
		return "carries"
	case results.Fail, results.Warn:
		return "does not carry"
	}
	return "may or may not carry"
}

func writeNotes(w io.Writer, r Report) {
	list(w, "notes", notes(r.Run))
}

// notes are the caveats of a run, each once.
func notes(run *results.Run) []string {
	var notes []string
	tell := func(note string) {
		if !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	for _, note := range slices.Concat(run.Notes, run.Volume.Notes) {
		tell(note)
	}
	if run.Raft != nil {
		for _, v := range run.Raft.Targets {
			for _, note := range v.Notes {
				tell(v.Path + ": " + note)
			}
		}
	}
	for _, warning := range warnings(run) {
		tell(warning)
	}
	for _, note := range outOfTime(run) {
		tell(note)
	}
	return notes
}

// warnings are those of the measurements, with their steps.
func warnings(run *results.Run) []string {
	if run.Sweep != nil {
		return cellWarnings(run)
	}
	var all []string
	for _, m := range inStepOrder(run) {
		for _, warning := range m.Warnings {
			all = append(all, run.StepOf(m).Title()+": "+warning)
		}
	}
	return all
}

// outOfTime tells once for all steps that met the same end of the budget.
func outOfTime(run *results.Run) []string {
	var details []string
	steps := map[string][]string{}
	for _, in := range run.Incidents {
		if in.Kind != results.OutOfTime {
			continue
		}
		if steps[in.Detail] == nil {
			details = append(details, in.Detail)
		}
		steps[in.Detail] = append(steps[in.Detail], in.Step)
	}
	for i, detail := range details {
		names := strings.Join(steps[detail], ", ")
		if n := len(steps[detail]); run.Sweep != nil && n > 1 {
			names = counted(n, "cell")
		}
		details[i] = names + ": " + detail
	}
	return details
}

func writeUnseen(w io.Writer, r Report) {
	list(w, "what this run could not see", results.Unseen(r.Run))
}

func list(w io.Writer, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, item := range items {
		paragraph(w, "", "  - ", item)
	}
}

// writePasses explains each finding that holds.
func writePasses(w io.Writer, r Report) {
	for _, f := range withStatus(r.Verdict.Findings, results.Pass) {
		writeFailure(w, f)
	}
}

// writeFailures explains each finding that does not hold, the worst last.
func writeFailures(w io.Writer, r Report) {
	for _, f := range withStatus(r.Verdict.Findings, results.Warn, results.Inconclusive, results.Fail) {
		writeFailure(w, f)
	}
}

// withStatus are the findings of some statuses, in the order of these.
func withStatus(findings []results.Finding, statuses ...results.Status) []results.Finding {
	var all []results.Finding
	for _, status := range statuses {
		for _, f := range findings {
			if f.Status == status {
				all = append(all, f)
			}
		}
	}
	return all
}

func writeFailure(w io.Writer, f results.Finding) {
	fmt.Fprintf(w, "\n%s  %s\n", strings.ToUpper(f.Word()), f.Name)
	for _, l := range findingLines(f) {
		paragraph(w, "", fmt.Sprintf("  %-9s ", l.name), l.value)
	}
}

// findingLines is all that is known of a finding.
func findingLines(f results.Finding) []line {
	seen := ""
	if f.Observed != nil {
		seen = strings.TrimSpace(observed(f) + " " + bracketed(interval(f)))
	}
	return filled([]line{
		{"at", where(f)}, {"observed", seen}, {"reason", f.Reason},
		{"cause", causeOf(f)}, {"for NATS", f.Meaning}, {"to do", f.Advice()},
	})
}

// causeOf is what is to blame, with the evidence; empty when nothing is.
func causeOf(f results.Finding) string {
	if f.Cause == nil {
		return ""
	}
	return strings.TrimSuffix(string(f.Cause.Name)+": "+strings.Join(f.Cause.Evidence, "; "), ": ")
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "[" + s + "]"
}

// paragraph folds a text behind a first word, the lines below indented to it.
func paragraph(w io.Writer, before, first, body string) {
	indent := text.RuneWidthWithoutEscSequences(first)
	lines := strings.Split(text.WrapSoft(body, textWidth-indent), "\n")
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintf(w, "%s%s%s\n", before, first, strings.TrimRight(line, " "))
			continue
		}
		fmt.Fprintf(w, "%s%s\n", strings.Repeat(" ", indent), strings.TrimSpace(line))
	}
}

// writeVerdict is one line that says it all.
func writeVerdict(w io.Writer, r Report) {
	paragraph(w, "\n", "VERDICT   ", verdictWord(r.Verdict)+": "+sentence(r)+tally(r.Verdict))
}

// tally counts the findings of each status, the worst first, in brackets.
func tally(v results.Verdict) string {
	count := map[results.Status]int{}
	for _, f := range v.Findings {
		count[f.Status]++
	}
	var parts []string
	for _, s := range []results.Status{results.Fail, results.Inconclusive, results.Warn, results.Pass} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func verdictWord(v results.Verdict) string {
	word := strings.ToUpper(v.Status.String())
	if v.Partial {
		return "PARTIAL " + word
	}
	return word
}

// headWord is what a page says first: the verdict, or that it has none to give.
func headWord(r Report) string {
	if r.Run.Sweep != nil && r.Verdict.Status == results.Pass {
		return "SWEEP"
	}
	return verdictWord(r.Verdict)
}

// sentence is what the verdict says in words. A partial run qualifies nothing.
func sentence(r Report) string {
	v, asked := r.Verdict, "profile "+r.Run.Profile.Name
	switch {
	case r.Run.Sweep != nil:
		return sweptSentences[v.Status]
	case v.Status == results.Fail:
		return "this volume cannot sustain what " + asked + " asks"
	case v.Status == results.Inconclusive:
		return "this run cannot tell whether the volume sustains what " + asked + " asks"
	case v.Partial:
		return fmt.Sprintf("what was judged holds, and %s not judged", wereCounted(len(v.Skipped), "limit"))
	case v.Status == results.Warn && !slices.ContainsFunc(v.Findings, results.Finding.Warned):
		n := len(withStatus(v.Findings, results.Warn))
		return fmt.Sprintf("qualified for %s; %s could not be decided", asked, counted(n, "warning limit"))
	case v.Status == results.Warn:
		return "qualified for " + asked + ", outside of what a healthy node shows"
	}
	return "qualified for " + asked
}

func wereCounted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return counted(n, thing) + " were"
}
