package slowvolume_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// victimEnv makes the test binary a program that makes a volume and waits to
// be killed.
const victimEnv = "SLOWVOLUME_TEST_VICTIM"

func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	if what := os.Getenv(victimEnv); what != "" {
		fmt.Println(beVictim(what))
		select {} // until killed
	}
	os.Exit(slowtest.Run(m.Run))
}

// eventually asks again until there is no error. It waits for processes that
// are nobody's children any more, which nothing can wait for otherwise.
func eventually(t *testing.T, limit time.Duration, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %v: %v", limit, err)
		}
	}
}
