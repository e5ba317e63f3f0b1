package render

import "io"

var _ = register(Format{Name: "brief", Ext: ".brief.txt", Summary: "the verdict and what does not hold, as --quiet shows", Render: renderBrief})

// renderBrief is the text report without all that holds: for a container's
// termination message, a chat, a person in a hurry.
func renderBrief(w io.Writer, r Report) error {
	r.Detail = Brief
	return renderText(w, r)
}
