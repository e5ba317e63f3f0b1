package profiles_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"storebench/profiles"
)

func TestNames(t *testing.T) {
	want := []string{"full", "incident-slow-storage", "quick", "raft", "strict", "sync-always"}
	if diff := cmp.Diff(want, profiles.Names()); diff != "" {
		t.Error(diff)
	}
}

func TestBuiltinProfiles(t *testing.T) {
	for _, name := range profiles.Names() {
		t.Run(name, func(t *testing.T) {
			p, err := profiles.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != name || p.Description == "" || len(p.Limits) == 0 {
				t.Errorf("name %q, description %q, %d limits", p.Name, p.Description, len(p.Limits))
			}
			// What is left pays for starting workers and for one extension.
			if got, most := p.Measuring(), time.Duration(p.Budget)*3/4; got > most {
				t.Errorf("steps measure for %v of %s; at most %v leave room", got, p.Budget, most)
			}
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A profile that is shown can be saved, changed and used.
func TestProfilePrintsBack(t *testing.T) {
	full := `
name: full
description: Every field is set.
workload: {messages-per-second: 12.5, message-size: 3KiB, streams: 2, consumers: 0, raft-groups: 7, sync: always, cipher: aes, compression: s2, max-concurrent-io: 16}
budget: 2m
rounds: 2
steps:
  - {name: one, probe: raw-sync, set: {size: "1KiB,2300B", concurrency: 4, checked: true}, duration: 1s, warmup: 10ms, rounds: 3, informative: true}
limits:
  - {limit: 'raw-sync{size=1*} p99 < 10ms', level: warn, why: "it: hurts # much"}
`
	tests := map[string]*profiles.Profile{"every field": parse(t, full)}
	for _, name := range profiles.Names() {
		p, err := profiles.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		tests[name] = p
	}
	for name, p := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := yaml.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p, parse(t, string(data))); diff != "" {
				t.Errorf("yaml: %s", diff)
			}
			data, err = json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			back := &profiles.Profile{}
			if err := json.Unmarshal(data, back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p, back); diff != "" {
				t.Errorf("json: %s", diff)
			}
		})
	}
}

func parse(t *testing.T, data string) *profiles.Profile {
	t.Helper()
	p, err := profiles.Parse("test.yaml", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte(sound), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parse(t, sound), p); diff != "" {
		t.Error(diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, data string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct{ name, path, want string }{
		{"mistyped name", "quik", `profile "quik" is neither built in nor a file (did you mean quick? built in are full, incident-slow-storage, quick, raft, strict, sync-always)`},
		{"unknown name", "gold", `(built in are full, incident-slow-storage, quick, raft, strict, sync-always)`},
		{"no name", "", `profile "" is neither built in nor a file`},
		{"no such file", filepath.Join(dir, "none.yaml"), "neither built in nor a file"},
		{"directory", dir, "is a directory; name a file in it"},
		{"empty", file("empty.yaml", ""), "empty.yaml: the profile is empty"},
		{"only a comment", file("comment.yaml", "# later\n"), "comment.yaml: the profile is empty"},
		{"only a mark", file("mark.yaml", "---\n"), "mark.yaml: the profile is empty"},
		{"binary", file("binary.yaml", "\x7fELF\x02\x01\x01\x00"), "binary.yaml: not YAML: control characters"},
		{"not YAML", file("bad.yaml", "name: x\nsteps: [a\nrounds: 1\n"), "bad.yaml:"},
		{"text", file("text.yaml", "hello\n"), "text.yaml:1: a profile must hold keys such as budget"},
		{"list", file("list.yaml", "- name: x\n"), "list.yaml:1: a profile must hold keys"},
		{"two documents", file("two.yaml", sound+"---\nname: y\n"), "a second YAML document begins"},
		{"huge", file("huge.yaml", strings.Repeat("#", 2<<20)), "is it the right file?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := profiles.Load(tc.path)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one with %q", err, tc.want)
			}
		})
	}
	if _, err := profiles.Load("gold"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unknown name gives %v, want fs.ErrNotExist", err)
	}
}

