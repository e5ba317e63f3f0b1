package doctor

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"

	"storebench/internal/storedir"
)

// grid is a table as every format shows it.
type grid struct {
	title string
	head  []string
	right []int // columns that hold numbers, from 1
	rows  [][]string
	more  int // rows that were left out
}

func (i *Inspection) writeText(w io.Writer) {
	paragraph(w, fmt.Sprintf("%-10s", statusWords[i.Status]), visible(i.sentence()))
	paragraph(w, "store     ", visible(i.summary()))
	for _, f := range i.Findings {
		fmt.Fprintf(w, "\n%s (%s)\n", f.Name, f.Status)
		for _, l := range f.lines() {
			paragraph(w, fmt.Sprintf("  %-10s", l.word), visible(l.text))
		}
	}
	fmt.Fprintln(w, "\nWhat it will cost")
	for _, c := range i.Costs {
		paragraph(w, fmt.Sprintf("  %-31s", c.Title), visible(c.sentence()))
	}
	for _, g := range i.grids() {
		if len(g.rows) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", g.title)
		g.writeText(w)
		if g.more > 0 {
			fmt.Fprintf(w, "… and %s (--top 0 shows all)\n", counted(int64(g.more), "more row"))
		}
	}
}

func (g grid) writeText(w io.Writer) {
	t := newTable(g.right...)
	t.AppendHeader(cells(g.head))
	for _, r := range g.rows {
		t.AppendRow(cells(r))
	}
	renderTable(w, t)
}

func cells(texts []string) table.Row {
	var row table.Row
	for _, text := range texts {
		row = append(row, visible(text))
	}
	return row
}

func (f StoreFinding) lines() []line {
	lines := []line{{"what", f.What}}
	for _, where := range f.Where {
		lines = append(lines, line{"", where})
	}
	return append(lines, line{"threshold", f.Threshold}, line{"reason", f.Reason}, line{"source", f.Source}, line{"change", f.Change})
}

func (i *Inspection) sentence() string {
	var told []string
	for _, f := range i.Findings {
		told = append(told, f.What)
	}
	if told == nil {
		return "nothing about this store stands out"
	}
	return strings.Join(told, "; ")
}

func (i *Inspection) summary() string {
	s := i.Store
	accounts, consumers := map[string]bool{}, 0
	for _, stream := range s.Streams {
		accounts[stream.Account] = true
		consumers += len(stream.Consumers)
	}
	text := fmt.Sprintf("%s: %s in %s; %s, %s, %s, %s", s.Dir, size(s.Bytes), counted(s.Files, "file"),
		counted(int64(len(accounts)), "account"), counted(int64(len(s.Streams)), "stream"), counted(int64(consumers), "consumer"), counted(int64(len(s.Groups)), "Raft group"))
	if d := s.Deep; d != nil {
		text += fmt.Sprintf("; %s in %s read (%s), %s encrypted and not checked", counted(d.Records, "record"), counted(d.Blocks, "block"), size(d.Bytes), counted(d.Encrypted, "block"))
	}
	if i.Free != nil {
		text += "; " + size(i.Free.Bytes) + " free"
	}
	return text
}

// grids are the tables: streams, consumers, groups, what could not be read.
func (i *Inspection) grids() []grid {
	return []grid{i.streamGrid(), i.consumerGrid(), i.groupGrid(), i.unreadGrid()}
}

// shown are the first rows that a person wants.
func (i *Inspection) shown(n int) int {
	if i.Top > 0 {
		return min(n, i.Top)
	}
	return n
}

func (i *Inspection) streamGrid() grid {
	n := i.shown(len(i.Store.Streams))
	g := grid{
		title: "Streams, the largest first",
		head:  []string{"account > stream", "R", "retention", "on disk", "messages", "first", "last", "subjects", "deletes", "blocks", "block size", "small", "kind", "state", "age", "next start", "consumers"},
		right: []int{2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 17}, more: len(i.Store.Streams) - n,
	}
	for _, s := range i.Store.Streams[:n] {
		g.rows = append(g.rows, i.streamRow(s))
	}
	return g
}

