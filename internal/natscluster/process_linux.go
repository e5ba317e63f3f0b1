package natscluster

import "syscall"

// ownGroup keeps the shell's signals away: Ctrl-C goes to whoever decides.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// diesWithParent has the kernel kill the child when its parent ends.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
