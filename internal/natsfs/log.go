package natsfs

import (
	"fmt"
	"slices"
	"sync"
)

const (
	maxLogLines = 200
	maxLogLine  = 1 << 10 // bytes
)

// logLines keeps the newest warnings and errors of a server. It is nats-server's
// Logger, so it must never end the process, not even on Fatalf.
type logLines struct {
	mu    sync.Mutex
	lines []string
	fatal string // the first fatal error
}

func (l *logLines) add(level, text string) string {
	line := "[" + level + "] " + text
	if len(line) > maxLogLine {
		line = line[:maxLogLine] + "…"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == maxLogLines {
		l.lines = slices.Delete(l.lines, 0, 1)
	}
	l.lines = append(l.lines, line)
	return line
}

func (l *logLines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

func (l *logLines) fatalLine() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *logLines) Warnf(format string, v ...any)  { l.add("WRN", fmt.Sprintf(format, v...)) }
func (l *logLines) Errorf(format string, v ...any) { l.add("ERR", fmt.Sprintf(format, v...)) }

func (l *logLines) Fatalf(format string, v ...any) {
	line := l.add("FTL", fmt.Sprintf(format, v...))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		l.fatal = line
	}
}

func (l *logLines) Noticef(string, ...any) {}
func (l *logLines) Debugf(string, ...any)  {}
func (l *logLines) Tracef(string, ...any)  {}
