package render

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"storebench/results"
)

var _ = register(Format{Name: "junit", Ext: ".xml", Summary: "a test case a limit, for a CI system", Render: renderJUnit})

// renderJUnit writes a test suite a step and a test case a limit. A limit that
// is broken is a failure, one that could not be judged an error: neither passes.
// A warning passes, as in the exit code, and says so in its output.
func renderJUnit(w io.Writer, r Report) error {
	all := junit.Testsuites{Name: "storebench " + r.Run.Profile.Name}
	for _, group := range byStep(r.Verdict.Findings) {
		all.AddSuite(junitSuite(r, group))
	}
	if len(r.Verdict.Skipped) > 0 {
		all.AddSuite(junitSkipped(r))
	}
	if len(r.Verdict.Findings) == 0 {
		all.AddSuite(junitNothing(r))
	}
	out := bytes.NewBufferString(xml.Header)
	if err := all.WriteXML(out); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

func newSuite(r Report, name string) junit.Testsuite {
	suite := junit.Testsuite{Name: clean(name), Package: "storebench"}
	suite.SetTimestamp(r.Run.Started.UTC())
	for _, p := range [][2]string{
		{"run", r.Run.ID}, {"profile", r.Run.Profile.Name}, {"volume", r.Run.Volume.Path},
		{"file-system", r.Run.Volume.FileSystem}, {"nats-server", r.Run.Tool.NATSServer}, {"labels", joinLabels(r.Run.Labels)},
	} {
		if p[1] != "" {
			suite.AddProperty(p[0], clean(p[1]))
		}
	}
	return suite
}

func junitSuite(r Report, group []results.Finding) junit.Testsuite {
	suite := newSuite(r, heading(group))
	suite.Time = fmt.Sprintf("%.3f", stepSeconds(r.Run, group[0].Step))
	for _, f := range group {
		suite.AddTestcase(junitCase(r, f))
	}
	return suite
}

// stepSeconds is how long a step was measured in all its rounds.
func stepSeconds(run *results.Run, title string) float64 {
	most := 0.0
	for _, m := range run.Measurements {
		if run.StepOf(m).Title() != title {
			continue
		}
		sum := 0.0
		for _, round := range m.Rounds {
			sum += round.Elapsed
		}
		most = max(most, sum)
	}
	return most
}

func junitCase(r Report, f results.Finding) junit.Testcase {
	c := junit.Testcase{Name: clean(f.Name), Classname: junitClass(r, f.Step), Time: "0"}
	told := &junit.Result{Message: clean(shortly(f)), Type: f.Status.String(), Data: clean(explained(f))}
	switch f.Status {
	case results.Fail:
		c.Failure = told
	case results.Inconclusive:
		c.Error = told
	case results.Warn:
		c.SystemOut = &junit.Output{Data: "WARN " + told.Data}
	}
	return c
}

// junitClass is what a CI system groups test cases by.
func junitClass(r Report, step string) string {
	name := "storebench." + r.Run.Profile.Name
	if step != "" {
		name += "." + strings.ReplaceAll(step, " ", ".")
	}
	return clean(name)
}

// junitSkipped are the limits that were not judged.
func junitSkipped(r Report) junit.Testsuite {
	suite := newSuite(r, "not judged")
	for _, name := range r.Verdict.Skipped {
		suite.AddTestcase(junit.Testcase{
			Name: clean(name), Classname: junitClass(r, ""), Time: "0",
			Skipped: &junit.Result{Message: "its step was left out"},
		})
	}
	return suite
}

// junitNothing keeps a run without a limit from looking like one that passed.
func junitNothing(r Report) junit.Testsuite {
	suite := newSuite(r, "the whole run")
	suite.AddTestcase(junit.Testcase{
		Name: "a limit was judged", Classname: junitClass(r, ""), Time: "0",
		Error: &junit.Result{Message: "no limit was judged", Type: r.Verdict.Status.String()},
	})
	return suite
}

// shortly is one line on a finding: observed, bound, cause.
func shortly(f results.Finding) string {
	words := []string{f.Reason}
	if f.Observed != nil {
		words[0] = "observed " + strings.TrimSpace(observed(f)+" "+bracketed(interval(f)))
	}
	if f.Limit != nil {
		words = append(words, fmt.Sprintf("limit %s %s", f.Limit.Stat, bound(f)))
	}
	if f.Cause != nil {
		words = append(words, "cause "+string(f.Cause.Name))
	}
	return strings.Join(words, ", ")
}

// explained is all that is known of a finding, a line each.
func explained(f results.Finding) string {
	var out strings.Builder
	fmt.Fprintln(&out, titleOf(f))
	for _, line := range findingLines(f) {
		fmt.Fprintf(&out, "%s: %s\n", line.name, line.value)
	}
	return out.String()
}

// clean takes the characters out that no XML may hold and no reader expects.
func clean(s string) string { return strings.Map(printable, s) }
