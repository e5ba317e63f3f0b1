package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/probes"
)

// admit decides whether the run may write to its grounds at all.
func (e *engine) admit(ctx context.Context) error {
	if err := e.distinct(); err != nil {
		return err
	}
	for _, g := range e.grounds {
		if err := e.guard(g.Guard); err != nil {
			return err
		}
	}
	for _, g := range e.grounds {
		if err := e.tidy(ctx, g); err != nil {
			return err
		}
	}
	return e.room()
}

// distinct refuses a directory that is given twice, and notes grounds that can
// slow each other down.
func (e *engine) distinct() error {
	for i, g := range e.grounds {
		for _, other := range e.grounds[:i] {
			if g.same(other) {
				return g.twice(other)
			}
			if what := g.shares(other); what != "" {
				e.note("%s and %s lie on one %s: what slows one down slows the other, and servers that store there are no separate copies", other, g, what)
			}
		}
		if g.kind == groundMemory && !g.Facts.InMemory() {
			e.note("%s is not in memory (%s), so its disk is part of what the Raft probes see", g, orUnknown(g.Facts.FileSystem))
		}
	}
	return nil
}

func orUnknown(fileSystem string) string {
	if fileSystem == "" {
		return "its file system is unknown"
	}
	return fileSystem
}

func (g *ground) same(other *ground) bool {
	return g.ID.Same(other.ID) || g.Facts.Path == other.Facts.Path
}

// twice is the error of a ground that is another one under whatever name.
func (g *ground) twice(other *ground) error {
	if g.kind == groundMemory {
		return usagef("%s is where the servers beside the volume would stand, and is to be measured itself: name another directory for them with --memory-dir", g.Facts.Path)
	}
	return usagef("%s and %s are one directory: each server of a Raft group stands on a volume of its own", other.asked, g.asked)
}

// shares says what two grounds have in common: a file system, a disk or nothing.
func (g *ground) shares(other *ground) string {
	switch here, there := g.Facts.Device, other.Facts.Device; {
	case g.onFileSystemOf(other):
		return "file system"
	case here.Disk != "" && here.Disk == there.Disk:
		return "disk"
	}
	return ""
}

// onFileSystemOf says whether two grounds share their free space.
func (g *ground) onFileSystemOf(other *ground) bool {
	number := g.Facts.Device.Number // btrfs has one and as many identities as subvolumes
	return g.ID.SameFileSystem(other.ID) || number != "" && number == other.Facts.Device.Number
}

// guard refuses to load a file system that live streams stand on.
func (e *engine) guard(g volume.Guard) error {
	for _, blind := range g.Blind {
		e.note("looking for live JetStream data: %s", blind)
	}
	if len(g.Stores) == 0 {
		return nil
	}
	var places []string
	for _, s := range g.Stores {
		places = append(places, fmt.Sprintf("%s (%s)", s.Path, s.Why))
	}
	where := strings.Join(places[:min(3, len(places))], "; ")
	if !e.req.BesideLiveData {
		return fmt.Errorf("JetStream data lies on the same volume: %s. A full load would slow that server down; %s", where, e.gentler())
	}
	e.note("running beside live JetStream data: %s", where)
	return nil
}

// gentler is what to do beside live data.
func (e *engine) gentler() string {
	if e.plan.sweep != nil {
		return "sweep an empty volume of the same kind"
	}
	return "--beside-live-data runs a rate-capped set of steps that stops when it hurts"
}

// tidy removes what dead runs left on a ground. What cannot be removed keeps the
// run off a volume, where a living run would be measured as well; in memory it
// only takes room.
func (e *engine) tidy(ctx context.Context, g *ground) error {
	removed := false
	for _, old := range g.Leftovers {
		if !old.Removable() && g.kind == groundMemory {
			e.note("%s stays beside this run: %s", old.Path, held(old))
			continue
		}
		if !old.Removable() {
			return fmt.Errorf("%s: %s", old.Path, held(old))
		}
		if err := e.clear(ctx, clearTask{Scratch: old.Path}, e.within(silence)); err != nil {
			return fmt.Errorf("the leftover %s of run %s cannot be removed: %w", old.Path, old.Marker.RunID, err)
		}
		e.note("removed %s, left behind by run %s of %s", old.Path, old.Marker.RunID, old.Marker.Started.Format(time.RFC3339))
		removed = true
	}
	if !removed {
		return nil
	}
	return e.inspect(ctx, g) // it has more room now
}

