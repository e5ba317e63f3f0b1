package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"storebench/results"
)

// caveats are the notes of a run, and those that text tells beside its figures.
func caveats(r Report) []string {
	all := notes(r)
	for _, t := range r.Verdict.FirstTouch {
		all = append(all, t.Step+", "+t.Metric+": "+firstTouch(t))
	}
	return all
}

func writeNotes(w io.Writer, r Report) { list(w, "notes", notes(r)) }

// notes are the caveats of a run, each once.
func notes(r Report) []string {
	run, notes := r.Run, []string(nil)
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
	for _, note := range outOfTime(r) {
		tell(note)
	}
	return notes
}

// warnings are those of the measurements, with their steps.
func warnings(run *results.Run) []string {
	if run.Sweep != nil {
		return cellWarnings(run)
	}
	var all []stepsWords
	for _, m := range inStepOrder(run) {
		for _, warning := range m.Warnings {
			all = addWords(all, warning, run.StepOf(m).Title())
		}
	}
	return joined(all)
}

// stepsWords is something to be said of some steps.
type stepsWords struct {
	words string
	steps []string
}

// addWords adds a step to those that the same is said of.
func addWords(all []stepsWords, words, step string) []stepsWords {
	i := slices.IndexFunc(all, func(s stepsWords) bool { return s.words == words })
	if i < 0 {
		return append(all, stepsWords{words, []string{step}})
	}
	if !slices.Contains(all[i].steps, step) {
		all[i].steps = append(all[i].steps, step)
	}
	return all
}

func joined(all []stepsWords) []string {
	var lines []string
	for _, s := range all {
		lines = append(lines, strings.Join(s.steps, ", ")+": "+s.words)
	}
	return lines
}

// outOfTime names the steps that met the end of the budget, with the rounds that they had;
// usually how many there are is enough.
func outOfTime(r Report) []string {
	run, steps, all := r.Run, map[string]bool{}, []stepsWords(nil)
	for _, in := range run.Incidents {
		if in.Kind == results.OutOfTime {
			all, steps[in.Step] = addWords(all, in.Detail, in.Step), true
		}
	}
	if r.Detail != Full && run.Sweep == nil && len(all) > 1 {
		return []string{fmt.Sprintf("%s had fewer rounds than planned: the budget of %.0f s ended (--verbose lists them)", counted(len(steps), "step"), run.Budget)}
	}
	for i, s := range all {
		if n := len(s.steps); run.Sweep != nil && n > 1 {
			all[i].steps = []string{counted(n, "cell")}
		}
	}
	return joined(all)
}

// writeUnseen says what the run could not see.
func writeUnseen(w io.Writer, r Report) {
	if unseen := results.Unseen(r.Run); len(unseen) > 0 {
		paragraph(w, "\n", "not seen here: ", strings.Join(unseen, "; "))
	}
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
