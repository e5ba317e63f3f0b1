package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"storebench/internal/volume"
	"storebench/profiles"
	"storebench/results"
)

// line is something with a name for a person.
type line struct{ name, value string }

// filled leaves out lines without a value.
func filled(lines []line) []line {
	return slices.DeleteFunc(lines, func(l line) bool { return l.value == "" })
}

// targetLines are what was looked at and what was asked of it.
func targetLines(run *results.Run) []line {
	v := run.Volume
	asked, varied, fixed := run.Profile.Name+": "+workload(run.Profile.Workload), "", ""
	if run.Sweep != nil {
		asked = ""
		varied, fixed = sweptWords(run)
	}
	return filled([]line{
		{"volume", v.Path + ": " + strings.Join(volumeWords(v), ", ") + mounted(v)},
		{"durability", persistence(v.Persistence)},
		{"workload", asked},
		{"varied", varied},
		{"fixed", fixed},
	})
}

// runLines are what else must be known of a run to read it.
func runLines(run *results.Run) []line {
	return filled([]line{
		{"host", strings.Join(hostWords(run), ", ")},
		{"I/O slots", slotsWords(run.Slots)},
		{"raft", raftWords(run.Raft)},
		{"targets", targetWords(run.Raft)},
		{"run", fmt.Sprintf("%s, %.1f s of %.0f s, seed %d, storebench %s", run.ID,
			run.Ended.Sub(run.Started).Seconds(), run.Budget, run.Seed, run.Tool.Version)},
		{"labels", joinLabels(run.Labels)},
	})
}

// factLines are both.
func factLines(run *results.Run) []line { return append(targetLines(run), runLines(run)...) }

func mounted(v volume.Facts) string {
	if len(v.MountOptions) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", strings.Join(v.MountOptions, ","))
}

func slotsWords(s results.Slots) string {
	if len(s.Judged) == 0 {
		return ""
	}
	return fmt.Sprintf("max_concurrent_io %s (%s)", joinInts(s.Judged), s.Source)
}

// raftWords says which servers the Raft groups were made of, where those stood that
// had no volume, and how long they took.
func raftWords(r *results.Raft) string {
	if r == nil {
		return ""
	}
	words := "nats-server " + r.Server
	if r.Linked {
		words += " (linked in)"
	} else {
		words += " (--nats-server)"
	}
	if r.Seconds > 0 {
		words += fmt.Sprintf(", %.1f s in all rounds", r.Seconds)
	}
	switch {
	case r.Peers != nil:
		place := "on a disk"
		if r.Peers.InMemory() {
			place = "in memory"
		}
		return fmt.Sprintf("%s; servers without a volume stand %s: %s, %s", words, place, r.Peers.Path, strings.Join(volumeWords(*r.Peers), ", "))
	case len(r.Targets) == 0:
		return words + "; all servers stand on the volume"
	}
	return words
}

// targetWords are the further volumes, each under a server of its own.
func targetWords(r *results.Raft) string {
	if r == nil {
		return ""
	}
	var words []string
	for _, v := range r.Targets {
		words = append(words, v.Path+": "+strings.Join(volumeWords(v), ", ")+"; durability: "+persistence(v.Persistence))
	}
	return strings.Join(words, "; ")
}

func volumeWords(v volume.Facts) []string {
	if v.FileSystem == "" {
		return []string{"nothing is known of it"}
	}
	words := []string{v.FileSystem}
	if name := cmp.Or(v.Device.Source, v.Device.Name); name != "" {
		words = append(words, "on "+name)
	}
	return append(words, bytesOf(float64(v.SizeBytes)), bytesOf(float64(v.AvailableBytes))+" available")
}

// persistence says whether what was synced is there after a power cut.
func persistence(p volume.Persistence) string {
	word, ok := map[volume.PersistenceState]string{
		volume.PersistenceAssumed: "assumed", volume.PersistenceUnknown: "unknown", volume.NotPersistent: "not durable",
	}[p.State]
	if !ok || p.How == "" {
		return word
	}
	return word + ": " + p.How
}

func hostWords(run *results.Run) []string {
	words := []string{strings.TrimSpace(run.Host.OS + "/" + run.Host.Arch + " " + run.Host.Kernel), counted(run.Host.CPUs, "CPU")}
	if run.Host.Memory > 0 {
		words = append(words, bytesOf(float64(run.Host.Memory))+" memory")
	}
	return append(words, "nats-server "+run.Tool.NATSServer)
}

func workload(w profiles.Workload) string {
	return fmt.Sprintf("%s × %s a second, %s, %s, %s, sync %s, cipher %s",
		grouped(w.Rate), spaced(w.MessageSize), counted(w.Streams, "stream"), counted(w.Consumers, "consumer"), counted(w.Groups, "Raft group"), w.Sync, w.Cipher)
}

func joinInts(all []int) string {
	var words []string
	for _, n := range all {
		words = append(words, fmt.Sprint(n))
	}
	return strings.Join(words, ", ")
}

func joinLabels(labels map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}
