package serverlog

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loggedLine is a line as a version of nats-server prints it: with its format
// string, from arguments of the types that it has.
type loggedLine struct {
	version string
	level   Level
	by      speaker
	before  string // what the speaker puts before the line
	format  string
	args    []any
	want    Event // without level, time and text
}

const (
	v2103   = "v2.10.3"
	v210    = "v2.10.29"
	v211    = "v2.11.17"
	v2124   = "v2.12.4"
	v21215  = "v2.12.15"
	v214    = "v2.14.0"
	v2149   = "v2.14.9"
	current = "v2.15.3"

	ofStore  = "Filestore [ORDERS] "
	ofRaft   = "RAFT [cnrtt3eg - S-R3F-7vzGqwRW] "
	group    = "S-R3F-7vzGqwRW"
	ofRoute  = "10.42.0.7:6222 - rid:19 - "
	route    = "10.42.0.7:6222 - rid:19"
	ofClient = `10.42.0.9:51034 - cid:77 - "v1.55.0:go:pub - Readloop processing time: 9s" - "APP/user:joe" - `
	client   = "10.42.0.9:51034 - cid:77"
)

var errDisk = &fs.PathError{Op: "write", Path: "/data/jetstream/APP/streams/ORDERS/msgs/7.blk", Err: syscall.EIO}

func args(list ...any) []any { return list }

// took prints as nats-server's time.Since.
const took = 66*time.Second + 123456789

