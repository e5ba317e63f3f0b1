// Package truth holds the program's verdicts against volumes whose faults are
// known: its tests are a table of them, of which each row must keep its verdict, its
// failing limits and its cause. scripts/accuracy.sh asks the whole table over and
// over for docs/accuracy.md.
package truth
