package probes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// Touch is a whole probe. In a file of its own it would register itself:
//
//	var _ = register(func() Probe { return &Touch{Concurrency: 1} })
type Touch struct {
	Concurrency int `param:"concurrency" min:"1" max:"64" help:"writers, each with files of its own"`
}

// Info describes the probe.
func (p *Touch) Info() Info {
	return Info{
		Name: "touch", Topic: "device", Summary: "make empty files",
		Why:     "A new block of a stream is a new file.",
		Metrics: []Metric{{Name: "create", Unit: measure.Seconds, Help: "one new empty file"}},
		Need:    Need{Files: 1 << 16},
		Extra:   grace,
	}
}

// Run makes files until the round is over.
func (p *Touch) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	out, err := load.Run(ctx, load.Config{Workers: p.Concurrency, Duration: env.Duration, Warmup: env.Warmup, Grace: grace},
		func(worker int, n int64) error {
			name := filepath.Join(env.Dir, strconv.Itoa(worker)+"-"+strconv.FormatInt(n, 10))
			return os.WriteFile(name, nil, 0o600)
		})
	created := timed("create", start.Add(env.Warmup), out.Elapsed, sampler.Stop(), out.Response)
	return []measure.Measurement{created}, cutOr(err, ending(out))
}

// A probe is run with an empty directory on the volume and tells what it measured.
func Example() {
	dir, err := os.MkdirTemp("", "touch")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	p := &Touch{Concurrency: 2}
	measured, err := p.Run(context.Background(), &Env{Dir: dir, Duration: 20 * time.Millisecond})
	fmt.Println(measured[0].Metric, measured[0].Rounds[0].Distribution.Count() > 0, err)
	fmt.Println(Asked(p))
	// Output:
	// create true <nil>
	// 2 writers
}
