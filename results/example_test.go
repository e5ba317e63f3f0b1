package results_test

import (
	"fmt"
	"os"

	"storebench/results"
)

// A saved run is judged again, anywhere: the document has all that the verdict rests on.
func ExampleJudge() {
	const name = "testdata/corpus/flush-300-ms-raft-1.json.zst"
	in, err := os.Open(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	run, err := results.Read(name, in)
	if err != nil {
		fmt.Println(err)
		return
	}
	verdict := results.Judge(run)
	fmt.Println(verdict.Status)
	for _, f := range verdict.Findings {
		if f.Status == results.Fail {
			fmt.Printf("%s: %s\n", f.Title, f.Cause.Name)
		}
	}
	// Output:
	// fail
	// Election storm of 2,000 Raft groups: device
}
