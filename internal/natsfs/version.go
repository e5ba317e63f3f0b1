package natsfs

import (
	"fmt"
	"runtime/debug"

	"github.com/nats-io/nats-server/v2/server"
)

// TestedVersion is the one nats-server whose unexported code this package may
// touch: its symbols and fields are compared with that version's source.
const TestedVersion = "2.15.3"

const (
	serverModule = "github.com/nats-io/nats-server/v2"
	// testedSum is the module's checksum in go.sum.
	testedSum = "h1:IgHIKL4DYN9mEfwtPcdM39muvXG8v9FBADQn0f4Whs0="
)

// CheckVersion refuses a nats-server other than the tested one: another
// version, a replaced or altered module where the build says so, or a field
// that is not where this package expects it. It touches no disk. Open, OpenStore
// and NewSlots call it themselves; a program calls it at its start to fail early.
func CheckVersion() error {
	if err := checkVersion(server.VERSION); err != nil {
		return err
	}
	// A test binary has no list of modules; the version above always stands.
	if info, ok := debug.ReadBuildInfo(); ok {
		if err := checkBuild(info); err != nil {
			return err
		}
	}
	_, err := loadLayout()
	return err
}

func checkVersion(version string) error {
	if version != TestedVersion {
		return fmt.Errorf("built with nats-server %s: storebench reaches into its disk code and was tested with %s only; build it with that version", version, TestedVersion)
	}
	return nil
}

func checkBuild(info *debug.BuildInfo) error {
	for _, m := range info.Deps {
		if m.Path != serverModule {
			continue
		}
		if m.Replace != nil {
			return fmt.Errorf("built with %s replaced by %s: storebench reaches into its disk code and was tested with v%s only; remove the replacement", serverModule, m.Replace.Path, TestedVersion)
		}
		if m.Version != "v"+TestedVersion {
			return fmt.Errorf("built with %s %s: storebench reaches into its disk code and was tested with v%s only; build it with that version", serverModule, m.Version, TestedVersion)
		}
		if m.Sum != "" && m.Sum != testedSum {
			return fmt.Errorf("built with an altered %s %s: its checksum is not the released one; build it from the module proxy's copy", serverModule, m.Version)
		}
	}
	return nil
}
