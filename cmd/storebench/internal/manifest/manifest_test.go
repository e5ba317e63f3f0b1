package manifest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

func options() Options {
	return Options{
		Classes: []string{"gp3"}, Image: "storebench:1.0", Size: "20Gi", CPU: "2", Memory: "4Gi", PeerMemory: "2Gi",
		Profile: "raft", Keep: 24 * time.Hour, Deadline: 15 * time.Minute,
	}
}

// change returns options with something changed.
func change(f func(*Options)) Options {
	o := options()
	f(&o)
	return o
}

var accepted = []struct {
	name    string
	options Options
	jobs    []string
}{
	{"one", options(), []string{"storebench-gp3"}},
	{"many", change(func(o *Options) {
		o.Classes, o.Namespace = []string{"gp3", "premium", "local.path"}, "checks"
		o.Args = []string{"--server-version", "2.12.4", "--limit", `block-write{mode=open} p99 < 5ms`}
	}), []string{"storebench-gp3", "storebench-premium", "storebench-local-path-aa9d2653"}},
	{"nodes", change(func(o *Options) { o.Nodes = []string{"worker-1", "worker-2"} }), []string{"storebench-gp3-worker-1", "storebench-gp3-worker-2"}},
	{"zones", change(func(o *Options) { o.Zones, o.Profile = []string{"eu-central-1a"}, "quick" }), []string{"storebench-gp3-eu-central-1a"}},
	{"odd", change(func(o *Options) { o.Args = []string{"--label", "a=\"b\": {c}\n- #d\u2028%"} }), []string{"storebench-gp3"}},
}

// TestManifests decodes every manifest strictly into the types of Kubernetes and
// holds it to what a check needs, and compares it with the file that a person
// has looked at.
func TestManifests(t *testing.T) {
	for _, test := range accepted {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Write(&out, test.options); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, test.name+".yaml", out.Bytes())
			claims, jobs := decode(t, out.Bytes())
			if diff := cmp.Diff(test.jobs, names(jobs)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			for i, j := range jobs {
				checkClaim(t, test.options, claims[i])
				checkJob(t, test.options, j, claims[i])
				checkPod(t, test.options, j.Spec.Template.Spec, claims[i].Name)
			}
		})
	}
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// decode reads claims and jobs in turn; a field that the type does not have is an
// error.
func decode(t *testing.T, stream []byte) (claims []core.PersistentVolumeClaim, jobs []batch.Job) {
	t.Helper()
	for i, document := range bytes.Split(stream, []byte("\n---\n")) {
		var claim core.PersistentVolumeClaim
		var job batch.Job
		var err error
		if i%2 == 0 {
			err = yaml.UnmarshalStrict(document, &claim)
			claims = append(claims, claim)
		} else {
			err = yaml.UnmarshalStrict(document, &job)
			jobs = append(jobs, job)
		}
		if err != nil {
			t.Fatalf("document %d: %v\n%s", i, err, document)
		}
	}
	if len(claims) != len(jobs) {
		t.Fatalf("%d claims and %d jobs", len(claims), len(jobs))
	}
	return claims, jobs
}

func names(jobs []batch.Job) []string {
	var all []string
	for _, j := range jobs {
		all = append(all, j.Name)
	}
	return all
}

func checkClaim(t *testing.T, o Options, c core.PersistentVolumeClaim) {
	t.Helper()
	size := c.Spec.Resources.Requests[core.ResourceStorage]
	if c.Kind != "PersistentVolumeClaim" || c.APIVersion != "v1" || size.String() != o.Size {
		t.Errorf("%s %s of %s", c.APIVersion, c.Kind, size.String())
	}
	if c.Spec.StorageClassName == nil || !slices.Contains(o.Classes, *c.Spec.StorageClassName) {
		t.Errorf("claim %s has class %v", c.Name, c.Spec.StorageClassName)
	}
}

func checkJob(t *testing.T, o Options, j batch.Job, claim core.PersistentVolumeClaim) {
	t.Helper()
	if j.Kind != "Job" || j.APIVersion != "batch/v1" || j.Name != claim.Name || j.Namespace != o.Namespace || claim.Namespace != o.Namespace {
		t.Errorf("%s %s %s/%s beside claim %s/%s", j.APIVersion, j.Kind, j.Namespace, j.Name, claim.Namespace, claim.Name)
	}
	if j.Spec.BackoffLimit == nil || *j.Spec.BackoffLimit != 0 {
		t.Errorf("the job is tried again: backoffLimit %v", j.Spec.BackoffLimit)
	}
	if j.Spec.TTLSecondsAfterFinished == nil || time.Duration(*j.Spec.TTLSecondsAfterFinished)*time.Second != o.Keep {
		t.Errorf("it is kept for %v s", j.Spec.TTLSecondsAfterFinished)
	}
	if j.Spec.ActiveDeadlineSeconds == nil || time.Duration(*j.Spec.ActiveDeadlineSeconds)*time.Second != o.Deadline {
		t.Errorf("its deadline is %v s", j.Spec.ActiveDeadlineSeconds)
	}
	for _, labels := range []map[string]string{claim.Labels, j.Labels, j.Spec.Template.Labels} {
		if labels["app.kubernetes.io/name"] != "storebench" || labels["app.kubernetes.io/instance"] != j.Name {
			t.Errorf("labels for the cleanup: %v", labels)
		}
	}
}

