package natsfs

import (
	"errors"
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/conf"
)

// write puts files into a new directory and returns the path of nats.conf.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "nats.conf")
}

func TestReadConfig(t *testing.T) {
	const interval = defaultSyncInterval
	t.Setenv("STOREBENCH_TEST_KEY", "k3y")
	tests := []struct {
		name, text string
		want       Config
	}{
		{"empty", "", Config{SyncInterval: interval, Cipher: CipherNone}},
		{"no jetstream", "port: 4222\n", Config{SyncInterval: interval, Cipher: CipherNone}},
		{"enabled", "jetstream: enabled", Config{JetStream: true, SyncInterval: interval, Cipher: CipherNone}},
		{"true", "jetstream: true\nstore_dir: /data", Config{JetStream: true, StoreDir: "/data", SyncInterval: interval, Cipher: CipherNone}},
		{"disabled", "jetstream: Disabled", Config{SyncInterval: interval, Cipher: CipherNone}},
		{"empty block", "jetstream {}", Config{JetStream: true, SyncInterval: interval, Cipher: CipherNone}},
		{"switched off", "jetstream { enabled: false, store_dir: /d }", Config{StoreDir: "/d", SyncInterval: interval, Cipher: CipherNone}},
		{"all", `jetstream {
			store_dir: "/data/nats"
			sync_interval: "30s"
			max_concurrent_io: 16
			cipher: aes
			key: "k"
			max_file_store: 10GB
		}`, Config{JetStream: true, StoreDir: "/data/nats", SyncInterval: 30 * time.Second, Slots: 16, Cipher: CipherAES}},
		{"other case and names", "JetStream { StoreDir: /d, SYNC: Always, Max_Concurrent_IO: 4 }",
			Config{JetStream: true, StoreDir: "/d", SyncAlways: true, SyncInterval: interval, Slots: 4, Cipher: CipherNone}},
		{"key alone", `jetstream { ek: "k" }`, Config{JetStream: true, SyncInterval: interval, Cipher: CipherChaCha}},
		{"key of the environment", `jetstream { key: $STOREBENCH_TEST_KEY, cipher: ChachaPoly }`, Config{JetStream: true, SyncInterval: interval, Cipher: CipherChaCha}},
		{"cipher alone", "jetstream { cipher: aes }", Config{JetStream: true, SyncInterval: interval, Cipher: CipherNone}},
		{"empty key", `jetstream { key: "" }`, Config{JetStream: true, SyncInterval: interval, Cipher: CipherNone}},
		{"tpm", "jetstream { tpm { keys_file: k.json, cipher: aes } }", Config{JetStream: true, SyncInterval: interval, Cipher: CipherAES}},
		{"zero interval", `jetstream { sync_interval: "0s" }`, Config{JetStream: true, SyncInterval: interval, Cipher: CipherNone}},
		{"variable", "SLOTS: 32\njetstream { max_concurrent_io: $SLOTS }", Config{JetStream: true, SyncInterval: interval, Slots: 32, Cipher: CipherNone}},
		{"json", `{"jetstream": {"max_concurrent_io": 8, "store_dir": "/d"}}`, Config{JetStream: true, StoreDir: "/d", SyncInterval: interval, Slots: 8, Cipher: CipherNone}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadConfig(write(t, map[string]string{"nats.conf": tt.text}))
			if err != nil {
				t.Fatal(err)
			}
			got.Notes = nil // TestReadConfigNotes
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// nats-server takes an unquoted 2m for two million seconds.
func TestReadConfigNumberOfSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"5": 5 * time.Second, "2m": 2_000_000 * time.Second} {
		got, err := ReadConfig(write(t, map[string]string{"nats.conf": "jetstream { store_dir: /d, sync_interval: " + text + " }"}))
		if err != nil {
			t.Fatal(err)
		}
		if got.SyncInterval != want || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "nats.conf:1:") {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestReadConfigIncludes(t *testing.T) {
	path := write(t, map[string]string{
		"nats.conf": "include ./js.conf\nauthorization {\n  include 'auth.conf'\n}\n",
		"js.conf":   "# include nats.conf\njetstream {\n  include \"slots.conf\"\n  note: \"include nats.conf\"\n}\n",
		"auth.conf": "user: a, password: b\n", "slots.conf": "max_concurrent_io: 64\n",
	})
	got, err := ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if !got.JetStream || got.Slots != 64 {
		t.Errorf("got %+v", got)
	}
}

const secret = "S3cr3tV4lue"

func TestReadConfigErrors(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string // in the error
	}{
		{"slots below", map[string]string{"nats.conf": "jetstream {\n  max_concurrent_io: 3\n}"}, "nats.conf:2:3: max_concurrent_io must be"},
		{"slots above", map[string]string{"nats.conf": "jetstream { max_concurrent_io: 8193 }"}, "nats.conf:1:13: max_concurrent_io must be"},
		{"slots as text", map[string]string{"nats.conf": "jetstream { max_concurrent_io: " + secret + " }"}, "max_concurrent_io must be"},
		{"interval", map[string]string{"nats.conf": "jetstream {\n sync_interval: \"" + secret + "\"\n}"}, "nats.conf:2:2: sync_interval must be"},
		{"negative interval", map[string]string{"nats.conf": "jetstream { sync_interval: -5 }"}, "sync_interval must be"},
		{"huge interval", map[string]string{"nats.conf": "jetstream { sync_interval: 99999999999999 }"}, "sync_interval must be"},
		{"interval true", map[string]string{"nats.conf": "jetstream { sync_interval: true }"}, "sync_interval must be"},
		{"cipher", map[string]string{"nats.conf": "jetstream { key: k, cipher: " + secret + " }"}, "cipher must be chacha or aes"},
		{"key as number", map[string]string{"nats.conf": "jetstream {\n key: 123454321\n}"}, "nats.conf:2:2: key must be a string"},
		{"jetstream", map[string]string{"nats.conf": "jetstream: " + secret}, "jetstream must be"},
		{"store twice", map[string]string{"nats.conf": "store_dir: /" + secret + "\njetstream { store_dir: /" + secret + " }"}, "set twice"},
		{"in an included file", map[string]string{"nats.conf": "jetstream { include js.conf }", "js.conf": "\n\n max_concurrent_io: 1"}, "js.conf:3:2: max_concurrent_io"},
		{"syntax", map[string]string{"nats.conf": "port: 4222\njetstream {\n  key: \"" + secret + "\" \"" + secret + "\"\n}\n"}, "nats.conf:3:"},
		{"escape", map[string]string{"nats.conf": "\npassword: \"" + secret + "\\q\"\n"}, "nats.conf:2:"},
		{"cut short", map[string]string{"nats.conf": "password: \"" + secret}, "the file ends"},
		{"block not closed", map[string]string{"nats.conf": "jetstream {\n  key: " + secret + "\n"}, "not valid"},
		{"key without a value", map[string]string{"nats.conf": secret}, "not valid"},
		{"number out of range", map[string]string{"nats.conf": "\nport: 99999999999999999999\n"}, "nats.conf:2:"},
		{"date", map[string]string{"nats.conf": "a: 2026-19-41T25:00:00Z\n"}, "nats.conf:1:"},
		{"syntax in an included file", map[string]string{"nats.conf": "a: b\ninclude x.conf", "x.conf": "\npassword: \"" + secret}, "x.conf:2:"},
		{"include of itself", map[string]string{"nats.conf": "a: 1\ninclude nats.conf"}, "nats.conf:2:"},
		{"include in a circle", map[string]string{"nats.conf": "include a.conf", "a.conf": "\ninclude ./nats.conf"}, "a.conf:2:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadConfig(write(t, tt.files))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "123454321") {
				t.Errorf("a value is in %q", err)
			}
		})
	}
}

