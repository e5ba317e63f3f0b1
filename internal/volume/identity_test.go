package volume

import (
	"os"
	"path/filepath"
	"testing"
)

func identified(t *testing.T, dir string) Identity {
	t.Helper()
	id, err := Identify(dir)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestIdentify(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	one, other := identified(t, dir), identified(t, inside)
	if one == (Identity{}) {
		t.Skip("nothing is known on this system")
	}
	if !one.Same(identified(t, dir+"/.")) || one.Same(other) {
		t.Errorf("%+v and %+v: the directory must be itself alone", one, other)
	}
	if !one.SameFileSystem(other) {
		t.Errorf("%+v and %+v are not on one file system", one, other)
	}
	if _, err := Identify(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing directory has an identity")
	}
}

// TestUnknownIdentity: of two unknowns nobody can say that they are one.
func TestUnknownIdentity(t *testing.T) {
	var unknown Identity
	if unknown.Same(unknown) || unknown.SameFileSystem(unknown) || unknown.SameFileSystem(Identity{File: 1}) {
		t.Error("the unknown is the same as something")
	}
}

func TestInMemory(t *testing.T) {
	tests := []struct {
		name  string
		facts Facts
		want  bool
	}{
		{"tmpfs", Facts{FileSystem: "tmpfs"}, true},
		{"a disk", Facts{FileSystem: "ext4", Device: Device{Disk: "sda"}}, false},
		{"a disk in memory", Facts{FileSystem: "ext4", Device: Device{Disk: "zram0"}}, true},
		{"a disk with such a name", Facts{FileSystem: "ext4", Device: Device{Disk: "ramjet"}}, false},
		{"nothing is known", Facts{}, false},
	}
	for _, test := range tests {
		if got := test.facts.InMemory(); got != test.want {
			t.Errorf("%s: in memory %v", test.name, got)
		}
	}
}
