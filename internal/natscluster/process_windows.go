package natscluster

import "syscall"

// ownGroup keeps the console's signals away: Ctrl-C goes to whoever decides.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// diesWithParent is ownGroup where the system has no more to offer: the pipe
// tells the guard, unless the guard itself is killed.
func diesWithParent() *syscall.SysProcAttr { return ownGroup() }
