package raftcheck

import (
	"os"
	"testing"

	"storebench/cmd/storebench/internal/programtest"
)

func TestMain(m *testing.M) { os.Exit(programtest.Main(m.Run)) }
