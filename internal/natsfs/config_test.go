package natsfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// nats-server takes an unquoted 2m for two million seconds.
func TestReadConfigNumberOfSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"5": 5 * time.Second, "2m": 2_000_000 * time.Second} {
		got, err := ReadConfig(write(t, map[string]string{"nats.conf": "jetstream { sync_interval: " + text + " }"}))
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
		{"variable", map[string]string{"nats.conf": "\n\npassword: $" + secret + "\n"}, "nats.conf:3: a variable on this line"},
		{"variable in an included file", map[string]string{"nats.conf": "a: b\ninclude x.conf", "x.conf": "\npassword: $" + secret}, "x.conf:2: a variable"},
		{"unreadable environment", map[string]string{"nats.conf": "password: $STOREBENCH_TEST_BAD"}, "nats.conf:1: a variable"},
		{"syntax in an included file", map[string]string{"nats.conf": "a: b\ninclude x.conf", "x.conf": "\npassword: \"" + secret}, "x.conf:2:"},
		{"include that is not there", map[string]string{"nats.conf": "\ninclude " + secret}, "nats.conf:2:"},
		{"include of itself", map[string]string{"nats.conf": "a: 1\ninclude nats.conf"}, "nats.conf:2:"},
		{"include in a circle", map[string]string{"nats.conf": "include a.conf", "a.conf": "\ninclude ./nats.conf"}, "a.conf:2:"},
		{"include of a directory", map[string]string{"nats.conf": "include ."}, "nats.conf:1:"},
	}
	t.Setenv("STOREBENCH_TEST_BAD", `"`+secret)
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
