package serverlog

import "regexp"

// Kind is what a line tells. The values are stable names, fit for a document.
type Kind string

// Lines that no rule knows.
const (
	Other Kind = "other"
	Died  Kind = "died" // a fatal line that no other rule knows
)

// Storage, and what waits for it. The Subject of a store is the name of a stream
// without its account, or of the Raft group whose log the store is; that of a
// Raft line is the group; that of a stream is "ACCOUNT > STREAM". Thresholds are
// those of v2.15.3.
const (
	// StateWriteSlow: WriteFullState took over 1 min, without the write of the
	// file itself. Subject: store. Took. Bytes: size of the state.
	StateWriteSlow Kind = "state-write-slow"
	// StoreWorkSlow: a change of limits, or the enforcing of one, took over 1 min
	// under the store's lock. Subject: store. Took.
	StoreWorkSlow Kind = "store-work-slow"
	// StateOutdated: the state file is older than the store, as after a kill, so
	// blocks are read at start. Subject: store.
	StateOutdated Kind = "state-outdated"
	// StateDamaged: the state file is not as it was written, so every block is read
	// at start. Subject: store.
	StateDamaged Kind = "state-damaged"
	// MetaSnapshotBuildSlow: the meta leader took over 2 s (1 s in v2.12.4 and
	// before) to build a snapshot: processor and locks, no disk. Took. Bytes: compressed.
	MetaSnapshotBuildSlow Kind = "meta-snapshot-build-slow"
	// MetaSnapshotSlow: building and installing one took over 2 s, disk included;
	// one that blocks is told however short it was. Took. Bytes: size of the log
	// that it made needless.
	MetaSnapshotSlow Kind = "meta-snapshot-slow"
	// MetaSnapshotBlocking: a snapshot begins under the meta layer's lock, as
	// the ones beside it failed or the log grew too large.
	MetaSnapshotBlocking Kind = "meta-snapshot-blocking"
	// MetaLogLarge: the log grew faster than snapshots shorten it. Bytes: the bound.
	MetaLogLarge Kind = "meta-log-large"
	// SnapshotFailed: a snapshot of a stream, a consumer or the meta layer could
	// not be made or installed. Subject: stream, "ACCOUNT > STREAM > CONSUMER",
	// or empty for the meta layer.
	SnapshotFailed Kind = "snapshot-failed"

	// SubscriptionSlow: the server's own handler of a message, an API request
	// among them, took over 2 s. Subject: that of the message. Took.
	SubscriptionSlow Kind = "subscription-slow"
	// ReadLoopSlow: what was read from a connection took over 2 s to process.
	// Subject: connection, "10.0.0.1:6222 - rid:7". Took.
	ReadLoopSlow Kind = "read-loop-slow"
	// StreamLag: over 10,000 proposed messages of a stream are not applied yet.
	// Subject: stream.
	StreamLag Kind = "stream-lag"
	// AppendsPending: a follower holds 10,000 entries or more, or 128 MiB since
	// v2.14.9, that it has not applied. Subject: group. Count. Bytes where the
	// line tells them.
	AppendsPending Kind = "appends-pending"
	// LeaderOverrun: a leader steps down for 100,000 entries or 1 GiB that were
	// not committed (its followers are slow) or not applied (it is slow itself).
	// Subject: group. Count: the larger of the two. Bytes: the log.
	LeaderOverrun Kind = "leader-overrun"
	// QuorumPaused: a follower stops taking entries for the same reason. Subject:
	// group. Count: entries committed and not applied. Bytes: the log.
	QuorumPaused Kind = "quorum-paused"
	// QuorumResumed: it takes them again. As QuorumPaused.
	QuorumResumed Kind = "quorum-resumed"
	// LearnerOverrun: a node without a vote drops its log and begins again from
	// a snapshot. Subject: group. Bytes: the log.
	LearnerOverrun Kind = "learner-overrun"
	// IngestDropped: 100,000 messages or 128 MiB wait to be stored, and those
	// that follow are refused. Subject: stream.
	IngestDropped Kind = "ingest-dropped"
	// APIQueueFull: the waiting JetStream API requests were dropped. Count.
	APIQueueFull Kind = "api-queue-full"

	// WriteError: a write or an fsync failed, and what it was for has stopped.
	// Subject: store, group, stream, "ACCOUNT > STREAM > CONSUMER", or empty for
	// the meta layer.
	WriteError Kind = "write-error"
	// MessageNotStored: a stream could not store a message. Subject: stream.
	MessageNotStored Kind = "message-not-stored"
	// RaftStateNotWritten: a term, a vote, the peers or an entry of a group's log
	// could not be written. Subject: group.
	RaftStateNotWritten Kind = "raft-state-not-written"
	// RaftLogBroken: a group's log or snapshot was not as it was written, and is
	// cut or dropped. Subject: group.
	RaftLogBroken Kind = "raft-log-broken"
	// RaftCatchupFailed: a group's follower could not be given what it misses.
	// Subject: group.
	RaftCatchupFailed Kind = "raft-catchup-failed"
	// SnapshotReplayed: a group has applied nothing during a catch-up, and takes a
	// snapshot in place of what waits. Subject: group.
	SnapshotReplayed Kind = "snapshot-replayed"
	// ApplyFailed: what a group had agreed on could not be applied. Subject: group,
	// stream, consumer without its stream, or empty for the meta layer.
	ApplyFailed Kind = "apply-failed"
	// DataDamaged: blocks or files of a stream are missing or not as they were
	// written. Subject: store, file, or stream.
	DataDamaged Kind = "data-damaged"
	// StreamReset: a replica is dropped and copied again. Subject: stream.
	StreamReset Kind = "stream-reset"
	// KeyMissing: what is encrypted cannot be read with the key that the server has.
	// Subject: store, or empty.
	KeyMissing Kind = "key-missing"
	// FileMissing: a file that was to be written is not there; the server goes on.
	// Subject: store or group.
	FileMissing Kind = "file-missing"
	// AcceptFailed: no connection can be taken, as a rule for want of descriptors.
	AcceptFailed Kind = "accept-failed"
	// AccountLimit: an account may store no more. Subject: account, or stream.
	AccountLimit Kind = "account-limit"
	// OutOfResources: the volume is full, or max_file_store is used up; JetStream
	// ends on this server. Subject: "File", "Memory", or empty.
	OutOfResources Kind = "out-of-resources"
	// LimitReached: as OutOfResources, but JetStream goes on. Subject: "file",
	// "memory", or empty.
	LimitReached Kind = "limit-reached"
	// PermissionDenied: a file could not be written for its permissions;
	// JetStream ends on this server. Subject: store, or empty.
	PermissionDenied Kind = "permission-denied"

	// HealthBehind: a group applies nothing while it is being asked for its
	// health. Subject: group. Count: entries committed and not applied.
	HealthBehind Kind = "health-behind"
	// HealthRecovered ends HealthBehind. Subject: group.
	HealthRecovered Kind = "health-recovered"
	// HealthcheckFailed: /healthz was answered with an error, which is the Text.
	// Count: errors, where the line tells a number.
	HealthcheckFailed Kind = "healthcheck-failed"
	// NotCurrent: a stream or a consumer lags behind its leader, told when a server
	// is asked for its health. Subject: stream, or "ACCOUNT > STREAM > CONSUMER".
	NotCurrent Kind = "not-current"
	// NoQuorum: a leader has not heard of most of its group for 10 s, or the
	// group has none. Subject: stream, or "ACCOUNT > STREAM > CONSUMER".
	NoQuorum Kind = "no-quorum"
	// CatchupDone: a stream has what it had missed. Subject: stream. Took since v2.11.
	CatchupDone Kind = "catchup-done"
	// CatchupStalled: nothing came for 10 s, told by either side. Subject: stream.
	CatchupStalled Kind = "catchup-stalled"
	// CatchupAborted: the follower gave up, told by the server that it caught up
	// from. Subject: stream.
	CatchupAborted Kind = "catchup-aborted"
	// CatchupFailed: the follower gave up, told by itself. Subject: stream. Took
	// where the line tells it.
	CatchupFailed Kind = "catchup-failed"
	// SlowConsumer: what was sent to a connection was not taken in time, or too
	// much of it waits. Subject: connection. Took: the deadline. Count: chunks.
	// Bytes: those that wait, or how many may.
	SlowConsumer Kind = "slow-consumer"
	// SlowConsumerRecovered: it was taken after all. Subject: connection. Took:
	// the flush. Count: chunks. Bytes.
	SlowConsumerRecovered Kind = "slow-consumer-recovered"
	// ProducerStalled: a publisher was held back for slow consumers. Subject:
	// connection. Took: altogether.
	ProducerStalled Kind = "producer-stalled"
)

