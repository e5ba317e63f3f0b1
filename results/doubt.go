package results

import (
	"fmt"

	"storebench/internal/measure"
	"storebench/internal/volume"
)

// What no disk does, seen from the file system: a sync of a file, and the sync
// of a directory beside it.
const (
	// instant is what a system call alone takes. The fastest devices with a
	// cache that outlives a power cut need over twice as long for a flush.
	instant = 5e-6 // seconds
	// nothingDone is how many times shorter than the sync of a file a rename
	// with the sync of its directory is when it does nothing. Journals make it
	// half as long to twice as long.
	nothingDone = 20
)

// doubtRule is the name of the rule that nothing speaks against the volume's persisting.
const doubtRule = "the volume may not persist"

// tryPersistence is what an operator can do about a doubt.
const tryPersistence = "cut the power of the machine (not of the guest alone) while a client publishes with sync_interval: always, and see whether every acknowledged message is there; " +
	"ask whose cache acknowledges, too: a hypervisor's cache mode, a controller without a battery, a mount option"

// doubts warns of a volume that answers too fast to have made anything durable.
func doubts(run *Run) []Finding {
	if run.Volume.Persistence.State == volume.NotPersistent {
		return nil // it is known, and fails
	}
	var all []Finding
	syncs := run.every(measure.FileSync)
	if syncs.Count() == 0 {
		return nil
	}
	half := syncs.Quantile(0.5)
	if half < instant {
		all = append(all, doubt(half, fmt.Sprintf("half of the fdatasyncs took under %.1f µs, the time of a system call: nothing was waited for", half*1e6)))
	}
	renames := run.every(measure.DirSync)
	if renames.Count() == 0 || run.Host.OS == "windows" {
		return all
	}
	if rename := renames.Quantile(0.5); rename*nothingDone < half {
		all = append(all, doubt(rename, fmt.Sprintf(
			"the sync of a file takes %.2f ms at p50, a rename and the sync of its directory %.0f µs: the directory's sync does nothing", half*1e3, rename*1e6)))
	}
	return all
}

func doubt(observed float64, reason string) Finding {
	return Finding{
		Name: doubtRule, Title: "The volume may not persist", Status: Warn, Unit: measure.Seconds, Observed: finite(observed), Reason: reason,
		Meaning: "acknowledged messages, votes and terms may be gone after a power cut",
	}
}

// every is what all rounds of the measurements of a kind hold.
func (run *Run) every(kind measure.Kind) *measure.Distribution {
	var rounds []measure.Round
	for _, m := range run.Measurements {
		if m.Kind == kind {
			rounds = append(rounds, m.Rounds...)
		}
	}
	return merged(distributions(rounds))
}
