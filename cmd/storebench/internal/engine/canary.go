package engine

import "slices"

// canaryWindow is how many fsyncs make a median, and canarySlack how much
// slower in seconds the recent one must be besides twice as slow, before a run
// beside live data counts as hurting it.
const (
	canaryWindow = 20
	canarySlack  = 1e-3
)

// canaryWatch compares the latest fsyncs of the canary with the first ones.
type canaryWatch struct {
	baseline float64 // seconds; 0 until the first window is full
	window   []float64
}

// slow adds a latency and says whether the median of the last window is over
// twice the baseline's and over canarySlack above it.
func (c *canaryWatch) slow(seconds float64) bool {
	if seconds <= 0 {
		return false
	}
	c.window = append(c.window, seconds)
	if len(c.window) < canaryWindow {
		return false
	}
	c.window = c.window[len(c.window)-canaryWindow:]
	if c.baseline == 0 {
		c.baseline = c.recent()
		c.window = c.window[:0]
		return false
	}
	return c.recent() > 2*c.baseline && c.recent() > c.baseline+canarySlack
}

// recent is the median of the window in seconds.
func (c *canaryWatch) recent() float64 {
	sorted := slices.Sorted(slices.Values(c.window))
	return sorted[len(sorted)/2]
}