// held says why a leftover cannot be removed now, and what to do.
func held(old volume.Leftover) string {
	switch {
	case old.Unreadable:
		return "it belongs to another user, so nobody here can tell whether a run still uses it: remove it as that user with storebench clean"
	case old.Locked:
		return fmt.Sprintf("a process of run %s (process %d) holds it: wait for that run to end; if it is dead, one of its workers is still blocked in the kernel and lets go when the volume answers", old.Marker.RunID, old.Marker.PID)
	}
	return fmt.Sprintf("locks prove nothing on this file system, so run %s (process %d) may still be alive: if it is not, remove the directory", old.Marker.RunID, old.Marker.PID)
}

// room compares what the steps need with what is free, and keeps a reserve.
func (e *engine) room() error {
	for _, s := range e.plan.steps {
		f := e.main().Facts
		if foretold := s.probe.Info().Foretold; foretold > f.SizeBytes {
			return usagef("step %s: a store of %s does not fit on %s, which has %s in all: ask for a smaller one", s.Title(), size(foretold), f.Path, size(f.SizeBytes))
		}
	}
	for _, g := range e.grounds {
		g.reserve, g.spare = e.reserveOn(g), e.needOn(g).Files/10
	}
	for _, g := range slices.Backward(e.grounds) { // of memory more can be said, where it shares a file system
		check := e.roomOnVolume
		if g.kind == groundMemory {
			check = e.roomInMemory
		}
		if err := check(g); err != nil {
			return err
		}
	}
	return nil
}

// memorySlack is the share of what is needed that is kept free in memory.
const memorySlack = 0.1

func (e *engine) reserveOn(g *ground) int64 {
	switch {
	case g.kind == groundMemory && g.Facts.InMemory():
		return int64(memorySlack * float64(g.need.Bytes))
	case e.req.Reserve.Bytes > 0:
		return e.req.Reserve.Bytes
	}
	return int64(e.req.Reserve.Share * float64(g.Facts.SizeBytes))
}

// needOn is what the run takes of the file system of a ground, on which others of
// its grounds may lie as well.
func (e *engine) needOn(g *ground) probes.Need {
	need := g.need
	for _, other := range e.grounds {
		if other != g && g.onFileSystemOf(other) {
			need = sum(need, other.need)
		}
	}
	return need
}

func (e *engine) roomOnVolume(g *ground) error {
	f, need := g.Facts, e.needOn(g)
	if f.AvailableBytes-need.Bytes < g.reserve {
		return fmt.Errorf("%s has %s available; this run needs up to %s and keeps %s in reserve: free some space, or ask for less (%s)", f.Path, size(f.AvailableBytes), size(need.Bytes), size(g.reserve), e.less())
	}
	if g.lacksFiles(need) {
		return fmt.Errorf("%s has %d inodes free; this run needs up to %d: make room, or ask for less (%s)", f.Path, f.InodesFree, need.Files, e.less())
	}
	return nil
}

// less is how to ask for less room.
func (e *engine) less() string {
	if e.plan.sweep != nil {
		return "smaller values, --set max-bytes=1MiB or --set groups=100 where the probe has them, --reserve"
	}
	return "--profile quick, --skip, --reserve, --set term-vote.groups=500"
}

func (g *ground) lacksFiles(need probes.Need) bool {
	return g.Facts.Inodes > 0 && g.Facts.InodesFree < need.Files+g.spare
}

// roomInMemory asks for the room of the servers that have no volume. A file system
// in memory may promise more than the machine has left.
func (e *engine) roomInMemory(g *ground) error {
	f, need := g.Facts, e.needOn(g)
	most := need.Bytes + g.reserve
	wanted := fmt.Sprintf("the %s of a Raft group that stand beside the volume need up to %s there", counted(e.plan.inMemory(e.req.Options), "server"), size(g.need.Bytes+g.reserve))
	if need != g.need {
		wanted += fmt.Sprintf(" (%s with what else this run writes to the same file system)", size(most))
	}
	switch {
	case f.AvailableBytes < most:
		return usagef("%s has %s available, and %s: give it more room (in a container mount an emptyDir of medium Memory there, or a larger --shm-size), name a larger directory with --memory-dir%s", f.Path, size(f.AvailableBytes), wanted, e.without())
	case g.lacksFiles(need):
		return usagef("%s has %d inodes free, and %s, in %d files: name another directory with --memory-dir%s", f.Path, f.InodesFree, wanted, need.Files, e.without())
	case g.FreeMemory > 0 && g.FreeMemory < most:
		return usagef("%s is in memory, of which this machine or a limit on this container has %s left, and %s: give it more memory, name a directory on a disk with --memory-dir%s", f.Path, size(g.FreeMemory), wanted, e.without())
	}
	return nil
}

// without is how to do without the servers in memory.
func (e *engine) without() string {
	if e.plan.sweep != nil {
		return ""
	}
	return ", or leave these steps out with --skip " + strings.Join(e.plan.besideNames(), ",")
}

func size(n int64) string { return measure.Size(n).Human() }

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
