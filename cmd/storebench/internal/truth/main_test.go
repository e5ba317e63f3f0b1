package truth

import (
	"os"
	"testing"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/slowvolume/slowtest"
)

func TestMain(m *testing.M) { os.Exit(programtest.Main(slowtest.Experiment(m.Run))) }
