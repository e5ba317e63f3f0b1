#!/usr/bin/env bash
# Shows that storebench compare tells a change from chance: of pairs of runs on the
# same volume at most one in ten may show a regression, and every pair whose second
# volume is twice as slow must.
#
# The volume is a real ext4 on a loop device over a disk in memory (storebench
# simulate), each flush and write of which takes a set time; the slow one takes twice
# that. The three runs of a pair follow each other, so that the machine's mood is the
# same for all. A pair in which a run lacked over QUIET per cent of the processors
# tells of the machine: it is shown, not counted, and made again, at most twice as
# often as asked. Some steps of the profile raft are left out, so that the 5 rounds a
# side that a comparison needs fit into a short run. Needs root and ten minutes.
#
#   PAIRS=10 BUDGET=15s STEPS=raw-sync,block-sync THRESHOLD=20% scripts/compare.sh
set -euo pipefail
source "$(dirname "$0")/volume.sh"

readonly pairs=${PAIRS:-10}
readonly budget=${BUDGET:-15s}
readonly threshold=${THRESHOLD:-20%}
readonly steps=${STEPS:-raw-sync,raw-sync-parallel,block-write,block-sync}
readonly quiet=${QUIET:-10}
readonly healthy="flush 2ms; write 200us"
readonly slow="flush 4ms; write 400us"

# measure makes a run with faults and saves it under a name.
measure() {
	local name=$1 faults=$2 code=0
	printf '%s\n' "$faults" >&3
	run_job "$storebench" check "$volume" --profile raft --budget "$budget" --only "$steps" \
		-q -o json="$work/$name.json" >/dev/null 2>"$work/progress" || code=$?
	case $code in
	0 | 3 | 4) ;;
	*) die "check ended with $code: $(cat "$work/progress")" ;;
	esac
}

# worst_lost prints the largest share of the processors in per cent that this machine
# kept from one of some runs, each on average of its rounds.
worst_lost() {
	local run
	for run in "$@"; do
		cpu_lost "$run"
	done | awk '$1 > most { most = $1 } END { print most + 0 }'
}

# regressions compares two runs and prints how many regressions there are of how many
# figures; the exit code of compare must agree.
regressions() {
	local code=0
	"$storebench" compare "$1" "$2" --fail-on-regression "$threshold" -o json >"$work/compared.json" || code=$?
	jq -r --argjson code "$code" '
		([.changes[] | select(.regression)] | length) as $n
		| ([.changes[] | select(.outcome == "too few")] | length) as $few
		| if ($n > 0) != ($code == 3) then error("exit code \($code) with \($n) regressions") else . end
		| if $few > 0 then error("\($few) figures have too few rounds: a longer BUDGET") else . end
		| "\($n) of \(.changes | length)"' "$work/compared.json"
}

main() {
	local pair=1 tries lost same worse alarms=0 missed=0
	need_root
	need mkfs.ext4:e2fsprogs fusermount3:fuse3 mountpoint:util-linux jq:jq awk:mawk
	build
	mkfifo "$work/faults"
	exec 3<>"$work/faults"
	mount_simulated ext4 3GiB "$work/faults"
	echo "| pair | regressions on the same volume | on one twice as slow | CPU lost % |"
	echo "|---|---|---|---|"
	for ((tries = 0; pair <= pairs && tries < 2 * pairs; tries++)); do
		measure base "$healthy"
		measure same "$healthy"
		measure slow "$slow"
		lost=$(worst_lost "$work"/{base,same,slow}.json)
		same=$(regressions "$work/base.json" "$work/same.json")
		worse=$(regressions "$work/base.json" "$work/slow.json")
		echo "| $pair | $same | $worse | $lost |"
		if [ "$lost" -gt "$quiet" ]; then
			continue
		fi
		[ "${same%% *}" -eq 0 ] || alarms=$((alarms + 1))
		[ "${worse%% *}" -gt 0 ] || missed=$((missed + 1))
		pair=$((pair + 1))
	done
	unmount_simulated
	printf '\n%d of %d pairs on the same volume showed a regression, %d of %d on a slower one did not\n' \
		"$alarms" "$((pair - 1))" "$missed" "$((pair - 1))"
	[ "$pair" -gt "$pairs" ] || die "only $((pair - 1)) of $pairs pairs were made on a quiet machine"
	[ "$missed" -eq 0 ] && [ "$alarms" -le $((pairs / 10)) ]
}

main
