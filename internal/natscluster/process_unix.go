//go:build unix && !linux

package natscluster

import "syscall"

// ownGroup keeps the shell's signals away: Ctrl-C goes to whoever decides.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// diesWithParent is ownGroup where the system has no more to offer: the pipe
// tells the guard, unless the guard itself is killed.
func diesWithParent() *syscall.SysProcAttr { return ownGroup() }
