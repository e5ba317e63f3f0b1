package doctor

import (
	"maps"
	"slices"
	"strings"
	"time"

	"storebench/internal/serverlog"
)

// node is what the lines of one server tell.
type node struct {
	key         string
	names       map[string]bool // that the server gave itself
	version     string
	versionAt   time.Time
	storeDir    string
	encrypted   bool
	maxStorage  int64
	temporary   bool
	lines       int64
	first, last time.Time
	cells       map[cellKey]*tally
	marks       []mark
	endings     []ending
	pending     map[string][]sample
}

// cellKey is a sign in a step of time; lines without a time stand at the zero one.
type cellKey struct {
	at   time.Time
	sign sign
}

// mark is a line of a server's life.
type mark struct {
	at      time.Time
	kind    serverlog.Kind
	process int
}

// ending is a slow line: what it tells of ended when it was written.
type ending struct {
	at   time.Time
	took time.Duration
	loop bool   // of a connection, else of a subject
	of   string // which one
}

// sample is how much a group had pending.
type sample struct {
	at       time.Time
	n, bytes int64
}

const (
	maxMarks   = 4_000
	maxEndings = 8_000
	maxGroups  = 200
	maxSamples = 100
)

func newNode(key string) *node {
	return &node{key: key, names: map[string]bool{}, cells: map[cellKey]*tally{}, pending: map[string][]sample{}}
}

// nodeName is the server in what a collector puts before a line: of a pod its name.
func nodeName(source string) string {
	source = strings.TrimPrefix(source, "pod/")
	for _, cut := range []string{"/", " ", "›", "│"} {
		source, _, _ = strings.Cut(source, cut)
	}
	return source
}

// lifeKinds are those of which every line is kept.
var lifeKinds = map[serverlog.Kind]bool{
	serverlog.Starting: true, serverlog.Ready: true, serverlog.ShuttingDown: true, serverlog.Exiting: true, serverlog.Signal: true,
	serverlog.LameDuck: true, serverlog.Bootstrapping: true, serverlog.Recovering: true, serverlog.Panic: true, serverlog.Died: true,
	serverlog.StartFailed: true, serverlog.JetStreamFailed: true, serverlog.AddressInUse: true,
}

// take counts a line.
func (n *node) take(e serverlog.Event, l *Logs) {
	n.lines++
	n.first, n.last = earliest(n.first, e.At), latest(n.last, e.At)
	n.learn(e)
	if e.At.IsZero() && e.Storage() {
		l.undated++
	}
	if lifeKinds[e.Kind] && len(n.marks) < maxMarks {
		n.marks = append(n.marks, mark{e.At, e.Kind, e.Process})
	}
	switch e.Kind {
	case serverlog.ReadLoopSlow, serverlog.SubscriptionSlow:
		if len(n.endings) < maxEndings && !e.At.IsZero() {
			n.endings = append(n.endings, ending{e.At, e.Took, e.Kind == serverlog.ReadLoopSlow, brief(e.Subject)})
		}
	case serverlog.AppendsPending:
		n.sample(e)
	}
	if e.Kind != serverlog.Other && !quietKinds[e.Kind] {
		n.count(e.Kind, e, l)
	}
	for _, s := range signsOf(e) {
		n.count(s, e, l)
	}
}

// quietKinds are those of every server's start, which tell nothing by their number.
var quietKinds = map[serverlog.Kind]bool{
	serverlog.Version: true, serverlog.ServerName: true, serverlog.ClusterName: true, serverlog.StoreDirectory: true,
	serverlog.Encryption: true, serverlog.ClientListener: true, serverlog.RouteListener: true, serverlog.MonitorListener: true,
	serverlog.MaxStorage: true,
}

// learn takes what a server says of itself at its start.
func (n *node) learn(e serverlog.Event) {
	switch e.Kind {
	case serverlog.ServerName:
		if len(n.names) < maxSubjects {
			n.names[e.Subject] = true
		}
	case serverlog.Version:
		if n.version == "" || !e.At.Before(n.versionAt) {
			n.version, n.versionAt = e.Subject, e.At
		}
	case serverlog.StoreDirectory:
		n.storeDir = e.Subject
	case serverlog.Encryption:
		n.encrypted = true
	case serverlog.MaxStorage:
		n.maxStorage = e.Bytes
	case serverlog.TemporaryStore:
		n.temporary = true
	}
}

func (n *node) count(s sign, e serverlog.Event, l *Logs) {
	key := cellKey{sign: s}
	if !e.At.IsZero() {
		key.at = e.At.Truncate(l.step)
	}
	t := newTally(e)
	if cell := n.cells[key]; cell != nil {
		cell.add(t)
		return
	}
	n.cells[key] = &t
	l.cells++
	l.crowded()
}

// widen puts cells of the same step together.
func (n *node) widen(step time.Duration) {
	wide := make(map[cellKey]*tally, len(n.cells)/2)
	for key, t := range n.cells {
		key.at = key.at.Truncate(step)
		if cell := wide[key]; cell != nil {
			cell.add(*t)
		} else {
			wide[key] = t
		}
	}
	n.cells = wide
}

// sample keeps how much is pending; of too many samples every second one goes.
func (n *node) sample(e serverlog.Event) {
	list := n.pending[e.Subject]
	if list == nil && len(n.pending) >= maxGroups || e.At.IsZero() {
		return
	}
	if list = append(list, sample{e.At, e.Count, e.Bytes}); len(list) > maxSamples {
		for i := range maxSamples / 2 {
			list[i] = list[2*i]
		}
		list = list[:maxSamples/2]
	}
	n.pending[e.Subject] = list
}

// name is what the server calls itself, if that is one name.
func (n *node) name() string {
	if len(n.names) == 1 {
		for name := range n.names {
			return name
		}
	}
	return n.key
}

// merge adds what another stream of the same server's lines tells.
func (n *node) merge(o *node) {
	if o.version != "" && (n.version == "" || o.versionAt.After(n.versionAt)) {
		n.version, n.versionAt = o.version, o.versionAt
	}
	if n.storeDir == "" {
		n.storeDir = o.storeDir
	}
	n.maxStorage = max(n.maxStorage, o.maxStorage)
	n.encrypted, n.temporary = n.encrypted || o.encrypted, n.temporary || o.temporary
	n.lines += o.lines
	n.first, n.last = earliest(n.first, o.first), latest(n.last, o.last)
	for key, t := range o.cells {
		if cell := n.cells[key]; cell != nil {
			cell.add(*t)
		} else {
			n.cells[key] = t
		}
	}
	n.marks = append(n.marks, o.marks...)
	n.endings = append(n.endings, o.endings...)
	for group, list := range o.pending {
		n.pending[group] = append(n.pending[group], list...)
	}
}

// servers are the nodes by their names, each one once, in order.
func (l *Logs) servers() []*node {
	byName := map[string]*node{}
	for _, key := range slices.Sorted(maps.Keys(l.nodes)) {
		n := l.nodes[key]
		name := n.name()
		if l.Node != nil && !l.Node(name) {
			continue
		}
		if same := byName[name]; same != nil {
			same.merge(n)
			continue
		}
		n.key = name
		byName[name] = n
	}
	var list []*node
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		n := byName[name]
		slices.SortStableFunc(n.marks, func(a, b mark) int { return a.at.Compare(b.at) })
		slices.SortStableFunc(n.endings, func(a, b ending) int { return a.at.Compare(b.at) })
		for _, list := range n.pending {
			slices.SortStableFunc(list, func(a, b sample) int { return a.at.Compare(b.at) })
		}
		list = append(list, n)
	}
	return list
}
