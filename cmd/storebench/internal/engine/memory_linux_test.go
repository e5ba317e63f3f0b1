package engine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFreeMemory(t *testing.T) {
	const mib = 1 << 20
	meminfo := "MemTotal:       4194304 kB\nMemAvailable:   1048576 kB\n"
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is known", nil, 0},
		{"the machine's", map[string]string{"proc/meminfo": meminfo}, 1024 * mib},
		{"no limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/pod\n", "cg/pod/memory.max": "max\n", "cg/pod/memory.current": "5\n"}, 1024 * mib},
		{"a limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "1:cpu:/other\n0::/pod\n",
			"cg/pod/memory.max": "536870912\n", "cg/pod/memory.current": "402653184\n", "cg/pod/memory.stat": "anon 1\ninactive_file 134217728\n"}, 256 * mib},
		{"a limit higher up", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/slice/pod\n",
			"cg/slice/memory.max": "268435456\n", "cg/slice/memory.current": "134217728\n"}, 128 * mib},
		{"a path outside of the container", map[string]string{"proc/self/cgroup": "0::/../../pod\n", "cg/memory.max": "268435456\n", "cg/memory.current": "0\n"}, 256 * mib},
		{"used up", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "cg/memory.max": "268435456\n", "cg/memory.current": "268435999\n"}, 1},
		{"a limit above what the machine has", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "cg/memory.max": "2147483648\n", "cg/memory.current": "0\n"}, 1024 * mib},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.files {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := freeMemoryAt(filepath.Join(dir, "proc"), filepath.Join(dir, "cg")); got != test.want {
				t.Errorf("%d bytes, want %d", got, test.want)
			}
		})
	}
}
