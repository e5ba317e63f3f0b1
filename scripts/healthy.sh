#!/usr/bin/env bash
# Shows that a healthy volume passes every time: runs in a row of two profiles on
# quiet loop-mounted ext4 and xfs must all exit 0. Needs root, a machine that does
# nothing else, and about half an hour.
#
#   RUNS=10 PROFILES="quick raft" FILE_SYSTEMS="ext4 xfs" scripts/healthy.sh
set -euo pipefail
source "$(dirname "$0")/volume.sh"

readonly runs=${RUNS:-10}
readonly profiles=${PROFILES:-quick raft}
readonly file_systems=${FILE_SYSTEMS:-ext4 xfs}
failures=0

# left_behind lists what a run left in a directory.
left_behind() {
	find "$1" -mindepth 1 -maxdepth 1 -name 'storebench-*'
}

# one_run checks a volume and prints a row.
one_run() {
	local file_system=$1 profile=$2 number=$3 code=0 begin=$SECONDS verdict
	"$storebench" check "$volume" --profile "$profile" -o text -o json="$work/run.json" \
		>"$work/report" 2>"$work/progress" || code=$?
	verdict=$(sed -n 's/^VERDICT *//p' "$work/report")
	printf '%-6s  %-12s  %3d  %4d  %4d s  %s\n' "$file_system" "$profile" "$number" "$code" $((SECONDS - begin)) "$verdict"
	if [ "$code" -ne 0 ] || [ -n "$(left_behind "$volume")" ]; then
		failures=$((failures + 1))
		left_behind "$volume"
		sed 's/^/    /' "$work/progress" "$work/report"
	fi
}

main() {
	local file_system profile number
	need_root
	need mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs
	build
	for file_system in $file_systems; do
		mount_loop "$file_system" 4G
		printf '\n%-6s  %-12s  %3s  %4s  %6s  %s\n' volume profile run exit took verdict
		for profile in $profiles; do
			for ((number = 1; number <= runs; number++)); do
				one_run "$file_system" "$profile" "$number"
			done
		done
	done
	printf '\n%d of the runs did not exit 0 or left something behind\n' "$failures"
	[ "$failures" -eq 0 ]
}

main
