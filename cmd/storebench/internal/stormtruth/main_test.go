package stormtruth

import (
	"fmt"
	"os"
	"testing"

	"storebench/internal/natscluster"
	"storebench/internal/natsfs"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// TestMain is also a helper of a volume and one server of a cluster, which are this
// program itself.
func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	if len(os.Args) == 2 && os.Args[1] == natscluster.Command {
		if err := natscluster.Serve(os.Stdin, os.Stdout, natsfs.ServeNode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(slowtest.RunBeside(slowtest.Experiment(m.Run)))
}
