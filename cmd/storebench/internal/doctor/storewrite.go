package doctor

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"storebench/internal/storedir"
	"storebench/results"
)

// WriteInspection writes an inspection in a format: text, json, markdown or csv. top bounds
// the rows of each table; 0 writes all.
func WriteInspection(w io.Writer, format string, i *Inspection, top int) error {
	var page strings.Builder
	switch format {
	case "text":
		i.text(&page, top)
	case "markdown":
		i.markdown(&page, top)
	case "csv":
		if err := i.csv(&page); err != nil {
			return err
		}
	case "json":
		enc := json.NewEncoder(&page)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(i); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the format %s cannot tell a store; text, json, markdown and csv can", format)
	}
	_, err := io.WriteString(w, page.String())
	return err
}

// tables are what text and Markdown show, in order.
func (i *Inspection) tables(top int) []storeTable {
	return []storeTable{i.streams(top), i.groups(top), i.costs()}
}

// storeTable is a table with a title, its first column and those of right.
type storeTable struct {
	header []string
	right  []int // columns aligned to the right, from 1
	rows   [][]string
	more   string // what was left out
}

func (i *Inspection) streams(top int) storeTable {
	t := storeTable{
		header: []string{"stream", "R", "messages", "bytes", "blocks", "subjects", "deletes", "consumers", "state file", "notes"},
		right:  []int{2, 3, 4, 5, 6, 7, 8},
	}
	all := slices.Clone(i.Store.Streams)
	slices.SortStableFunc(all, func(a, b storedir.Stream) int { return int(min(max(b.Blocks.Bytes-a.Blocks.Bytes, -1), 1)) })
	shown := all
	if top > 0 && len(all) > top {
		shown = all[:top]
		t.more = fmt.Sprintf("and %s smaller streams (--top 0 shows all)", number(int64(len(all)-top)))
	}
	for _, s := range shown {
		replicas, messages, subjects, deletes := "?", "?", "?", "?"
		if s.Config != nil {
			replicas = fmt.Sprint(s.Config.Replicas)
		}
		if s.State != nil {
			messages, subjects, deletes = number(int64(s.State.Messages)), number(int64(s.State.Subjects)), number(int64(s.State.Deletes))
		}
		t.rows = append(t.rows, []string{
			s.Account + " > " + s.Name, replicas, messages, size(s.Blocks.Bytes), number(int64(s.Blocks.Count)), subjects, deletes,
			number(int64(len(s.Consumers))), stateWords(s.StateFile, i.At), streamNotes(s),
		})
	}
	return t
}

// stateWords are a state file's size and age, and what is wrong with it.
func stateWords(f storedir.StateFile, now time.Time) string {
	words := []string{}
	if !f.Written.IsZero() {
		words = append(words, size(f.Bytes), ago(now.Sub(f.Written)))
	}
	if f.Outdated {
		words = append(words, "outdated")
	}
	if f.Trouble != "" {
		words = append(words, f.Trouble)
	}
	return strings.Join(words, ", ")
}

// ago is how long ago something was, by its largest unit.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s ago", max(0, d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%.0f min ago", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h ago", d.Hours())
	}
	return fmt.Sprintf("%.0f days ago", d.Hours()/24)
}

func streamNotes(s storedir.Stream) string {
	var notes []string
	if s.Cipher != "" {
		notes = append(notes, "encrypted ("+string(s.Cipher)+")")
	}
	if s.Config != nil {
		if c := s.Config.Compression; c != "" && c != "none" {
			notes = append(notes, "compression "+c)
		}
		if s.Config.Retention != "" && s.Config.Retention != "limits" {
			notes = append(notes, s.Config.Retention)
		}
	}
	return strings.Join(notes, ", ")
}

func (i *Inspection) groups(top int) storeTable {
	t := storeTable{header: []string{"Raft group", "of", "term", "log", "entries", "snapshot"}, right: []int{3, 4, 5, 6}}
	all := slices.Clone(i.Store.Groups)
	slices.SortStableFunc(all, func(a, b storedir.Group) int {
		return int(min(max(b.Log.Bytes+b.Snapshot-a.Log.Bytes-a.Snapshot, -1), 1))
	})
	shown := all
	if top > 0 && len(all) > top {
		shown = all[:top]
		t.more = fmt.Sprintf("and %s smaller groups", number(int64(len(all)-top)))
	}
	for _, g := range shown {
		entries, snapshot := "?", "none"
		if g.Entries != nil {
			entries = number(int64(*g.Entries))
		}
		if g.Snapshot > 0 {
			snapshot = size(g.Snapshot) + ", " + ago(i.At.Sub(g.Snapped))
		}
		of := g.Of
		if of == "" {
			of = g.Kind
		}
		t.rows = append(t.rows, []string{g.Name, of, number(int64(g.Term)), size(g.Log.Bytes), entries, snapshot})
	}
	return t
}

