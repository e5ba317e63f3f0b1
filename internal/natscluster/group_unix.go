//go:build unix

package natscluster

import (
	"os"
	"syscall"
)

// killGroup kills a process that leads a group of its own, and the others in it.
func killGroup(leader *os.Process) {
	_ = syscall.Kill(-leader.Pid, syscall.SIGKILL) // they may be gone already
}
