package render

import (
	"io"

	"storebench/results"
)

var _ = register(Format{Name: "log", Ext: ".log", Summary: "the text report and after it the run as text, for a container's log; storebench collect takes it out", Render: renderLog})

// renderLog writes the report for whoever reads the log, and the document for
// whoever wants to judge the run again when the container is gone.
func renderLog(w io.Writer, r Report) error {
	r.Colour = false
	if err := renderText(w, r); err != nil {
		return err
	}
	data, err := results.Logged(r.Run)
	if err != nil {
		return err
	}
	_, err = w.Write(append([]byte("\n"), data...))
	return err
}