// A server's start, its cluster and its end.
const (
	Starting         Kind = "starting"
	Version          Kind = "version"           // Subject: "2.15.2"
	ServerName       Kind = "server-name"       // Subject
	ClusterName      Kind = "cluster-name"      // Subject
	StoreDirectory   Kind = "store-directory"   // Subject
	Encryption       Kind = "encryption"        // of the stores. Subject: cipher
	ClientListener   Kind = "client-listener"   // Subject: "0.0.0.0:4222"
	RouteListener    Kind = "route-listener"    // Subject: "0.0.0.0:6222"
	MonitorListener  Kind = "monitor-listener"  // Subject: "0.0.0.0:8222"
	MaxStorage       Kind = "max-storage"       // max_file_store. Bytes
	TemporaryStore   Kind = "temporary-store"   // the store lies where systems clean up
	Bootstrapping    Kind = "bootstrapping"     // the meta group's files were not there: a new volume, or an empty one
	Recovering       Kind = "recovering"        // they were
	RestoreStarting  Kind = "restore-starting"  // Subject: stream
	Orphaned         Kind = "orphaned"          // on disk and not in the cluster, so removed. Subject: stream or consumer
	StreamRestored   Kind = "stream-restored"   // Subject: stream. Took. Count: messages
	JetStreamStarted Kind = "jetstream-started" // Took. Since v2.11
	Ready            Kind = "ready"             // takes clients; a cluster may have no leader yet
	RouteCreated     Kind = "route-created"     // Subject: connection
	RouteClosed      Kind = "route-closed"      // Subject: the reason, "Stale Connection"
	DuplicateName    Kind = "duplicate-name"    // two servers of a cluster bear one name. Subject: the name

	// SteppedDown: a leader heard of another one with a higher term. Subject: group.
	SteppedDown Kind = "stepped-down"
	// MetaLeaderSelf: this server leads the meta group from now on.
	MetaLeaderSelf Kind = "meta-leader-self"
	// MetaLeaderOther: another one does. Subject: "SERVER/CLUSTER", "SERVER", or
	// empty where it is not known yet.
	MetaLeaderOther Kind = "meta-leader-other"
	// MetaLeaderNone: the meta group has no leader.
	MetaLeaderNone Kind = "meta-leader-none"
	// StreamLeader: this server leads a stream from now on. Subject: stream.
	StreamLeader Kind = "stream-leader"
	// ConsumerLeader: this server leads a consumer from now on. Subject:
	// "ACCOUNT > STREAM > CONSUMER".
	ConsumerLeader Kind = "consumer-leader"
	// Unsupported: a stream or a consumer is offline, as it asks for what this
	// version does not have. Subject: stream, or "ACCOUNT > STREAM > CONSUMER".
	Unsupported Kind = "unsupported"

	// AddressInUse: the server cannot listen, and ends. Subject: port or address
	// where the line tells it.
	AddressInUse Kind = "address-in-use"
	// ListenFailed: as AddressInUse, for another reason.
	ListenFailed Kind = "listen-failed"
	// JetStreamFailed: JetStream did not start. At the server's start it ends.
	JetStreamFailed Kind = "jetstream-failed"
	// StartFailed: what a server prints and ends before it has a log, such as a
	// mistake in its configuration.
	StartFailed Kind = "start-failed"
	// Panic: the first line that Go's runtime prints when it ends a program.
	Panic Kind = "panic"

	Signal            Kind = "signal"             // Subject: "interrupt", "terminated", "user defined signal 2"
	LameDuck          Kind = "lame-duck"          // clients are sent away, then the server ends
	ShuttingDown      Kind = "shutting-down"      // the server begins to end
	JetStreamStopping Kind = "jetstream-stopping" // its stores are being closed
	JetStreamStopped  Kind = "jetstream-stopped"  // its stores are closed
	RemovedFromMeta   Kind = "removed-from-meta"  // taken out of the cluster; JetStream ends on this server
	Exiting           Kind = "exiting"            // the last line
)

