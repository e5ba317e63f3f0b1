//go:build !unix

package volume

import "os"

// sameMount: a mount shows as a link here, and links are never followed.
func sameMount(_, _ *os.File) (bool, error) { return true, nil }
