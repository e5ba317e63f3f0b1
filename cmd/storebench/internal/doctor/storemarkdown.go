package doctor

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

func (i *Inspection) writeMarkdown(w io.Writer) {
	fmt.Fprintf(w, "## %s: %s\n\n%s\n", statusWords[i.Status], plain(i.sentence()), plain(i.summary()))
	for _, f := range i.Findings {
		fmt.Fprintf(w, "\n### %s (%s)\n\n", f.Name, f.Status)
		for _, l := range f.lines() {
			fmt.Fprintf(w, "- %s\n", strings.TrimPrefix("**"+l.word+"** "+plain(l.text), "**** "))
		}
	}
	fmt.Fprint(w, "\n### What it will cost\n\n")
	for _, c := range i.Costs {
		fmt.Fprintf(w, "- **%s** %s\n", plain(c.Title), plain(c.sentence()))
	}
	for _, g := range i.grids() {
		if len(g.rows) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n### %s\n\n", plain(g.title))
		g.writeMarkdown(w)
		if g.more > 0 {
			fmt.Fprintf(w, "\n… and %s\n", counted(int64(g.more), "more row"))
		}
	}
}

// plain is a text that is neither Markdown nor a control sequence.
func plain(text string) string { return escape(visible(text)) }

func (g grid) writeMarkdown(w io.Writer) {
	rules := make([]string, len(g.head))
	for n := range rules {
		rules[n] = "---"
		if slices.Contains(g.right, n+1) {
			rules[n] = "--:"
		}
	}
	for _, row := range slices.Concat([][]string{g.head, rules}, g.rows) {
		fmt.Fprint(w, "|")
		for _, cell := range row {
			fmt.Fprintf(w, " %s |", plain(cell))
		}
		fmt.Fprintln(w)
	}
}

// writeCSV writes a line for every stream, figures without units: bytes, seconds, counts.
// An empty cell is what is not known.
func (i *Inspection) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	err := out.Write([]string{
		"account", "stream", "replicas", "retention", "compression", "cipher", "bytes", "files", "blocks", "block_bytes", "largest_block", "block_size",
		"small_blocks", "messages", "message_bytes", "first_seq", "last_seq", "subjects", "deletes", "state_bytes", "state_age_seconds", "next_start", "consumers", "group",
	})
	if err != nil {
		return err
	}
	for _, s := range i.Store.Streams {
		var config, state, file [7]string
		if c := s.Config; c != nil {
			config = [7]string{fmt.Sprint(c.Replicas), c.Retention, c.Compression}
		}
		if st := s.Log.State; st != nil {
			file = [7]string{fmt.Sprint(st.Bytes), fmt.Sprint(int64(i.Store.ReadAt.Sub(st.Written) / time.Second))}
			if st.Known {
				state = [7]string{fmt.Sprint(st.Msgs), fmt.Sprint(st.MsgBytes), fmt.Sprint(st.First), fmt.Sprint(st.Last), fmt.Sprint(st.Subjects), fmt.Sprint(st.Deleted)}
			}
		}
		l := s.Log
		row := slices.Concat([]string{harmlessCell(s.Account), harmlessCell(s.Name)}, config[:3], []string{string(s.Cipher)}, numbers(s.Bytes, s.Files, l.Blocks, l.BlockBytes, l.Largest, l.BlockSize, l.Small),
			state[:6], file[:2], []string{nextStart(l)}, numbers(int64(len(s.Consumers))), []string{harmlessCell(s.Group)})
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func numbers(list ...int64) (texts []string) {
	for _, n := range list {
		texts = append(texts, fmt.Sprint(n))
	}
	return texts
}

// harmlessCell keeps a name from being run as a formula by a spreadsheet.
func harmlessCell(name string) string {
	if name != "" && strings.ContainsRune("=+-@", rune(name[0])) {
		name = "'" + name
	}
	return visible(name)
}