// sound is a profile without faults; its lines are counted in the tests below.
const sound = `name: mine
description: A test.
workload:
  messages-per-second: 100
  message-size: 1KiB
  streams: 1
  consumers: 0
  raft-groups: 10
  sync: default
  cipher: none
  compression: none
  max-concurrent-io: 0
budget: 10s
rounds: 2
steps:
  - name: write
    probe: block-write
    set: {mode: open}
    duration: 1s
  - name: storm
    probe: term-vote
    duration: 500ms
limits:
  - limit: block-write p99 < 10ms
    level: fail
    why: it breaks
`

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown key", "    duration: 1s", "    dureation: 1s", `m.yaml:19: unknown key "dureation" (did you mean "duration"?)`},
		{"unknown key far from all", "rounds: 2", "rounds: 2\nzzzzzz: 1", `m.yaml:15: unknown key "zzzzzz" (known are budget, description, figures, limits, name, rounds, steps, workload)`},
		{"unknown key of the workload", "streams: 1", "stream: 1", `m.yaml:6: unknown key "stream" (did you mean "streams"?)`},
		{"unknown key of a limit", "why: it breaks", "why: it breaks\n    levl: warn", `m.yaml:27: unknown key "levl" (did you mean "level"?)`},
		{"merge key", "rounds: 2", "rounds: 2\n<<: {a: b}", `m.yaml:15: unknown key "<<"`},
		{"key twice", "rounds: 2", "rounds: 2\nbudget: 11s", `m.yaml:15: key "budget" appears twice, first on line 13; keep one`},
		{"parameter twice", "{mode: open}", "{mode: open, mode: closed}", `m.yaml:18: key "mode" appears twice`},
		{"key that is a list", "rounds: 2", "rounds: 2\n[a]: 1", `m.yaml:15: a profile has a key that is not plain text`},
		{"word for a number", "rounds: 2", "rounds: many", `m.yaml:14: rounds must be a whole number, not "many"`},
		{"fraction for a whole number", "rounds: 2", "rounds: 2.5", `m.yaml:14: rounds must be a whole number, not "2.5"`},
		{"number too large", "rounds: 2", "rounds: 99999999999999999999", `m.yaml:14: rounds must be a whole number`},
		{"number for text", "name: mine", "name: 12", `m.yaml:1: name must be text (in quotes, if it looks like a number), not "12"`},
		{"nothing for text", "name: mine", "name:", `m.yaml:1: name has no value`},
		{"list for text", "name: mine", "name: [a]", `m.yaml:1: name must be text`},
		{"duration without a unit", "budget: 10s", "budget: 10", `m.yaml:13: budget: duration "10" has no unit; write "10s" if seconds are meant`},
		{"negative size", "message-size: 1KiB", "message-size: -1KiB", `m.yaml:5: workload.message-size: size "-1KiB": is negative`},
		{"workload is a list", "workload:\n", "workload: []\nworkloda:\n", `m.yaml:3: workload must hold keys such as cipher`},
		{"steps are no list", "steps:\n  - name: write\n    probe: block-write\n    set: {mode: open}\n    duration: 1s\n  - name", "steps:\n    name", `m.yaml:16: steps must be a list`},
		{"list for a parameter", "{mode: open}", "{mode: [open, closed]}", `m.yaml:18: steps[0].set.mode must be one value, or several with commas between them, such as 1,4`},
		{"word for a truth value", "    duration: 1s", "    duration: 1s\n    informative: maybe", `m.yaml:20: steps[0].informative must be true or false, not "maybe"`},
		{"limit with a typo", "block-write p99 < 10ms", "block-write p99 < 10mz", "m.yaml:24: limits[0].limit: unknown unit \"mz\" (did you mean ms?)\n  block-write p99 < 10mz\n                      ^"},
		{"limit without a why", "    why: it breaks\n", "", `m.yaml:24: limits[0].why: is missing; say what breaks`},
		{"limit without a text", "limit: block-write p99 < 10ms\n    level", "level", `m.yaml:24: limits[0].limit: is missing; write a limit such as`},

		{"name with a space", "name: mine", "name: my own", `m.yaml:1: name: must be lower-case words with dashes, such as block-write, not "my own"`},
		{"no name", "name: mine\n", "", `m.yaml:1: name: must be lower-case words`},
		{"no budget", "budget: 10s\n", "", `m.yaml:1: budget: must be over 0, such as 55s`},
		{"budget too small", "budget: 10s", "budget: 2s", `m.yaml:13: budget: is 2s, but the steps measure for 3s in all`},
		{"no rounds", "rounds: 2", "rounds: 0", `m.yaml:14: rounds: must be 1 or more`},
		{"no rate", "messages-per-second: 100", "messages-per-second: 0", `m.yaml:4: workload.messages-per-second: must be over 0`},
		{"rate that is no number", "messages-per-second: 100", "messages-per-second: .nan", `m.yaml:4: workload.messages-per-second: must be over 0`},
		{"endless rate", "messages-per-second: 100", "messages-per-second: .inf", `m.yaml:4: workload.messages-per-second: must be over 0`},
		{"no message", "message-size: 1KiB", "message-size: 0", `m.yaml:5: workload.message-size: must be over 0 and at most 64MiB`},
		{"message too large", "message-size: 1KiB", "message-size: 1GiB", `m.yaml:5: workload.message-size: must be over 0 and at most 64MiB`},
		{"no streams", "streams: 1", "streams: 0", `m.yaml:6: workload.streams: must be 1 or more`},
		{"negative consumers", "consumers: 0", "consumers: -1", `m.yaml:7: workload.consumers: must be 0 or more`},
		{"no groups", "raft-groups: 10", "raft-groups: 0", `m.yaml:8: workload.raft-groups: must be 1 or more`},
		{"unknown sync mode", "sync: default", "sync: allways", `m.yaml:9: workload.sync: must be default or always, not "allways" (did you mean always?)`},
		{"unknown cipher", "cipher: none", "cipher: rot13", `m.yaml:10: workload.cipher: must be none or chacha or aes, not "rot13"`},
		{"unknown compression", "compression: none", "compression: zstd", `m.yaml:11: workload.compression: must be none or s2, not "zstd"`},
		{"three slots", "max-concurrent-io: 0", "max-concurrent-io: 3", `m.yaml:12: workload.max-concurrent-io: must be 0 (the server's default), 4 to 8192, or a server's version such as 2.12.12, not "3"`},
		{"too many slots", "max-concurrent-io: 0", "max-concurrent-io: 9000", `m.yaml:12: workload.max-concurrent-io: must be 0 (the server's default), 4 to 8192`},
		{"slots of a step", "{mode: open}", `{max-concurrent-io: "16,3"}`, `m.yaml:18: steps[0].set.max-concurrent-io: must be 0 (the server's default), 4 to 8192, or a server's version such as 2.12.12, not "3"`},
		{"no concurrency", "{mode: open}", "{concurrency: 0}", `m.yaml:18: steps[0].set.concurrency: must be a whole number of 1 or more, not "0"`},
		{"no size", "{mode: open}", "{size: 0B}", `m.yaml:18: steps[0].set.size: must be over 0`},
		{"empty value", "{mode: open}", `{mode: "open,,closed"}`, `m.yaml:18: steps[0].set.mode: has an empty value`},
		{"value twice", "{mode: open}", `{mode: "open, open"}`, `m.yaml:18: steps[0].set.mode: has a value twice`},
		{"too many variants", "{mode: open}", `{a: "1,2,3,4,5,6,7,8,9", b: "1,2,3,4,5,6,7,8,9"}`, `m.yaml:18: steps[0].set: makes 81 variants of the step; at most 64 are taken`},
		{"parameter with an underscore", "{mode: open}", `{message_size: 1KiB}`, `m.yaml:18: steps[0].set.message_size: must be lower-case words with dashes`},
		{"step name twice", "name: storm", "name: write", `m.yaml:20: steps[1].name: "write" is the name of steps[0] already`},
		{"no duration", "    duration: 1s", "    duration: 0s", `m.yaml:19: steps[0].duration: must be over 0, such as 1.5s`},
		{"negative warmup", "    duration: 1s", "    duration: 1s\n    warmup: -1s", `m.yaml:20: steps[0].warmup: must be 0 or more`},
		{"negative rounds", "    duration: 1s", "    duration: 1s\n    rounds: -1", `m.yaml:20: steps[0].rounds: must be 0 (the profile's) or more`},
		{"unknown level", "level: fail", "level: error", `m.yaml:25: limits[0].level: must be fail or warn, not "error"`},
		{"no level", "    level: fail\n", "", `m.yaml:24: limits[0].level: must be fail or warn, not ""`},
		{"limit about no probe", "limit: block-write p99", "limit: block-wrte p99", `m.yaml:24: limits[0].limit: no step runs the probe "block-wrte" (did you mean block-write?)`},
		{"limit about no step", "limit: block-write p99", "limit: block-write{step=wrote} p99", `m.yaml:24: limits[0].limit: "block-write{step=wrote} p99 < 10ms" is about none of the steps write`},
		{"limit about no value", "limit: block-write p99", "limit: block-write{mode=closed} p99", `m.yaml:24: limits[0].limit: "block-write{mode=closed} p99 < 10ms" is about none of the steps write`},
		{"limit twice", "    why: it breaks\n", "    why: it breaks\n  - {limit: block-write p99<10ms, level: warn, why: again}\n", `m.yaml:27: limits[1].limit: "block-write p99 < 10ms" is limits[0] already`},
		{"no steps", sound[strings.Index(sound, "steps:"):], "", `m.yaml:1: steps: must have at least one step`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(sound, tc.old) {
				t.Fatalf("%q is not in the profile", tc.old)
			}
			_, err := profiles.Parse("m.yaml", []byte(strings.Replace(sound, tc.old, tc.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is\n%v\nwant one with\n%s", err, tc.want)
			}
		})
	}
}

