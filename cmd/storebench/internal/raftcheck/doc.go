// Package raftcheck holds the program to what it says of real Raft groups: its tests
// run checks with three nats-servers each, on healthy volumes and on slow ones, and
// look at what such a run leaves behind, however it ends.
package raftcheck
