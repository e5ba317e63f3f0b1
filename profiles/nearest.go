package profiles

import "strings"

// maxNearest is the longest word, in runes, for which Nearest looks: nobody
// mistypes a name of ours at that length, and the work grows with the square.
const maxNearest = 64

// Nearest returns the known word that the given one was probably meant to be,
// or "" when none is near: one that a third of its letters wrong (at least one)
// turns into it, else one that begins with it. Upper and lower case are the
// same. Of equally near ones the first known wins.
func Nearest(word string, known []string) string {
	w := []rune(strings.ToLower(word))
	if len(w) == 0 || len(w) > maxNearest {
		return ""
	}
	best, bestDistance := "", min(max(1, len(w)/3), len(w)-1)+1
	for _, k := range known {
		if d := editDistance(w, []rune(strings.ToLower(k))); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best != "" || len(w) < 3 {
		return best
	}
	for _, k := range known {
		if strings.HasPrefix(strings.ToLower(k), string(w)) {
			return k
		}
	}
	return ""
}

// editDistance is the fewest letters to insert, delete, replace or swap with
// their neighbour that turn one word into the other: Levenshtein's distance
// with Damerau's swap, the commonest slip of fingers.
func editDistance(a, b []rune) int {
	d := make([][]int, len(a)+1) // d[i][j] of the first i and j letters
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			d[i][j] = min(replace, d[i-1][j]+1, d[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// didYouMean is the tail of an error about an unknown word: the nearest known
// one, or all of them.
func didYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "known are " + strings.Join(known, ", ")
}