func TestParseJoinsFaults(t *testing.T) {
	data := strings.NewReplacer("rounds: 2", "rounds: two", "    duration: 1s", "    dureation: 1s", "level: fail", "levle: fail").Replace(sound)
	_, err := profiles.Parse("m.yaml", []byte(data))
	want := `m.yaml:14: rounds must be a whole number, not "two"
m.yaml:19: unknown key "dureation" (did you mean "duration"?)
m.yaml:25: unknown key "levle" (did you mean "level"?)`
	if err == nil || err.Error() != want {
		t.Errorf("error is\n%v\nwant\n%s", err, want)
	}
}

func TestValidateNamesFields(t *testing.T) {
	p := parse(t, sound)
	p.Workload.Slots, p.Steps[1].Duration = 9000, 0
	err := p.Validate()
	var fault *profiles.FieldError
	if !errors.As(err, &fault) || fault.Field != "workload.max-concurrent-io" {
		t.Errorf("first fault is %v", fault)
	}
	if err == nil || !strings.Contains(err.Error(), "steps[1].duration: must be over 0") {
		t.Errorf("error is %v", err)
	}
}

func TestStepVariants(t *testing.T) {
	type set = map[string]string
	for _, tc := range []struct {
		name string
		set  set
		want []set
	}{
		{"no parameters", nil, []set{{}}},
		{"one value each", set{"mode": "open", "rate": "5"}, []set{{"mode": "open", "rate": "5"}}},
		{"two of one", set{"mode": "open", "slots": "6, 16"}, []set{{"mode": "open", "slots": "6"}, {"mode": "open", "slots": "16"}}},
		{"two of two", set{"a": "1,2", "b": "3,4"}, []set{{"a": "1", "b": "3"}, {"a": "1", "b": "4"}, {"a": "2", "b": "3"}, {"a": "2", "b": "4"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, profiles.Step{Set: tc.set}.Variants()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMeasuring(t *testing.T) {
	p := parse(t, sound)
	p.Steps[0].Set["slots"] = "4,6,16"
	p.Steps[0].Warmup = profiles.Duration(100 * time.Millisecond)
	p.Steps[1].Rounds = 4
	if got, want := p.Measuring(), 3*2*1100*time.Millisecond+4*500*time.Millisecond; got != want {
		t.Errorf("measures for %v, want %v", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("steps: &s [{name: a, set: *s}]\n"))
	f.Add([]byte("--- !!binary x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := profiles.Parse("fuzz.yaml", data)
		if err != nil {
			return
		}
		out, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := profiles.Parse("back.yaml", out)
		if err != nil {
			t.Fatalf("%s\nis refused: %v", out, err)
		}
		if diff := cmp.Diff(p, back); diff != "" {
			t.Fatal(diff)
		}
	})
}
