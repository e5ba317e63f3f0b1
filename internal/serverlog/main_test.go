package serverlog_test

import (
	"os"
	"testing"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// TestMain has the tests take turns with those that check volumes: the store of
// the real server here must not be taken for one that lives beside theirs.
func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	os.Exit(slowtest.RunBeside(m.Run))
}
