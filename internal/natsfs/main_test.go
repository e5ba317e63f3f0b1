package natsfs

import (
	"fmt"
	"os"
	"testing"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// TestMain also makes the test binary a process that another test kills, where
// its environment says so.
func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	if dir := os.Getenv(writerEnv); dir != "" {
		writeUntilKilled(dir)
		return
	}
	if dir := os.Getenv(publishDir); dir != "" {
		if err := publish(dir, os.Getenv(publishAlways) != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(slowtest.Run(m.Run))
}