// storageKinds are those for which Event.Storage is true. A catch-up that is done
// follows every restart, so it is not among them.
var storageKinds = map[Kind]bool{
	StateWriteSlow: true, StoreWorkSlow: true, StateOutdated: true, StateDamaged: true,
	MetaSnapshotBuildSlow: true, MetaSnapshotSlow: true, MetaSnapshotBlocking: true,
	MetaLogLarge: true, SnapshotFailed: true,
	SubscriptionSlow: true, ReadLoopSlow: true, StreamLag: true, AppendsPending: true,
	LeaderOverrun: true, QuorumPaused: true, QuorumResumed: true, LearnerOverrun: true,
	IngestDropped: true, APIQueueFull: true,
	WriteError: true, MessageNotStored: true, RaftStateNotWritten: true, RaftLogBroken: true,
	RaftCatchupFailed: true, SnapshotReplayed: true, ApplyFailed: true,
	DataDamaged: true, StreamReset: true, KeyMissing: true, FileMissing: true,
	OutOfResources: true, LimitReached: true, PermissionDenied: true,
	HealthBehind: true, HealthRecovered: true, NotCurrent: true, NoQuorum: true,
	CatchupStalled: true, CatchupAborted: true, CatchupFailed: true,
}

// graveKinds are those for which Event.Grave is true.
var graveKinds = map[Kind]bool{
	SnapshotFailed: true, StreamLag: true, AppendsPending: true, LeaderOverrun: true,
	QuorumPaused: true, LearnerOverrun: true, IngestDropped: true, APIQueueFull: true,
	WriteError: true, MessageNotStored: true, RaftStateNotWritten: true, RaftLogBroken: true,
	RaftCatchupFailed: true, ApplyFailed: true,
	DataDamaged: true, StreamReset: true, KeyMissing: true, FileMissing: true,
	OutOfResources: true, LimitReached: true, PermissionDenied: true,
	HealthBehind: true, NoQuorum: true,
	CatchupStalled: true, CatchupAborted: true, CatchupFailed: true,
}

// routePattern finds connections between the servers of a cluster.
var routePattern = regexp.MustCompile(` - rid:\d+$`)
