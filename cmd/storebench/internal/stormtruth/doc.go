// Package stormtruth holds the election storm of the probe term-vote against a real
// one: that of three nats-servers with hundreds of Raft groups, restarted together.
// scripts/storm.sh asks for it.
package stormtruth
