package slowvolume

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Fault is one way in which a volume misbehaves. Several faults on a volume
// act one after the other, in their order: their delays add up, and the first
// error counts. The zero Fault does nothing and is refused by the volumes;
// [ParseFault] makes one.
type Fault struct{ spec spec }

// spec is the meaning of a Fault: immutable, and printed as it is parsed.
type spec interface {
	fmt.Stringer
	// arm starts the fault; what it returns holds the state.
	arm(*rand.Rand) injector
	// suits says on which kinds of volume the fault has a meaning.
	suits(kind) bool
}

// kind is a kind of volume.
type kind string

const (
	blockKind kind = "block"
	fileKind  kind = "file"
)

// op is an operation that a server is asked for.
type op string

const (
	opRead     op = "read"
	opWrite    op = "write"
	opFlush    op = "flush" // of a block device; in a fault on a file volume both of the next two
	opFsync    op = "fsync"
	opFsyncDir op = "fsyncdir"
	opOpen     op = "open"
	opCreate   op = "create"
	opRename   op = "rename"
	opUnlink   op = "unlink"
	opChange   op = "change" // any other change; no fault names it
)

var (
	blockOps = []op{opRead, opWrite, opFlush}
	fileOps  = []op{opRead, opWrite, opFlush, opFsync, opFsyncDir, opOpen, opCreate, opRename, opUnlink}
)

// covers tells whether a fault on o strikes the operation got.
func (o op) covers(got op) bool {
	return o == got || o == opFlush && (got == opFsync || got == opFsyncDir)
}

func (o op) suits(k kind) bool {
	if k == blockKind {
		return slices.Contains(blockOps, o)
	}
	return slices.Contains(fileOps, o)
}

// errnos are the errors that a fault may name. A block device's file system
// sees most of them as EIO.
var errnos = map[string]syscall.Errno{
	"EIO":       syscall.EIO,
	"ENOSPC":    syscall.ENOSPC,
	"EROFS":     syscall.EROFS,
	"EDQUOT":    syscall.EDQUOT,
	"ESTALE":    syscall.ESTALE,
	"ETIMEDOUT": syscall.ETIMEDOUT,
}

// String returns the text that ParseFault makes the same fault of.
func (f Fault) String() string {
	if f.spec == nil {
		return ""
	}
	return f.spec.String()
}

// BlockForms returns an example of every form of fault that a block volume can
// have, with what it does.
func BlockForms() []string {
	return []string{
		"flush 20ms: each flush takes 20 ms longer (also read, write)",
		"flush lognormal 20ms 0.5: the same, drawn from a lognormal distribution with this median and sigma",
		"stall 5s every 8s: healthy for 3 s, then nothing is answered for 5 s, and again",
		"iops 100 [after 3000]: reads and writes in a second, with a burst credit that refills at this rate",
		"bandwidth 20MB/s [after 100MB]: bytes in a second, with a burst credit that refills at this rate",
		"error EIO on flush [5|5+]: each flush fails, or the fifth alone, or all from the fifth on (also read, write)",
		"hang after 10s [for 30s]: nothing is answered any more; it ends by itself, after 60 s when not told",
		"lie: a flush of the disk is acknowledged and nothing is made durable",
	}
}

// Forms returns those and the forms that only a file volume can have.
func Forms() []string {
	return append(BlockForms(),
		"fsync 20ms: each fsync takes 20 ms longer (also fsyncdir, open, create, rename, unlink; file volume)",
		"full after 10MB: writes beyond that fail with ENOSPC (file volume)",
		"readonly [after 10s]: every change fails with EROFS (file volume)",
		"fsyncdir nothing: fsync of a directory is acknowledged and not done (file volume)",
	)
}

// ParseFault reads a fault's text form, one of those that [Forms] shows. Its
// errors name the known forms.
func ParseFault(text string) (Fault, error) {
	faults, err := ParseFaults(text)
	return faults[0], err
}

// ParseFaults reads several faults; its error tells of every bad one.
func ParseFaults(texts ...string) ([]Fault, error) {
	faults, err := parseAll(texts)
	return faults, withForms(err, Forms())
}

// ParseBlockFaults is ParseFaults for a block volume: one that only a file
// volume can have is bad, and the forms that it names are [BlockForms].
func ParseBlockFaults(list ...string) ([]Fault, error) {
	faults, err := parseAll(list)
	if err == nil {
		_, err = texts(faults, blockKind)
	}
	return faults, withForms(err, BlockForms())
}

// parseAll returns a fault for each text, the zero one for a bad one.
func parseAll(texts []string) ([]Fault, error) {
	var errs []error
	faults := make([]Fault, 0, len(texts))
	for _, text := range texts {
		s, err := parse(text)
		if err != nil {
			s, err = nil, fmt.Errorf("fault %q: %w", text, err)
		}
		faults, errs = append(faults, Fault{spec: s}), append(errs, err)
	}
	return faults, errors.Join(errs...)
}

func parse(text string) (spec, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, errors.New("it is empty")
	}
	read, ok := parsers[words[0]]
	if !ok {
		return nil, errors.New("unknown kind of fault")
	}
	return read(words)
}

func withForms(err error, forms []string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; known forms:\n  %s", err, strings.Join(forms, "\n  "))
}

