package probes

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"storebench/internal/measure"
	"storebench/internal/volume"
)

// chill empties the page cache of all files below dir, so that the next reads of
// them come from the device, and says what stayed in it. Names and inodes stay
// cached. An error is one of the volume; that the system cannot empty its cache,
// or cannot tell whether it is empty, stands in the answer.
func chill(dir string) (*measure.Cache, error) {
	if err := settle(dir); err != nil {
		return nil, err
	}
	return forget(dir)
}

// forget is chill for files that are written out already; pages that are not
// stay.
func forget(dir string) (*measure.Cache, error) {
	left := &measure.Cache{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		resident, pages, err := forgetFile(path)
		left.Resident, left.Pages = left.Resident+resident, left.Pages+pages
		return err
	})
	if errors.Is(err, volume.ErrNotSupported) {
		left.Unknown, err = "this system cannot be asked to empty it", nil
	}
	if err != nil {
		return nil, fmt.Errorf("empty the page cache: %w", err)
	}
	return left, nil
}

func forgetFile(path string) (resident, pages int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	if err := volume.ForgetCache(f); err != nil {
		return 0, 0, err
	}
	return volume.Resident(f)
}

// addCache adds up what was found before each read of a round.
func addCache(sum, left *measure.Cache) *measure.Cache {
	if sum == nil {
		return left
	}
	return &measure.Cache{Resident: sum.Resident + left.Resident, Pages: sum.Pages + left.Pages, Unknown: cmp.Or(sum.Unknown, left.Unknown)}
}
