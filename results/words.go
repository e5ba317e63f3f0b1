package results

import "storebench/internal/measure"

// counted writes how many of a thing there are.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return measure.Grouped(int64(n)) + " " + thing + "s"
}
