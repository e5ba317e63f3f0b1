package results_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"

	"storebench/results"
	"storebench/results/corpus"
)

var updateCorpus = flag.Bool("update-corpus", false, "write the table of the corpus anew")

// TestCorpus judges every recorded run anew. No verdict may be wrong, and the table of
// what is decided is kept: a change of rules shows what it did to it.
func TestCorpus(t *testing.T) {
	const dir = "testdata/corpus"
	entries, err := corpus.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		t.Fatal("the corpus is empty")
	}
	var rows []*tallied
	byName := map[string]*tallied{}
	all := &tallied{name: "all"}
	for _, e := range entries {
		run, err := e.Run(dir)
		if err != nil {
			t.Fatal(err)
		}
		name := e.Volume + "\t" + e.Profile
		if byName[name] == nil {
			byName[name] = &tallied{name: name}
			rows = append(rows, byName[name])
		}
		v := results.Judge(run)
		byName[name].add(e, v)
		all.add(e, v)
		if e.Answered(v) == corpus.Wrong {
			t.Errorf("%s: the verdict is %s, right is one of %v", e.File, v.Status, e.Want)
		}
	}
	compareTable(t, filepath.Join(dir, "table.txt"), table(append(rows, all)))
}

// tallied counts the answers of a row.
type tallied struct {
	name                string
	answers             [corpus.Wrong + 1]int
	causes, rightCauses int
}

func (c *tallied) add(e corpus.Entry, v results.Verdict) {
	c.answers[e.Answered(v)]++
	right, asked := e.Causes(v)
	c.rightCauses, c.causes = c.rightCauses+right, c.causes+asked
}

func table(rows []*tallied) []byte {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "volume\tprofile\texpected\tpartly\tundecided\twrong\tcause right")
	for _, c := range rows {
		name := c.name
		if !strings.Contains(name, "\t") {
			name += "\t"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d of %d\n", name, c.answers[corpus.Expected], c.answers[corpus.Partly], c.answers[corpus.Undecided], c.answers[corpus.Wrong], c.rightCauses, c.causes)
	}
	_ = w.Flush() // a buffer takes all
	return out.Bytes()
}

func compareTable(t *testing.T, path string, got []byte) {
	t.Helper()
	t.Logf("\n%s", got)
	if *updateCorpus {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the rules answer otherwise than before; where that is meant, go test ./results -run Corpus -update-corpus\n%s", diff)
	}
}
