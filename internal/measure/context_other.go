//go:build !linux

package measure

import "time"

// machine shows nothing here: only Linux tells these figures without special
// rights. A Context then holds the garbage collector's alone.
type machine struct{}

func thisMachine() machine { return machine{} }

func (machine) secondsOf([]int) float64 { return 0 }

func (machine) read([]string, []int, *sample) {}

func (machine) withheld() withheldCounters { return withheldCounters{steal: -1, quota: -1} }

func nap(d time.Duration) { time.Sleep(d) }
