package serverlog

import (
	"regexp"
	"strconv"
)

var (
	// natsTag finds the name under which nats-server's own syslog writes.
	natsTag = regexp.MustCompile(`\bnats-server(?:\.exe)?\[\d+\]: `)
	// syslog5424 is the head of a line as RFC 5424 has it: priority, time, host, process.
	syslog5424 = regexp.MustCompile(`^<(\d{1,3})>\d{1,2} (\S+) (\S+) \S+ (\S+) \S+ (?:-|(?:\[[^\]]*\])+) ?(?:\x{FEFF})?`)
	// syslogPattern is a line as RFC 3164 has it, under nats-server's name; taggedPattern
	// the same under any name, where priority or time stands before it.
	syslogPattern = regexp.MustCompile(`^(?:<(\d{1,3})>)?.{0,200}?\bnats-server(?:\.exe)?\[\d+\]: `)
	taggedPattern = regexp.MustCompile(`^(?:<(\d{1,3})>)?(?:` + datePattern.String() + `) \S{1,255} [^\s\[\]:]{1,64}(?:\[\d+\])?: `)
	windowsEvent  = regexp.MustCompile(`^.{0,200}?\bpid\[\d+\]\[(\w+)\]: `)
)

// cutSyslog cuts off what syslog puts before a line; nats-server writes no level
// and no time there itself. The level is what the priority tells.
func cutSyslog(line string) (head, text string, level Level) {
	for _, pattern := range []*regexp.Regexp{syslog5424, syslogPattern, taggedPattern} {
		if m := pattern.FindStringSubmatch(line); m != nil {
			return line[:len(m[0])], line[len(m[0]):], levelOfPriority(m[1])
		}
	}
	if m := windowsEvent.FindStringSubmatch(line); m != nil {
		return "", line[len(m[0]):], levelOf(m[1])
	}
	return "", line, Unknown
}

// levelOfPriority is the level of syslog's priority, a facility and a severity in
// one number.
func levelOfPriority(text string) Level {
	n, err := strconv.Atoi(text)
	if err != nil {
		return Unknown
	}
	return severities[n&7]
}

// severities are syslog's, from emergency to debug. nats-server writes what is
// fatal as critical, and what is a notice or a trace as a notice.
var severities = [...]Level{Fatal, Fatal, Fatal, Error, Warning, Info, Info, Debug}
