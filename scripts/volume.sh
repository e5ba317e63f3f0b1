# Sourced by the other scripts: the program, a working directory, a healthy volume,
# and jobs that end with the script, whatever ends it.

readonly root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly work=$(mktemp -d "${TMPDIR:-/var/tmp}/storebench-script.XXXXXX")
job=
simulator=

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# clean_up ends what still runs, the volume last, since the others write to it. It
# goes on whatever fails. A script that leaves files elsewhere defines clean_more.
clean_up() {
	trap '' INT TERM HUP
	end_job
	if declare -F clean_more >/dev/null; then
		clean_more || true
	fi
	unmount_simulated
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# run_job runs a program and returns its exit code. It has a process group of its
# own, and the shell waits in a way that a signal to the script ends. A job must not
# be started in a subshell, from where the trap would not see it.
run_job() {
	set -m
	"$@" &
	job=$!
	set +m
	local code=0
	wait "$job" || code=$?
	job=
	return "$code"
}

# end_job ends the program that run_job is waiting for, with all in its group.
end_job() {
	if [ -n "$job" ]; then
		kill -TERM -- "-$job" 2>/dev/null || true
		wait "$job" || true
		job=
	fi
}

# need names the programs that must be there, with the Debian package of each:
# need jq:jq mkfs.xfs:xfsprogs
need() {
	local tool
	PATH="$PATH:/usr/sbin:/sbin"
	for tool in "$@"; do
		command -v "${tool%%:*}" >/dev/null || die "needs ${tool%%:*}; install the package ${tool#*:}"
	done
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "needs root, to mount a volume"
}

# build puts the program into the working directory, since go run hides exit codes.
# STOREBENCH names one that is built already.
build() {
	if [ -n "${STOREBENCH:-}" ]; then
		storebench=$STOREBENCH
		return
	fi
	storebench=$work/storebench
	(cd "$root_dir" && go build -o "$storebench" ./cmd/storebench)
}

# mount_simulated mounts a healthy volume with the file system $1 and the size $2:
# a real file system on a loop device over a disk in memory. Its directory is in
# $volume. A line written to the file $3, where one is given, replaces its faults.
mount_simulated() {
	volume=$work/$1
	mkdir "$volume"
	"$storebench" simulate "$volume" --fs "$1" --size "$2" --every 1h <"${3:-/dev/null}" 2>"$work/simulator" &
	simulator=$!
	until mountpoint -q "$volume"; do
		kill -0 "$simulator" 2>/dev/null || die "no volume: $(cat "$work/simulator")"
		sleep 0.1
	done
}

unmount_simulated() {
	if [ -n "$simulator" ]; then
		kill -INT "$simulator" 2>/dev/null || true
		wait "$simulator" || true
		simulator=
		rmdir "$volume" || true
	fi
}

# cpu_lost prints the share of the processors in per cent that this machine kept
# from a run, on average of its rounds and in the worst, as Context.CPULost in
# internal/measure has it; or "-".
cpu_lost() {
	jq -r '
		[.measurements[].rounds[] | .context | select(.cpu != null)
			| (.cpu.steal_ratio + .cpu.throttled_ratio) as $taken
			| if .pressure != null and .cpu.busy_ratio >= 0.9
				then [$taken, .pressure.cpu_some_ratio * (1 - ([1, .cpu.own_ratio / .cpu.busy_ratio] | min))] | max
				else $taken end
			| [., 1] | min * 100]
		| if length == 0 then "-" else "\(add / length | round) \(max | round)" end' "$1"
}
