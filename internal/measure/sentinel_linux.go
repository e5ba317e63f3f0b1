package measure

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// maxThreads is how many threads' figures are read a slice: more would take longer than
// they are worth, and a process with so many makes its own queue.
const maxThreads = 256

// nap sleeps in the kernel: Go's own timers are too coarse.
func nap(d time.Duration) {
	span := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&span, nil)
}

// withheld reads the counters; what cannot be read is negative, or nil.
func (m machine) withheld() withheldCounters {
	w := withheldCounters{steal: m.steal(), quota: -1, threads: m.runnable()}
	if len(m.throttle) > 0 {
		w.quota = m.throttled()
	}
	return w
}

// steal is how long the hypervisor took a processor, in seconds, on average of all.
func (m machine) steal() float64 {
	text, err := os.ReadFile(filepath.Join(m.proc, "stat"))
	if err != nil {
		return -1
	}
	const stealField, ticks = 8, 100.0 // USER_HZ, which is 100 on all of Linux's systems
	first, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(first)
	if len(fields) <= stealField || string(fields[0]) != "cpu" {
		return -1
	}
	n, err := strconv.ParseUint(string(fields[stealField]), 10, 64)
	if err != nil {
		return -1
	}
	processors := bytes.Count(text, []byte("\ncpu"))
	return float64(n) / ticks / float64(max(1, processors))
}

// runnable is how long each thread of this process could run and did not, in seconds.
func (m machine) runnable() map[string]float64 {
	dir := filepath.Join(m.proc, "self", "task")
	tasks, err := os.ReadDir(dir)
	if err != nil || len(tasks) > maxThreads {
		return nil
	}
	waited := make(map[string]float64, len(tasks))
	for _, task := range tasks {
		text, err := os.ReadFile(filepath.Join(dir, task.Name(), "schedstat"))
		if err != nil {
			continue
		}
		if fields := bytes.Fields(text); len(fields) >= 2 {
			if n, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
				waited[task.Name()] = float64(n) / 1e9
			}
		}
	}
	if len(waited) == 0 {
		return nil
	}
	return waited
}
