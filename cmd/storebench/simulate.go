package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"storebench/internal/measure"
	"storebench/internal/slowvolume"
)

func newSimulate() *cobra.Command {
	var faults []string
	var fs string
	size := measure.Size(1 << 30)
	every := time.Second
	cmd := &cobra.Command{
		Use:   "simulate MOUNTPOINT",
		Short: "Mount a volume with known faults, to rehearse a slow disk (Linux, root)",
		Long: `Mount a real file system on a memory-backed disk with known faults, until Ctrl-C.
Whatever passes through it is shown on stderr. Faults can be changed while it
is mounted: each line on stdin replaces them all (several with semicolons, an
empty line for none). MOUNTPOINT is a directory with nothing in it.

Nothing on it survives: it is for rehearsing a slow disk under a NATS of your
own, and for trying your alerts, before the real one comes. What is written takes
memory twice, as it stands and as a power cut would leave it, and what is removed
gives none back. The disk has one queue: while a flush takes long, reads and writes
wait for it.

Faults:
  ` + strings.Join(slowvolume.BlockForms(), "\n  "),
		Example: `  storebench simulate /mnt/slow --fault "flush 20ms"
  storebench simulate /mnt/slow --fs xfs --size 2GiB --fault "stall 5s every 8s" --fault "iops 500"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := slowvolume.ParseBlockFaults(faults...)
			if err != nil {
				return asUsage(err)
			}
			config := slowvolume.BlockConfig{Size: int64(size), FS: fs, Dir: args[0], Faults: parsed}
			if err := errors.Join(config.Check(), checkMountPoint(config.Dir)); err != nil {
				return asUsage(err)
			}
			if every <= 0 {
				return usagef("--every %v: it takes a duration above zero", every)
			}
			if err := slowvolume.CanBlock(); err != nil {
				return fmt.Errorf("a volume with faults cannot be made here: %w", err)
			}
			return simulate(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), every, config)
		},
	}
	cmd.Flags().StringArrayVar(&faults, "fault", nil, "a fault of the disk (repeatable); the list is above")
	cmd.Flags().StringVar(&fs, "fs", "ext4", "file system: ext4, xfs or btrfs")
	cmd.Flags().TextVar(&size, "size", size, "size of the disk (xfs from 300MiB, btrfs from 110MiB); only what is written takes memory, twice")
	cmd.Flags().DurationVar(&every, "every", every, "how often to show what passes through")
	return cmd
}

// checkMountPoint says why nothing can be mounted over dir. What lies in it would
// be out of sight, and a server that has it open would write its next files into
// memory.
func checkMountPoint(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("mount point: %w (name an empty directory)", err)
	}
	for _, entry := range entries {
		if entry.Name() != "lost+found" {
			return fmt.Errorf("mount point %s is not empty, it holds %s: name an empty directory", dir, entry.Name())
		}
	}
	return nil
}

// simulate keeps a volume mounted until ctx ends.
func simulate(ctx context.Context, in io.Reader, out io.Writer, every time.Duration, config slowvolume.BlockConfig) (err error) {
	volume, err := slowvolume.NewBlock(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, volume.Close()) }()
	fmt.Fprintf(out, "%s is mounted on %s (%s); Ctrl-C ends it\n", volume.Device(), volume.Path(), faultText(config.Faults))
	lines := make(chan string)
	signal.Ignore(ttin)
	go func() {
		for ctx.Err() == nil && errors.Is(typed(ctx, in, lines), syscall.EIO) {
			time.Sleep(time.Second)
		}
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	last, err := volume.Counts() // what mkfs and mount did is nobody's traffic
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case line := <-lines:
			change(volume, out, line)
		case <-tick.C:
			now, err := volume.Counts()
			if err != nil {
				return err
			}
			show(out, now.Sub(last))
			last = now
		}
	}
}

// ttin is SIGTTIN of Linux, where volumes can be simulated: it would stop a program in
// the background of a terminal that reads from it. Ignored, the read fails with EIO until
// the program is in the foreground.
const ttin = syscall.Signal(21)

// typed hands on lines until in or ctx ends.
func typed(ctx context.Context, in io.Reader, lines chan<- string) error {
	scan := bufio.NewScanner(in)
	for scan.Scan() {
		select {
		case lines <- scan.Text():
		case <-ctx.Done():
			return nil
		}
	}
	return scan.Err()
}

// change replaces the faults; a line with a mistake changes nothing.
func change(volume *slowvolume.Block, out io.Writer, line string) {
	var texts []string
	for text := range strings.SplitSeq(line, ";") {
		if text = strings.TrimSpace(text); text != "" {
			texts = append(texts, text)
		}
	}
	faults, err := slowvolume.ParseBlockFaults(texts...)
	if err == nil {
		err = volume.SetFaults(faults...)
	}
	if err != nil {
		fmt.Fprintf(out, "unchanged: %v\n", err)
		return
	}
	fmt.Fprintf(out, "now %s\n", faultText(faults))
}

func faultText(faults []slowvolume.Fault) string {
	if len(faults) == 0 {
		return "no faults"
	}
	var texts []string
	for _, f := range faults {
		texts = append(texts, f.String())
	}
	return strings.Join(texts, "; ")
}

// show is one line of what passed through, or none when nothing did.
func show(out io.Writer, c slowvolume.Counts) {
	if c == (slowvolume.Counts{}) {
		return
	}
	fmt.Fprintf(out, "%s  reads %d (%s)  writes %d (%s)  flushes %d  errors %d\n", time.Now().Format("15:04:05"),
		c.Reads, measure.Size(c.ReadBytes).Human(), c.Writes, measure.Size(c.WrittenBytes).Human(), c.Flushes, c.Errors)
}
