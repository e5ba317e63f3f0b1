package engine

import (
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestKindOfSystemFault(t *testing.T) {
	for name, fault := range map[string]error{
		"a medium error":                   syscall.ENODATA,
		"a target's error":                 syscall.EREMOTEIO,
		"a link that is gone":              syscall.ENOLINK,
		"a checksum of the block layer":    syscall.EILSEQ,
		"a damaged file system":            syscall.EUCLEAN,
		"a damaged file system's checksum": syscall.EBADMSG,
	} {
		err := fmt.Errorf("round: %w", &fs.PathError{Op: "fsync", Path: "1.blk", Err: fault})
		if got := kindOf(err); got != kindVolume {
			t.Errorf("%s: %v is of kind %q, want %q", name, err, got, kindVolume)
		}
	}
}
