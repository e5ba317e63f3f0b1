//go:build !linux

package engine

// systemFaults has none: what Linux says with further numbers means something else
// here (EILSEQ on macOS is a file name that is no UTF-8).
var systemFaults []error
