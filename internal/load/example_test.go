package load_test

import (
	"context"
	"fmt"
	"time"

	"storebench/internal/load"
)

// In open loop an operation is due at its moment, whatever the ones before it do: its
// response time counts from then.
func ExampleRun() {
	out, err := load.Run(context.Background(), load.Config{
		Workers: 2, Pacer: load.Open{Rate: 1000}, Duration: 50 * time.Millisecond, Grace: time.Second,
	}, func(worker int, n int64) error { return nil })
	fmt.Println(out.Done, out.Failed, out.Missed, err)
	fmt.Println(out.Response.Count())
	// Output:
	// 50 0 0 <nil>
	// 50
}
