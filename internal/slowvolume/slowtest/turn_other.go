//go:build !unix

package slowtest

// TakeTurn does nothing: no volumes are made here.
func TakeTurn(Turn) error { return nil }
