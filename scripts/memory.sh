#!/usr/bin/env bash
# Shows that a worker's memory does not grow with the length of a run: the same
# profile with a budget of 30 s and of 300 s at concurrency 16. The peak of every
# step must stay below 200 MB, and that of the longer run at most 45 MB above the
# other: nats-server keeps the block that it writes in memory, up to 8 MiB in each of
# 4 streams, and the short run does not fill it at 1,000 messages a second. Ten
# bytes left behind by each message of block-write-max, of which the longer run has
# millions more, would be over that.
#
#   scripts/memory.sh [DIR]
set -euo pipefail
source "$(dirname "$0")/volume.sh"

readonly dir=${1:-$work}
readonly concurrency=16

# peaks prints each step with the largest resident memory of its workers in bytes.
# A verdict is of no interest here.
peaks() {
	run_job "$storebench" check "$dir" --budget "$1" --concurrency "$concurrency" \
		-o json="$work/run.json" >"$work/report" 2>&1 || true
	jq -r '.steps[] | [.name, .peak_memory_bytes] | @tsv' "$work/run.json"
}

main() {
	need jq:jq awk:mawk
	build
	peaks 30s >"$work/short"
	peaks 300s >"$work/long"
	awk -F '\t' '
		FNR == NR { short[$1] = $2; next }
		FNR == 1 { printf "%-26s  %8s  %8s\n", "peak of a worker, MB", "30 s", "300 s" }
		{
			printf "%-26s  %8.1f  %8.1f\n", $1, short[$1] / 1e6, $2 / 1e6
			if ($2 > 200e6 || $2 > short[$1] + 45e6) failed = failed " " $1
		}
		END { if (failed != "") { print "too much:" failed; exit 1 } }' "$work/short" "$work/long"
}

main
