//go:build !unix

package slowtest

// TakeTurn does nothing: no volumes are made here.
func TakeTurn() error { return nil }
