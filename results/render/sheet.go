package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// sheet is a table with free lines between its rows, for what would make a
// column too wide.
type sheet struct {
	table table.Writer
	head  int // lines above the rows
	rows  int
	free  map[int][]string // lines before the row of that number
}

// newSheet returns a sheet with the heads of its columns; without any it has none.
func newSheet(header ...any) *sheet {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.Options{SeparateHeader: true}
	t.Style().Box.PaddingLeft = ""
	t.Style().Box.PaddingRight = "  "
	t.Style().Format.Header = text.FormatDefault
	s := &sheet{table: t, free: map[int][]string{}}
	if len(header) > 0 {
		t.AppendHeader(header)
		s.head = 2 // lines: the header and the rule below it
	}
	return s
}

// alignRight aligns columns to the right; the first is number 1.
func (s *sheet) alignRight(columns ...int) {
	var configs []table.ColumnConfig
	for _, n := range columns {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	s.table.SetColumnConfigs(configs)
}

// row adds a row of the table. A line break would make two rows of one.
func (s *sheet) row(cells ...string) {
	row := make(table.Row, len(cells))
	for i, cell := range cells {
		row[i] = strings.ReplaceAll(cell, "\n", " ")
	}
	s.table.AppendRow(row)
	s.rows++
}

// line adds a free line, folded where it is long.
func (s *sheet) line(indent, body string) {
	var folded strings.Builder
	paragraph(&folded, "", indent, body)
	s.free[s.rows] = append(s.free[s.rows], folded.String())
}

// write writes the sheet, one with a head after an empty line.
func (s *sheet) write(w io.Writer) {
	if s.head > 0 {
		fmt.Fprintln(w)
	}
	for i, line := range strings.Split(s.table.Render(), "\n") {
		if i >= s.head {
			s.writeFree(w, i-s.head)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	s.writeFree(w, s.rows)
}

func (s *sheet) writeFree(w io.Writer, row int) {
	for _, line := range s.free[row] {
		fmt.Fprint(w, line)
	}
}
