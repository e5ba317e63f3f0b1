package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// peakMemory is the largest resident memory of this process so far in bytes
// (VmHWM). The rusage that a parent gets would start at the parent's own peak,
// since a process keeps it over exec.
func peakMemory() int64 {
	self, err := procfs.Self()
	if err != nil {
		return 0
	}
	status, err := self.NewStatus()
	if err != nil {
		return 0
	}
	return int64(status.VmHWM)
}

// freeMemory is how much memory is available to this process, in bytes, or 0 when
// nobody can tell: the machine's, or what a limit on one of its control groups
// leaves, if that is less.
func freeMemory() int64 { return freeMemoryAt("/proc", "/sys/fs/cgroup") }

func freeMemoryAt(proc, cgroups string) int64 {
	least := int64(0)
	if fs, err := procfs.NewFS(proc); err == nil {
		if info, err := fs.Meminfo(); err == nil && info.MemAvailableBytes != nil {
			least = int64(*info.MemAvailableBytes)
		}
	}
	for _, dir := range groupDirs(proc, cgroups) {
		if left, limited := leftIn(dir); limited && (least == 0 || left < least) {
			least = max(1, left)
		}
	}
	return least
}

// groupDirs are the directories of this process's control group (version 2) and
// those above it. In a container the path that the kernel names may lie outside
// of what is mounted; then the mount's own root, which is the container's group,
// is left.
func groupDirs(proc, cgroups string) []string {
	text, err := os.ReadFile(filepath.Join(proc, "self", "cgroup"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		path, unified := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !unified {
			continue
		}
		var dirs []string
		for at := filepath.Clean("/" + path); ; at = filepath.Dir(at) {
			dirs = append(dirs, filepath.Join(cgroups, at))
			if at == "/" {
				return dirs
			}
		}
	}
	return nil
}

// leftIn is what the limit of a control group leaves, in bytes; limited is false
// where it has none. Files that nobody used for a while can be dropped at any
// time, and do not count.
func leftIn(dir string) (left int64, limited bool) {
	most, err := groupFigure(dir, "memory.max")
	if err != nil {
		return 0, false // it has none ("max"), or it cannot be read
	}
	used, err := groupFigure(dir, "memory.current")
	if err != nil {
		return 0, false
	}
	return max(0, most-used+inactiveFiles(dir)), true
}

func groupFigure(dir, name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
}

func inactiveFiles(dir string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "inactive_file "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64) // 0 where it is no number
			return n
		}
	}
	return 0
}
