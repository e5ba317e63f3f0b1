#!/usr/bin/env bash
# Compares raw-sync with fio on the same recipe: 2,300-byte appends, an fdatasync
# after each. On a volume whose fdatasync takes 10 ms the p50 and p99 of both must
# be within 5 % of each other; on the plain volume both are shown side by side.
# Needs no root, since strace delays the return of fdatasync in both programs alike,
# and a quiet machine: where processors are short, the p99 is theirs.
#
#   scripts/fio-agreement.sh [DIR]
set -euo pipefail
source "$(dirname "$0")/volume.sh"

readonly delay_us=10000
readonly tolerance=0.05
readonly dir=${1:-$work}

# slowed runs a program whose every fdatasync takes delay_us longer.
slowed() {
	strace -f -qq -o /dev/null --seccomp-bpf -e trace=fdatasync \
		-e inject=fdatasync:delay_exit="$delay_us" -- "$@"
}

# plain runs a program as it is.
plain() {
	"$@"
}

# fio_figures runs etcd's usual fio recipe through $1 and prints count, p50 and
# p99 in microseconds.
fio_figures() {
	local data=$dir/fio-data
	mkdir "$data"
	"$1" fio --name=etcd --rw=write --ioengine=sync --fdatasync=1 --fallocate=none \
		--size=22m --bs=2300 --directory="$data" --output-format=json >"$work/fio.json"
	rm -r "$data"
	jq -r '.jobs[0].sync.lat_ns | [.N, .percentile["50.000000"] / 1e3, .percentile["99.000000"] / 1e3] | @tsv' "$work/fio.json"
}

# own_figures does the same with raw-sync, over all its rounds. $2 is the budget,
# which stretches the rounds.
own_figures() {
	# Only the figures matter here, not the verdict: 10 ms is over the limit.
	"$1" "$storebench" check "$dir" --only raw-sync --skip 'raw-sync-*' --budget "$2" \
		-o json="$work/run.json" >"$work/report" 2>&1 || true
	jq -r '
		[.measurements[] | select(.metric == "fdatasync") | .rounds[].distribution.bins_nanoseconds
			| [range(0; length; 2) as $i | [.[$i], .[$i + 1]]] | .[]]
		| sort_by(.[0]) as $bins
		| ($bins | map(.[1]) | add) as $n
		| def quantile($q): reduce $bins[] as $b ({seen: 0};
			if .at == null and .seen + $b[1] >= $q * $n then .at = $b[0] else . end | .seen += $b[1]) | .at;
		[$n, quantile(0.5) / 1e3, quantile(0.99) / 1e3] | @tsv' "$work/run.json"
}

# row prints a line of the table and, for a slowed volume, whether both agree.
row() {
	awk -v what="$1" -v fio="$2" -v own="$3" -v tolerance="$4" 'BEGIN {
		split(fio, f, "\t"); split(own, o, "\t")
		p50 = o[2] / f[2] - 1; p99 = o[3] / f[3] - 1
		printf "| %s | %d | %.0f | %.0f | %d | %.0f | %.0f | %+.1f %% | %+.1f %% |\n", what, f[1], f[2], f[3], o[1], o[2], o[3], 100 * p50, 100 * p99
		if (tolerance > 0 && (p50 ^ 2 > tolerance ^ 2 || p99 ^ 2 > tolerance ^ 2)) exit 1
	}'
}

main() {
	local fio own agreed=0
	need strace:strace fio:fio jq:jq awk:mawk
	build
	echo "| volume | fio writes | fio p50 µs | fio p99 µs | storebench writes | p50 µs | p99 µs | p50 apart | p99 apart |"
	echo "|---|---|---|---|---|---|---|---|---|"
	fio=$(fio_figures plain)
	own=$(own_figures plain 55s)
	row "plain" "$fio" "$own" 0
	# Both at once, so that both see the same mood of the machine: they sleep for
	# nearly all of the time, and do not get into each other's way.
	fio_figures slowed >"$work/slowed" &
	local fio_job=$!
	own=$(own_figures slowed 20m)
	wait "$fio_job"
	fio=$(cat "$work/slowed")
	row "fdatasync of 10 ms" "$fio" "$own" "$tolerance" || agreed=1
	if [ "$agreed" -ne 0 ]; then
		die "on the slowed volume the two are more than 5 % apart"
	fi
}

main