// parsers are found by the first word of a fault's text.
var parsers = map[string]func([]string) (spec, error){
	"read":      parseDelay,
	"write":     parseDelay,
	"flush":     parseDelay,
	"fsync":     parseDelay,
	"fsyncdir":  parseFsyncDir,
	"open":      parseDelay,
	"create":    parseDelay,
	"rename":    parseDelay,
	"unlink":    parseDelay,
	"stall":     parseStall,
	"iops":      parseIOPS,
	"bandwidth": parseBandwidth,
	"error":     parseError,
	"hang":      parseHang,
	"lie":       parseLie,
	"full":      parseFull,
	"readonly":  parseReadOnly,
}

func parseDelay(w []string) (spec, error) {
	switch {
	case len(w) == 2:
		d, err := parseDuration(w[1], 0)
		return delay{on: op(w[0]), by: d}, err
	case len(w) == 4 && w[1] == "lognormal":
		median, err := parseDuration(w[2], 0)
		if err != nil {
			return nil, err
		}
		sigma, err := strconv.ParseFloat(w[3], 64)
		if err != nil || !(sigma > 0 && sigma <= 5) {
			return nil, fmt.Errorf("sigma %q: want a number above 0, at most 5", w[3])
		}
		return delay{on: op(w[0]), by: median, sigma: sigma}, nil
	}
	return nil, errWords
}

func parseFsyncDir(w []string) (spec, error) {
	if len(w) == 2 && w[1] == "nothing" {
		return skip{on: opFsyncDir}, nil
	}
	return parseDelay(w)
}

func parseStall(w []string) (spec, error) {
	if len(w) != 4 || w[2] != "every" {
		return nil, errWords
	}
	length, err := parseDuration(w[1], time.Microsecond)
	if err != nil {
		return nil, err
	}
	period, err := parseDuration(w[3], time.Microsecond)
	if err == nil && length >= period {
		err = fmt.Errorf("a stall of %v does not fit into %v", length, period)
	}
	return stall{length: length, period: period}, err
}

func parseIOPS(w []string) (spec, error) {
	if len(w) != 2 && (len(w) != 4 || w[2] != "after") {
		return nil, errWords
	}
	rate, err := parseCount(w[1], 1e9)
	if err != nil || len(w) == 2 {
		return quota{rate: rate}, err
	}
	credit, err := parseCount(w[3], 1e15)
	return quota{rate: rate, credit: credit}, err
}

func parseBandwidth(w []string) (spec, error) {
	if len(w) != 2 && (len(w) != 4 || w[2] != "after") {
		return nil, errWords
	}
	text, ok := strings.CutSuffix(w[1], "/s")
	if !ok {
		return nil, fmt.Errorf("rate %q: want a size in a second, such as 20MB/s", w[1])
	}
	rate, err := parseSize(text)
	if err != nil || len(w) == 2 {
		return quota{bytes: true, rate: int64(rate)}, err
	}
	credit, err := parseSize(w[3])
	return quota{bytes: true, rate: int64(rate), credit: int64(credit)}, err
}

func parseError(w []string) (spec, error) {
	if (len(w) != 4 && len(w) != 5) || w[2] != "on" {
		return nil, errWords
	}
	if _, ok := errnos[w[1]]; !ok {
		return nil, fmt.Errorf("error %q: want EIO, ENOSPC, EROFS, EDQUOT, ESTALE or ETIMEDOUT", w[1])
	}
	f := failure{name: w[1], on: op(w[3]), from: 1, onwards: true}
	if !f.on.suits(blockKind) && !f.on.suits(fileKind) {
		return nil, fmt.Errorf("operation %q: want one of %v", w[3], fileOps)
	}
	if len(w) == 4 {
		return f, nil
	}
	digits, onwards := strings.CutSuffix(w[4], "+")
	n, err := parseCount(digits, 1e15)
	f.from, f.onwards = n, onwards
	return f, err
}

func parseHang(w []string) (spec, error) {
	if (len(w) != 3 && len(w) != 5) || w[1] != "after" {
		return nil, errWords
	}
	after, err := parseDuration(w[2], 0)
	if err != nil || len(w) == 3 {
		return hang{after: after, length: HangLimit}, err
	}
	if w[3] != "for" {
		return nil, errWords
	}
	length, err := parseDuration(w[4], time.Microsecond)
	return hang{after: after, length: length}, err
}

func parseLie(w []string) (spec, error) {
	if len(w) != 1 {
		return nil, errWords
	}
	return skip{on: opFlush}, nil
}

func parseFull(w []string) (spec, error) {
	if len(w) != 3 || w[1] != "after" {
		return nil, errWords
	}
	s, err := parseSize(w[2])
	return full{after: s}, err
}

func parseReadOnly(w []string) (spec, error) {
	if len(w) == 1 {
		return readOnly{}, nil
	}
	if len(w) != 3 || w[1] != "after" {
		return nil, errWords
	}
	after, err := parseDuration(w[2], 0)
	return readOnly{after: after}, err
}

// texts returns the faults' text forms, after a look whether a volume of kind
// k can have them.
func texts(faults []Fault, k kind) ([]string, error) {
	out := make([]string, 0, len(faults))
	for _, f := range faults {
		if f.spec == nil {
			return nil, errors.New("empty fault: make faults with ParseFault")
		}
		if !f.spec.suits(k) {
			return nil, fmt.Errorf("fault %q has no meaning on a %s volume", f, k)
		}
		out = append(out, f.String())
	}
	return out, nil
}
