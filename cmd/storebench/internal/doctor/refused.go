package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"storebench/internal/serverlog"
	"storebench/results"
)

// refusal is a finding that a line says by itself: what the system, or the store,
// refused.
type refusal struct {
	name, what string
	signs      []sign
	storage    bool
	status     results.Status
	now, after string
}

// refusals in the order in which they matter: what comes first explains the others.
var refusals = []refusal{
	{"io-error", "the volume returns I/O errors", []sign{ioError}, true, results.Fail,
		"take the node out (lame duck: nats-server --signal ldm=PID); save dmesg; do not restart it on that volume", "replace the volume, let the node come back empty and catch up"},
	{"read-only", "the volume has turned read-only", []sign{readOnly}, true, results.Fail,
		"take the node out; dmesg tells why the kernel remounted it", "fsck or replace the volume before the server starts again"},
	{"stale-handle", "the network file system has lost its files (stale handle)", []sign{staleHandle}, true, results.Fail,
		"restart the node once the mount answers", "JetStream is not made for NFS: use a block volume"},
	{"out-of-space", "out of space", []sign{noSpace, overQuota, serverlog.OutOfResources, serverlog.LimitReached}, true, results.Fail,
		"df -h and df -i on the volume; grow it, or purge or shrink a stream (nats stream purge), then restart that server", "max_file_store under what the volume holds; max_bytes on every stream"},
	{"store-removed", "files of the store are gone while the server runs: a cleaner, a moved directory, a lost mount", []sign{gone, serverlog.FileMissing}, true, results.Fail,
		"look whether STORE_DIR is still there and mounted (findmnt -T STORE_DIR); stop whatever cleans it", "store_dir outside of /tmp; then restart that node, it catches up from the others"},
	{"encryption-key", "the store is encrypted and the key does not open it", []sign{serverlog.KeyMissing}, true, results.Fail,
		"start it with the key that it had (jetstream.key, prev_key); nothing was deleted", "where the key comes from at each start"},
	{"permission", "the server may not write its own files", []sign{denied, serverlog.PermissionDenied}, true, results.Fail,
		"ls -ln STORE_DIR; chown to the user that the server runs as (fsGroup in Kubernetes), then restart it", "what changed the owner"},
	{"descriptors", "out of file descriptors", []sign{tooManyOpen, serverlog.AcceptFailed}, false, results.Fail,
		"ls /proc/PID/fd | wc -l against ulimit -n; raise LimitNOFILE and restart", "the number of connections and of blocks"},
	{"server-defect", "nats-server refused a message itself and took that for a write error: a defect of the server, not the disk", []sign{refusedSize}, false, results.Fail,
		"restart that server: the error is held until then", "a newer nats-server; the message that was too large for the store"},
	{"corruption", "files of a store or of a Raft log are not as they were written", []sign{serverlog.DataDamaged, serverlog.RaftLogBroken, serverlog.StateDamaged}, true, results.Fail,
		"leave the other replicas alone; nats stream info: are two of three current?", "a copy of the directory before it is repaired; dmesg; was the volume shared, restored or cut off?"},
	{"account-limit", "an account or a stream has reached its limit", []sign{serverlog.AccountLimit}, false, results.Warn,
		"nats account info: which limit", "raise it, or discard old messages"},
}

// writeFailed is of writes whose error none of the refusals knows.
var writeFailed = refusal{"write-failed", "writes of a store or of a Raft log failed", writes[failed:], true, results.Fail,
	"dmesg and df -h on the node; a store that has a write error takes nothing until the server is started again", "the error in the line, and the volume: storebench check"}

// find is the refusal as the lines say it; nil where none does.
func (r refusal) find(in *incident) *Finding {
	t := in.sum(r.signs...)
	if t.count == 0 {
		return nil
	}
	f := in.finding(r.name, r.what, r.signs...)
	f.Status, f.Storage, f.Certainty = r.status, r.storage, Certain
	f.For = []string{counted(t.count, "line") + ", such as: " + t.example}
	f.Now, f.After = []string{r.now}, []string{r.after}
	if file := filePattern.FindString(t.example); file != "" {
		f.For = append(f.For, "file: "+strings.TrimRight(file, ":,;"))
	}
	r.explain(in, f)
	return f
}

var filePattern = regexp.MustCompile(`/\S*jetstream/\S+`)

// explain adds what the nodes' own start lines tell.
func (r refusal) explain(in *incident, f *Finding) {
	for _, v := range in.servers {
		if !slices.Contains(f.Nodes, v.key) {
			continue
		}
		switch r.name {
		case "out-of-space":
			full := v.signs[noSpace] != nil || v.signs[overQuota] != nil
			if !full {
				f.What = "max_file_store (or max_memory_store) is used up; the log shows no full volume"
			} else {
				f.What = "the volume is full"
			}
			if v.maxStorage > 0 {
				f.For = append(f.For, fmt.Sprintf("%s may store %s (Max Storage): compare with df", v.key, size(v.maxStorage)))
			}
		case "store-removed":
			if v.temporary || strings.HasPrefix(v.storeDir, "/tmp/") {
				f.For = append(f.For, v.key+" stores in "+v.storeDir+", which systems clean up")
			}
		case "encryption-key":
			if v.storeDir != "" && !v.encrypted {
				f.For = append(f.For, v.key+" started without a cipher: its start lines have no Encryption")
			}
		case "corruption":
			if v.signs[serverlog.DataDamaged] == nil && v.signs[serverlog.RaftLogBroken] == nil {
				f.Status, f.What = results.Warn, "state files were damaged and are rebuilt from the blocks"
			} else if v.signs[serverlog.DataDamaged] == nil {
				f.Certainty = Likely
				f.What = "a Raft log is not as it was written, and is cut or copied again"
				f.Against = []string{"a follower that was far behind resets its log as well"}
			}
		}
	}
}