func (i *Inspection) costs() storeTable {
	t := storeTable{header: []string{"what it will cost", "files", "bytes", "syncs", "time", ""}, right: []int{2, 3, 4, 5}}
	blank := func(n int64, words string) string {
		if n == 0 {
			return ""
		}
		return words
	}
	for _, c := range i.Costs {
		if c.Files+c.Bytes+c.Syncs == 0 {
			continue
		}
		took := ""
		switch {
		case c.Seconds >= 1:
			took = short(time.Duration(c.Seconds * float64(time.Second)))
		case c.Seconds > 0:
			took = "under 1 s"
		}
		t.rows = append(t.rows, []string{c.Event, blank(c.Files, number(c.Files)), blank(c.Bytes, size(c.Bytes)), blank(c.Syncs, number(c.Syncs)), took, c.Note})
	}
	return t
}

// summary is the store in a line.
func (i *Inspection) summary() string {
	consumers := 0
	for _, s := range i.Store.Streams {
		consumers += len(s.Consumers)
	}
	words := fmt.Sprintf("%s, %s, %s, %s in %s files", counted(int64(len(i.Store.Streams)), "stream"), counted(int64(consumers), "consumer"),
		counted(int64(len(i.Store.Groups)), "Raft group"), size(i.Store.Bytes), number(i.Store.Files))
	if !i.Store.NewestTime.IsZero() {
		words += ", last written " + ago(i.At.Sub(i.Store.NewestTime))
	}
	if i.Store.LeftOut > 0 {
		words += fmt.Sprintf(" (%s left out)", counted(int64(i.Store.LeftOut), "stream"))
	}
	return words
}

// verdict is what the findings come to.
func (i *Inspection) verdict() string {
	switch {
	case i.Status == results.Fail:
		return "FAIL: something here is broken, or about to be"
	case len(i.Findings) > 0:
		return "WARN: something here will cost more than it should"
	}
	return "PASS: nothing here is known to be wrong"
}

// maxOf is how many names a finding shows.
const maxOf = 5

func (f StoreFinding) of() string {
	if len(f.Of) <= maxOf {
		return strings.Join(f.Of, "; ")
	}
	return strings.Join(f.Of[:maxOf], "; ") + fmt.Sprintf("; and %s more (-o json has all)", number(int64(len(f.Of)-maxOf)))
}

func (i *Inspection) text(w io.Writer, top int) {
	fmt.Fprintln(w, i.verdict())
	paragraph(w, "store     ", printable(i.Store.Path)+": "+i.summary())
	for _, f := range i.Findings {
		fmt.Fprintln(w)
		paragraph(w, strings.ToUpper(f.Status.String())+"  ", f.What)
		for _, l := range []line{{"of", f.of()}, {"why", f.Why + " (" + f.Source + ")"}, {"to do", f.Do}} {
			paragraph(w, fmt.Sprintf("  %-6s", l.word), printable(l.text))
		}
	}
	for _, t := range i.tables(top) {
		t.text(w)
	}
	if d := i.Store.Deep; d != nil {
		fmt.Fprintln(w)
		paragraph(w, "deep      ", deepWords(d))
	}
	if unread := i.unread(); len(unread) > 0 {
		fmt.Fprintln(w, "\ncould not be read, or was passed over")
		for _, u := range unread {
			paragraph(w, "  - ", printable(u))
		}
	}
}

func deepWords(d *storedir.Deep) string {
	words := fmt.Sprintf("%s records in %s were read (%s), %d damaged", number(d.Records), counted(d.Blocks, "block"), size(d.Bytes), int64(len(d.Damage))+d.More)
	if d.Encrypted > 0 {
		words += fmt.Sprintf("; %s are encrypted and say nothing without their key", counted(d.Encrypted, "block"))
	}
	return words
}

