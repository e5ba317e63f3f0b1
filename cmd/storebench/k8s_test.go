package main

import (
	"bytes"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestManifestArguments hands the arguments of a manifest to the check command:
// what the pod is told to run must be what the program understands.
func TestManifestArguments(t *testing.T) {
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"k8s", "manifests", "--storage-class", "gp3", "--image", "storebench:1.0", "--node", "a", "--", "--server-version", "2.12.4"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(out.String(), "\n---\n")
	var job struct {
		Spec struct {
			Template struct {
				Spec struct{ Containers []struct{ Args []string } }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err)
	}
	args := job.Spec.Template.Spec.Containers[0].Args
	check, rest, err := newRoot().Find(args)
	if err != nil || check.Name() != "check" {
		t.Fatalf("%q is %v, %v", args, check, err)
	}
	if err := check.ParseFlags(rest); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if got := check.Flags().Args(); len(got) != 1 || got[0] != "/data" {
		t.Errorf("%q: it would check %q", args, got)
	}
	outputs := check.Flags().Lookup("output").Value.String()
	if !strings.Contains(outputs, "log") || !strings.Contains(outputs, "brief=") {
		t.Errorf("outputs %s", outputs)
	}
}
