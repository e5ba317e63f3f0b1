package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

func inspect(t *testing.T, dir string) Facts {
	t.Helper()
	facts, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

func TestInspectExt4OnLoop(t *testing.T) {
	// A space, a comma and a backslash are what the mount table escapes.
	dir := mountExt4(t, `a mount, with\ space`, "loop,noatime,commit=7")
	inner := filepath.Join(dir, "data")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(inner, link); err != nil {
		t.Fatal(err)
	}
	facts := inspect(t, link)
	if facts.Path != inner || facts.MountPoint != dir || facts.FileSystem != "ext4" || facts.ReadOnly {
		t.Errorf("path %q on %q, %s, read-only %t", facts.Path, facts.MountPoint, facts.FileSystem, facts.ReadOnly)
	}
	if diff := cmp.Diff([]string{"rw", "noatime", "commit=7"}, facts.MountOptions); diff != "" {
		t.Errorf("mount options (-want +got):\n%s", diff)
	}
	checkLoopDevice(t, facts)
	if facts.SizeBytes <= 0 || facts.SizeBytes > 16<<20 || facts.AvailableBytes > facts.FreeBytes ||
		facts.Inodes <= 0 || facts.InodesFree >= facts.Inodes || facts.BlockSizeBytes < 1024 {
		t.Errorf("sizes: %+v", facts)
	}
}

func checkLoopDevice(t *testing.T, facts Facts) {
	t.Helper()
	d := facts.Device
	if !strings.HasPrefix(d.Name, "loop") || d.Disk != d.Name || d.Source != "/dev/"+d.Name {
		t.Errorf("device %+v, want a loop device", d)
	}
	stats, err := os.ReadFile("/proc/diskstats")
	if err != nil || !strings.Contains(string(stats), " "+d.Name+" ") {
		t.Errorf("%s is not in /proc/diskstats (%v)", d.Name, err)
	}
	if d.Rotational == nil || d.WriteCache == "" || d.Scheduler == "" || strings.Contains(d.Scheduler, "[") {
		t.Errorf("queue of the device unknown: %+v", d)
	}
	if len(facts.Below) == 0 || facts.Below[0].Via != "loop file of "+d.Name {
		t.Errorf("below: %+v, want the loop file", facts.Below)
	}
}

func TestInspectFreeSpaceAgrees(t *testing.T) {
	dir := t.TempDir()
	facts := inspect(t, dir)
	free, err := FreeSpace(dir)
	if err != nil {
		t.Fatal(err)
	}
	if free.Bytes <= 0 || free.Bytes > facts.SizeBytes || free.InodesKnown != (facts.Inodes > 0) {
		t.Errorf("free %+v, facts %+v", free, facts)
	}
	if _, err := FreeSpace(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Inspect(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestPersistence(t *testing.T) {
	needMounts(t)
	tests := map[string]struct {
		mount func(t *testing.T) string
		not   bool
		how   string
	}{
		"tmpfs": {mount: func(t *testing.T) string { return mountTmpfs(t, t.TempDir()) }, not: true, how: "memory"},
		"ramfs": {mount: func(t *testing.T) string {
			return mountAt(t, t.TempDir(), "-t", "ramfs", "ramfs")
		}, not: true, how: "memory"},
		"ext4, barriers off": {mount: func(t *testing.T) string {
			return mountExt4(t, "v", "loop,barrier=0")
		}, not: true, how: "barrier"},
		"ext4, read-only": {mount: func(t *testing.T) string { return mountExt4(t, "v", "loop,ro") }},
		"ext4 without a journal": {mount: func(t *testing.T) string {
			return mountAt(t, t.TempDir(), "-o", "loop", ext4Image(t, t.TempDir(), "-O", "^has_journal"))
		}},
		"loop file on tmpfs": {mount: func(t *testing.T) string {
			image := ext4Image(t, mountTmpfs(t, t.TempDir()))
			return mountAt(t, t.TempDir(), "-o", "loop", image)
		}, not: true, how: "loop file of loop"},
		"overlay on ext4": {mount: func(t *testing.T) string {
			return mountOverlay(t, mountExt4(t, "up per,dir", "loop"), "")
		}},
		"overlay, volatile": {mount: func(t *testing.T) string {
			return mountOverlay(t, mountExt4(t, "v", "loop"), ",volatile")
		}, not: true, how: "volatile"},
		"overlay on tmpfs": {mount: func(t *testing.T) string {
			return mountOverlay(t, mountTmpfs(t, t.TempDir()), "")
		}, not: true, how: "upper directory: tmpfs"},
		"disk in memory": {mount: mountZram, not: true, how: "disk in memory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := inspect(t, test.mount(t)).Persistence
			want := PersistenceAssumed
			if test.not {
				want = NotPersistent
			}
			if got.State != want || !strings.Contains(got.How, test.how) || got.How == "" {
				t.Errorf("got %+v, want %s because of %q", got, want, test.how)
			}
		})
	}
}

// mountOverlay mounts an overlay whose upper directory is below ground.
func mountOverlay(t *testing.T, ground, options string) string {
	t.Helper()
	for _, name := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(ground, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`)
	options = fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s%s", escape.Replace(t.TempDir()),
		escape.Replace(filepath.Join(ground, "upper")), escape.Replace(filepath.Join(ground, "work")), options)
	dir := t.TempDir()
	// Not by the mount command: some versions of it cut options at commas.
	if err := unix.Mount("overlay", dir, "overlay", 0, options); err != nil {
		t.Fatalf("mount an overlay with %s: %v", options, err)
	}
	t.Cleanup(func() { command(t, "umount", dir) })
	return dir
}

// mountZram makes a compressed disk in memory of its own and takes it away.
func mountZram(t *testing.T) string {
	t.Helper()
	number := readLine("/sys/class/zram-control/hot_add")
	if number == "" {
		t.Skip("this kernel makes no zram devices")
	}
	t.Cleanup(func() { _ = os.WriteFile("/sys/class/zram-control/hot_remove", []byte(number), 0) })
	device := "/dev/zram" + number
	if err := os.WriteFile("/sys/block/zram"+number+"/disksize", []byte("16M"), 0); err != nil {
		t.Skip(err)
	}
	command(t, "mkfs.ext4", "-q", "-F", device)
	return mountAt(t, t.TempDir(), device)
}

func TestOverlayShowsTheDeviceBelow(t *testing.T) {
	ground := mountExt4(t, "v", "loop")
	under, over := inspect(t, ground), inspect(t, mountOverlay(t, ground, ""))
	if over.FileSystem != "overlay" || over.Device.Name == "" || over.Device.Name != under.Device.Name {
		t.Errorf("overlay: %s on %+v, want the device %s", over.FileSystem, over.Device, under.Device.Name)
	}
	if len(over.Below) == 0 || over.Below[0].Via != "overlay upper directory" || over.Below[0].FileSystem != "ext4" {
		t.Errorf("below: %+v", over.Below)
	}
	if data, _ := json.Marshal(over); strings.Contains(string(data), "lowerdir") {
		t.Errorf("the facts tell the overlay's directories: %s", data)
	}
}

func TestInspectBtrfsSubvolume(t *testing.T) {
	needMounts(t)
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		t.Skip(err)
	}
	image := plant(t, t.TempDir(), "image")
	if err := os.Truncate(image, 128<<20); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.btrfs", "-q", "-f", image)
	dir := mountAt(t, t.TempDir(), "-o", "loop", image)
	sub := filepath.Join(dir, "sub")
	command(t, "btrfs", "-q", "subvolume", "create", sub)
	facts := inspect(t, sub)
	if facts.MountPoint != dir || facts.FileSystem != "btrfs" || !strings.HasPrefix(facts.Device.Name, "loop") {
		t.Errorf("mount point %s, %s on %+v", facts.MountPoint, facts.FileSystem, facts.Device)
	}
	free, err := FreeSpace(sub)
	if err != nil || free.InodesKnown || facts.Inodes != 0 {
		t.Errorf("inodes: %+v of %d, %v; btrfs has no number", free, facts.Inodes, err)
	}
	child := startChild(t, "open", plant(t, sub, "jetstream", "1.blk"))
	if guard := liveStores(t, dir); !slices.ContainsFunc(guard.Stores, func(s LiveStore) bool { return s.Path == child.path }) {
		t.Errorf("an open file in a subvolume was not found: %+v", guard)
	}
}

func TestInspectBindMount(t *testing.T) {
	dir := mountExt4(t, "v", "loop")
	inner := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	bind := mountAt(t, t.TempDir(), "--bind", inner)
	facts := inspect(t, bind)
	if facts.MountPoint != bind || facts.Device.Name != inspect(t, dir).Device.Name {
		t.Errorf("mount point %s on %+v", facts.MountPoint, facts.Device)
	}
}

func TestListedOptions(t *testing.T) {
	tests := map[string]struct {
		groups []string
		want   []string
	}{
		"kept":          {[]string{"rw,relatime", "rw,data=ordered,discard,commit=30,nobarrier"}, []string{"rw", "relatime", "data=ordered", "discard", "commit=30", "nobarrier"}},
		"bind, ro":      {[]string{"ro,noatime", "rw"}, []string{"ro", "noatime"}},
		"cifs":          {[]string{"rw", "rw,vers=3.0,cache=strict,username=bob,password=x,domain=d,uid=0,addr=10.0.0.1"}, []string{"rw", "vers=3.0", "cache=strict"}},
		"overlay":       {[]string{"rw", "rw,lowerdir=/a:/b,upperdir=/c,workdir=/d,volatile"}, []string{"rw", "volatile"}},
		"odd values":    {[]string{"data=/etc/passwd,size=a b,cache=" + strings.Repeat("x", 99)}, nil},
		"no name":       {[]string{"", ",,=,=ordered"}, nil},
		"case and kin":  {[]string{"RW,rwx,relatimes"}, nil},
		"valued plain":  {[]string{"rw=bob,ro=secret"}, nil},
		"plain, valued": {[]string{"data,commit"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, listedOptions(test.groups...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLongestMount(t *testing.T) {
	table, err := mountinfo.GetMountsFromReader(strings.NewReader(strings.Join([]string{
		`1 0 8:1 / / rw - ext4 /dev/sda1 rw`,
		`2 1 8:2 / /data rw - xfs /dev/sdb1 rw`,
		`3 2 8:2 /x /data/a\040b rw - xfs /dev/sdb1 rw`,
		`4 1 0:50 / /pool rw - btrfs /dev/sdc rw`,
		`5 1 8:9 / /data rw - ext4 /dev/hidden rw`,
	}, "\n")), nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		path         string
		major, minor uint32
		want         int // mount id, 0 is none
	}{
		"root":                    {"/var", 8, 1, 1},
		"inner":                   {"/data/x", 8, 2, 2},
		"bind with a space":       {"/data/a b/c", 8, 2, 3},
		"name that only begins":   {"/database", 8, 1, 1},
		"over-mounted":            {"/data", 8, 9, 5},
		"btrfs subvolume":         {"/pool/sub", 0, 77, 4},
		"nothing fits the device": {"/data/x", 9, 9, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := 0
			if m := mountTable(table).longest(test.path, test.major, test.minor); m != nil {
				got = m.ID
			}
			if got != test.want {
				t.Errorf("mount %d, want %d", got, test.want)
			}
		})
	}
}

func TestUpperDir(t *testing.T) {
	// As Linux 6.18 shows an upper directory "/a b,c:d\e".
	options := `rw,lowerdir=/l,upperdir=/a\040b\134\054c:d\134\134e,workdir=/w`
	if got, want := upperDir(options), `/a b,c:d\e`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := upperDir("ro,lowerdir=/a:/b"); got != "" {
		t.Errorf("an overlay without an upper directory has %q", got)
	}
}

func TestSourcesOfOtherMachinesAreLeftOut(t *testing.T) {
	for _, source := range []string{"nas.example.com:/export", "//bob:secret@nas/share", "sshfs#bob@host:", "tank/data"} {
		if got := localSource(&mountinfo.Info{Source: source}); got != "" {
			t.Errorf("%s shows as %q", source, got)
		}
	}
}

func TestCheckTarget(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]struct {
		dir  func(t *testing.T) string
		want string // part of the error; empty is none
	}{
		"good":      {func(*testing.T) string { return dir }, ""},
		"no name":   {func(*testing.T) string { return "" }, "name one"},
		"missing":   {func(*testing.T) string { return filepath.Join(dir, "no") }, "does not exist; create it"},
		"a file":    {func(t *testing.T) string { return plant(t, t.TempDir(), "file") }, "not a directory"},
		"no files":  {func(*testing.T) string { return "/proc" }, "create"},
		"read-only": {func(t *testing.T) string { return mountExt4(t, "v", "loop,ro") }, "read-only mount; mount it writable"},
		"read-only bind": {func(t *testing.T) string {
			return mountAt(t, t.TempDir(), "-o", "bind,ro", mountExt4(t, "v", "loop"))
		}, "read-only mount"},
		"immutable": {func(t *testing.T) string {
			dir := mountExt4(t, "v", "loop")
			command(t, "chattr", "+i", dir)
			t.Cleanup(func() { command(t, "chattr", "-i", dir) })
			return dir
		}, "permissions"},
		"no inodes": {func(t *testing.T) string {
			needMounts(t)
			dir := mountAt(t, t.TempDir(), "-t", "tmpfs", "-o", "nr_inodes=2", "tmpfs")
			plant(t, dir, "last")
			return dir
		}, "free space or inodes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			target := test.dir(t)
			before, _ := os.ReadDir(target)
			err := CheckTarget(target)
			if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if after, _ := os.ReadDir(target); target != "/proc" && len(after) != len(before) {
				t.Errorf("CheckTarget left something: %v", after)
			}
		})
	}
}
