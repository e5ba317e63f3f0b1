#!/usr/bin/env bash
# Holds the election storm of the probe term-vote against real ones: three
# nats-servers with so many streams of three replicas (SIZES), one server on a volume
# whose flush takes 15 ms, with so many I/O slots (SLOTS). All three are restarted
# together, and then the one that leads every stream is killed. Prints two tables for
# docs/accuracy.md, and fails where a figure is not within a factor of 2 of what the
# probe's figures foretell.
#
# Needs root, 2 GB of memory, and about 3 minutes a pair of size and slots. It keeps the
# volume busy and not the processors, but a machine that lacks those says little: what
# it lacked is in the last column.
#
#   SIZES="48 550" SLOTS="6 4096" scripts/storm.sh
set -euo pipefail
source "$(dirname "$0")/volume.sh"

readonly sizes=${SIZES:-48 550}
readonly all_slots=${SLOTS:-6 4096}
failures=0

# rows prints the rows of one table without the word that they begin with.
rows() {
	sed -n "s/^| $1 //p" "$work/rows"
}

# one_pair runs the test and keeps its rows, or prints what it says when it fails.
one_pair() {
	if ! run_job "$work/storm.test" -test.run '^TestStorm$' -test.v -test.timeout 30m \
		-storm "$1" -storm-slots "$2" >"$work/out" 2>&1; then
		failures=$((failures + 1))
		sed 's/^/    /' "$work/out"
	fi
	grep '^| ' "$work/out" >>"$work/rows" || true
}

main() {
	local size slots
	need_root
	need mkfs.ext4:e2fsprogs fusermount3:fuse3
	(cd "$root_dir" && go test -c -o "$work/storm.test" ./cmd/storebench/internal/stormtruth)
	touch "$work/rows"
	cd "$work"
	for slots in $all_slots; do
		for size in $sizes; do
			one_pair "$size" "$slots"
		done
	done
	echo "All three restarted together:"
	echo
	echo "| groups | slots | flush | probe: storm, s | first to last term or vote, s | times the storm | probe: one write alone, ms | start of all groups foretold, s | start of all groups, s | times that | writes of term and vote, peers, snapshots | all leaders known after, s | CPU lost %, here and in the probe |"
	echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
	rows restart
	printf '\n%s\n\n' "The leader of all groups killed:"
	echo "| groups | slots | flush | probe: storm, s | groups with a new leader | after, s | terms a group | writes of term and vote | a second | probe: writes a second | times | CPU lost %, here and in the probe |"
	echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
	rows election
	printf '\n%d of the pairs did not hold\n' "$failures"
	[ "$failures" -eq 0 ]
}

main
