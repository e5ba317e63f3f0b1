package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

func surroundingsOf(path string) (surroundings, error) {
	mounts, err := readMounts()
	if err != nil {
		return surroundings{}, err
	}
	own, err := mounts.of(path)
	if err != nil {
		return surroundings{}, err
	}
	if !below(path, own.Mountpoint) {
		return surroundings{}, fmt.Errorf("%s is not below its mount point %s", path, own.Mountpoint)
	}
	around := surroundings{mount: own.Mountpoint, foreign: make(map[string]bool)}
	for _, m := range mounts {
		// Of several on one mount point the last one counts.
		around.foreign[m.Mountpoint] = m.Major != own.Major || m.Minor != own.Minor
	}
	return around, nil
}

// openFiles looks at what processes have open.
func (s *search) openFiles(path string) error {
	volume, err := newFileSystem(path)
	if err != nil {
		return err
	}
	hidden, err := eachOpenFile(s.ctx.Err, func(f openFile) {
		if storeFile(f.path) && volume.holds(f) && !f.ours() {
			s.found(LiveStore{Path: f.path, PID: f.pid, Why: fmt.Sprintf("process %d has it open", f.pid)})
		}
	})
	if err != nil && s.ctx.Err() == nil { // of a search that ended early all is told at once
		s.blind("open files of processes were not looked at: %v", err)
	}
	if hidden > 0 {
		s.blind("the open files of %d processes of other users could not be read; run as root to see them", hidden)
	}
	s.addBlindNamespace()
	return nil
}

// initialPIDNamespace is the number that the kernel gives to the namespace that
// sees all processes (PROC_PID_INIT_INO in include/linux/proc_ns.h).
const initialPIDNamespace = "pid:[4026531836]"

func (s *search) addBlindNamespace() {
	if name := pidNamespace(); name != initialPIDNamespace {
		s.blind("this is a container: processes outside of it cannot be seen, nor the stores that they have open")
		return
	}
	if _, err := os.Stat("/proc/1"); err != nil {
		s.blind("/proc hides processes of other users (hidepid), and the stores that they have open")
	}
}

// openFile is a file that a process has open.
type openFile struct {
	pid  int
	fd   string
	path string // as the process sees it
}

// eachOpenFile calls do for every file that a readable process has open, until
// stop returns an error, and counts the processes that cannot be read.
func eachOpenFile(stop func() error, do func(openFile)) (hidden int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if err := stop(); err != nil {
			return hidden, err
		}
		if !filesOf(pid, do) {
			hidden++
		}
	}
	return hidden, nil
}

// filesOf reports false when the process has files and may not be looked at.
func filesOf(pid int, do func(openFile)) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	f, err := os.Open(dir)
	if err != nil {
		return !errors.Is(err, fs.ErrPermission) || kernelThread(pid)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, fd := range names {
		target, err := os.Readlink(filepath.Join(dir, fd))
		if err == nil && filepath.IsAbs(target) {
			do(openFile{pid: pid, fd: fd, path: strings.TrimSuffix(target, " (deleted)")})
		}
	}
	return !errors.Is(err, fs.ErrPermission)
}

// kernelThread reports whether a process is the kernel's own: it or its parent
// is kthreadd, number 2.
func kernelThread(pid int) bool {
	stat := readLine(fmt.Sprintf("/proc/%d/stat", pid))
	// The name in parentheses may hold anything; the state and the parent's
	// number follow the last one.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	return pid == 2 || len(fields) > 1 && fields[1] == "2"
}

// ours reports whether the file lies in a scratch directory, seen with the eyes
// of the process.
func (f openFile) ours() bool {
	root := fmt.Sprintf("/proc/%d/root", f.pid)
	for at := filepath.Dir(f.path); ; at = filepath.Dir(at) {
		if marked(filepath.Join(root, at)) {
			return true
		}
		if at == filepath.Dir(at) {
			return false
		}
	}
}

// fileSystem is that of a directory.
type fileSystem struct {
	device uint64
	// anonymous is the number of the file system as a whole where its parts
	// have numbers of their own (btrfs subvolumes); empty elsewhere.
	anonymous string
}

func newFileSystem(path string) (fileSystem, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileSystem{}, fmt.Errorf("stat %s: %w", path, err)
	}
	v := fileSystem{device: uint64(st.Dev)}
	mounts, err := readMounts()
	if err != nil {
		return v, nil // the device number still tells
	}
	if m, err := mounts.of(path); err == nil && m.FSType == "btrfs" {
		v.anonymous = deviceNumber{uint32(m.Major), uint32(m.Minor)}.String()
	}
	return v, nil
}

// holds reports whether an open file lies on the file system.
func (v fileSystem) holds(f openFile) bool {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/fd/%s", f.pid, f.fd), &st); err != nil {
		return false // closed meanwhile
	}
	if uint64(st.Dev) == v.device {
		return true
	}
	return v.anonymous != "" && f.mountDevice() == v.anonymous
}

// mountDevice returns the device number of the mount that the file was opened
// on, from the process's own mount table, or "".
func (f openFile) mountDevice() string {
	id := ""
	for line := range strings.Lines(readLine(fmt.Sprintf("/proc/%d/fdinfo/%s", f.pid, f.fd))) {
		if value, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			id = strings.TrimSpace(value)
		}
	}
	table, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", f.pid))
	if err != nil {
		return ""
	}
	defer table.Close()
	mounts, err := mountinfo.GetMountsFromReader(table, func(m *mountinfo.Info) (skip, stop bool) {
		return strconv.Itoa(m.ID) != id, false
	})
	if err != nil || len(mounts) == 0 {
		return ""
	}
	return deviceNumber{uint32(mounts[0].Major), uint32(mounts[0].Minor)}.String()
}

// openBelow reports whether some process that can be looked at has a file in
// dir open.
func openBelow(dir string) bool {
	open := false
	never := func() error { return nil }
	self := os.Getpid()
	_, err := eachOpenFile(never, func(f openFile) {
		open = open || f.pid != self && below(f.path, dir)
	})
	return open || err != nil
}
