package profiles_test

import (
	"fmt"

	"storebench/profiles"
)

// A limit reads back as what it prints; a fault is shown where it is.
func ExampleParseLimit() {
	limit, err := profiles.ParseLimit("block-write.store{ mode = open } p99<10ms")
	fmt.Println(limit, err)
	fmt.Println(limit.Probe, limit.Metric, limit.Stat, limit.Op, limit.Bound, limit.Unit)
	fmt.Println(limit.Holds(.002))
	_, err = profiles.ParseLimit("block-write p99 = 10ms")
	fmt.Println(err)
	// Output:
	// block-write.store{mode=open} p99 < 10ms <nil>
	// block-write store p99 < 0.01 seconds
	// true
	// unknown comparison "=" (known are <, <=, > and >=)
	//   block-write p99 = 10ms
	//                   ^
}