func (i *Inspection) streamRow(s storedir.Stream) []string {
	replicas, retention, kind := "?", "?", "plain"
	if s.Config != nil {
		replicas, retention = strconv.Itoa(s.Config.Replicas), s.Config.Retention
		if s.Config.Compression != "none" {
			kind = s.Config.Compression
		}
	}
	if s.Cipher != storedir.Plain {
		kind = strings.TrimPrefix(kind+" ", "plain ") + string(s.Cipher)
	}
	blockSize, small := "?", "?"
	if s.Log.BlockSize > 0 {
		blockSize, small = size(s.Log.BlockSize), number(s.Log.Small)
	}
	known := []string{"?", "?", "?", "?", "?"}
	if st := s.Log.State; st != nil && st.Known {
		known = []string{number(int64(st.Msgs)), number(int64(st.First)), number(int64(st.Last)), number(int64(st.Subjects)), number(int64(st.Deleted))}
	}
	state, age := "none", ""
	if st := s.Log.State; st != nil {
		state, age = size(st.Bytes), short(i.Store.ReadAt.Sub(st.Written).Round(time.Second))
	}
	row := append([]string{s.Account + " > " + s.Name, replicas, retention, size(s.Bytes)}, known...)
	return append(row, number(s.Log.Blocks), blockSize, small, kind, state, age, nextStart(s.Log), number(int64(len(s.Consumers))))
}

// nextStart says what a start would do with the log as it lies there.
func nextStart(l storedir.Log) string {
	switch {
	case l.State == nil && l.Blocks == 0:
		return "empty"
	case l.State == nil:
		return "reads all blocks"
	case l.State.Outdated == "" && !l.State.Known:
		return "should use state"
	case l.State.Outdated == "":
		return "uses state"
	case l.State.Guessed:
		return "may read all blocks"
	}
	return "reads all blocks"
}

func (i *Inspection) consumerGrid() grid {
	g := grid{title: "Consumers, the largest state first", head: []string{"account > stream > consumer", "state", "delivered", "acknowledged", "pending", "redelivered"}, right: []int{2, 3, 4, 5, 6}}
	all := i.largestConsumers()
	n := i.shown(len(all))
	g.more = len(all) - n
	for _, c := range all[:n] {
		row := []string{c.name, size(c.StateBytes), "?", "?", "?", "?"}
		if st := c.State; st != nil {
			row = []string{c.name, size(c.StateBytes), number(int64(st.DeliveredStream)), number(int64(st.AckedStream)), number(int64(st.Pending)), number(int64(st.Redelivered))}
		}
		g.rows = append(g.rows, row)
	}
	return g
}

func (i *Inspection) groupGrid() grid {
	n := i.shown(len(i.Store.Groups))
	g := grid{
		title: "Raft groups, the largest first",
		head:  []string{"group", "of", "term", "peers", "entries", "log", "blocks", "snapshot", "age", "index", "next start"},
		right: []int{3, 4, 5, 6, 7, 8, 9, 10}, more: len(i.Store.Groups) - n,
	}
	for _, group := range i.Store.Groups[:n] {
		entries, snap, age, index := "?", "none", "", ""
		if group.Entries != nil {
			entries = number(int64(*group.Entries))
		}
		if s := group.Snapshot; s != nil {
			snap, age, index = size(s.Bytes), short(i.Store.ReadAt.Sub(s.Written).Round(time.Second)), number(int64(s.Index))
		}
		g.rows = append(g.rows, []string{group.Name, group.Asset, number(int64(group.Term)), strconv.Itoa(group.Peers), entries, size(group.Log.BlockBytes), number(group.Log.Blocks), snap, age, index, nextStart(group.Log)})
	}
	return g
}

func (i *Inspection) unreadGrid() grid {
	u := i.Store.Unread
	n := i.shown(len(u.Items))
	g := grid{title: fmt.Sprintf("Not read: %s", number(u.Count)), head: []string{"path", "why"}, more: int(u.Count) - n}
	for _, item := range u.Items[:n] {
		g.rows = append(g.rows, []string{item.Path, item.Why})
	}
	return g
}

// namedConsumer is a consumer with its full name.
type namedConsumer struct {
	storedir.Consumer
	name string
}

func (i *Inspection) largestConsumers() []namedConsumer {
	var all []namedConsumer
	for _, s := range i.Store.Streams {
		for _, c := range s.Consumers {
			all = append(all, namedConsumer{c, s.Account + " > " + s.Name + " > " + c.Name})
		}
	}
	slices.SortStableFunc(all, func(a, b namedConsumer) int { return cmp.Compare(b.StateBytes, a.StateBytes) })
	return all
}

// visible keeps control characters and invalid UTF-8 of a name from the terminal.
func visible(text string) string {
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !utf8.ValidString(text[i:min(len(text), i+utf8.RuneLen(r))]):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return out.String()
}
