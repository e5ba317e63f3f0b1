//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package volume

// Identify: on this operating system nothing is known.
func Identify(string) (Identity, error) { return Identity{}, nil }
