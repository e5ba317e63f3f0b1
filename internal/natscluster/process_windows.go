package natscluster

import (
	"os"
	"syscall"
)

// ownGroup keeps the console's signals away: Ctrl-C goes to whoever decides.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// diesWithParent is ownGroup where the system has no more to offer: the pipe
// tells the guard, unless the guard itself is killed.
func diesWithParent() *syscall.SysProcAttr { return ownGroup() }

// killGroup kills a process; the system knows no group of it.
func killGroup(leader *os.Process) {
	_ = leader.Kill() // it may be gone already
}
