package results

import (
	"cmp"
	"slices"
	"strings"

	"storebench/internal/measure"
	"storebench/profiles"
)

// newFinding is what a limit says of a step before anything is known.
func newFinding(limit *profiles.Limit, step Step) Finding {
	return Finding{
		Name: limit.Text, Limit: limit, Title: filled(cmp.Or(limit.Title, limit.Text), step), Topic: cmp.Or(step.Topic, limit.Probe),
		Step: step.Title(), Asked: step.Asked, Meaning: limit.Why,
	}
}

// filled puts a step's parameters into a title.
func filled(title string, step Step) string {
	return profiles.Fill(title, func(name string) (string, bool) {
		value, has := step.Parameters[name]
		return measure.Readable(value), has
	})
}

// tellApart adds to titles that several steps share what tells the step from the others:
// its variant where they have a name in common, else its title. titles and steps belong
// together by index.
func tellApart(titles, steps []string) []string {
	of := map[string][]string{}
	for i, title := range titles {
		if !slices.Contains(of[title], steps[i]) {
			of[title] = append(of[title], steps[i])
		}
	}
	apart := slices.Clone(titles)
	for i, title := range titles {
		if all := of[title]; len(all) > 1 {
			apart[i] += " (" + strings.TrimPrefix(steps[i], nameInCommon(all)) + ")"
		}
	}
	return apart
}

// nameInCommon is the name, and the space behind it, that all titles of steps begin with;
// empty where they differ.
func nameInCommon(titles []string) string {
	name, _, _ := strings.Cut(titles[0], " ")
	name += " "
	if slices.ContainsFunc(titles, func(title string) bool { return !strings.HasPrefix(title, name) }) {
		return ""
	}
	return name
}

// nameSteps puts the step into titles that findings of several steps share.
func nameSteps(all []Finding) {
	var titles, steps []string
	for _, f := range all {
		titles, steps = append(titles, f.Title), append(steps, f.Step)
	}
	for i, title := range tellApart(titles, steps) {
		if all[i].Limit != nil {
			all[i].Title = title
		}
	}
}
