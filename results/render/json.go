package render

import (
	"bytes"
	"encoding/json"
	"io"

	"storebench/results"
)

var _ = register(Format{Name: "json", Ext: ".json", Summary: "the run document: everything measured, and the verdict", Render: renderJSON, Compare: compareJSON})

// renderJSON writes the run document, which storebench report reads again.
func renderJSON(w io.Writer, r Report) error {
	data, err := results.Encode(r.Run)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// compareJSON writes the comparison. It is no run document: a reader of those
// refuses it.
func compareJSON(w io.Writer, c Comparison) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(c.Comparison); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}
