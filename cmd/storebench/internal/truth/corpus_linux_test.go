package truth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/results"
	"storebench/results/corpus"
)

// keepDocument adds a run to the corpus in dir, with the row's right answer, so that
// rules which change later judge it anew.
func (row truth) keepDocument(t *testing.T, dir string, turn int, a answer) {
	t.Helper()
	name := fmt.Sprintf("%s-%s-%d.json.zst", slug(row.volume), row.profile, turn)
	doc, err := thin(a.Run)
	if err == nil {
		doc, err = results.Compress(name, doc)
	}
	if err == nil {
		err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), doc, 0o644))
	}
	if err == nil {
		err = keep(filepath.Join(dir, corpus.Index), corpus.Entry{
			File: name, Volume: row.volume, Profile: row.profile, Want: row.want,
			Fails: row.fails, Warns: row.warns, Keeps: row.keeps, Cause: row.cause, Lost: a.Run.Lost(),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

var notOfASlug = regexp.MustCompile(`[^a-z0-9]+`)

func slug(name string) string {
	return strings.Trim(notOfASlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// thin leaves out of a document what no rule reads and what is this machine's alone: the
// verdict of the day, and where the volume's directory was. Every figure stays.
func thin(run programtest.Judged) ([]byte, error) {
	text, err := json.Marshal(run.Run)
	if err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(text, []byte(run.Volume.Path), []byte("/mnt/volume")), nil
}
