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

// endings are the signals that end a run. What nohup or a shell has the program
// ignore stays ignored.
func endings() []os.Signal {
	signals := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	return signals
}
