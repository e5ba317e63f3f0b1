package volume

import (
	"slices"
	"strconv"
	"strings"
)

// memoryTypes are file systems that live in memory alone.
var memoryTypes = []string{"tmpfs", "ramfs", "devtmpfs", "rootfs", "hugetlbfs"}

// memoryDisks are the drivers whose devices live in memory alone.
var memoryDisks = []string{"zram", "ram", "nullb"}

// InMemory reports whether the volume lives in memory, so that no disk is waited
// for there. Where nothing is known of the file system it is false.
func (f Facts) InMemory() bool {
	return slices.Contains(memoryTypes, f.FileSystem) ||
		slices.ContainsFunc(memoryDisks, func(driver string) bool { return numbered(f.Device.Disk, driver) })
}

// numbered reports whether a device name is the driver's name and a number.
func numbered(name, driver string) bool {
	rest, ok := strings.CutPrefix(name, driver)
	if !ok {
		return false
	}
	_, err := strconv.ParseUint(rest, 10, 32)
	return err == nil
}
