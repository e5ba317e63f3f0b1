package render

import (
	"fmt"
	"io"
	"os"
	"time"

	"storebench/results"
)

// oneLine is a whole format. In a file of its own it would register itself:
//
//	var _ = register(Format{Name: "line", Ext: ".line", Summary: "the verdict in a line", Render: oneLine})
func oneLine(w io.Writer, r Report) error {
	_, err := fmt.Fprintf(w, "%s: %s\n", verdictWord(r.Verdict), sentence(r))
	return err
}

// A format writes a report: a run, and the verdict on it.
func Example() {
	run := &results.Run{Ended: time.Now()}
	run.Profile.Name = "mine"
	if err := oneLine(os.Stdout, NewReport(run)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// INCONCLUSIVE: this run cannot tell whether the volume sustains what profile mine asks
}
