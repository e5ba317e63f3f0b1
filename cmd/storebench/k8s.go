package main

import (
	"bytes"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/manifest"
	"storebench/profiles"
)

func newK8s() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "k8s",
		Short: "Check the storage classes of a Kubernetes cluster",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newManifests())
	return cmd
}

func newManifests() *cobra.Command {
	var o manifest.Options
	cmd := &cobra.Command{
		Use:   "manifests --storage-class CLASS[,CLASS...] --image IMAGE [-- CHECK-FLAG...]",
		Short: "Write a claim and a job a storage class, to be piped into kubectl apply",
		Long: `Write a PersistentVolumeClaim and a Job for each storage class, and with --node or
--zone for each of these. Nothing is sent anywhere: the manifests go to stdout.

The job's pod mounts the claim, so that classes that bind late work. It runs as
no root, and its requests are its limits. Its exit code is the verdict's, its
termination message says why, and its log holds the run for storebench collect.
What follows two dashes goes to storebench check.`,
		Example: `  storebench k8s manifests --storage-class gp3,premium --size 20Gi --image storebench:1.0 | kubectl apply -f -
  storebench k8s manifests --storage-class local-path --node worker-1,worker-2 --image storebench:1.0 -- --server-version 2.12.4
  kubectl get jobs -l app.kubernetes.io/name=storebench --watch
  mkdir -p runs
  kubectl logs --tail=-1 --prefix -l app.kubernetes.io/name=storebench | storebench collect --dir runs
  kubectl delete job,pvc -l app.kubernetes.io/name=storebench`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				return usagef("%q: flags of storebench check stand after two dashes", args[0])
			}
			o.Args = args
			if o.Image == "" {
				return usagef("--image is missing: name the container image with storebench, such as storebench:1.0")
			}
			if !slices.Contains(profiles.Names(), o.Profile) {
				return usagef("--profile %q: the image has only the built-in ones: %q", o.Profile, profiles.Names())
			}
			var out bytes.Buffer
			if err := manifest.Write(&out, o); err != nil {
				return asUsage(err)
			}
			_, err := cmd.OutOrStdout().Write(out.Bytes())
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Classes, "storage-class", nil, "storage classes to check (required)")
	flags.StringVar(&o.Image, "image", "", "container image with storebench as its entry point; deploy/Containerfile builds one (required)")
	flags.StringVar(&o.Size, "size", "20Gi", "size of the claims; some classes are faster when larger, so take what the server will have")
	flags.StringSliceVar(&o.Nodes, "node", nil, "one job for each of these nodes")
	flags.StringSliceVar(&o.Zones, "zone", nil, "one job for each of these zones")
	flags.StringVar(&o.Namespace, "namespace", "", "namespace (default: that of kubectl's context)")
	flags.StringVar(&o.Profile, "profile", "raft", "what is asked of the volumes: a built-in profile")
	flags.StringVar(&o.CPU, "cpu", "2", "processors of a pod, as request and as limit")
	flags.StringVar(&o.Memory, "memory", "4Gi", "memory of a pod, as request and as limit")
	flags.StringVar(&o.PeerMemory, "peer-memory", "2Gi", "of this memory, what Raft peers that are not on the volume may take")
	flags.DurationVar(&o.Keep, "keep", 24*time.Hour, "how long a finished job stays before Kubernetes removes it")
	flags.DurationVar(&o.Deadline, "deadline", 15*time.Minute, "how long a job may take, waiting for its volume included")
	return cmd
}
