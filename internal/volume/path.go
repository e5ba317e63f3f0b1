package volume

import (
	"fmt"
	"path/filepath"
	"strings"
)

// resolve makes dir absolute and follows its symbolic links.
func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("make %s absolute: %w", dir, err)
	}
	target, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fmt.Errorf("follow %s: %w", dir, err)
	}
	return target, nil
}

// below reports whether path is dir or lies under it; both are clean and
// absolute.
func below(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == filepath.Separator || dir[len(dir)-1] == filepath.Separator)
}
