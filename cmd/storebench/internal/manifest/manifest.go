// Package manifest writes what Kubernetes needs to check storage classes: for
// each class, and each node or zone where the user names some, a claim and a job
// whose pod mounts it and runs the check.
package manifest

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// Options say what is to be checked, and with what.
type Options struct {
	Classes     []string // names of storage classes
	Nodes       []string // one job for each, by the label kubernetes.io/hostname
	Zones       []string // one job for each, by the label topology.kubernetes.io/zone
	Image       string   // that has storebench as its entry point
	Size        string   // of the claim, a quantity of Kubernetes such as 20Gi
	CPU, Memory string   // of the pod, quantities
	PeerMemory  string   // of Memory, for Raft peers that are not on the volume
	Namespace   string   // empty: that of kubectl's context
	Profile     string
	Args        []string      // further ones for storebench check
	Keep        time.Duration // how long a finished job stays
	Deadline    time.Duration // after which a job that still runs, or waits, has failed
}

//go:embed check.yaml.tmpl
var checkText string

var check = template.Must(template.New("check").Funcs(template.FuncMap{"quote": quote}).Parse(checkText))

// quote writes a string so that YAML reads it back, whatever is in it.
func quote(s string) (string, error) {
	text, err := json.Marshal(s)
	return string(text), err
}

// Write writes the manifests as a stream of YAML documents. Its errors are the
// user's to mend.
func Write(w io.Writer, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	first, taken := true, map[string]string{}
	for _, class := range o.Classes {
		for _, at := range o.places() {
			j := o.job(class, at)
			if other, twice := taken[j.Name]; twice {
				return fmt.Errorf("%s and %s would both be named %s: name each class, node and zone once", other, j.title(), j.Name)
			}
			taken[j.Name] = j.title()
			if !first {
				if _, err := io.WriteString(w, "---\n"); err != nil {
					return err
				}
			}
			first = false
			if err := check.Execute(w, j); err != nil {
				return fmt.Errorf("write the manifests of %s: %w", class, err)
			}
		}
	}
	return nil
}

// pair is a label with its value.
type pair struct{ Name, Value string }

// place is where the pod of a job must run; the zero value is anywhere.
type place struct{ kind, label, name string }

func (o Options) places() []place {
	var all []place
	for _, node := range o.Nodes {
		all = append(all, place{"node", "kubernetes.io/hostname", node})
	}
	for _, zone := range o.Zones {
		all = append(all, place{"zone", "topology.kubernetes.io/zone", zone})
	}
	if len(all) == 0 {
		return []place{{}}
	}
	return all
}

// job is what the template shows of one claim and job.
type job struct {
	Options
	Name, Class, Place           string
	Labels                       []pair
	Selector                     *pair
	Args                         []string
	KeepSeconds, DeadlineSeconds int64
}

func (o Options) job(class string, at place) job {
	j := job{
		Options: o, Class: class, Name: objectName("storebench", class, at.name),
		KeepSeconds: int64(o.Keep / time.Second), DeadlineSeconds: int64(o.Deadline / time.Second),
	}
	j.Labels = []pair{
		{"app.kubernetes.io/name", "storebench"},
		{"app.kubernetes.io/component", "check"},
		{"app.kubernetes.io/instance", j.Name},
	}
	// The report and the run go to the log, the verdict to the termination message.
	j.Args = []string{"--profile", o.Profile, "-o", "log", "-o", "brief=/dev/termination-log", "--label", "storage-class=" + class}
	if at.name != "" {
		j.Place = at.kind + " " + at.name
		j.Selector = &pair{at.label, at.name}
		j.Args = append(j.Args, "--label", at.kind+"="+at.name)
	}
	j.Args = append(j.Args, o.Args...)
	return j
}

func (j job) title() string {
	return strings.TrimSuffix("class "+j.Class+", "+j.Place, ", ")
}

// maxName is the longest name of a job: it becomes a label of its pod.
const maxName = 63

// objectName makes one name of some that Kubernetes takes elsewhere. Where it
// had to be changed or cut, a hash tells it from its likes.
func objectName(parts ...string) string {
	full := strings.Trim(strings.Join(parts, "-"), "-")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(full))
	if name == full && len(name) <= maxName {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(full)) // cannot fail
	hash := fmt.Sprintf("-%08x", h.Sum32())
	return strings.TrimRight(name[:min(len(name), maxName-len(hash))], "-") + hash
}

var (
	subdomain  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	labelValue = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	quantity   = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$`)
	imageName  = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._/:@]*$`)
)

// check finds what Kubernetes would refuse.
func (o Options) check() error {
	if len(o.Classes) == 0 {
		return fmt.Errorf("name at least one storage class, such as --storage-class gp3; kubectl get storageclass lists them")
	}
	if o.Keep < 0 || o.Deadline < time.Second {
		return fmt.Errorf("a job is kept for %v and ended after %v: these must be at least 0s and 1s", o.Keep, o.Deadline)
	}
	for _, group := range []struct {
		what   string
		values []string
		valid  *regexp.Regexp
		like   string
	}{
		{"storage class", o.Classes, subdomain, "gp3"},
		{"node", o.Nodes, labelValue, "worker-1"},
		{"zone", o.Zones, labelValue, "eu-central-1a"},
		{"namespace", []string{cmp.Or(o.Namespace, "default")}, subdomain, "storage-checks"},
		{"image", []string{o.Image}, imageName, "storebench:1.0"},
		{"size", []string{o.Size}, quantity, "20Gi"},
		{"CPU", []string{o.CPU}, quantity, "2"},
		{"memory", []string{o.Memory}, quantity, "4Gi"},
		{"peer memory", []string{o.PeerMemory}, quantity, "1Gi"},
	} {
		for _, value := range group.values {
			if !group.valid.MatchString(value) {
				return fmt.Errorf("%s %q: Kubernetes would not take it; it looks like %s", group.what, value, group.like)
			}
		}
	}
	return nil
}