var loggedLines = []loggedLine{
	{current, Warning, store, ofStore, "WriteFullState took %v (%d bytes)", args(took.Round(time.Millisecond), 73_400_321), Event{Kind: StateWriteSlow, Subject: "ORDERS", Took: 66123 * time.Millisecond, Bytes: 73_400_321}},
	{v210, Warning, store, ofStore, "WriteFullState took %v (%d bytes)", args(time.Hour, 73), Event{Kind: StateWriteSlow, Subject: "ORDERS", Took: time.Hour, Bytes: 73}},
	{current, Warning, store, ofStore, "UpdateConfig took %v", args(61 * time.Second), Event{Kind: StoreWorkSlow, Subject: "ORDERS", Took: 61 * time.Second}},
	{v210, Warning, store, ofStore, "enforceMsgPerSubjectLimit took %v", args(61 * time.Second), Event{Kind: StoreWorkSlow, Subject: "ORDERS", Took: 61 * time.Second}},
	{current, Warning, store, ofStore, "Recovering stream state from index errored: %v", args(errors.New("prior state file")), Event{Kind: StateOutdated, Subject: "ORDERS"}},

	{current, Warning, server, "", "Metalayer snapshot generation took %.3fs (streams: %d, consumers: %d, marshal: %.3fs, s2: %.3fs, uncompressed: %s, compressed: %s)", args(2.5531, 4, 43, 2.1, 0.4, "1.50 GB", "128.00 MB"), Event{Kind: MetaSnapshotBuildSlow, Took: 2553 * time.Millisecond, Bytes: 128 << 20}},
	{v21215, Warning, server, "", "Metalayer snapshot generation took %.3fs (streams: %d, consumers: %d, marshal: %.3fs, s2: %.3fs, uncompressed: %s, compressed: %s)", args(2.5531, 4, 43, 2.1, 0.4, "1023 B", "73 B"), Event{Kind: MetaSnapshotBuildSlow, Took: 2553 * time.Millisecond, Bytes: 73}},
	{v2124, Warning, server, "", "Metalayer snapshot took %.3fs (streams: %d, consumers: %d, marshal: %.3fs, s2: %.3fs, uncompressed: %d, compressed: %d)", args(1.2, 40, 430, 1.0, 0.1, 9_000_000, 800_000), Event{Kind: MetaSnapshotBuildSlow, Took: 1200 * time.Millisecond, Bytes: 800_000}},
	{v210, Warning, server, "", "Metalayer snapshot took %.3fs (streams: %d, consumers: %d, marshal: %.3fs, s2: %.3fs, uncompressed: %d, compressed: %d)", args(11.0, 40, 430, 1.0, 0.1, 9_000_000, 800_000), Event{Kind: MetaSnapshotBuildSlow, Took: 11 * time.Second, Bytes: 800_000}},
	{current, Warning, server, "", "Metalayer async snapshot took %.3fs (streams: %d, consumers: %d, compacted: %s)", args(2.553, 4, 43, "8.25 MB"), Event{Kind: MetaSnapshotSlow, Took: 2553 * time.Millisecond, Bytes: 8_650_752}},
	{v21215, Warning, server, "", "Metalayer blocking snapshot took %.3fs (streams: %d, consumers: %d, compacted: %s)", args(0.004, 4, 43, "0 B"), Event{Kind: MetaSnapshotSlow, Took: 4 * time.Millisecond}},
	{current, Warning, server, "", "Metalayer blocking snapshot starting", nil, Event{Kind: MetaSnapshotBlocking}},
	{current, Warning, server, "", "JetStream cluster metalayer log size has exceeded async threshold (%s), will fall back to blocking snapshot", args("80.00 MB"), Event{Kind: MetaLogLarge, Bytes: 80 << 20}},
	{current, Warning, server, "", "Failed to install snapshot for '%s > %s' [%s]: %v", args("APP", "ORDERS", group, errDisk), Event{Kind: SnapshotFailed, Subject: "APP > ORDERS"}},
	{v2149, Warning, server, "", "Failed to install snapshot for '%s > %s' [%s]: %v, will fall back to blocking snapshot", args("APP", "ORDERS", group, errDisk), Event{Kind: SnapshotFailed, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "Failed to install snapshot for '%s > %s > %s' [%s]: %v", args("APP", "ORDERS", "mailer", "C-R3F-x", errDisk), Event{Kind: SnapshotFailed, Subject: "APP > ORDERS > mailer"}},
	{v214, Warning, server, "", "Error snapshotting JetStream cluster state: %v, will fall back to blocking snapshot", args(errDisk), Event{Kind: SnapshotFailed}},
	{current, Warning, server, "", "Error snapshotting JetStream cluster state: %v", args(errDisk), Event{Kind: SnapshotFailed}},
	{current, Warning, server, "", "Error generating JetStream cluster snapshot: %v", args(errDisk), Event{Kind: SnapshotFailed}},

	{current, Warning, server, "", "Internal subscription on %q took too long: %v", args("$NRG.P.7vzGqwRW", 2990*time.Millisecond), Event{Kind: SubscriptionSlow, Subject: "$NRG.P.7vzGqwRW", Took: 2990 * time.Millisecond}},
	{v210, Warning, server, "", "Internal subscription on %q took too long: %v", args(`odd"subject\`, 2*time.Second+1), Event{Kind: SubscriptionSlow, Subject: `odd"subject\`, Took: 2*time.Second + 1}},
	{current, Warning, connection, ofRoute, "Readloop processing time: %v", args(2990 * time.Millisecond), Event{Kind: ReadLoopSlow, Subject: route, Took: 2990 * time.Millisecond}},
	{current, Warning, connection, ofClient, "Readloop processing time: %v", args(took), Event{Kind: ReadLoopSlow, Subject: client, Took: took}},
	{v210, Warning, connection, "[fe80::1%eth0]:4222 - lid_ws:3 - ", "Readloop processing time: %v", args(3 * time.Second), Event{Kind: ReadLoopSlow, Subject: "[fe80::1%eth0]:4222 - lid_ws:3", Took: 3 * time.Second}},
	{current, Warning, server, "", "JetStream stream '%s > %s' has high message lag", args("$G", "ORDERS"), Event{Kind: StreamLag, Subject: "$G > ORDERS"}},
	{current, Warning, raft, ofRaft, "%d append entries pending", args(10_000), Event{Kind: AppendsPending, Subject: group, Count: 10_000}},
	{v2149, Warning, raft, ofRaft, "%d append entries pending, %s", args(812, "160.01 MB"), Event{Kind: AppendsPending, Subject: group, Count: 812, Bytes: 167_782_646}},
	{v214, Warning, raft, ofRaft, "Leader falling behind, stepping down: pindex %d, commit %d, applied %d, WAL size %s", args(250_001, 250_000, 149_000, "1.02 GB"), Event{Kind: LeaderOverrun, Subject: group, Count: 101_000, Bytes: 1_095_216_660}},
	{current, Warning, raft, ofRaft, "Leader falling behind, stepping down: pindex %d, commit %d, applied %d, WAL size %s", args(250_001, 150_000, 149_000, "1.02 GB"), Event{Kind: LeaderOverrun, Subject: group, Count: 100_001, Bytes: 1_095_216_660}},
	{current, Warning, raft, ofRaft, "Quorum paused, falling behind: commit %d != applied %d, WAL size %s", args(uint64(math.MaxUint64), uint64(math.MaxUint64-100_001), "16.00 EB"), Event{Kind: QuorumPaused, Subject: group, Count: 100_001, Bytes: math.MaxInt64}},
	{v2149, Warning, raft, ofRaft, "Quorum resumed: commit %d, applied %d, WAL size %s", args(109_000, 100_000, "512.00 KB"), Event{Kind: QuorumResumed, Subject: group, Count: 9_000, Bytes: 512 << 10}},
	{current, Warning, raft, ofRaft, "Learner overrun, truncating to snapshot %d and requesting catchup, WAL size %s", args(9, "2.00 TB"), Event{Kind: LearnerOverrun, Subject: group, Bytes: 2 << 40}},
	{v211, Warning, server, "", "Dropping messages due to excessive stream ingest rate on '%s' > '%s': %s", args("APP", "ORDERS", errors.New("IPQ len limit reached")), Event{Kind: IngestDropped, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "%s limit reached, dropping %d requests", args("Routed JS API Requests", 10_000), Event{Kind: APIQueueFull, Count: 10_000}},
	{v2124, Warning, server, "", "JetStream API queue limit reached, dropping %d requests", args(10_000), Event{Kind: APIQueueFull, Count: 10_000}},

	{v214, Error, store, ofStore, "Critical write error: %v", args(errDisk), Event{Kind: WriteError, Subject: "ORDERS"}},
	{v210, Error, raft, "RAFT [ - _meta_] ", "Critical write error: %v", args(errDisk), Event{Kind: WriteError, Subject: "_meta_"}},
	{v214, Error, server, "", "JetStream stream '%s > %s' critical write error: %v", args("APP", "ORDERS", errDisk), Event{Kind: WriteError, Subject: "APP > ORDERS"}},
	{current, Error, server, "", "JetStream consumer '%s > %s > %s' critical write error: %v", args("APP", "ORDERS", "mailer", errDisk), Event{Kind: WriteError, Subject: "APP > ORDERS > mailer"}},
	{current, Error, server, "", "JetStream cluster meta group critical write error: %v", args(errDisk), Event{Kind: WriteError}},
	{v2124, Error, server, "", "JetStream failed to store a msg on stream '%s > %s': %v", args("APP", "ORDERS", errDisk), Event{Kind: MessageNotStored, Subject: "APP > ORDERS"}},
	{v210, Warning, raft, ofRaft, "Error writing term and vote file for %q: %v", args(group, errDisk), Event{Kind: RaftStateNotWritten, Subject: group}},
	{current, Warning, raft, ofRaft, "Not granting vote for %q, could not persist term and vote: %v", args(group, errDisk), Event{Kind: RaftStateNotWritten, Subject: group}},
	{current, Warning, raft, ofRaft, "Not requesting votes for %q, could not persist term and vote: %v", args(group, errDisk), Event{Kind: RaftStateNotWritten, Subject: group}},
	{v210, Warning, raft, ofRaft, "Error writing peer state file for %q: %v", args(group, errDisk), Event{Kind: RaftStateNotWritten, Subject: group}},
	{current, Warning, raft, ofRaft, "Error storing entry to WAL: %v", args(errDisk), Event{Kind: RaftStateNotWritten, Subject: group}},
	{current, Warning, raft, ofRaft, "Corrupt WAL, will truncate", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Misaligned WAL, will truncate", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Error truncating WAL: %v", args(errDisk), Event{Kind: RaftLogBroken, Subject: group}},
	{v210, Warning, raft, ofRaft, "Resetting WAL state", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Snapshot corrupt, checksums did not match", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Snapshot corrupt, too short", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Error, server, "", "JetStream out of %s resources, will be DISABLED", args("File"), Event{Kind: OutOfResources, Subject: "File"}},
	{current, Error, server, "", "JetStream out of resources, will be DISABLED", nil, Event{Kind: OutOfResources}},
	{v210, Error, server, "", "JetStream out of space, will be DISABLED", nil, Event{Kind: OutOfResources}},
	{current, Error, server, "", "JetStream %s resource limits exceeded for server", args("file"), Event{Kind: LimitReached, Subject: "file"}},
	{v211, Error, server, "", "JetStream resource limits exceeded for server", nil, Event{Kind: LimitReached}},
	{current, Warning, store, ofStore, "File system permission denied when flushing stream state, disabling JetStream: %v", args(errDisk), Event{Kind: PermissionDenied, Subject: "ORDERS"}},
	{current, Warning, server, "", "Filesystem permission denied while writing msg, disabling JetStream: %v", args(errDisk), Event{Kind: PermissionDenied}},
	{v210, Error, server, "", "File system permission denied while writing, disabling JetStream", nil, Event{Kind: PermissionDenied}},

	{v210, Warning, raft, ofRaft, "Falling behind in health check, commit %d != applied %d", args(20_481, 11_204), Event{Kind: HealthBehind, Subject: group, Count: 9_277}},
	{current, Warning, raft, ofRaft, "Falling behind in health check, processed %d < leader index %d", args(11_204, 20_481), Event{Kind: HealthBehind, Subject: group}},
	{current, Warning, raft, ofRaft, "Health check OK, no longer falling behind", nil, Event{Kind: HealthRecovered, Subject: group}},
	{current, Warning, server, "", "Healthcheck failed: %q", args("JetStream stream 'APP > ORDERS' is not current"), Event{Kind: HealthcheckFailed}},
	{current, Warning, server, "", "Healthcheck failed: %d errors", args(3), Event{Kind: HealthcheckFailed, Count: 3}},
	{current, Warning, server, "", "JetStream cluster stream '%s > %s' has NO quorum, stalled", args("APP", "ORDERS"), Event{Kind: NoQuorum, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "JetStream cluster consumer '%s > %s > %s' has NO quorum, stalled.", args("APP", "ORDERS", "mailer"), Event{Kind: NoQuorum, Subject: "APP > ORDERS > mailer"}},
	{current, Info, server, "", "Catchup for stream '%s > %s' complete (took %v)", args("APP", "ORDERS", took.Round(time.Millisecond)), Event{Kind: CatchupDone, Subject: "APP > ORDERS", Took: 66123 * time.Millisecond}},
	{v2124, Info, server, "", "Catchup for stream '%s > %s' complete (took %v)", args("APP", "ORDERS", 812*time.Microsecond+5), Event{Kind: CatchupDone, Subject: "APP > ORDERS", Took: 812*time.Microsecond + 5}},
	{v210, Info, server, "", "Catchup for stream '%s > %s' complete", args("APP", "ORDERS"), Event{Kind: CatchupDone, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "Catchup for stream '%s > %s' stalled", args("APP", "ORDERS"), Event{Kind: CatchupStalled, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "Catchup for stream '%s > %s' was aborted on the remote due to: %q", args("APP", "ORDERS", []byte("raft: closed")), Event{Kind: CatchupAborted, Subject: "APP > ORDERS"}},
	{current, Info, server, "", "Catchup for stream '%s > %s' errored: %v (took %v)", args("APP", "ORDERS", errDisk, 3*time.Second), Event{Kind: CatchupFailed, Subject: "APP > ORDERS", Took: 3 * time.Second}},
	{v210, Warning, server, "", "Catchup for stream '%s > %s' errored, will retry: %v", args("APP", "ORDERS", errDisk), Event{Kind: CatchupFailed, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "Catchup for stream '%s > %s' errored, bad message: %v", args("APP", "ORDERS", errDisk), Event{Kind: CatchupFailed, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "Catchup for stream '%s > %s' errored, account resources exceeded: %v", args("APP", "ORDERS", errDisk), Event{Kind: CatchupFailed, Subject: "APP > ORDERS"}},
	{current, Info, connection, ofRoute, "Slow Consumer %s: WriteDeadline of %v exceeded with %d chunks of %d total bytes.", args("State", 10*time.Second, 31, 1_853_211), Event{Kind: SlowConsumer, Subject: route, Took: 10 * time.Second, Count: 31, Bytes: 1_853_211}},
	{v210, Info, connection, ofClient, "Slow Consumer Detected: WriteDeadline of %v exceeded with %d chunks of %d total bytes.", args(10*time.Second, 31, 1_853_211), Event{Kind: SlowConsumer, Subject: client, Took: 10 * time.Second, Count: 31, Bytes: 1_853_211}},
	{current, Info, connection, ofClient, "Slow Consumer Detected: MaxPending of %d Exceeded", args(64 << 20), Event{Kind: SlowConsumer, Subject: client, Bytes: 64 << 20}},
	{current, Info, connection, ofRoute, "Slow Consumer Recovered: Flush took %.3fs with %d chunks of %d total bytes.", args(12.0, 31, 1_853_211), Event{Kind: SlowConsumerRecovered, Subject: route, Took: 12 * time.Second, Count: 31, Bytes: 1_853_211}},
	{current, Warning, connection, ofClient, "Producer was stalled for a total of %v", args("5.25s - Account:APP - user:joe"), Event{Kind: ProducerStalled, Subject: client, Took: 5250 * time.Millisecond}},

	{current, Info, server, "", "Starting nats-server", nil, Event{Kind: Starting}},
	{current, Info, server, "", "  Version:  %s", args("2.15.2"), Event{Kind: Version, Subject: "2.15.2"}},
	{current, Info, server, "", "  Name:     %s", args("nats-0"), Event{Kind: ServerName, Subject: "nats-0"}},
	{current, Info, server, "", "Cluster name is %s", args("prod"), Event{Kind: ClusterName, Subject: "prod"}},
	{current, Info, server, "", `  Store Directory: "%s"`, args("/data/jet stream"), Event{Kind: StoreDirectory, Subject: "/data/jet stream"}},
	{current, Info, server, "", "  Encryption:      %s", args("ChaCha20-Poly1305"), Event{Kind: Encryption, Subject: "ChaCha20-Poly1305"}},
	{current, Info, server, "", "Listening for client connections on %s", args("0.0.0.0:4222"), Event{Kind: ClientListener, Subject: "0.0.0.0:4222"}},
	{current, Info, server, "", "Listening for route connections on %s", args("[::]:6222"), Event{Kind: RouteListener, Subject: "[::]:6222"}},
	{current, Info, server, "", "Starting %s monitor on %s", args("http", "127.0.0.1:8222"), Event{Kind: MonitorListener, Subject: "127.0.0.1:8222"}},
	{current, Info, server, "", "  Restored %s messages for stream '%s > %s' in %v", args("12,345,678", "APP", "ORDERS", 4321*time.Millisecond), Event{Kind: StreamRestored, Subject: "APP > ORDERS", Took: 4321 * time.Millisecond, Count: 12_345_678}},
	{v211, Info, server, "", "Took %s to start JetStream", args(1234567 * time.Nanosecond), Event{Kind: JetStreamStarted, Took: 1234567}},
	{current, Info, server, "", "Server is ready", nil, Event{Kind: Ready}},
	{current, Info, connection, ofRoute, "Route connection created", nil, Event{Kind: RouteCreated, Subject: route}},
	{current, Error, connection, ofRoute, "Remote server has a duplicate name: %q", args("nats-0"), Event{Kind: DuplicateName, Subject: "nats-0"}},
	{current, Info, server, "", "Self is new JetStream cluster metadata leader", nil, Event{Kind: MetaLeaderSelf}},
	{current, Info, server, "", "JetStream cluster new metadata leader: %s/%s", args("nats-2", "prod"), Event{Kind: MetaLeaderOther, Subject: "nats-2/prod"}},
	{v210, Info, server, "", "JetStream cluster new metadata leader: %s", args("nats-2"), Event{Kind: MetaLeaderOther, Subject: "nats-2"}},
	{current, Info, server, "", "JetStream cluster new remote metadata leader", nil, Event{Kind: MetaLeaderOther}},
	{current, Info, server, "", "JetStream cluster no metadata leader", nil, Event{Kind: MetaLeaderNone}},
	{current, Info, server, "", "JetStream cluster new stream leader for '%s > %s'", args("APP", "ORDERS"), Event{Kind: StreamLeader, Subject: "APP > ORDERS"}},
	{current, Info, server, "", "JetStream cluster new consumer leader for '%s > %s > %s'", args("APP", "ORDERS", "mailer"), Event{Kind: ConsumerLeader, Subject: "APP > ORDERS > mailer"}},
	{current, Warning, server, "", "Detected unsupported stream '%s > %s': %s", args("APP", "ORDERS", "unsupported - required API level: 9, current API level: 4"), Event{Kind: Unsupported, Subject: "APP > ORDERS"}},
	{v2124, Warning, server, "", "  Detected unsupported stream '%s > %s': %s", args("APP", "ORDERS", "unsupported"), Event{Kind: Unsupported, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "Detected unsupported consumer '%s > %s > %s': %s", args("APP", "ORDERS", "mailer", "unsupported"), Event{Kind: Unsupported, Subject: "APP > ORDERS > mailer"}},
	{current, Warning, server, "", "  Detected unsupported consumer '%s > %s > %s': %s", args("APP", "ORDERS", "mailer", "unsupported"), Event{Kind: Unsupported, Subject: "APP > ORDERS > mailer"}},

	{current, Fatal, server, "", "Error listening on port: %s, %q", args("127.0.0.1:4222", errors.New("listen tcp 127.0.0.1:4222: bind: address already in use")), Event{Kind: AddressInUse, Subject: "127.0.0.1:4222"}},
	{current, Fatal, server, "", "Error listening on port: %s, %q", args("10.9.9.9:4222", errors.New("listen tcp 10.9.9.9:4222: bind: cannot assign requested address")), Event{Kind: ListenFailed, Subject: "10.9.9.9:4222"}},
	{current, Fatal, server, "", "Error listening on router port: %d - %v", args(6222, errors.New("listen tcp 127.0.0.1:6222: bind: Only one usage of each socket address (protocol/network address/port) is normally permitted")), Event{Kind: AddressInUse, Subject: "6222"}},
	{current, Fatal, server, "", "Error listening on leafnode port: %d - %v", args(7422, errDisk), Event{Kind: ListenFailed, Subject: "7422"}},
	{current, Fatal, server, "", "Error listening on gateway port: %d - %v", args(7222, errDisk), Event{Kind: ListenFailed, Subject: "7222"}},
	{current, Fatal, server, "", "Can't start monitoring: %v", args(errors.New("can't listen to the monitor port: listen tcp 127.0.0.1:8222: bind: address already in use")), Event{Kind: AddressInUse}},
	{current, Fatal, server, "", "Can't start JetStream: %v", args(errors.New("could not create storage directory - mkdir /data: read-only file system")), Event{Kind: JetStreamFailed}},
	{current, Fatal, server, "", "Could not write pidfile: %v", args(errDisk), Event{Kind: Died}},
	{current, Info, server, "", "Trapped %q signal", args(syscall.SIGTERM), Event{Kind: Signal, Subject: "terminated"}},
	{current, Info, server, "", "Entering lame duck mode, stop accepting new clients", nil, Event{Kind: LameDuck}},
	{current, Info, server, "", "Initiating Shutdown...", nil, Event{Kind: ShuttingDown}},
	{current, Info, server, "", "JetStream Shutdown", nil, Event{Kind: JetStreamStopped}},
	{current, Error, server, "", "JetStream being DISABLED, our server was removed from the cluster", nil, Event{Kind: RemovedFromMeta}},
	{current, Info, server, "", "Server Exiting..", nil, Event{Kind: Exiting}},
	{current, Unknown, outside, "", "nats-server: v%s\n", args("2.15.2"), Event{Kind: Version, Subject: "2.15.2"}},
	{current, Unknown, outside, "", "nats-server: %s", args("nats.conf:3:1: unknown field \"jetsream\""), Event{Kind: StartFailed}},
	{current, Unknown, outside, "", "panic: %v", args("runtime error: invalid memory address or nil pointer dereference"), Event{Kind: Panic}},
	{current, Unknown, outside, "", "fatal error: %s", args("runtime: out of memory"), Event{Kind: Panic}},

	{current, Warning, store, ofStore, "Stream state outdated, last block has additional entries, will rebuild", nil, Event{Kind: StateOutdated, Subject: "ORDERS"}},
	{v210, Warning, store, ofStore, "Stream state outdated, found extra blocks, will rebuild", nil, Event{Kind: StateOutdated, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state block does not exist or index mismatch", nil, Event{Kind: StateOutdated, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state has no checksum present", nil, Event{Kind: StateOutdated, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "TTL state is outdated; attempting to recover using linear scan (seq %d to %d)", args(1, 9), Event{Kind: StateOutdated, Subject: "ORDERS"}},
	{v2124, Warning, store, ofStore, "Message scheduling state is outdated; attempting to recover using linear scan (seq %d to %d)", args(1, 9), Event{Kind: StateOutdated, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state too short (%d bytes)", args(7), Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{v210, Warning, store, ofStore, "Stream state checksum did not match", nil, Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state magic and version mismatch", nil, Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state corrupt subject detected", nil, Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state error decoding avl dmap: %v", args(errDisk), Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state encountered internal inconsistency on recover", nil, Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state encountered internal inconsistency on write", nil, Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Could not read stream state file: %v", args(errDisk), Event{Kind: StateDamaged, Subject: "ORDERS"}},
	{v214, Error, server, "", "Failed to flush pending data for '%s > %s' [%s]: %v", args("APP", "ORDERS", group, errDisk), Event{Kind: SnapshotFailed, Subject: "APP > ORDERS"}},
	{current, Warning, raft, ofRaft, "Error writing commit file for %q: %v", args(group, errDisk), Event{Kind: RaftStateNotWritten, Subject: group}},
	{current, Error, server, "", "Error creating filestore WAL: %v", args(errDisk), Event{Kind: RaftStateNotWritten}},
	{current, Warning, raft, ofRaft, "Snapshot with last index 0 is invalid, cleaning up", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Error reading snapshot: %v", args(errDisk), Event{Kind: RaftLogBroken, Subject: group}},
	{v210, Warning, raft, ofRaft, "Could not load %d from WAL [%+v]: %v", args(5, struct{ Msgs, First int }{7, 1}, errDisk), Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Got an error loading %d index: %v", args(5, errDisk), Event{Kind: RaftLogBroken, Subject: group}},
	{v210, Warning, raft, ofRaft, "Got an error loading %d index: %v - will reset", args(5, errDisk), Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Wrong index, ae is %+v, index stored was %d, n.pindex is %d, will reset", args(struct{ leader string }{"a"}, 7, 8), Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Commit file corrupt, checksums did not match", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Commit file corrupt, too short", nil, Event{Kind: RaftLogBroken, Subject: group}},
	{current, Warning, raft, ofRaft, "Request from follower for entry at index [%d] errored for state %+v - %v", args(5, struct{ Msgs int }{7}, errDisk), Event{Kind: RaftCatchupFailed, Subject: group}},
	{current, Warning, raft, ofRaft, "Could not find a starting entry for catchup request: %v", args(errDisk), Event{Kind: RaftCatchupFailed, Subject: group}},
	{current, Warning, raft, ofRaft, "Canceling catchup for %q, could not subscribe to progress inbox: %v", args("6DVFpukC", errDisk), Event{Kind: RaftCatchupFailed, Subject: group}},
	{v210, Error, raft, ofRaft, "Error sending snapshot to follower [%s]: %v", args("6DVFpukC", errDisk), Event{Kind: RaftCatchupFailed, Subject: group}},
	{current, Warning, raft, ofRaft, "Expected first catchup entry to be a snapshot and peerstate, will retry", nil, Event{Kind: RaftCatchupFailed, Subject: group}},
	{current, Warning, raft, ofRaft, "Draining and replaying snapshot", nil, Event{Kind: SnapshotReplayed, Subject: group}},
	{v210, Error, raft, ofRaft, "Got an error applying commit for %d: %v", args(5, errDisk), Event{Kind: ApplyFailed, Subject: group}},
	{current, Warning, raft, ofRaft, "Got error on apply commit during replay: %v", args(errDisk), Event{Kind: ApplyFailed, Subject: group}},
	{current, Error, server, "", "Error applying stream entries to '%s > %s': %v", args("APP", "ORDERS", errDisk), Event{Kind: ApplyFailed, Subject: "APP > ORDERS"}},
	{v2124, Warning, server, "", "Error applying entries to '%s > %s': %v", args("APP", "ORDERS", errDisk), Event{Kind: ApplyFailed, Subject: "APP > ORDERS"}},
	{current, Error, server, "", "Error applying consumer entries to '%s > %s': %v", args("APP", "mailer", errDisk), Event{Kind: ApplyFailed, Subject: "APP > mailer"}},
	{v210, Warning, server, "", "Error applying consumer entries to '%s > %s'", args("APP", "mailer"), Event{Kind: ApplyFailed, Subject: "APP > mailer"}},
	{current, Error, server, "", "Error applying JetStream cluster entries: %v", args(errDisk), Event{Kind: ApplyFailed}},
	{current, Warning, store, ofStore, "loadBlock error: %v", args(errDisk), Event{Kind: DataDamaged, Subject: "ORDERS"}},
	{v214, Warning, store, ofStore, "checkMsgs: %v", args(errDisk), Event{Kind: DataDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Stream state detected prior state, could not locate msg block %d", args(7), Event{Kind: DataDamaged, Subject: "ORDERS"}},
	{v210, Warning, store, ofStore, "Detected skew in subject-based total (%d) vs raw total (%d), rebuilding", args(7, 8), Event{Kind: DataDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "indexCacheBuf corrupt record state in %s: dlen %d slen %d index %d rl %d lbuf %d", args("/data/7.blk", 1, 2, 3, 4, 5), Event{Kind: DataDamaged, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "indexCacheBuf corrupt state in %s: mb.first %d mb.last %d", args("/data/7.blk", 9, 8), Event{Kind: DataDamaged, Subject: "ORDERS"}},
	{current, Warning, server, "", "  Missing stream metafile for %q", args("/data/meta.inf"), Event{Kind: DataDamaged, Subject: "/data/meta.inf"}},
	{current, Warning, server, "", "  Missing stream checksum file %q", args("/data/meta.sum"), Event{Kind: DataDamaged, Subject: "/data/meta.sum"}},
	{v210, Warning, server, "", "  Stream metafile %q: checksums do not match %q vs %q", args("/data/meta.inf", "a", "b"), Event{Kind: DataDamaged, Subject: "/data/meta.inf"}},
	{current, Warning, server, "", "  Error recreating stream %q: %v", args("ORDERS", errDisk), Event{Kind: DataDamaged, Subject: "ORDERS"}},
	{current, Warning, server, "", "Detected bad stream state, resetting '%s > %s'", args("APP", "ORDERS"), Event{Kind: StreamReset, Subject: "APP > ORDERS"}},
	{v210, Warning, server, "", "Resetting stream cluster state for '%s > %s'", args("APP", "ORDERS"), Event{Kind: StreamReset, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "  Error decrypting our stream metafile: %v", args(errors.New("chacha20poly1305: message authentication failed")), Event{Kind: KeyMissing}},
	{v210, Warning, server, "", "  Error decrypting our consumer metafile: %v", args(errDisk), Event{Kind: KeyMissing}},
	{current, Warning, server, "", "  Bad stream encryption key length of %d", args(3), Event{Kind: KeyMissing}},
	{current, Warning, store, ofStore, "Stream state error reading encryption key: %v", args(errDisk), Event{Kind: KeyMissing, Subject: "ORDERS"}},
	{current, Warning, store, ofStore, "Resource not found: %v", args(errDisk), Event{Kind: FileMissing, Subject: "ORDERS"}},
	{current, Warning, raft, ofRaft, "Resource not found: %v", args(errDisk), Event{Kind: FileMissing, Subject: group}},
	{current, Error, server, "", "Temporary %s Accept Error(%v), sleeping %dms", args("Client", errors.New("accept tcp: too many open files"), 10), Event{Kind: AcceptFailed}},
	{current, Warning, server, "", "JetStream account limits exceeded for '%s': %s", args("APP", "maximum bytes exceeded"), Event{Kind: AccountLimit, Subject: "APP"}},
	{v2124, Warning, server, "", "JetStream %s resource limits exceeded for account: %q", args("file", "APP"), Event{Kind: AccountLimit, Subject: "APP"}},
	{v211, Warning, server, "", "JetStream resource limits exceeded for account: %q", args("APP"), Event{Kind: AccountLimit, Subject: "APP"}},
	{current, Warning, server, "", "Stream '%s > %s' errored, account resources exceeded", args("APP", "ORDERS"), Event{Kind: AccountLimit, Subject: "APP > ORDERS"}},
	{v2103, Warning, server, "", "JetStream stream '%s > %s' is not current", args("APP", "ORDERS"), Event{Kind: NotCurrent, Subject: "APP > ORDERS"}},
	{v2103, Warning, server, "", "JetStream consumer '%s > %s > %s' is not current", args("APP", "ORDERS", "mailer"), Event{Kind: NotCurrent, Subject: "APP > ORDERS > mailer"}},
	{current, Info, server, "", "  Max Storage:     %s", args("1.00 TB"), Event{Kind: MaxStorage, Bytes: 1 << 40}},
	{current, Warning, server, "", "Temporary storage directory used, data could be lost on system reboot", nil, Event{Kind: TemporaryStore}},
	{current, Info, server, "", "JetStream cluster bootstrapping", nil, Event{Kind: Bootstrapping}},
	{v210, Info, server, "", "JetStream cluster recovering state", nil, Event{Kind: Recovering}},
	{current, Info, server, "", "  Starting restore for stream '%s > %s'", args("APP", "ORDERS"), Event{Kind: RestoreStarting, Subject: "APP > ORDERS"}},
	{current, Warning, server, "", "Detected orphaned stream '%s > %s', will cleanup", args("APP", "ORDERS"), Event{Kind: Orphaned, Subject: "APP > ORDERS"}},
	{v210, Warning, server, "", "Detected orphaned durable consumer '%s > %s > %s', will cleanup", args("APP", "ORDERS", "mailer"), Event{Kind: Orphaned, Subject: "APP > ORDERS > mailer"}},
	{current, Info, connection, ofRoute, "Route connection created (%s)", args("nats-2"), Event{Kind: RouteCreated, Subject: route}},
	{current, Info, connection, ofRoute, "%s connection closed: %s", args("Router", "Stale Connection"), Event{Kind: RouteClosed, Subject: "Stale Connection"}},
	{current, Info, connection, ofRoute, "%s connection closed: %s", args("Router", "Duplicate Route - Remote: nats-2"), Event{Kind: RouteClosed, Subject: "Duplicate Route"}},
	{current, Info, connection, ofClient, "%s connection closed: %s", args("Client", "Client Closed"), Event{Kind: Other}},
	{current, Warning, raft, ofRaft, "Detected another leader with higher term, will stepdown", nil, Event{Kind: SteppedDown, Subject: group}},
	{current, Info, server, "", "Initiating JetStream Shutdown...", nil, Event{Kind: JetStreamStopping}},

	{current, Info, server, "", "  Max Memory:      %s", args("1.00 TB"), Event{Kind: Other}},
	{current, Warning, raft, ofRaft, "Could not parse snapshot peerstate correctly", nil, Event{Kind: Other}},
}

func (l loggedLine) name() string {
	return fmt.Sprintf("%s %s", l.version, l.before+l.format)
}

func (l loggedLine) text() string {
	return strings.TrimSuffix(l.before+fmt.Sprintf(l.format, l.args...), "\n")
}

// logged is the line as it stands in the log.
func (l loggedLine) logged() string {
	if l.level == Unknown {
		return l.text()
	}
	return "[1] 2026/11/22 06:31:08.123456 " + label(l.level) + " " + l.text() + "\n"
}

func label(level Level) string {
	for text, l := range labels {
		if l == level {
			return text
		}
	}
	return ""
}

func TestLines(t *testing.T) {
	for _, l := range loggedLines {
		t.Run(l.name(), func(t *testing.T) {
			want := l.want
			want.Level, want.Text = l.level, l.text()
			if l.level != Unknown {
				want.Process = 1
				want.At = time.Date(2026, 11, 22, 6, 31, 8, 123456000, time.UTC)
			}
			if diff := cmp.Diff(want, Parse(l.logged())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLinesInSource holds the lines above, which the tests stand on, against the
// source of their versions, as far as the module cache holds it.
func TestLinesInSource(t *testing.T) {
	byVersion := map[string][]loggedLine{}
	for _, l := range loggedLines {
		byVersion[l.version] = append(byVersion[l.version], l)
	}
	for version, lines := range byVersion {
		t.Run(version, func(t *testing.T) {
			if testing.Short() && version != current {
				t.Skip("reads the source of other versions")
			}
			src := oldSource(t, version)
			for _, l := range lines {
				r := rule{by: l.by, format: strings.TrimSuffix(l.format, "\n")}
				if err := src.check(r); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestEveryRuleHasALine: a rule without a line above is not tested.
func TestEveryRuleHasALine(t *testing.T) {
	list := matchers()
	used := make([]bool, len(list))
	for _, l := range loggedLines {
		var e Event
		i := slices.IndexFunc(list, func(m matcher) bool { return m.by.outside == l.by.outside && m.match(l.text(), &e) })
		if i >= 0 {
			used[i] = true
		}
	}
	for i, m := range list {
		if !used[i] {
			t.Errorf("no line for %s: %q", m.kind, m.format)
		}
	}
}

func TestStorage(t *testing.T) {
	tests := []struct {
		name string
		e    Event
		want bool
	}{
		{"a write", Event{Kind: StateWriteSlow}, true},
		{"what waits for it", Event{Kind: ReadLoopSlow, Subject: client}, true},
		{"a route that is not read", Event{Kind: SlowConsumer, Subject: route}, true},
		{"a client that does not read", Event{Kind: SlowConsumer, Subject: client}, false},
		{"a catch-up that went well", Event{Kind: CatchupDone}, false},
		{"a start", Event{Kind: Ready}, false},
		{"no rule", Event{Kind: Other, Level: Error, Text: "disk"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.e.Storage(); got != tt.want {
				t.Errorf("Storage() is %v", got)
			}
		})
	}
	for kind := range storageKinds {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.kind == kind }) {
			t.Errorf("no rule makes %s", kind)
		}
	}
}

// TestStorageWarnings: each warning and error of a line above that names a store,
// a log, a write or a wait is one of storage's; the few that are not are named.
func TestStorageWarnings(t *testing.T) {
	not := []Kind{
		HealthcheckFailed, ProducerStalled, DuplicateName, Unsupported, RemovedFromMeta, AcceptFailed, AccountLimit,
		TemporaryStore, Orphaned, SteppedDown, Other,
	}
	for _, l := range loggedLines {
		if l.level != Warning && l.level != Error {
			continue
		}
		if got, want := Parse(l.logged()).Storage(), !slices.Contains(not, l.want.Kind); got != want {
			t.Errorf("Storage() is %v of %q", got, l.text())
		}
		if e := Parse(l.logged()); e.Grave() && (!e.Storage() || e.Took > 0 && e.Kind != CatchupFailed) {
			t.Errorf("%q is grave; want only lines of storage whose gravity no duration tells", l.text())
		}
	}
}

// TestDurations: what nats-server prints of a duration is read as it was.
func TestDurations(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	list := []time.Duration{0, 1, 999, 1000, 1001, 999999, 1e6, 1e9 - 1, 1e9, 60e9, 3600e9, math.MaxInt64, -1, math.MinInt64}
	for range 2000 {
		list = append(list, time.Duration(random.Int64()>>random.IntN(63)))
	}
	for _, want := range list {
		if got := Parse(fmt.Sprintf("[WRN] Internal subscription on %q took too long: %v", "x", want)); got.Took != want || got.Kind != SubscriptionSlow {
			t.Errorf("%v is read as %v", want, got.Took)
		}
		if want = want.Round(time.Millisecond); want.Abs() > 1<<53 {
			continue // %.3f of its seconds has fewer digits than it
		}
		if got := Parse(fmt.Sprintf("[WRN] Metalayer async snapshot took %.3fs (streams: 1, consumers: 1, compacted: 0 B)", want.Seconds())); got.Took != want || got.Kind != MetaSnapshotSlow {
			t.Errorf("%.3fs is read as %v", want.Seconds(), got.Took)
		}
	}
}

func TestNumbersTooLarge(t *testing.T) {
	tests := []struct {
		text string
		want Event
	}{
		{"Metalayer async snapshot took 99999999999999.000s (streams: 1, consumers: 1, compacted: 99999999.00 EB)", Event{Kind: MetaSnapshotSlow, Took: math.MaxInt64, Bytes: math.MaxInt64}},
		{"Metalayer async snapshot took -99999999999999.000s (streams: 1, consumers: 1, compacted: -99999999.00 EB)", Event{Kind: MetaSnapshotSlow, Took: math.MinInt64, Bytes: math.MinInt64}},
		{"RAFT [a - b] 99999999999999999999 append entries pending", Event{Kind: AppendsPending, Subject: "b", Count: math.MaxInt64}},
		{"RAFT [a - b] Falling behind in health check, commit 18446744073709551615 != applied 1", Event{Kind: HealthBehind, Subject: "b", Count: math.MaxInt64}},
		{"RAFT [a - b] Falling behind in health check, commit 1 != applied 2", Event{Kind: HealthBehind, Subject: "b"}},
	}
	for _, tt := range tests {
		tt.want.Level, tt.want.Text = Warning, tt.text
		if diff := cmp.Diff(tt.want, Parse("[WRN] "+tt.text)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
