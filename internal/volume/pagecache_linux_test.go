package volume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestPageCache(t *testing.T) {
	dir := mountExt4(t, "v", "loop")
	pages := int64(100)
	f, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if in, of, err := Resident(f); in != 0 || of != 0 || err != nil {
		t.Errorf("empty file: %d of %d pages, %v", in, of, err)
	}
	// One byte less: the last page counts whole.
	if _, err := f.Write(make([]byte, pages*int64(os.Getpagesize())-1)); err != nil {
		t.Fatal(err)
	}
	if in, of, err := Resident(f); in != pages || of != pages || err != nil {
		t.Errorf("written: %d of %d pages, %v, want all of %d", in, of, err, pages)
	}
	if err := errors.Join(f.Sync(), ForgetCache(f)); err != nil {
		t.Fatal(err)
	}
	if in, of, err := Resident(f); in != 0 || of != pages || err != nil {
		t.Errorf("forgotten: %d of %d pages, %v, want none of %d", in, of, err, pages)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); err != nil {
		t.Fatal(err)
	}
	if in, _, err := Resident(f); in == 0 || err != nil {
		t.Errorf("read: %d pages, %v", in, err)
	}
}

func TestPageCacheOfClosedFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Resident(f); err == nil {
		t.Error("a closed file has no pages")
	}
	if err := ForgetCache(f); err == nil {
		t.Error("a closed file cannot be forgotten")
	}
}
