package slowvolume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Block is a mounted block volume. Its methods may run concurrently.
type Block struct {
	volume
	config BlockConfig
	disk   string // the server's file below the loop device
}

// mkfsOptions keep mkfs from discarding, which a FUSE file cannot, and ext4
// from going on with it in the background, which would be counted later.
var mkfsOptions = map[string][]string{
	"ext4":  {"-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"},
	"xfs":   {"-q", "-f", "-K"},
	"btrfs": {"-q", "-f", "-K"},
}

// NewBlock makes a disk and a file system on it and mounts it. Without an
// error the caller must Close it; should the program die first, the volume is
// taken down all the same.
func NewBlock(ctx context.Context, config BlockConfig) (*Block, error) {
	config.FS = cmp.Or(config.FS, "ext4")
	if err := config.Check(); err != nil {
		return nil, err
	}
	config.Size -= config.Size % blockSize
	if _, err := exec.LookPath("mkfs." + config.FS); err != nil {
		return nil, fmt.Errorf("make %s: %w (install e2fsprogs, xfsprogs or btrfs-progs)", config.FS, err)
	}
	dir, remove, err := mountPoint(config.Dir)
	if err != nil {
		return nil, err
	}
	b := &Block{volume: volume{kind: blockKind, dir: dir, seed: config.Seed}, config: config}
	if err := b.start(); err != nil {
		return nil, errors.Join(err, removeEmpty(remove))
	}
	if err := b.setUp(ctx, remove); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func removeEmpty(dir string) error {
	if dir == "" {
		return nil
	}
	return os.Remove(dir)
}

func (b *Block) setUp(ctx context.Context, remove string) error {
	fuseDir, err := tempDir("slowvolume-disk-")
	if err != nil {
		return err
	}
	b.disk = filepath.Join(fuseDir, diskFile)
	err = b.keeper.tell(func(p *plan) {
		p.Disk = b.disk
		p.Remove = []string{fuseDir}
		if remove != "" {
			p.Remove = append(p.Remove, remove)
		}
	})
	if err != nil {
		return errors.Join(err, os.Remove(fuseDir))
	}
	if err := b.mountFUSE(mountCall{Kind: blockKind, Dir: fuseDir, Size: b.config.Size}); err != nil {
		return err
	}
	if err := b.attachAndMount(ctx, true); err != nil {
		return err
	}
	// What mkfs wrote is there for certain, whatever the device lies later.
	if _, err := b.call(call{Name: callCommit}); err != nil {
		return err
	}
	return b.SetFaults(b.config.Faults...)
}

// attachAndMount puts a loop device over the disk and mounts it.
func (b *Block) attachAndMount(ctx context.Context, mkfs bool) (err error) {
	device, err := attach(ctx, b.disk)
	if err != nil {
		return err
	}
	// The mount keeps the device; ours must be closed for it to go by itself.
	defer func() { err = errors.Join(err, device.Close()) }()
	name := filepath.Base(device.Name())
	if err := b.keeper.tell(func(p *plan) { p.Loop = name }); err != nil {
		return err
	}
	if mkfs {
		args := slices.Concat(mkfsOptions[b.config.FS], b.config.MkfsOptions, []string{device.Name()})
		if err := run(ctx, "mkfs."+b.config.FS, args...); err != nil {
			return err
		}
	}
	if err := b.keeper.tell(func(p *plan) { p.Mount = b.dir }); err != nil {
		return err
	}
	args := []string{"-t", b.config.FS}
	if len(b.config.MountOptions) > 0 {
		args = append(args, "-o", strings.Join(b.config.MountOptions, ","))
	}
	return run(ctx, "mount", append(args, device.Name(), b.dir)...)
}

// run runs a tool; its error holds what the tool said.
func run(ctx context.Context, name string, args ...string) error {
	said, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(said)))
	}
	return nil
}

// Device returns the name of the loop device below the file system, such as
// loop3. A power cut may change it.
func (b *Block) Device() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keeper.plan.Loop
}

// PowerCut turns the volume off and on again: everything fails, then all that
// was not durable is gone and the file system is mounted anew, recovering from
// its journal. The faults sleep until it is mounted and then go on as they
// were. Nobody may have a file open on the volume or stand in it. After an
// error the volume is not usable and can only be closed.
func (b *Block) PowerCut(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.goOn(); err != nil {
		return err
	}
	if _, err := b.call(call{Name: callCut}); err != nil {
		return err
	}
	if err := within(unmountLimit, func() error { return unmountBusy(b.dir) }); err != nil {
		return fmt.Errorf("unmount %s for the power cut (close what is open on it): %w", b.dir, err)
	}
	if err := waitDetached(b.keeper.plan.Loop, b.disk); err != nil {
		return err
	}
	if _, err := b.call(call{Name: callRestore}); err != nil {
		return err
	}
	if err := b.attachAndMount(ctx, false); err != nil {
		return fmt.Errorf("mount after the power cut: %w", err)
	}
	_, err := b.call(call{Name: callResume})
	return err
}
