package volume

// Identity tells directories and file systems apart as the operating system does,
// under whatever paths they are reached. The zero value is unknown, and the same
// as nothing.
type Identity struct {
	Device uint64 `json:"device"` // of the file system
	File   uint64 `json:"file"`   // of the directory within it
}

// Same reports whether both are known to be one directory.
func (id Identity) Same(other Identity) bool { return id != Identity{} && id == other }

// SameFileSystem reports whether both are known to lie on one file system. Of
// parts of one that count as devices of their own (btrfs subvolumes) nothing is
// known.
func (id Identity) SameFileSystem(other Identity) bool {
	return id != Identity{} && id.Device == other.Device
}
