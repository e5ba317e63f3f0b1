package slowvolume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Cgroup holds processes back, as a container runtime does: on one block device, or
// on the processors.
type Cgroup struct {
	dir       string
	keeper    *keeping
	closeOnce sync.Once
	closeErr  error
}

// cgroupRoot finds where this machine limits block I/O: a hierarchy of
// version 1 (blkio), or version 2 (io).
func cgroupRoot() (dir string, v2 bool, err error) {
	const v1, root, hybrid = "/sys/fs/cgroup/blkio", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"
	if _, err := os.Stat(filepath.Join(v1, "blkio.throttle.write_iops_device")); err == nil {
		return v1, false, nil
	}
	for _, dir := range []string{root, hybrid} {
		have, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err == nil && strings.Contains(" "+strings.TrimSpace(string(have))+" ", " io ") {
			return dir, true, nil
		}
	}
	return "", false, errors.New("no cgroup controller for block I/O (blkio or io) is mounted")
}

var errNeedsRoot = errors.New("making a cgroup needs root")

// CanThrottle says why a cgroup cannot throttle here; nil when it can.
func CanThrottle() error {
	if os.Geteuid() != 0 {
		return errNeedsRoot
	}
	_, _, err := cgroupRoot()
	return err
}

// NewCgroup makes a cgroup that is throttled on a device, such as loop3. In
// version 1 only a process's own requests are throttled: its reads, its direct
// writes and its fsync, and not what the kernel writes back for it.
func NewCgroup(device string, t Throttle) (*Cgroup, error) {
	if err := CanThrottle(); err != nil {
		return nil, err
	}
	root, v2, err := cgroupRoot()
	if err != nil {
		return nil, err
	}
	dev, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "dev"))
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", device, err)
	}
	number := strings.TrimSpace(string(dev))
	return newCgroup(root, func(c *Cgroup) error {
		if v2 {
			return c.limitV2(root, number, t)
		}
		return c.limitV1(number, t)
	})
}

// quotaPeriod is how often a quota of processors begins anew, in microseconds: what
// container runtimes set.
const quotaPeriod = 100_000

// NewCPUQuota makes a cgroup whose processes get so many processors together.
func NewCPUQuota(processors float64) (*Cgroup, error) {
	if os.Geteuid() != 0 {
		return nil, errNeedsRoot
	}
	const v1, v2 = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"
	quota := int64(processors * quotaPeriod)
	if _, err := os.Stat(filepath.Join(v1, "cpu.cfs_quota_us")); err == nil {
		return newCgroup(v1, func(c *Cgroup) error {
			return errors.Join(writeControl(c.dir, "cpu.cfs_period_us", strconv.Itoa(quotaPeriod)),
				writeControl(c.dir, "cpu.cfs_quota_us", strconv.FormatInt(quota, 10)))
		})
	}
	return newCgroup(v2, func(c *Cgroup) error {
		if err := writeControl(v2, "cgroup.subtree_control", "+cpu"); err != nil {
			return err
		}
		return writeControl(c.dir, "cpu.max", fmt.Sprintf("%d %d", quota, quotaPeriod))
	})
}

// newCgroup makes a cgroup that goes with this program, and limits it.
func newCgroup(root string, limit func(*Cgroup) error) (*Cgroup, error) {
	keeper, err := startKeeper()
	if err != nil {
		return nil, err
	}
	c := &Cgroup{keeper: keeper}
	if err := c.setUp(root, limit); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cgroup) setUp(root string, limit func(*Cgroup) error) error {
	dir, err := os.MkdirTemp(root, CgroupPrefix())
	if err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	c.dir = dir
	if err := c.keeper.tell(func(p *plan) { p.Cgroups = []string{dir} }); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	return limit(c)
}

func (c *Cgroup) limitV1(number string, t Throttle) error {
	for name, limit := range map[string]int64{
		"read_iops_device":  t.ReadIOPS,
		"write_iops_device": t.WriteIOPS,
		"read_bps_device":   t.ReadBytesPerS,
		"write_bps_device":  t.WriteBytesPerS,
	} {
		if limit == 0 {
			continue
		}
		if err := writeControl(c.dir, "blkio.throttle."+name, fmt.Sprintf("%s %d", number, limit)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cgroup) limitV2(root, number string, t Throttle) error {
	if err := writeControl(root, "cgroup.subtree_control", "+io"); err != nil {
		return err
	}
	line := number
	for _, l := range []struct {
		name  string
		limit int64
	}{
		{"riops", t.ReadIOPS}, {"wiops", t.WriteIOPS}, {"rbps", t.ReadBytesPerS}, {"wbps", t.WriteBytesPerS},
	} {
		if l.limit != 0 {
			line += fmt.Sprintf(" %s=%d", l.name, l.limit)
		}
	}
	return writeControl(c.dir, "io.max", line)
}

func writeControl(dir, name, text string) error {
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	return nil
}

// Dir returns the cgroup's directory. A process joins by writing its number
// into the file cgroup.procs in it, and its children are born in it.
func (c *Cgroup) Dir() string { return c.dir }

// Add moves a process with all its threads into the cgroup.
func (c *Cgroup) Add(pid int) error {
	return writeControl(c.dir, "cgroup.procs", strconv.Itoa(pid))
}

// Close moves the processes out and removes the cgroup. Calling it again
// returns the same.
func (c *Cgroup) Close() error {
	c.closeOnce.Do(func() { c.closeErr = c.keeper.close() })
	return c.closeErr
}

// removeCgroup removes a cgroup; its processes go to the parent. The kernel
// counts one that has ended for a moment longer.
func removeCgroup(dir string) error {
	var err error
	waitFor(busyLimit, func() bool {
		procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for pid := range strings.FieldsSeq(string(procs)) {
			_ = writeControl(filepath.Dir(dir), "cgroup.procs", pid)
		}
		err = os.Remove(dir)
		return !errors.Is(err, unix.EBUSY)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}
