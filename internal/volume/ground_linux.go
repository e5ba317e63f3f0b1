package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// maxLayers bounds how far down an overlay, loop device or device mapper is
// followed; deeper stacks are not built on purpose.
const maxLayers = 8

// ground is what a mount stands on.
type ground struct {
	device      Device
	below       []Layer
	persistence Persistence
	notes       []string
}

func unknownGround(note string) ground {
	return ground{persistence: Persistence{PersistenceUnknown, note}, notes: []string{note}}
}

// diskTypes are file systems that are known to flush the device at an fsync.
// ZFS is not among them: its property sync=disabled shows nowhere in the mount.
var diskTypes = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "bcachefs"}

// ground follows a mount down to its device.
func (t mountTable) ground(m *mountinfo.Info, depth int) ground {
	if depth > maxLayers {
		return unknownGround("too many layers below the file system to follow")
	}
	if slices.Contains(memoryTypes, m.FSType) {
		return ground{persistence: Persistence{NotPersistent, m.FSType + " lives in memory alone"}}
	}
	var g ground
	if m.FSType == "overlay" {
		g = t.overlayGround(m, depth)
	} else {
		g = t.deviceGround(m, depth)
	}
	if option := noBarrier(m.FSType, listedOptions(m.Options, m.VFSOptions)); option != "" {
		how := fmt.Sprintf("%s is mounted with %s: an fsync does not wait for the disk", m.FSType, option)
		g.persistence = Persistence{NotPersistent, how}
	}
	return g
}

// overlayGround goes on with the file system of the upper directory, where all
// that is written ends up.
func (t mountTable) overlayGround(m *mountinfo.Info, depth int) ground {
	upper := upperDir(m.VFSOptions)
	if upper == "" {
		return unknownGround("the overlay has no upper directory, so nothing can be written to it")
	}
	under, err := t.of(upper)
	if err != nil {
		return unknownGround("the upper directory of the overlay cannot be seen from here (a container?), so the device below is unknown")
	}
	g := t.ground(under, depth+1)
	layer := Layer{Via: "overlay upper directory", FileSystem: under.FSType, Device: g.device.Name}
	g.below = append([]Layer{layer}, g.below...)
	g.persistence.How = "the overlay's upper directory: " + g.persistence.How
	return g
}

// deviceGround finds the block device of a mount.
func (t mountTable) deviceGround(m *mountinfo.Info, depth int) ground {
	number, ok := blockNumber(m)
	if !ok {
		return unknownGround(fmt.Sprintf("%s has no block device on this machine", m.FSType))
	}
	device := describe(number)
	device.Source = localSource(m)
	g := t.diskGround(device, depth)
	if g.persistence.State == PersistenceAssumed && !slices.Contains(diskTypes, m.FSType) {
		how := fmt.Sprintf("whether %s waits for the disk at an fsync is not known here", m.FSType)
		g.persistence = Persistence{PersistenceUnknown, how}
	}
	return g
}

// blockNumber returns the device number below a mount. A file system with an
// anonymous one (btrfs) names its device as the source.
func blockNumber(m *mountinfo.Info) (deviceNumber, bool) {
	if m.Major != 0 {
		return deviceNumber{uint32(m.Major), uint32(m.Minor)}, true
	}
	var st unix.Stat_t
	if !strings.HasPrefix(m.Source, "/dev/") || unix.Stat(m.Source, &st) != nil {
		return deviceNumber{}, false
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return deviceNumber{}, false
	}
	return deviceNumber{unix.Major(st.Rdev), unix.Minor(st.Rdev)}, true
}

// localSource is the mount's source when it is a device of this machine. Every
// other one may name a host, a share or a user.
func localSource(m *mountinfo.Info) string {
	if strings.HasPrefix(m.Source, "/dev/") {
		return m.Source
	}
	return ""
}

// diskGround judges a block device, and what it stands on in its turn.
func (t mountTable) diskGround(device Device, depth int) ground {
	g := ground{device: device}
	for _, driver := range memoryDisks {
		if numbered(device.Disk, driver) {
			g.persistence = Persistence{NotPersistent, device.Disk + " is a disk in memory"}
			return g
		}
	}
	if device.Name == "" {
		note := "the device below is not shown in /proc/diskstats or /sys"
		g.persistence, g.notes = Persistence{PersistenceUnknown, note}, []string{note}
		return g
	}
	how := fmt.Sprintf("nothing known turns flushing of %s off; only a power cut can show that it keeps what it acknowledged", device.Name)
	g.persistence = Persistence{PersistenceAssumed, how}
	if numbered(device.Disk, "loop") {
		t.addLoopFile(&g, depth)
	}
	t.addSlaves(&g, depth)
	return g
}

// addLoopFile goes on with the file system of a loop device's file.
func (t mountTable) addLoopFile(g *ground, depth int) {
	file, err := os.ReadFile(filepath.Join("/sys/block", g.device.Disk, "loop/backing_file"))
	var under *mountinfo.Info
	if err == nil {
		under, err = t.of(strings.TrimSuffix(string(file), "\n"))
	}
	if err != nil {
		note := fmt.Sprintf("the file behind %s cannot be seen from here", g.device.Disk)
		g.persistence = g.persistence.worse(Persistence{PersistenceUnknown, note})
		g.notes = append(g.notes, note)
		return
	}
	next := t.ground(under, depth+1)
	g.addBelow(Layer{Via: "loop file of " + g.device.Disk, FileSystem: under.FSType, Device: next.device.Name}, next)
}

// addSlaves goes on with the devices that a mapped device or a software RAID is
// made of.
func (t mountTable) addSlaves(g *ground, depth int) {
	slaves, err := os.ReadDir(filepath.Join(sysName(g.device.Disk), "slaves"))
	if err != nil || depth > maxLayers {
		return
	}
	for _, entry := range slaves {
		number, ok := numberOf(entry.Name())
		if !ok {
			continue
		}
		next := t.diskGround(describe(number), depth+1)
		g.addBelow(Layer{Via: "part of " + g.device.Disk, Device: next.device.Name}, next)
	}
}

func (g *ground) addBelow(layer Layer, next ground) {
	g.below = append(append(g.below, layer), next.below...)
	g.notes = append(g.notes, next.notes...)
	next.persistence.How = layer.Via + ": " + next.persistence.How
	g.persistence = g.persistence.worse(next.persistence)
}
