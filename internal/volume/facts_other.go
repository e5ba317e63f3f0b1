//go:build !linux

package volume

import (
	"fmt"
	"runtime"
)

// Inspect finds out the path and the free space of the volume that dir lies on;
// the rest is known on Linux only, and Notes says so. It writes nothing.
func Inspect(dir string) (Facts, error) {
	path, err := resolve(dir)
	if err != nil {
		return Facts{}, err
	}
	facts := Facts{
		Path:        path,
		Persistence: Persistence{PersistenceUnknown, "only looked at on Linux"},
		Notes: []string{fmt.Sprintf(
			"on %s the device, the mount options and persistence are not looked at; only Linux shows them", runtime.GOOS)},
	}
	if err := facts.addSpace(path); err != nil {
		return Facts{}, err
	}
	return facts, nil
}
