package probes

import (
	"fmt"
	"strconv"
	"strings"

	"storebench/internal/natsfs"
)

// SlotsOf reads a value of max-concurrent-io: a number of I/O slots, or a
// version of nats-server ("2.12.12"), which stands for the slots that such a
// server takes by itself on a machine with so many processors. The note says
// whose slots they are; it is empty for a number.
func SlotsOf(value string, cpus int) (slots int, note string, err error) {
	if !strings.ContainsRune(value, '.') {
		slots, err = strconv.Atoi(value)
		if err != nil {
			return 0, "", fmt.Errorf("max-concurrent-io %q is neither a number nor a version of nats-server", value)
		}
		return slots, "", nil
	}
	slots, note, err = natsfs.SlotsOf(value, cpus)
	return slots, strings.TrimSuffix("nats-server "+value+": "+note, ": "), err
}
