package measure

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What was given up is beyond the bounds that it outlived, and possibly beyond others.
func TestExceeding(t *testing.T) {
	r := NewRecorder(1, 0)
	for _, took := range []float64{0.001, 0.002, 3} {
		r.Shard(0).Record(0, time.Duration(took*float64(time.Second)))
	}
	d := r.Distribution()
	d.GiveUp(4, 4, 10)
	d.GiveUp(4, 1, 2)
	d.Unfinished++ // of one nothing is known
	d.Failed, d.Missed = 1, 1
	for _, tt := range []struct {
		bound             float64
		certain, possible int64
	}{{0.0015, 16, 17}, {1, 15, 16}, {2, 13, 16}, {4, 12, 15}, {5, 2, 15}} {
		if certain, possible := d.Exceeding(tt.bound); certain != tt.certain || possible != tt.possible {
			t.Errorf("beyond %v s are %d to %d, want %d to %d", tt.bound, certain, possible, tt.certain, tt.possible)
		}
	}
	if all := d.UnderWay(); all != 42 {
		t.Errorf("%v s under way, want 42", all)
	}
}

// A document of before tells a stall alone.
func TestExceedingOfAnOlderDocument(t *testing.T) {
	d := &Distribution{Unfinished: 5}
	d.AddStall(4, 4)
	if certain, possible := d.Exceeding(4); certain != 5 || possible != 5 {
		t.Errorf("%d to %d, want 5", certain, possible)
	}
	if certain, possible := d.Exceeding(5); certain != 0 || possible != 5 {
		t.Errorf("%d to %d, want 0 to 5", certain, possible)
	}
}

func TestGivenUpIsBoundedAndRead(t *testing.T) {
	d := &Distribution{}
	for i := range 3 * MaxGivenUp {
		d.GiveUp(10, float64(i%(2*MaxGivenUp)), 1)
	}
	if len(d.GivenUp) != MaxGivenUp || d.GivenUp[MaxGivenUp-1].Seconds != 2*MaxGivenUp-1 {
		t.Fatalf("%d times are kept: %v", len(d.GivenUp), d.GivenUp)
	}
	if certain, possible := d.Exceeding(0); certain != 3*MaxGivenUp || possible != certain {
		t.Errorf("%d to %d of %d are counted", certain, possible, 3*MaxGivenUp)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	back := &Distribution{}
	if err := json.Unmarshal(text, back); err != nil || !back.Equal(d) {
		t.Errorf("read back: %v", err)
	}
	both := &Distribution{}
	if err := both.Merge(d); err != nil {
		t.Fatal(err)
	}
	both.AddLost(&Distribution{Failed: 2})
	if diff := cmp.Diff(d.GivenUp, both.GivenUp); diff != "" || both.Failed != 2 || both.Unfinished != d.Unfinished {
		t.Errorf("merged %+v %s", both, diff)
	}
	for name, text := range map[string]string{
		"more than unfinished": `{"count":0,"unfinished":1,"min_nanoseconds":0,"max_nanoseconds":0,"sum_nanoseconds":0,"given_up":[{"seconds":4,"count":2}]}`,
		"out of order":         `{"count":0,"unfinished":3,"min_nanoseconds":0,"max_nanoseconds":0,"sum_nanoseconds":0,"given_up":[{"seconds":4,"count":1},{"seconds":3,"count":1}]}`,
		"before the begin":     `{"count":0,"unfinished":3,"min_nanoseconds":0,"max_nanoseconds":0,"sum_nanoseconds":0,"given_up":[{"seconds":-4,"count":1}]}`,
		"of nothing":           `{"count":0,"unfinished":3,"min_nanoseconds":0,"max_nanoseconds":0,"sum_nanoseconds":0,"given_up":[{"seconds":4,"count":0}]}`,
	} {
		if err := new(Distribution).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}
