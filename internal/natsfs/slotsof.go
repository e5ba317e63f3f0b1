package natsfs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// olderFormula describes coreSlots for a person.
const olderFormula = "4 to 16 by its CPUs (half of them above 32)"

// lineSlots is how the servers of one minor version choose their slots.
type lineSlots struct {
	// Patches below byCores have 4; patches below fixed have coreSlots; from
	// fixed on it is DefaultSlots, and max_concurrent_io can be configured.
	byCores, fixed int
}

const noPatch = 1 << 30 // no patch of the line has it

// slotsByLine is read from the source of the first and last patch of each kind:
// 2.10.25 has 4 and 2.10.26 the formula; 2.12.12 and 2.14.3 have the formula,
// 2.12.14 and 2.14.4 the fixed number (nats-server pull request 8336).
// There is no 2.13 and the module proxy has no 2.12.13.
var slotsByLine = map[int]lineSlots{
	10: {byCores: 26, fixed: noPatch},
	11: {byCores: 0, fixed: noPatch},
	12: {byCores: 0, fixed: 14},
	14: {byCores: 0, fixed: 4},
	15: {byCores: 0, fixed: 0},
}

// SlotsOf returns the I/O slots of a nats-server of the given version, 2.10 to
// 2.15 ("2.12", "2.12.12", "v2.14.4"), that runs with so many cores (GOMAXPROCS)
// and without max_concurrent_io. A version without a patch means the newest
// patch; the note then says so where older ones differ, and names the rule where
// cores decide. The note may be empty.
func SlotsOf(version string, cores int) (slots int, note string, err error) {
	if cores < 1 {
		return 0, "", fmt.Errorf("%d cores: a nats-server has at least 1", cores)
	}
	major, minor, patch, err := parseServerVersion(version)
	if err != nil {
		return 0, "", err
	}
	line, ok := slotsByLine[minor]
	if !ok || major != 2 {
		return 0, "", fmt.Errorf("nats-server version %q: the slots of 2.10 to 2.15 are known (there is no 2.13); give --max-concurrent-io for another", version)
	}
	if patch < 0 {
		slots, note = line.newest(minor, cores)
		return slots, note, nil
	}
	slots, note = line.of(patch, cores)
	return slots, note, nil
}

func (l lineSlots) of(patch, cores int) (slots int, note string) {
	switch {
	case patch >= l.fixed:
		return DefaultSlots, ""
	case patch >= l.byCores:
		return coreSlots(cores), fmt.Sprintf("%s; %d CPUs assumed", olderFormula, cores)
	default:
		return MinSlots, fmt.Sprintf("always %d", MinSlots)
	}
}

// newest is for a version without a patch.
func (l lineSlots) newest(minor, cores int) (slots int, note string) {
	slots, note = l.of(noPatch-1, cores)
	switch {
	case l.fixed > 0 && l.fixed < noPatch:
		note = fmt.Sprintf("2.%d was taken as its newest patch; before 2.%d.%d a nats-server has %s", minor, minor, l.fixed, olderFormula)
	case l.byCores > 0:
		note += fmt.Sprintf("; 2.%d was taken as its newest patch, before 2.%d.%d it has %d", minor, minor, l.byCores, MinSlots)
	}
	return slots, note
}

// coreSlots is the rule of filestore.go before the slots became an option.
func coreSlots(cores int) int {
	if cores > 32 {
		return cores / 2
	}
	return min(16, max(MinSlots, cores))
}

// parseServerVersion returns the parts of a version, of which the patch is -1 where
// there is none. What follows the patch ("-RC.1", "-binary") is left out.
func parseServerVersion(version string) (major, minor, patch int, err error) {
	bad := fmt.Errorf("nats-server version %q: write it as 2.12 or 2.12.14", version)
	core := strings.TrimPrefix(strings.TrimSpace(version), "v")
	core, _, _ = strings.Cut(core, "-")
	parts := strings.Split(core, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, 0, 0, bad
	}
	numbers := []int{0, 0, -1}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return 0, 0, 0, bad
		}
		numbers[i] = int(n)
	}
	return numbers[0], numbers[1], numbers[2], nil
}

// PrefersLeader says whether a leader of a nats-server of this version that steps down
// hands over to the server that the request names; before 2.11 it chooses by itself.
func PrefersLeader(version string) bool {
	major, minor, _, err := parseServerVersion(version)
	return err == nil && (major > 2 || major == 2 && minor >= 11)
}

// HasRaftz says whether a nats-server of this version tells of its Raft groups at the
// endpoint /raftz; before 2.10.18 it does not.
func HasRaftz(version string) bool {
	major, minor, patch, err := parseServerVersion(version)
	return err == nil && (major > 2 || major == 2 && (minor > 10 || minor == 10 && (patch < 0 || patch >= 18)))
}

// TakesSlots says whether a nats-server of this version knows max_concurrent_io;
// one that does not refuses a configuration that names it. Versions newer than
// those that SlotsOf knows do. A version without a patch means the newest patch.
func TakesSlots(version string) bool {
	major, minor, patch, err := parseServerVersion(version)
	if err != nil || major != 2 {
		return major > 2
	}
	line, known := slotsByLine[minor]
	switch {
	case known && patch < 0:
		return line.fixed < noPatch
	case known:
		return patch >= line.fixed
	}
	return minor > slices.Max(slices.Collect(maps.Keys(slotsByLine)))
}