// TestReadConfigNotes: what is not needed need not be readable, and what nats-server takes in
// another way than its author meant is said. Each is a file as people have them.
func TestReadConfigNotes(t *testing.T) {
	const on = "jetstream { store_dir: /d }\n"
	t.Setenv("STOREBENCH_TEST_BAD", `"`+secret)
	t.Setenv("STOREBENCH_TEST_EMPTY", "")
	plain := Config{JetStream: true, StoreDir: "/d", SyncInterval: defaultSyncInterval, Cipher: CipherNone}
	tests := []struct {
		name  string
		files map[string]string
		want  Config
		note  string // "" for none
	}{
		{"Helm's server_name", map[string]string{"nats.conf": `{"jetstream": {"store_dir": "/d"}, "server_name": $SERVER_NAME}`}, plain, "nats.conf:1:52: a variable that is not set here; nothing that is needed here hangs on it"},
		{"a password", map[string]string{"nats.conf": on + "authorization { password: $" + secret + " }"}, plain, "nats.conf:2:28: a variable that is not set"},
		{"routes and tags", map[string]string{"nats.conf": on + "cluster { routes: [$A, $B] }\ntags: [$C]"}, plain, "nats.conf:2:21, "},
		{"a rotation key", map[string]string{"nats.conf": "jetstream { store_dir: /d, prev_key: $" + secret + " }"}, plain, "a variable that is not set"},
		{"a variable of the environment that cannot be read", map[string]string{"nats.conf": on + "a: $STOREBENCH_TEST_BAD"}, plain, "put quotes into it"},
		{"a variable in an included file", map[string]string{"nats.conf": on + "include x.conf", "x.conf": "\npassword: $" + secret}, plain, "x.conf:2:12: a variable"},
		{"an included file that is not there", map[string]string{"nats.conf": on + "authorization { include auth.conf }"}, plain, "nats.conf:2:25: the file included here cannot be read: no such file"},
		{"an include beside the block", map[string]string{"nats.conf": on + "include ./" + secret}, plain, "nats.conf:2:9: the file included here cannot be read"},
		{"an include of a directory", map[string]string{"nats.conf": on + "include ."}, plain, "not a regular file"},
		{"an absolute include", map[string]string{"nats.conf": on + "include /etc/nats/auth.conf"}, plain, "even when its name is absolute"},
		{"sync_always", map[string]string{"nats.conf": "jetstream { store_dir: /d, sync_always: true }"}, plain, "sync_always is no key of nats-server, which refuses the file"},
		{"sync_always beside the block", map[string]string{"nats.conf": on + "sync_always: true"}, plain, "sync_always is no key"},
		{"another key that is refused", map[string]string{"nats.conf": "jetstream { store_dir: /d, max_file_storage: 1G }"}, plain, "refuses max_file_storage in the jetstream block"},
		{"every other key", map[string]string{"nats.conf": "jetstream { store_dir: /d, max_mem: 1G, domain: hub, limits { max_ack_pending: 5 }, unique_tag: az }"}, plain, ""},
		{"off", map[string]string{"nats.conf": "jetstream: disabled"}, Config{SyncInterval: defaultSyncInterval, Cipher: CipherNone}, "nats.conf:1:1: this turns JetStream off"},
		{"a second block", map[string]string{"nats.conf": "jetstream { store_dir: /a, max_concurrent_io: 16 }\n" + on}, plain, "nats.conf:2:1: jetstream is set more than once"},
		{"a byte-order mark", map[string]string{"nats.conf": "\ufeffport: 4222\n" + on}, plain, "byte-order mark"},
		{"an empty key", map[string]string{"nats.conf": "jetstream { store_dir: /d, key: $STOREBENCH_TEST_EMPTY, cipher: aes }"}, plain, "key is empty, so nats-server encrypts nothing"},
		{"no store_dir", map[string]string{"nats.conf": "jetstream: enabled"}, Config{JetStream: true, SyncInterval: defaultSyncInterval, Cipher: CipherNone}, "below the temporary directory"},
		{"a template", map[string]string{"nats.conf": on + "jetstream: {{ x }}"}, Config{JetStream: true, SyncInterval: defaultSyncInterval, Cipher: CipherNone}, "a template that was not rendered"},
		{"bcrypt", map[string]string{"nats.conf": on + "password: $2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG"}, plain, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadConfig(write(t, tt.files))
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(got.Notes, "\n")
			if got.Notes = nil; tt.note == "" && notes != "" || !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q, want %q in them", notes, tt.note)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(notes, secret) {
				t.Errorf("a value is in %q", notes)
			}
		})
	}
}

