package engine

import (
	"context"
	"errors"
	"fmt"
)

// Cleaned is a leftover that Clean found.
type Cleaned struct {
	Path, RunID string
	Err         error // why it is still there; nil when it was removed
}

// Clean removes the scratch directories below dir that no process holds. Its
// error joins those of the leftovers that stayed.
func Clean(ctx context.Context, dir string) ([]Cleaned, error) {
	e := &engine{req: Request{Dir: dir}}
	found := leftovers{}
	err := call(ctx, "look", task{Leftovers: &leftoversTask{Dir: dir}}, silence, func(ev event) {
		if ev.Leftovers != nil {
			found = *ev.Leftovers
		}
	})
	if err != nil {
		return nil, asUserError(err)
	}
	var all []Cleaned
	var failed error
	for _, old := range found.Found {
		c := Cleaned{Path: old.Path, RunID: old.Marker.RunID}
		if !old.Removable() {
			c.Err = errors.New(held(old))
		} else {
			c.Err = e.clear(ctx, clearTask{Scratch: old.Path}, silence)
		}
		if c.Err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c.Path, c.Err))
		}
		all = append(all, c)
	}
	return all, failed
}
