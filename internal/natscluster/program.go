package natscluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// answerWait bounds how long a program may take to tell its version.
	answerWait = 5 * time.Second
	// oldestMinor is the first 2.x whose servers the Raft probes can read.
	oldestMinor = 10
	// answerLimit is how many bytes are read of what a program prints, and
	// quoteLimit how many characters of its first line an error quotes.
	answerLimit, quoteLimit = 4 << 10, 80
)

// versionLine is what nats-server --version prints (PrintServerAndExit in its
// server.go).
var versionLine = regexp.MustCompile(`^nats-server: v((\d+)\.(\d+)\.\d+\S*)$`)

// ProgramVersion asks an installed nats-server for its version, such as 2.12.4. The
// error says why the program is none that a Raft group can be made of, and what to
// do. It returns within a few seconds, also when the program or the file system
// that it lies on gives no answer; then it leaves a goroutine behind.
func ProgramVersion(ctx context.Context, path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("make %s absolute: %w", path, err)
	}
	ctx, stop := context.WithTimeout(ctx, answerWait)
	defer stop()
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := askVersion(ctx, path)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if a.err == nil {
			return parseVersion(path, a.text)
		}
		err = a.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%s --version gave no answer within %v: name a nats-server that runs here", path, answerWait)
	}
	return "", err
}

// askVersion returns what the program prints, whether it ends well or not.
func askVersion(ctx context.Context, path string) (string, error) {
	if err := checkProgram(path); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, "--version")
	printed := &firstBytes{}
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.WaitDelay = 100 * time.Millisecond // for children that keep its pipes open
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		return "", fmt.Errorf("%s cannot be run: %w; name a nats-server that is built for %s/%s", path, err, runtime.GOOS, runtime.GOARCH)
	}
	return printed.kept.String(), nil
}

func checkProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: name the file of an installed nats-server, such as /usr/local/bin/nats-server", path)
	case err != nil:
		return fmt.Errorf("look at %s: %w", path, err)
	case info.IsDir():
		return fmt.Errorf("%s is a directory: name the nats-server in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file: name the file of an installed nats-server", path)
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable: make it so (chmod +x), or name another nats-server", path)
	}
	return nil
}

// parseVersion reads the version in what a program printed.
func parseVersion(path, printed string) (string, error) {
	line, _, _ := strings.Cut(strings.TrimSpace(printed), "\n")
	line = strings.TrimSpace(line)
	match := versionLine.FindStringSubmatch(line)
	if match == nil {
		return "", fmt.Errorf("%s is no nats-server: asked for its --version it %s", path, said(line))
	}
	major, errMajor := strconv.Atoi(match[2])
	minor, errMinor := strconv.Atoi(match[3])
	if errMajor != nil || errMinor != nil {
		return "", fmt.Errorf("%s is no nats-server: asked for its --version it %s", path, said(line))
	}
	if major < 2 || major == 2 && minor < oldestMinor {
		return "", fmt.Errorf("%s is nats-server %s: the Raft probes need 2.%d or newer", path, match[1], oldestMinor)
	}
	return match[1], nil
}

// said tells what a program printed, cut short and without what would steer a
// terminal.
func said(line string) string {
	if line == "" {
		return "printed nothing"
	}
	text := []rune(strings.Map(printable, line))
	if len(text) > quoteLimit {
		text = append(text[:quoteLimit], '…')
	}
	return fmt.Sprintf("printed %q", string(text))
}

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return unicode.ReplacementChar
	}
	return r
}

// firstBytes keeps the first of what is written to it. The buffer is no embedded
// one, whose ReadFrom would take all.
type firstBytes struct{ kept bytes.Buffer }

func (b *firstBytes) Write(p []byte) (int, error) {
	if room := answerLimit - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