// unread is what could not be read, each with its reason.
func (i *Inspection) unread() (all []string) {
	for n, u := range i.Store.Unread {
		if n == 2*maxOf {
			return append(all, fmt.Sprintf("and %s more (-o json has all)", number(int64(len(i.Store.Unread)-n))))
		}
		all = append(all, u.Path+": "+u.Reason)
	}
	return all
}

func (t storeTable) text(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	p := newTable(t.right...)
	header := table.Row{}
	for _, h := range t.header {
		header = append(header, h)
	}
	p.AppendHeader(header)
	for _, row := range t.rows {
		cells := table.Row{}
		for _, cell := range row {
			cells = append(cells, printable(cell))
		}
		p.AppendRow(cells)
	}
	fmt.Fprintln(w)
	for l := range strings.SplitSeq(p.Render(), "\n") {
		fmt.Fprintln(w, strings.TrimRight(l, " "))
	}
	if t.more != "" {
		fmt.Fprintln(w, t.more)
	}
}

// newTable is a table in the style of all texts, with columns aligned to the right.
func newTable(right ...int) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.Options{SeparateHeader: true}
	t.Style().Box.PaddingLeft = ""
	t.Style().Box.PaddingRight = "  "
	t.Style().Format.Header = text.FormatDefault
	var configs []table.ColumnConfig
	for _, n := range right {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	return t
}

// printable keeps names from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func (i *Inspection) markdown(w io.Writer, top int) {
	fmt.Fprintf(w, "## storebench inspect: %s\n\n%s: %s\n", i.verdict(), escape(i.Store.Path), i.summary())
	for _, f := range i.Findings {
		fmt.Fprintf(w, "\n**%s** %s\n\n- of: %s\n- why: %s (%s)\n- to do: %s\n", strings.ToUpper(f.Status.String()), escape(f.What), escape(f.of()), escape(f.Why), escape(f.Source), escape(f.Do))
	}
	for _, t := range i.tables(top) {
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n| %s |\n|%s\n", strings.Join(t.header, " | "), strings.Repeat(" --- |", len(t.header)))
		for _, row := range t.rows {
			cells := make([]string, len(row))
			for n, cell := range row {
				cells[n] = escape(printable(cell))
			}
			fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
		}
		if t.more != "" {
			fmt.Fprintf(w, "\n%s\n", t.more)
		}
	}
	if d := i.Store.Deep; d != nil {
		fmt.Fprintf(w, "\n%s\n", deepWords(d))
	}
	for _, u := range i.unread() {
		fmt.Fprintf(w, "\n- %s\n", escape(printable(u)))
	}
}

// csv is a row a stream, all of them, with plain numbers; empty is unknown.
func (i *Inspection) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{
		"account", "stream", "replicas", "retention", "cipher", "compression", "messages", "first_seq", "last_seq", "subjects", "interior_deletes",
		"blocks", "block_bytes", "largest_block_bytes", "small_blocks", "consumers", "state_bytes", "state_written", "outdated",
	}}
	for _, s := range i.Store.Streams {
		var c storedir.Config
		if s.Config != nil {
			c = *s.Config
		}
		row := []string{s.Account, s.Name, plainNumber(int64(c.Replicas), s.Config != nil), c.Retention, string(s.Cipher), c.Compression}
		var st storedir.State
		if s.State != nil {
			st = *s.State
		}
		for _, n := range []uint64{st.Messages, st.First, st.Last, st.Subjects, st.Deletes} {
			row = append(row, plainNumber(int64(n), s.State != nil))
		}
		for _, n := range []int64{int64(s.Blocks.Count), s.Blocks.Bytes, s.Blocks.Largest, int64(s.Blocks.Small), int64(len(s.Consumers)), s.StateFile.Bytes} {
			row = append(row, plainNumber(n, true))
		}
		written := ""
		if !s.StateFile.Written.IsZero() {
			written = s.StateFile.Written.Format(time.RFC3339)
		}
		rows = append(rows, append(row, written, fmt.Sprint(s.StateFile.Outdated)))
	}
	for _, row := range rows {
		for n, cell := range row {
			row[n] = printable(cell)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func plainNumber(n int64, known bool) string {
	if !known {
		return ""
	}
	return fmt.Sprint(n)
}
