package volume

import (
	"fmt"
	"os"
	"reflect"
	"syscall"

	"golang.org/x/sys/unix"
)

// mincoreWindow is how much of a file is mapped at a time; its vector of one
// byte a page stays small.
const mincoreWindow = 1 << 30

// Resident counts the pages of a file that are in the page cache, and all its
// pages, in units of os.Getpagesize. It reads nothing in. The kernel tells the
// truth only to who owns the file or may write it (mincore(2)); to anybody else
// every page looks resident.
func Resident(f *os.File) (resident, total int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	err = withFD(f, func(fd int) error {
		for offset := int64(0); offset < info.Size(); offset += mincoreWindow {
			length := min(info.Size()-offset, mincoreWindow)
			in, of, err := residentWindow(fd, offset, int(length))
			if err != nil {
				return err
			}
			resident, total = resident+in, total+of
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count the cached pages of %s: %w", f.Name(), err)
	}
	return resident, total, nil
}

func residentWindow(fd int, offset int64, length int) (resident, total int64, err error) {
	data, err := unix.Mmap(fd, offset, length, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, 0, fmt.Errorf("map: %w", err)
	}
	defer func() { _ = unix.Munmap(data) }()
	pages := (length + os.Getpagesize() - 1) / os.Getpagesize()
	// The vector is mapped too, not taken from Go's heap: its address is handed
	// to the kernel as a number, which the garbage collector does not follow.
	vector, err := unix.Mmap(-1, 0, pages, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0, 0, fmt.Errorf("map the vector: %w", err)
	}
	defer func() { _ = unix.Munmap(vector) }()
	if err := mincore(data, vector); err != nil {
		return 0, 0, err
	}
	for _, page := range vector {
		resident += int64(page & 1)
	}
	return resident, int64(pages), nil
}

// mincore fills a mapped vector with one byte for each page of mapped data. The
// sys package has no wrapper of it.
func mincore(data, vector []byte) error {
	_, _, errno := syscall.Syscall(unix.SYS_MINCORE,
		reflect.ValueOf(data).Pointer(), uintptr(len(data)), reflect.ValueOf(vector).Pointer())
	if errno != 0 {
		return fmt.Errorf("mincore: %w", errno)
	}
	return nil
}

// ForgetCache asks the kernel to forget the pages of a file that was written out
// before (by fsync, or one sync of the file system for many files), so that the next
// read comes from the device. Pages that are not written out, mapped or in use stay,
// and tmpfs keeps all: ask Resident afterwards.
func ForgetCache(f *os.File) error {
	err := withFD(f, func(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) })
	if err != nil {
		return fmt.Errorf("drop %s from the page cache: %w", f.Name(), err)
	}
	return nil
}

// withFD calls do with the descriptor of f, which stays open meanwhile.
func withFD(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	return done
}
