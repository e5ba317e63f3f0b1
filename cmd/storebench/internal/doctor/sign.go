package doctor

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"storebench/internal/serverlog"
)

// sign is what a line is a sign of: its kind, or one of those below, which the text
// of several kinds may hold.
type sign = serverlog.Kind

// Signs that no kind tells.
const (
	ioError     sign = "errno: input/output error"
	readOnly    sign = "errno: read-only file system"
	noSpace     sign = "errno: no space left on device"
	overQuota   sign = "errno: disk quota exceeded"
	denied      sign = "errno: permission denied"
	gone        sign = "errno: no such file or directory"
	staleHandle sign = "errno: stale file handle"
	tooManyOpen sign = "errno: too many open files"
	refusedSize sign = "nats-server: message too large or not found"

	raftSlow   sign = "subscription-slow: $NRG" // of SubscriptionSlow those of Raft
	lockWait   sign = "meta-snapshot: waited"   // of MetaSnapshotBuildSlow those that waited
	routeSlow  sign = "slow-consumer: route"    // of SlowConsumer those between servers
	clientSlow sign = "slow-consumer: client"
	routeLost  sign = "route-closed: lost" // of RouteClosed those that nobody asked for
)

// errnos are how operating systems word what they refuse.
var errnos = []struct {
	text string
	sign sign
}{
	{"input/output error", ioError},
	{"read-only file system", readOnly},
	{"no space left on device", noSpace},
	{"not enough space on the disk", noSpace},
	{"disk quota exceeded", overQuota},
	{"permission denied", denied},
	{"operation not permitted", denied},
	{"no such file or directory", gone},
	{"stale NFS file handle", staleHandle},
	{"stale file handle", staleHandle},
	{"too many open files", tooManyOpen},
}

// notFiles are kinds whose text names errors that no file system made.
var notFiles = map[serverlog.Kind]bool{
	serverlog.ListenFailed: true, serverlog.AddressInUse: true, serverlog.StartFailed: true, serverlog.RouteClosed: true,
	serverlog.SlowConsumer: true, serverlog.SubscriptionSlow: true,
}

// signsOf are those of a line besides its kind.
func signsOf(e serverlog.Event) (signs []sign) {
	switch e.Kind {
	case serverlog.SubscriptionSlow:
		if strings.HasPrefix(e.Subject, "$NRG.") {
			signs = append(signs, raftSlow)
		}
	case serverlog.MetaSnapshotBuildSlow:
		if waited(e) {
			signs = append(signs, lockWait)
		}
	case serverlog.SlowConsumer:
		if e.Storage() {
			signs = append(signs, routeSlow)
		} else {
			signs = append(signs, clientSlow)
		}
	case serverlog.RouteClosed:
		if lostRoutes.MatchString(e.Subject) {
			signs = append(signs, routeLost)
		}
	case serverlog.WriteError, serverlog.MessageNotStored:
		if strings.HasSuffix(e.Text, ": message too large") || strings.HasSuffix(e.Text, ": no message found") {
			signs = append(signs, refusedSize)
		}
	}
	if e.Level >= serverlog.Warning && !notFiles[e.Kind] && (e.Kind != serverlog.Other || aboutFiles(e.Text)) {
		for _, errno := range errnos {
			if strings.Contains(e.Text, errno.text) {
				return append(signs, errno.sign)
			}
		}
	}
	return signs
}

// lostRoutes are the reasons for which a route is closed though both servers live.
var lostRoutes = regexp.MustCompile(`^(?:Stale Connection|Slow Consumer|Read Error|Write Error|Write Deadline|Parse Error)`)

// aboutFiles reports whether a line that no rule knows names a file of a store.
func aboutFiles(text string) bool {
	return strings.Contains(text, "jetstream") || strings.Contains(text, ".blk") || strings.Contains(text, "JetStream")
}

var snapshotWork = regexp.MustCompile(`^Metalayer snapshot took .*marshal: (\d+\.\d+)s, s2: (\d+\.\d+)s`)

// waited reports whether most of a meta snapshot's time was a wait for JetStream's
// lock: up to v2.12.4 its figure counts that too, and the files of a new Raft group
// were made under that lock.
func waited(e serverlog.Event) bool {
	m := snapshotWork.FindStringSubmatch(e.Text)
	if m == nil {
		return false
	}
	marshal, _ := strconv.ParseFloat(m[1], 64)
	s2, _ := strconv.ParseFloat(m[2], 64)
	return time.Duration((marshal+s2)*float64(time.Second)) < e.Took/2
}
