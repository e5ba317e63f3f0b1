# Sourced by the other scripts: the program, a working directory, and loop-mounted
# volumes that are taken down whatever happens.

readonly root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly work=$(mktemp -d "${TMPDIR:-/var/tmp}/storebench-script.XXXXXX")
mounted=()

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# clean_up unmounts in reverse order; a loop device goes with its mount.
clean_up() {
	local i
	for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do
		umount "${mounted[i]}" || umount -l "${mounted[i]}" || true
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

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
	[ "$(id -u)" -eq 0 ] || die "needs root, for loop mounts"
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

# mount_loop makes a volume of the file system $1 and the size $2 and prints
# nothing; its directory is in $volume. The image is allocated beforehand, so that
# the file system below it does not allocate while operations are being timed.
mount_loop() {
	local image=$work/$1.img
	volume=$work/$1
	mkdir "$volume"
	fallocate -l "$2" "$image"
	case $1 in
	ext4) mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$image" ;;
	xfs) mkfs.xfs -q -K "$image" ;;
	btrfs) mkfs.btrfs -q -K "$image" ;;
	*) die "no file system $1 here; there are ext4, xfs and btrfs" ;;
	esac
	mount -o loop "$image" "$volume"
	mounted+=("$volume")
	sync -f "$volume"
}