func checkPod(t *testing.T, o Options, p core.PodSpec, claim string) {
	t.Helper()
	if p.RestartPolicy != core.RestartPolicyNever || p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken || p.NodeName != "" {
		t.Errorf("restart %s, token %v, node %q", p.RestartPolicy, p.AutomountServiceAccountToken, p.NodeName)
	}
	s := p.SecurityContext
	if s == nil || !*s.RunAsNonRoot || *s.RunAsUser == 0 || *s.FSGroup == 0 || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("security of the pod: %v", s)
	}
	c := p.Containers[0]
	if c.Image != o.Image || len(p.Containers) != 1 {
		t.Errorf("%d containers, the first with image %s", len(p.Containers), c.Image)
	}
	k := c.SecurityContext
	if k == nil || !*k.ReadOnlyRootFilesystem || *k.AllowPrivilegeEscalation || !slices.Equal(k.Capabilities.Drop, []core.Capability{"ALL"}) {
		t.Errorf("security of the container: %v", k)
	}
	if diff := cmp.Diff(c.Resources.Requests, c.Resources.Limits); diff != "" || c.Resources.Limits.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("requests and limits (-requests +limits):\n%s", diff)
	}
	if !slices.Contains(c.Args, "brief="+c.TerminationMessagePath) {
		t.Errorf("nothing writes the termination message %s: %q", c.TerminationMessagePath, c.Args)
	}
	if tail := c.Args[len(c.Args)-len(o.Args):]; !slices.Equal(tail, o.Args) {
		t.Errorf("further arguments %q, want %q", tail, o.Args)
	}
	checkVolumes(t, o, p, claim)
}

// checkVolumes looks for the claim below DIR and for memory that is shared by
// processes.
func checkVolumes(t *testing.T, o Options, p core.PodSpec, claim string) {
	t.Helper()
	at := map[string]string{}
	for _, m := range p.Containers[0].VolumeMounts {
		at[m.Name] = m.MountPath
	}
	found := map[string]bool{}
	for _, v := range p.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			found["claim"] = v.PersistentVolumeClaim.ClaimName == claim && at[v.Name] == p.Containers[0].Args[1]
		case v.EmptyDir != nil && v.EmptyDir.Medium == core.StorageMediumMemory:
			found["memory"] = at[v.Name] == "/dev/shm" && v.EmptyDir.SizeLimit.String() == o.PeerMemory
		case v.EmptyDir != nil:
			found["tmp"] = at[v.Name] == "/tmp"
		}
	}
	if !found["claim"] || !found["memory"] || !found["tmp"] {
		t.Errorf("volumes %v mounted at %v: %v", p.Volumes, at, found)
	}
}

// TestSelectors shows that a node or zone is asked of the scheduler, by whose
// choice a volume that binds late is made there.
func TestSelectors(t *testing.T) {
	for _, test := range []struct {
		options Options
		want    map[string]string
	}{
		{options(), nil},
		{change(func(o *Options) { o.Nodes = []string{"worker-1"} }), map[string]string{"kubernetes.io/hostname": "worker-1"}},
		{change(func(o *Options) { o.Zones = []string{"a"} }), map[string]string{"topology.kubernetes.io/zone": "a"}},
	} {
		var out bytes.Buffer
		if err := Write(&out, test.options); err != nil {
			t.Fatal(err)
		}
		_, jobs := decode(t, out.Bytes())
		if diff := cmp.Diff(test.want, jobs[0].Spec.Template.Spec.NodeSelector); diff != "" {
			t.Errorf("node selector (-want +got):\n%s", diff)
		}
	}
}

func TestRefuses(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"no class", change(func(o *Options) { o.Classes = nil }), "name at least one storage class"},
		{"an odd class", change(func(o *Options) { o.Classes = []string{"gp3\nkind: Secret"} }), "storage class"},
		{"an empty class", change(func(o *Options) { o.Classes = []string{"gp3", ""} }), "storage class"},
		{"a class twice", change(func(o *Options) { o.Classes = []string{"gp3", "gp3"} }), "once"},
		{"an odd node", change(func(o *Options) { o.Nodes = []string{"a b"} }), "node"},
		{"no image", change(func(o *Options) { o.Image = "" }), "image"},
		{"an image with a blank", change(func(o *Options) { o.Image = "a b" }), "image"},
		{"no size", change(func(o *Options) { o.Size = "" }), "size"},
		{"a size of ours", change(func(o *Options) { o.Size = "20GiB" }), "20Gi"},
		{"a negative size", change(func(o *Options) { o.Size = "-1Gi" }), "size"},
		{"odd memory", change(func(o *Options) { o.Memory = "much" }), "memory"},
		{"an odd namespace", change(func(o *Options) { o.Namespace = "A/B" }), "namespace"},
		{"no time", change(func(o *Options) { o.Deadline = 0 }), "at least 0s and 1s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Write(&bytes.Buffer{}, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// TestObjectName keeps names short, valid and apart.
func TestObjectName(t *testing.T) {
	long := strings.Repeat("a", 70)
	names := map[string]bool{}
	for _, class := range []string{"gp3", "a.b", "a-b", "A-B", long, long + "b"} {
		name := objectName("storebench", class, "")
		if len(name) > maxName || !subdomain.MatchString(name) || strings.Contains(name, ".") || names[name] {
			t.Errorf("class %s: name %s", class, name)
		}
		names[name] = true
	}
}
