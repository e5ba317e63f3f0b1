// Command storebench tells whether a volume can sustain JetStream's Raft
// workloads, how far it is from the edge, and if not, what is to blame.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"storebench/internal/slowvolume"
)

func main() {
	slowvolume.ServeIfChild()
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	err := newRoot().ExecuteContext(ctx)
	code := exitCode(err)
	if message := errorText(err); message != "" {
		fmt.Fprintln(os.Stderr, "storebench: "+message)
	}
	stop()
	os.Exit(code)
}

// endings are the signals that end a run. A hang-up that nohup has the program ignore
// stays ignored; an interrupt does not, which shells have every job in the background
// ignore.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
