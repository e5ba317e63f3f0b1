package render

import (
	"io"

	"storebench/results"
)

var _ = register(Format{Name: "json", Ext: ".json", Summary: "the run document: everything measured, and the verdict", Render: renderJSON})

// renderJSON writes the run document, which storebench report reads again.
func renderJSON(w io.Writer, r Report) error {
	data, err := results.Encode(r.Run)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
