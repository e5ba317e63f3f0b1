package profiles_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"storebench/profiles"
)

// TestLimitsAreDocumented holds docs/limits.md to the built-in profiles: its
// table has every limit with its level in each profile, and no other.
func TestLimitsAreDocumented(t *testing.T) {
	documented := limitTable(t, "../docs/limits.md")
	if diff := cmp.Diff(builtInLimits(t), documented.levels); diff != "" {
		t.Errorf("levels of limits (- profiles, + docs/limits.md):\n%s", diff)
	}
	for _, limit := range slices.Sorted(maps.Keys(documented.levels)) {
		for column, text := range documented.words[limit] {
			if text == "" {
				t.Errorf("docs/limits.md: %s: the column %q is empty", limit, column)
			}
		}
	}
}

// builtInLimits is the level of each limit by its text and its profile.
func builtInLimits(t *testing.T) map[string]map[string]string {
	t.Helper()
	levels := map[string]map[string]string{}
	for _, name := range profiles.Names() {
		p, err := profiles.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range p.Limits {
			if levels[limit.String()] == nil {
				levels[limit.String()] = map[string]string{}
			}
			levels[limit.String()][name] = string(limit.Level)
		}
	}
	return levels
}

// documentedLimits is the table of limits: levels by limit and profile, and the
// other columns by limit and heading.
type documentedLimits struct {
	levels, words map[string]map[string]string
}

// limitTable reads the table whose first heading is "limit". A dash stands for
// a limit that a profile does not have.
func limitTable(t *testing.T, path string) documentedLimits {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := documentedLimits{levels: map[string]map[string]string{}, words: map[string]map[string]string{}}
	var headings []string
	for line := range strings.Lines(string(text)) {
		cells := cellsOf(line)
		switch {
		case len(cells) > 0 && cells[0] == "limit":
			headings = cells
		case len(headings) == 0 || strings.HasPrefix(line, "|-"):
		case len(cells) == 0:
			return table
		case len(cells) != len(headings):
			t.Fatalf("%s: %d cells under %d headings: %s", path, len(cells), len(headings), line)
		default:
			table.add(headings, cells)
		}
	}
	return table
}

func (d documentedLimits) add(headings, cells []string) {
	limit := strings.Trim(cells[0], "`")
	d.levels[limit], d.words[limit] = map[string]string{}, map[string]string{}
	for i, heading := range headings[1:] {
		cell := cells[i+1]
		switch {
		case !slices.Contains(profiles.Names(), heading):
			d.words[limit][heading] = cell
		case cell != "–":
			d.levels[limit][heading] = cell
		}
	}
}

// cellsOf splits a row of a Markdown table; it is empty for any other line.
func cellsOf(line string) []string {
	inner, isRow := strings.CutPrefix(strings.TrimSpace(line), "|")
	if !isRow {
		return nil
	}
	cells := strings.Split(strings.TrimSuffix(inner, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}
