package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnswerOfLeavesWhatHangsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, begin := make(chan struct{}), time.Now()
		_, err := answerOf(func() (target, error) { <-hung; return target{}, nil })
		if took := time.Since(begin); !errors.Is(err, errNoAnswer) || took != answerWait {
			t.Errorf("error %v after %v, want %v after %v", err, took, errNoAnswer, answerWait)
		}
		close(hung) // what was left behind must not wait for a reader of its answer
	})
}
