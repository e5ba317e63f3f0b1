#!/usr/bin/env bash
# Compares raw-sync with fio on the same recipe: 2,300-byte appends, an fdatasync
# after each. On a volume whose fdatasync takes 10 ms the p50 and p99 of both must
# be within 5 % of each other; on the plain volume both are shown side by side. The
# slowed one is a file system in memory, MEMORY: a disk would add what it takes itself,
# with its neighbours' moods, to the 10 ms.
#
# The two run in turn, a few seconds each, and the figures are those of all turns
# together: so neither gets in the other's way, and both see the same moods of the
# machine. Needs no root, since strace delays the return of fdatasync in both
# programs alike, and a quiet machine: where processors are short, the p99 is theirs.
#
#   TURNS=10 scripts/fio-agreement.sh [DIR]
set -euo pipefail
source "$(dirname "$0")/volume.sh"

readonly delay_us=10000
readonly tolerance=0.05
readonly turns=${TURNS:-10}
# What fio writes in a turn: etcd's usual 22 MB, and on the slowed volume a thousand
# writes, which take 10 s. It must not wrap: overwriting needs no allocation, and its
# fdatasync is another one.
readonly -A fio_size=([plain]=22m [slowed]=2300000)
# storebench runs five rounds a turn, which the budget stretches to over 2 s each.
readonly budget=150s
readonly plain=${1:-$work}
readonly memory=${MEMORY:-/dev/shm}
dir=$plain
fio_dir=

# clean_more removes fio's file from DIR.
clean_more() {
	if [ -n "$fio_dir" ]; then
		rm -rf "$fio_dir"
	fi
}

# slowed becomes a program whose every fdatasync takes delay_us longer.
slowed() {
	exec strace -f -qq -o /dev/null --seccomp-bpf -e trace=fdatasync \
		-e inject=fdatasync:delay_exit="$delay_us" -- "$@"
}

# plain becomes a program as it is.
plain() {
	exec "$@"
}

# fio_turn runs etcd's usual fio recipe through $1 and adds its latencies in
# nanoseconds to $work/fio-$1, each with how often it came.
fio_turn() {
	fio_dir=$(mktemp -d "$dir/storebench-fio.XXXXXX")
	run_job "$1" fio --name=etcd --rw=write --ioengine=sync --fdatasync=1 --fallocate=none \
		--size="${fio_size[$1]}" --bs=2300 --directory="$fio_dir" \
		--output-format=json+ >"$work/fio.json"
	clean_more
	fio_dir=
	jq -r '.jobs[0].sync.lat_ns.bins | to_entries[] | [.key, .value] | @tsv' "$work/fio.json" >>"$work/fio-$1"
}

# own_turn does the same with raw-sync, over all its rounds.
own_turn() {
	rm -f "$work/run.json"
	# Only the figures matter here, not the verdict: 10 ms is over the limit.
	run_job "$1" "$storebench" check "$dir" --only raw-sync --skip 'raw-sync-*' --budget "$budget" \
		-o json="$work/run.json" >"$work/report" 2>&1 || true
	[ -s "$work/run.json" ] || die "storebench measured nothing: $(cat "$work/report")"
	jq -r '.measurements[] | select(.metric == "fdatasync") | .rounds[].distribution.bins_nanoseconds
		| range(0; length; 2) as $i | [.[$i], .[$i + 1]] | @tsv' "$work/run.json" >>"$work/own-$1"
}

# figures prints count, p50 and p99 in microseconds of latencies with their counts.
figures() {
	sort -n "$1" | awk '
		{ latency[NR] = $1; total += $2; upto[NR] = total }
		function quantile(q,  i) { for (i = 1; upto[i] < q * total; i++); return latency[i] / 1e3 }
		END { print total, quantile(0.5), quantile(0.99) }'
}

# row prints a line of the table: $1 is its name, $2 how both were run, $3 how far
# they may be apart; 0 stands for any distance.
row() {
	awk -v what="$1" -v fio="$(figures "$work/fio-$2")" -v own="$(figures "$work/own-$2")" -v tolerance="$3" -v turns="$turns" 'BEGIN {
		split(fio, f, " "); split(own, o, " ")
		p50 = o[2] / f[2] - 1; p99 = o[3] / f[3] - 1
		printf "| %s | %d | %d | %.0f | %.0f | %d | %.0f | %.0f | %+.1f %% | %+.1f %% |\n", what, turns, f[1], f[2], f[3], o[1], o[2], o[3], 100 * p50, 100 * p99
		if (tolerance > 0 && (p50 ^ 2 > tolerance ^ 2 || p99 ^ 2 > tolerance ^ 2)) exit 1
	}'
}

main() {
	local turn how
	need strace:strace fio:fio jq:jq awk:mawk
	build
	for how in plain slowed; do
		if [ "$how" = slowed ]; then
			[ "$(stat -f -c %T "$memory")" = tmpfs ] || die "$memory is no file system in memory; name one in MEMORY"
			dir=$memory
		fi
		for ((turn = 1; turn <= turns; turn++)); do
			fio_turn "$how"
			own_turn "$how"
		done
	done
	echo "| volume | turns | fio writes | fio p50 µs | fio p99 µs | storebench writes | p50 µs | p99 µs | p50 apart | p99 apart |"
	echo "|---|---|---|---|---|---|---|---|---|---|"
	row "plain" plain 0
	row "fdatasync of 10 ms" slowed "$tolerance" || die "on the slowed volume the two are more than 5 % apart"
}

main
