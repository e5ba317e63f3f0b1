#!/usr/bin/env bash
# Asks two levels about the same volumes with known faults: the probes of the file
# store, and real groups of three nats-servers with the volume under their leader. It
# does so with two versions of nats-server, and prints what each level said and
# whether they agree. Answers are kept in a file, a line each, and it goes on where
# that ends, so the table can grow over days. Needs root, and a Go module proxy to
# build the servers from.
#
#   RUNS=3 MINUTES=60 scripts/raft-accuracy.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly versions=${VERSIONS:-2.12.4 2.15.2}
readonly file=$(realpath -m "${1:-docs/raft-accuracy.jsonl}")
readonly work=$(mktemp -d "${TMPDIR:-/var/tmp}/storebench-script.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# build_servers builds each version and adds it to the list in $servers.
build_servers() {
	local version
	servers=
	for version in $versions; do
		GOBIN=$work/$version go install "github.com/nats-io/nats-server/v2@v$version"
		servers+=${servers:+,}$version=$work/$version/nats-server
	done
}

build_servers
go test ./cmd/storebench/internal/truth -run '^TestRaftAccuracy$' -count 1 -v -timeout 24h \
	-raft-accuracy "$file" -raft-accuracy-servers "$servers" \
	-raft-accuracy-runs "${RUNS:-3}" -raft-accuracy-until "${MINUTES:-60}m"
