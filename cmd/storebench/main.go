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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := newRoot().ExecuteContext(ctx)
	code := exitCode(err)
	if message := errorText(err); message != "" {
		fmt.Fprintln(os.Stderr, "storebench: "+message)
	}
	stop()
	os.Exit(code)
}
