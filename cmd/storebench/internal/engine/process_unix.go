//go:build unix

package engine

import "syscall"

// ownGroup gives a worker a process group of its own: the terminal sends
// Ctrl-C to the engine's group, and the engine decides what its workers do.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
