package storebench_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// metricName finds the metrics of storebench in an expression.
var metricName = regexp.MustCompile(`\bstorebench_[a-z0-9_]+`)

// TestAlerts holds the alert rules against what the prometheus format writes: an
// alert on a metric or a label that nobody exports never fires.
func TestAlerts(t *testing.T) {
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr         string
				For                 string
				Labels, Annotations map[string]string
			}
		}
	}
	readYAML(t, filepath.Join("deploy", "alerts.yaml"), &rules)
	exported := exposition(t)
	checked := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			names := metricName.FindAllString(rule.Expr, -1)
			if rule.Alert == "" || len(names) == 0 || rule.Annotations["summary"] == "" || rule.Labels["severity"] == "" {
				t.Errorf("alert %q lacks a part", rule.Alert)
			}
			for _, name := range names {
				checked++
				if !strings.Contains(exported, "\n"+name+"{") {
					t.Errorf("%s: nobody exports %s", rule.Alert, name)
				}
			}
			for _, label := range labelsIn(rule.Annotations["summary"]) {
				if label != "instance" && !strings.Contains(exported, label+`="`) {
					t.Errorf("%s: no series has the label %s", rule.Alert, label)
				}
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d metrics were looked at", checked)
	}
}

// exposition is the format as its golden files have it.
func exposition(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("results", "render", "testdata", "*.prom"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden file: %v", err)
	}
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n" + string(data))
	}
	return all.String()
}

var labelRef = regexp.MustCompile(`\$labels\.([a-z_]+)`)

func labelsIn(text string) []string {
	var all []string
	for _, m := range labelRef.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestWorkflow reads the example of a workflow and looks for the commands that it
// runs in this program.
func TestWorkflow(t *testing.T) {
	var workflow struct {
		Name string
		On   map[string]any
		Env  map[string]string
		Jobs map[string]struct {
			RunsOn string `yaml:"runs-on"`
			Steps  []struct{ Name, Uses, Run, If string }
		}
	}
	readYAML(t, filepath.Join("deploy", "github-actions.yaml"), &workflow)
	var commands []string
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			for _, m := range regexp.MustCompile(`/storebench" ([a-z0-9]+)`).FindAllStringSubmatch(step.Run, -1) {
				commands = append(commands, m[1])
			}
		}
	}
	slices.Sort(commands)
	if want := []string{"collect", "k8s", "report"}; !slices.Equal(commands, want) {
		t.Errorf("it runs %q, want %q", commands, want)
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// registryHost is a host name before an image's path: a name with a dot, or with
// a port, before the first slash.
var registryHost = regexp.MustCompile(`(?m)(?:image: *"?|^FROM |^ARG [A-Z_]+=|IMAGE: )([a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?|localhost(:[0-9]+)?)/`)

// TestNoRegistry keeps the files that name an image free of a registry's host:
// which one it comes from is the user's.
func TestNoRegistry(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("deploy", "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("files %q, %v", files, err)
	}
	manifests, err := filepath.Glob(filepath.Join("cmd", "storebench", "internal", "manifest", "testdata", "*.yaml"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("manifests %q, %v", manifests, err)
	}
	for _, file := range append(files, manifests...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := registryHost.FindString(string(data)); found != "" {
			t.Errorf("%s names a registry: %s", file, found)
		}
	}
	for _, planted := range []string{"image: \"host.invalid/x\"", "FROM host.invalid:5000/go AS build", "ARG GO_IMAGE=localhost:5000/go", "  IMAGE: a.b/c"} {
		if !registryHost.MatchString(planted) {
			t.Errorf("%s is not found", planted)
		}
	}
}
