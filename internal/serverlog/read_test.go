package serverlog

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func kindsOf(t *testing.T, r io.Reader) (kinds []Kind) {
	t.Helper()
	if err := Read(r, func(e Event) { kinds = append(kinds, e.Kind) }); err != nil {
		t.Fatal(err)
	}
	return kinds
}

func TestRead(t *testing.T) {
	const ready, exiting = "[1] [INF] Server is ready", "[1] [INF] Server Exiting.."
	filler := func(n int) string { return "[1] [INF] " + strings.Repeat("x", n-len("[1] [INF] ")) }
	tests := []struct {
		name, log string
		want      []Kind
	}{
		{"nothing", "", nil},
		{"blank lines", "\n\r\n \n", nil},
		{"lines", ready + "\n" + exiting + "\n", []Kind{Ready, Exiting}},
		{"both line ends", ready + "\r\n" + exiting + "\n", []Kind{Ready, Exiting}},
		{"no last line end", ready + "\n" + exiting, []Kind{Ready, Exiting}},
		{"a line of the buffer's size", filler(MaxLine) + "\n" + ready + "\n", []Kind{Other, Ready}},
		{"one byte less", filler(MaxLine-1) + "\n" + ready + "\n", []Kind{Other, Ready}},
		{"one byte more", filler(MaxLine+1) + "\n" + ready + "\n", []Kind{Other, Ready}},
		{"many buffers", filler(5*MaxLine) + "\n" + ready + "\n", []Kind{Other, Ready}},
		{"no end at all", filler(3 * MaxLine), []Kind{Other}},
		{"a line inside a long one is none", filler(MaxLine) + ready + "\n" + exiting, []Kind{Other, Exiting}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, kindsOf(t, strings.NewReader(tt.log))); diff != "" {
				t.Errorf("whole (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, kindsOf(t, iotest.OneByteReader(strings.NewReader(tt.log)))); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadFails(t *testing.T) {
	broken := errors.New("broken")
	var kinds []Kind
	err := Read(io.MultiReader(strings.NewReader("[1] [INF] Server is ready\n[1] [INF] Server Exi"), iotest.ErrReader(broken)),
		func(e Event) { kinds = append(kinds, e.Kind) })
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]Kind{Ready, Other}, kinds); diff != "" {
		t.Errorf("what came before is given (-want +got):\n%s", diff)
	}
}

// TestReadFollows: an event comes with its line's end, not with the next line.
func TestReadFollows(t *testing.T) {
	r, w := io.Pipe()
	events, done := make(chan Event), make(chan error, 1)
	go func() { done <- Read(r, func(e Event) { events <- e }) }()
	for _, line := range []string{"[1] [INF] Server is ready\n", "[1] [INF] Server Exiting..\n"} {
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
		if e := <-events; e.Kind == Other {
			t.Errorf("%+v", e)
		}
	}
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// endless is a line of as many bytes as are left.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = 'x'
	}
	e.left -= int64(len(p))
	return len(p), nil
}

func TestReadIsBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if n := len(kindsOf(t, &endless{left: 128 << 20})); n != 1 {
		t.Errorf("%d lines", n)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes allocated for one line", grown)
	}
}

// TestReadParts: what containerd cut is one line again.
func TestReadParts(t *testing.T) {
	const head = "2026-11-22T06:31:08.987654321Z stderr "
	log := head + "P [7] [WRN] Internal subscription on \"$NRG\n" +
		head + "P .P.7vzG\n" +
		head + "F qwRW\" took too long: 2.99s\r\n" +
		head + "F [7] [INF] Server is ready\n" +
		head + "P [7] [INF] Server Exi"
	var got []Event
	if err := Read(strings.NewReader(log), func(e Event) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Subject != "$NRG.P.7vzGqwRW" || got[0].At.IsZero() || got[1].Kind != Ready || got[2].Text != "Server Exi" {
		t.Errorf("%+v", got)
	}
}

// TestReadValues: a record of Loki's holds several lines.
func TestReadValues(t *testing.T) {
	log := `{"stream":{"pod":"nats-0"},"values":[["1795329068000000001","[7] [INF] Server is ready"],["1795329069000000000","[7] [INF] Server Exiting.."]]}`
	if diff := cmp.Diff([]Kind{Ready, Exiting}, kindsOf(t, strings.NewReader(log))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReadLongJSON: the line inside is read however much stands beside it.
func TestReadLongJSON(t *testing.T) {
	log := `{"labels":"` + strings.Repeat("x", 3*readSize) + `","log":"[7] [INF] Server is ready\n"}`
	if diff := cmp.Diff([]Kind{Ready, Exiting}, kindsOf(t, strings.NewReader(log+"\n[7] [INF] Server Exiting..\n"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReadZone: the parser's zone is that of every line.
func TestReadZone(t *testing.T) {
	p := Parser{Location: fixedZone}
	err := p.Read(strings.NewReader("[1] 2026/11/22 06:31:08.123456 [INF] Server is ready\n"), func(e Event) {
		if got := e.At.Format("15:04:05.000000Z07:00"); got != "04:31:08.123456Z" {
			t.Errorf("at %s", got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
