package profiles

import "regexp"

// placeholder is a parameter's name in a title.
var placeholder = regexp.MustCompile(`\{([a-z][a-z0-9-]*)\}`)

// Fill puts values of parameters in the place of their names in braces: "{groups} Raft
// groups" becomes "2,000 Raft groups". A name without a value stays as it is.
func Fill(title string, value func(parameter string) (string, bool)) string {
	return placeholder.ReplaceAllStringFunc(title, func(name string) string {
		if filled, ok := value(name[1 : len(name)-1]); ok {
			return filled
		}
		return name
	})
}

// Placeholders are the names of the parameters that a title holds.
func Placeholders(title string) (names []string) {
	for _, found := range placeholder.FindAllStringSubmatch(title, -1) {
		names = append(names, found[1])
	}
	return names
}

// title notes braces in a title that hold no parameter's name.
func (v *validator) title(field, title string) {
	rest := placeholder.ReplaceAllString(title, "")
	v.require(!braces.MatchString(rest), field, "has braces without a parameter's name between them: write {groups}, say")
}

var braces = regexp.MustCompile(`[{}]`)
