//go:build !linux

package volume

func tryCreate(dir string) error { return createNamed(dir) }
