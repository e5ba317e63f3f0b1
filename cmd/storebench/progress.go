package main

import (
	"fmt"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"

	"storebench/cmd/storebench/internal/engine"
)

// progressView shows a run on stderr: a bar on a terminal, a line a step
// elsewhere, and only notes to a user who wants it quiet. The engine reports from one goroutine, the one that Run was called
// in; the bar is drawn by another, and go-pretty locks what both touch.
type progressView struct {
	out     *os.File
	quiet   bool
	bar     progress.Writer
	tracker *progress.Tracker
}

func newProgress(out *os.File, quiet bool) *progressView {
	v := &progressView{out: out, quiet: quiet}
	if quiet || !isTerminal(out) {
		return v
	}
	v.bar = progress.NewWriter()
	v.bar.SetOutputWriter(out)
	v.bar.SetUpdateFrequency(100 * time.Millisecond)
	v.bar.SetAutoStop(false)
	v.bar.SetMessageLength(36)
	v.bar.SetStyle(progress.StyleBlocks)
	v.bar.Style().Visibility.Value = false
	v.bar.Style().Visibility.Speed = false
	v.tracker = &progress.Tracker{Message: "looking at the volume", Total: 1000}
	v.bar.AppendTracker(v.tracker)
	go v.bar.Render()
	return v
}

func (v *progressView) observe(p engine.Progress) {
	switch {
	case v.bar == nil:
		v.line(p)
	case p.Note != "":
		v.bar.Log(p.Note)
	default:
		v.tracker.UpdateMessage(fmt.Sprintf("%s, round %d of %d", p.Step, p.Round, p.Rounds))
		v.tracker.SetValue(min(999, int64(1000*p.Overall)))
	}
}

// line writes notes at once, and a step when its last round is done.
func (v *progressView) line(p engine.Progress) {
	switch {
	case p.Note != "":
		fmt.Fprintln(v.out, p.Note)
	case p.Done && p.Round == p.Rounds && !v.quiet:
		fmt.Fprintf(v.out, "%3.0f %%  %s: %d rounds done\n", 100*p.Overall, p.Step, p.Rounds)
	}
}

func (v *progressView) end() {
	if v.bar == nil {
		return
	}
	v.tracker.MarkAsDone()
	v.bar.Stop()
}
