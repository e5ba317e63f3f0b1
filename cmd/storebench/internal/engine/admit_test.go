package engine

import (
	"errors"
	"strings"
	"testing"

	"storebench/internal/volume"
	"storebench/probes"
)

// TestRoom holds what the grounds offer against what is needed of them.
func TestRoom(t *testing.T) {
	const mib = 1 << 20
	disk := func(available int64, device uint64) inspection {
		return inspection{ID: volume.Identity{Device: device, File: device},
			Facts: volume.Facts{Path: "/disk", FileSystem: "ext4", SizeBytes: 1000 * mib, AvailableBytes: available, Inodes: 1000, InodesFree: 500}}
	}
	memory := func(available, free int64) inspection {
		return inspection{ID: volume.Identity{Device: 9, File: 9}, FreeMemory: free,
			Facts: volume.Facts{Path: "/mem", FileSystem: "tmpfs", SizeBytes: 1000 * mib, AvailableBytes: available, Inodes: 100, InodesFree: 50}}
	}
	peer := probes.Need{Bytes: 50 * mib, Files: 20} // two in memory: 100 MiB and 10 MiB more
	tests := []struct {
		name    string
		volume  inspection
		memory  inspection
		peer    probes.Need
		reserve Reserve
		usage   bool
		says    []string // none: there is room
	}{
		{"room for all", disk(500*mib, 1), memory(110*mib, 110*mib), peer, Reserve{Share: 0.05}, false, nil},
		{"nobody knows the memory", disk(500*mib, 1), memory(110*mib, 0), peer, Reserve{}, false, nil},
		{"a small /dev/shm", disk(500*mib, 1), memory(64*mib, 900*mib), peer, Reserve{}, true,
			[]string{"/mem has 64.0 MiB available", "the 2 servers", "need up to 110 MiB there", "emptyDir of medium Memory", "--memory-dir", "--skip raft"}},
		{"a small machine", disk(500*mib, 1), memory(900*mib, 109*mib), peer, Reserve{}, true,
			[]string{"has 109 MiB left", "110 MiB", "--memory-dir"}},
		{"too many files", disk(500*mib, 1), memory(900*mib, 0), probes.Need{Bytes: mib, Files: 30}, Reserve{}, true, []string{"50 inodes free", "60 files"}},
		{"peers on a disk of their own", disk(500*mib, 1), disk(150*mib, 2), peer, Reserve{Share: 0.05}, false, nil},
		{"and too little reserve", disk(500*mib, 1), disk(149*mib, 2), peer, Reserve{Share: 0.05}, true, []string{"150 MiB", "--memory-dir"}},
		{"peers on the volume's own disk", disk(151*mib, 1), disk(151*mib, 1), peer, Reserve{Share: 0.05}, false, nil},
		{"and too little for both", disk(150*mib, 1), disk(150*mib, 1), peer, Reserve{Share: 0.05}, true, []string{"150 MiB", "151 MiB with what else"}},
		{"a small volume", disk(30*mib, 1), memory(900*mib, 0), peer, Reserve{Bytes: 30 * mib}, false, []string{"needs up to 1.0 MiB and keeps 30.0 MiB"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := engineOf(t, Options{}, "/disk", raftStep("raft", "leader", test.peer))
			e.req.Reserve = test.reserve
			e.grounds[0].inspection, e.grounds[1].inspection = test.volume, test.memory
			err := e.room()
			if len(test.says) == 0 && err != nil || len(test.says) > 0 && err == nil {
				t.Fatalf("error %v, want one: %v", err, len(test.says) > 0)
			}
			if err != nil && errors.Is(err, ErrUsage) != test.usage {
				t.Errorf("error %v, ErrUsage must be in it: %v", err, test.usage)
			}
			for _, words := range test.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("error %q, want %q in it", err, words)
				}
			}
		})
	}
}

// TestDistinct: what two grounds have in common is told.
func TestDistinct(t *testing.T) {
	at := func(path string, id volume.Identity, number, disk, fileSystem string) inspection {
		return inspection{ID: id, Facts: volume.Facts{Path: path, FileSystem: fileSystem, Device: volume.Device{Number: number, Disk: disk}}}
	}
	id := func(device, file uint64) volume.Identity { return volume.Identity{Device: device, File: file} }
	tests := []struct {
		name   string
		target inspection
		memory inspection
		note   string
		fails  string
	}{
		{"nothing", at("/b", id(2, 1), "8:2", "sdb", "ext4"), at("/m", id(3, 1), "", "", "tmpfs"), "", ""},
		{"a file system", at("/b", id(1, 2), "8:1", "sda", "ext4"), at("/m", id(3, 1), "", "", "tmpfs"), "the volume and the target /b lie on one file system", ""},
		{"subvolumes of one file system", at("/b", id(2, 1), "8:1", "sda", "btrfs"), at("/m", id(3, 1), "", "", "tmpfs"), "lie on one file system", ""},
		{"partitions of one disk", at("/b", id(2, 1), "8:2", "sda", "ext4"), at("/m", id(3, 1), "", "", "tmpfs"), "lie on one disk", ""},
		{"peers on a disk", at("/b", id(2, 1), "8:2", "sdb", "ext4"), at("/m", id(4, 1), "8:4", "sdc", "xfs"), "the memory directory /m is not in memory (xfs)", ""},
		{"peers on who knows what", at("/b", id(2, 1), "8:2", "sdb", "ext4"), at("/m", volume.Identity{}, "", "", ""), "its file system is unknown", ""},
		{"one directory", at("/b", id(1, 1), "8:1", "sda", "ext4"), at("/m", id(3, 1), "", "", "tmpfs"), "", "/a and /b are one directory"},
		{"one path", at("/a", volume.Identity{}, "", "", ""), at("/m", id(3, 1), "", "", "tmpfs"), "", "are one directory"},
		{"memory that is a target", at("/b", id(2, 1), "8:2", "sdb", "ext4"), at("/n", id(2, 1), "8:2", "sdb", "ext4"), "", "--memory-dir"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := engineOf(t, Options{Targets: []string{"/b"}}, "/a", raftStep("raft", "leader", smallPeer))
			e.grounds[0].inspection = at("/a", id(1, 1), "8:1", "sda", "ext4")
			e.grounds[1].inspection, e.grounds[2].inspection = test.target, test.memory
			err := e.distinct()
			switch {
			case test.fails != "" && (!errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), test.fails)):
				t.Errorf("error %v, want ErrUsage and %q in it", err, test.fails)
			case test.fails == "" && err != nil:
				t.Error(err)
			case test.note != "":
				requireNote(t, e, test.note)
			case test.fails == "" && len(e.run.Notes) > 0:
				t.Errorf("notes %q", e.run.Notes)
			}
		})
	}
}