// TestReadConfigNeeded: what hangs on something that is not there is an error that says what.
func TestReadConfigNeeded(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"slots", "jetstream { max_concurrent_io: $SLOTS_NOT_SET }", "nats.conf:1:13: max_concurrent_io is needed, and its value is a variable that is not set here"},
		{"store_dir", "store_dir: $HOME/nats", "nats-server takes all that follows the $ for its name"},
		{"store_dir in braces", "store_dir: ${DATA_DIR}", "write the value out, in quotes"},
		{"sync", "jetstream { sync_interval: $A_NOT_SET }", "sync_interval is needed"},
		{"JetStream itself", "jetstream: $A_NOT_SET", "jetstream is needed"},
		{"the key", "jetstream { key: $A_NOT_SET, cipher: aes }", "whether the store is encrypted hangs on a variable that is not set here: set it, or"},
		{"an include that may hold the block", "include js.conf", "and nothing else says whether JetStream is on"},
		{"an include within the block", "jetstream { include js.conf }", "and it belongs to the jetstream block"},
		{"a placeholder", "jetstream {\n  store_dir:\n}\nport: 4222", "nats.conf:2:3: store_dir has no value"},
		{"a placeholder before a key", "jetstream {\n  store_dir:\n  max_mem: 1G\n}", "nats.conf:"},
		{"a path that begins with a dot", "store_dir: ./hub", "a value that begins with a dot: put it in quotes"},
		{"backslashes", `store_dir: "C:\nats"`, "a \\ within double quotes is an escape"},
		{"a list that is cut off", "cluster { routes: [nats://a:1,\n", "not valid as a nats-server configuration"},
		{"a template", "jetstream {\n  max_mem: {{ .Values.x }}\n}", "a template that was not rendered"},
		{"a ConfigMap", "apiVersion: v1\nkind: ConfigMap\ndata:\n  nats.conf: |\n    port: 4222\n", "kubectl get configmap NAME"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadConfig(write(t, map[string]string{"nats.conf": tt.text}))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestJetStreamKeys holds the keys that are known here against nats-server's source.
func TestJetStreamKeys(t *testing.T) {
	nats, err := natsSource()
	if err != nil {
		t.Fatal(err)
	}
	known := append(slices.Clone(jetStreamKeys), "store", "store_dir", "storedir", "enable", "enabled", "sync", "sync_interval",
		"max_concurrent_io", "key", "ek", "encryption_key", "cipher", "tpm")
	var got []string
	ast.Inspect(nats.function("server", "parseJetStream"), func(n ast.Node) bool {
		if clause, ok := n.(*ast.CaseClause); ok {
			for _, label := range clause.List {
				if l, ok := label.(*ast.BasicLit); ok {
					got = append(got, strings.Trim(l.Value, `"`))
				}
			}
		}
		return true
	})
	for _, word := range []string{"disabled", "disable"} { // of the value that is no block
		got = slices.DeleteFunc(got, func(label string) bool { return label == word })
	}
	slices.Sort(known)
	slices.Sort(got)
	if diff := cmp.Diff(known, slices.Compact(got)); diff != "" {
		t.Errorf("(-here +nats-server):\n%s", diff)
	}
}

func TestReadConfigNoFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none.conf"), dir} {
		if _, err := ReadConfig(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzReadConfig(f *testing.F) {
	for _, seed := range [][2]string{
		{"jetstream { key: \"", "\" }"}, {"jetstream { sync_interval: \"", "\", max_concurrent_io: 3 }"},
		{"password: $", "\n"}, {"include ", "\n"}, {"include nats.conf\n", ""}, {"a: [", "]"}, {"a {", "}}"}, {"(", ")"},
		{"a: (\n", "\n)\n"}, {"\"", "\": 1"}, {"a: 12", "k"}, {"jetstream { cipher: ", " }"}, {"}", "{"}, {"a: \"\\x", "\""},
	} {
		f.Add(seed[0], seed[1])
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, before, after string) {
		path := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(path, []byte(before+secret+after), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := ReadConfig(path)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows a value: %v", err)
		}
		if strings.Contains(strings.Join(cfg.Notes, ""), secret) {
			t.Errorf("a note shows a value: %q", cfg.Notes)
		}
	})
}

// FuzzConfigTree compares what is read of a file with what nats-server's own parser makes of
// it, wherever it makes something.
func FuzzConfigTree(f *testing.F) {
	for _, seed := range []string{
		"a: 1k, b: [1.5, {c: yes}, [x]] # end\nd {e = $a}", `{"a": {"b": "c\n"}, "d": 10GiB}`, "a: 2026-01-02T03:04:05Z; b 'x'\nc: (\ntext\n)\n",
		"a { b: c }\na { d: $a }", "a: -5\nb: $2a$11$x", "a: [$b]\nb: off", "a {\n b:\n}", "a: ./b", "}", "a: 99999999999999999999",
	} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "nats.conf")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			return // of files that are not there
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var tree configTree
		got, err := tree.file(path)
		want, natsErr := natsParse(text)
		switch {
		case err != nil && natsErr == nil && !strings.Contains(err.Error(), "has no value"):
			t.Errorf("nats-server reads it, and here is an error: %v", err)
		case err == nil && natsErr != nil && len(tree.holes) == 0:
			t.Errorf("it is read, and nats-server says: %v", natsErr)
		case err == nil && natsErr == nil:
			if diff := cmp.Diff(want, plainValue(got)); diff != "" {
				t.Errorf("(-nats-server +here):\n%s", diff)
			}
		}
	})
}

// natsParse runs nats-server's parser, which panics on some texts.
func natsParse(text string) (values any, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("panic")
		}
	}()
	m, err := conf.Parse(text)
	return m, err
}

// plainValue is a value as nats-server's parser hands it out.
func plainValue(v any) any {
	switch v := v.(type) {
	case *block:
		m := map[string]any{}
		for key, s := range v.settings {
			m[key] = plainValue(s.value)
		}
		return m
	case []any:
		all := make([]any, 0, len(v))
		for _, one := range v {
			all = append(all, plainValue(one))
		}
		return all
	}
	return v
}
