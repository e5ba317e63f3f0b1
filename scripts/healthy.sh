#!/usr/bin/env bash
# Shows that a healthy volume passes every time: runs in a row of each profile on each
# file system must all exit 0, end in time, and leave nothing behind.
#
# The volumes are real ext4 and xfs on a loop device over a disk in memory
# (storebench simulate), so that the disk of the host, and who else uses it, is not
# part of the question. The processors are this machine's. A run that ends
# inconclusive and lacked over QUIET per cent of them was not made on a quiet
# machine: it stays in the table, is not counted, and is made again, at most twice
# as often as asked. A run that fails counts however loud the machine was. A machine
# whose processors are lent to others after some minutes of use stays quiet when it
# rests REST seconds after each run.
# Needs root and half an hour, besides the rest.
#
#   RUNS=10 REST=60 PROFILES="raft quick" FILESYSTEMS="ext4 xfs" scripts/healthy.sh
set -euo pipefail
source "$(dirname "$0")/volume.sh"

readonly runs=${RUNS:-10}
readonly profiles=${PROFILES:-raft quick}
readonly file_systems=${FILESYSTEMS:-ext4 xfs}
readonly quiet=${QUIET:-5} # from there on a report speaks of the machine, too
readonly rest=${REST:-0}
readonly size=3GiB
failures=0

# time_allowed prints how many seconds a run of a profile may take.
time_allowed() {
	if [ "$1" = quick ]; then echo 15; else echo 90; fi
}

# left_behind lists what lies in a directory that a file system did not put there.
left_behind() {
	find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found
}

# complaints says what a run did that a healthy volume's does not, a line each.
complaints() {
	local code=$1 took=$2 allowed=$3 lost=$4 left
	case $code in
	0) ;;
	4) echo "inconclusive; this machine kept its processors from it for (mean, worst round) $lost % of the time" ;;
	*) echo "exit code $code" ;;
	esac
	if awk -v took="$took" -v allowed="$allowed" 'BEGIN { exit !(took > allowed) }'; then
		echo "took over $allowed s"
	fi
	left=$(left_behind "$volume")
	if [ -n "$left" ]; then
		echo "left behind: $left"
	fi
}

# warned names the limits that a run warned of, or left open where it could do no worse.
warned() {
	jq -r '[.verdict.findings[]
		| if .status == "warn" then .name
			elif .status == "inconclusive" and .limit.level == "warn" then .name + " (open)"
			else empty end] | unique | join(", ")' "$1"
}

# loud says whether a run tells of the machine and not of the volume.
loud() {
	local code=$1 mean=${2%% *}
	[ "$code" -eq 4 ] && [ "$mean" != - ] && [ "$mean" -gt "$quiet" ]
}

# one_run checks the volume and prints a row, and the whole report when it is not as
# it should be. It returns 1 when the run does not count.
one_run() {
	local file_system=$1 profile=$2 number=$3 code=0 begin=$EPOCHREALTIME took lost wrong
	rm -f "$work/run.json"
	run_job "$storebench" check "$volume" --profile "$profile" -o text -o json="$work/run.json" \
		>"$work/report" 2>"$work/progress" || code=$?
	took=$(awk -v from="$begin" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }')
	lost=$([ -s "$work/run.json" ] && cpu_lost "$work/run.json" || echo -)
	printf '| %s | %s | %d | %d | %s | %s | %s | %s |\n' "$file_system" "$profile" "$number" "$code" "$took" "$lost" \
		"$(sed -n 's/^VERDICT *\([A-Z ]*\):.*/\1/p' "$work/report")" "$([ -s "$work/run.json" ] && warned "$work/run.json")"
	if loud "$code" "$lost"; then
		return 1
	fi
	wrong=$(complaints "$code" "$took" "$(time_allowed "$profile")" "$lost")
	if [ -n "$wrong" ]; then
		failures=$((failures + 1))
		sed 's/^/    /' - "$work/progress" "$work/report" <<<"$wrong"
	fi
}

main() {
	local file_system profile number tries
	need_root
	need mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs fusermount3:fuse3 mountpoint:util-linux jq:jq awk:mawk
	build
	echo "| file system | profile | run | exit code | seconds | CPU lost %, mean and worst round | verdict | warned of |"
	echo "|---|---|---|---|---|---|---|---|"
	for file_system in $file_systems; do
		mount_simulated "$file_system" "$size"
		for profile in $profiles; do
			number=1
			for ((tries = 0; number <= runs && tries < 2 * runs; tries++)); do
				if one_run "$file_system" "$profile" "$number"; then
					number=$((number + 1))
				fi
				run_job sleep "$rest"
			done
			if [ "$number" -le "$runs" ]; then
				echo "    only $((number - 1)) of $runs runs of $profile on $file_system were made on a quiet machine"
				failures=$((failures + 1))
			fi
		done
		unmount_simulated
	done
	printf '\n%d runs did not pass, were late or left something behind\n' "$failures"
	[ "$failures" -eq 0 ]
}

main
