package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"storebench/internal/measure"
	"storebench/profiles"
	"storebench/results"
)

var _ = register(Format{Name: "text", Ext: ".txt", Summary: "for a person in a terminal", Render: renderText})

// textWidth is where sentences are folded; tables take what they need.
const textWidth = 110

// renderText writes the verdict last, where a terminal shows it.
func renderText(w io.Writer, r Report) error {
	var out bytes.Buffer
	for _, part := range []func(io.Writer, Report){
		writeHead, writeMeasured, writeLimits, writeServers, writeNotes, writeUnseen, writeFailures, writeVerdict,
	} {
		part(&out, r)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// writeHead says what was looked at and what was asked of it.
func writeHead(w io.Writer, r Report) {
	run, v := r.Run, r.Run.Volume
	fmt.Fprintf(w, "volume   %s: %s\n", v.Path, strings.Join(volumeWords(run), ", "))
	if len(v.MountOptions) > 0 {
		fmt.Fprintf(w, "mounted  %s (%s)\n", v.MountPoint, strings.Join(v.MountOptions, ","))
	}
	fmt.Fprintf(w, "host     %s/%s %s, %d CPUs, %s memory; nats-server %s\n",
		run.Host.OS, run.Host.Arch, run.Host.Kernel, run.Host.CPUs, bytesOf(float64(run.Host.Memory)), run.Tool.NATSServer)
	fmt.Fprintf(w, "asked    profile %s: %s\n", run.Profile.Name, workload(run.Profile.Workload))
	if len(run.Slots.Judged) > 0 {
		fmt.Fprintf(w, "slots    max_concurrent_io %s (%s)\n", joinInts(run.Slots.Judged), run.Slots.Source)
	}
	fmt.Fprintf(w, "run      %s, %s, %.1f s of %.0f s, seed %d, storebench %s\n", run.ID,
		run.Started.UTC().Format(time.RFC3339), run.Ended.Sub(run.Started).Seconds(), run.Budget, run.Seed, run.Tool.Version)
	if len(run.Labels) > 0 {
		fmt.Fprintf(w, "labels   %s\n", joinLabels(run.Labels))
	}
}

func volumeWords(run *results.Run) []string {
	v := run.Volume
	if v.FileSystem == "" {
		return []string{"nothing is known of it"}
	}
	words := []string{v.FileSystem}
	if name := cmp.Or(v.Device.Source, v.Device.Name); name != "" {
		words = append(words, "on "+name)
	}
	return append(words, bytesOf(float64(v.SizeBytes)), bytesOf(float64(v.AvailableBytes))+" available")
}

func workload(w profiles.Workload) string {
	return fmt.Sprintf("%s msg/s × %s over %d streams, %d consumers, %s Raft groups, sync %s, cipher %s",
		grouped(w.Rate), w.MessageSize, w.Streams, w.Consumers, grouped(float64(w.Groups)), w.Sync, w.Cipher)
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

func newTable(w io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.Options{SeparateHeader: true}
	t.Style().Box.PaddingLeft = ""
	t.Style().Box.PaddingRight = "  "
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(header)
	return t
}

func alignRight(t table.Writer, columns ...int) {
	var configs []table.ColumnConfig
	for _, n := range columns {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
}

// writeMeasured is one line a measurement, over all its rounds.
func writeMeasured(w io.Writer, r Report) {
	if len(r.Run.Measurements) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, "step", "metric", "p50", "p99", "p99.9", "max", "rate", "operations", "rounds")
	alignRight(t, 3, 4, 5, 6, 7, 8, 9)
	for _, m := range inStepOrder(r.Run) {
		t.AppendRow(measuredRow(r.Run, m))
	}
	t.Render()
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

func measuredRow(run *results.Run, m measure.Measurement) table.Row {
	name := run.StepOf(m).Title()
	whole, rate, values := &measure.Distribution{}, 0.0, []float64{}
	for _, round := range m.Rounds {
		switch {
		case round.Distribution != nil:
			if err := whole.Merge(round.Distribution); err != nil {
				continue // a clash of units within one metric cannot be
			}
			rate += round.Distribution.Rate(round.Elapsed) / float64(len(m.Rounds))
		case round.Value != nil:
			values = append(values, *round.Value)
		}
	}
	if len(values) > 0 {
		return table.Row{name, m.Metric, medianRange(values, m.Unit), "", "", "", "", "", len(values)}
	}
	at := func(q float64) string { x := whole.Quantile(q); return figure(&x, m.Unit) }
	longest := whole.Max()
	most := figure(&longest, m.Unit)
	if whole.Unfinished > 0 {
		most = "> " + most
	}
	return table.Row{name, m.Metric, at(.5), at(.99), at(.999), most, figure(&rate, measure.PerSecond), operations(whole), len(m.Rounds)}
}

// medianRange writes the median of single values with their range.
func medianRange(values []float64, unit measure.Unit) string {
	sorted := slices.Sorted(slices.Values(values))
	middle, least, most := sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1]
	return fmt.Sprintf("%s (%s to %s)", figure(&middle, unit), figure(&least, unit), figure(&most, unit))
}

func operations(d *measure.Distribution) string {
	text := grouped(float64(d.Count()))
	for _, lost := range []struct {
		n    int64
		name string
	}{{d.Failed, "failed"}, {d.Missed, "missed"}, {d.Unfinished, "unfinished"}} {
		if lost.n > 0 {
			text += fmt.Sprintf(" +%d %s", lost.n, lost.name)
		}
	}
	return text
}

// writeLimits is one line a limit and measurement.
func writeLimits(w io.Writer, r Report) {
	fmt.Fprintln(w)
	t := newTable(w, "status", "limit", "observed", "interval", "headroom", "asked")
	alignRight(t, 3, 4, 5)
	for _, f := range r.Verdict.Findings {
		if f.Limit != nil {
			t.AppendRow(table.Row{f.Status, f.Name, observed(f), interval(f), headroom(f), f.Asked})
		} else {
			t.AppendRow(table.Row{f.Status, f.Name, "", "", "", f.Step})
		}
	}
	t.Render()
}

func observed(f results.Finding) string {
	text := figure(f.Observed, f.Unit)
	if f.AtLeast {
		return "over " + text
	}
	return text
}

func interval(f results.Finding) string {
	switch {
	case f.Low == nil && f.High == nil:
		return ""
	case f.High == nil:
		return "over " + figure(f.Low, f.Unit)
	case f.Low == nil:
		return "under " + figure(f.High, f.Unit)
	}
	return figure(f.Low, f.Unit) + " to " + figure(f.High, f.Unit)
}

func headroom(f results.Finding) string {
	if f.Headroom == nil {
		return ""
	}
	return significant(*f.Headroom) + "×"
}

// writeServers tells of servers that this volume does not carry: the limits at
// the slots of versions that the run is not judged at.
func writeServers(w io.Writer, r Report) {
	for _, f := range r.Verdict.Informative {
		word := "carries"
		if f.Status == results.Fail || f.Status == results.Warn {
			word = "does not carry"
		} else if f.Status == results.Inconclusive {
			word = "may or may not carry"
		}
		paragraph(w, "\n", "servers  ", fmt.Sprintf("this volume %s servers with max_concurrent_io %s (%s): %s, observed %s. This changes nothing in the verdict.",
			word, f.Labels["max-concurrent-io"], r.Run.StepNote(f.Step), f.Name, observed(f)))
	}
}

func writeNotes(w io.Writer, r Report) {
	notes := slices.Clone(r.Run.Notes)
	for _, m := range inStepOrder(r.Run) {
		for _, warning := range m.Warnings {
			notes = append(notes, r.Run.StepOf(m).Title()+": "+warning)
		}
	}
	for _, in := range r.Run.Incidents {
		if in.Kind == results.OutOfTime {
			notes = append(notes, in.Step+": "+in.Detail)
		}
	}
	list(w, "notes", slices.Compact(notes))
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

// writeFailures explains each finding that does not hold.
func writeFailures(w io.Writer, r Report) {
	for _, f := range r.Verdict.Findings {
		if f.Status == results.Pass {
			continue
		}
		fmt.Fprintf(w, "\n%s  %s\n", strings.ToUpper(f.Status.String()), f.Name)
		detail(w, "at", strings.TrimPrefix(f.Step+": "+f.Asked, ": "))
		if f.Observed != nil {
			detail(w, "observed", strings.TrimSpace(observed(f)+" "+bracketed(interval(f))))
		}
		detail(w, "reason", f.Reason)
		if f.Cause != nil {
			detail(w, "cause", strings.TrimSuffix(string(f.Cause.Name)+": "+strings.Join(f.Cause.Evidence, "; "), ": "))
		}
		detail(w, "for NATS", f.Meaning)
	}
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "[" + s + "]"
}

func detail(w io.Writer, name, value string) {
	if value != "" {
		paragraph(w, "", fmt.Sprintf("  %-9s ", name), value)
	}
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
	count := map[results.Status]int{}
	for _, f := range r.Verdict.Findings {
		count[f.Status]++
	}
	var parts []string
	for _, s := range []results.Status{results.Fail, results.Inconclusive, results.Warn, results.Pass} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	fmt.Fprintf(w, "\nVERDICT  %s: %s (%s)\n", verdictWord(r.Verdict), sentence(r), strings.Join(parts, ", "))
}

func verdictWord(v results.Verdict) string {
	word := strings.ToUpper(v.Status.String())
	if v.Partial {
		return "PARTIAL " + word
	}
	return word
}

// sentence is what the verdict says in words. A partial run qualifies nothing.
func sentence(r Report) string {
	v, asked := r.Verdict, "profile "+r.Run.Profile.Name
	switch {
	case v.Status == results.Fail:
		return "this volume cannot sustain what " + asked + " asks"
	case v.Status == results.Inconclusive:
		return "this run cannot tell whether the volume sustains what " + asked + " asks"
	case v.Partial:
		return fmt.Sprintf("what was judged holds, and %d limits were left out", len(v.Skipped))
	case v.Status == results.Warn:
		return "qualified for " + asked + ", outside of what a healthy node shows"
	}
	return "qualified for " + asked
}
