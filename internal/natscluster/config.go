package natscluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"unicode/utf8"
)

// loopback is the only address that anything listens on.
const loopback = "127.0.0.1"

// room is more than any store of a test takes: the room on a volume is the
// caller's care, and without an explicit size nats-server asks the volume.
const room = 1 << 50

// ports are those that a server listens on.
type ports struct{ client, monitor, route int }

// freePorts finds so many ports that nobody listens on.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", loopback+":0")
		if err != nil {
			return nil, fmt.Errorf("find a free port on %s: %w", loopback, err)
		}
		defer l.Close() // only when all are found, so that none is found twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// writeConfig writes the configuration file of a server. Every duration is
// quoted: nats-server takes an unquoted one for a number in some versions.
func (n *Node) writeConfig() error {
	file := n.configFile()
	err := os.WriteFile(file, []byte(n.config()), 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("write the configuration of %s: %w", n.Name, err), os.Remove(file))
	}
	return nil
}

func (n *Node) config() string {
	c := n.cluster
	var routes []string
	for _, other := range c.nodes {
		routes = append(routes, fmt.Sprintf("nats-route://route:%s@%s:%d", c.password, loopback, other.ports.Load().route))
	}
	own := n.ports.Load()
	return fmt.Sprintf(`server_name: %q
listen: "%s:%d"
http: "%s:%d"
max_payload: 8MB
accounts {
  %s { jetstream: enabled, users: [ { user: bench, password: %q } ] }
  SYSTEM { users: [ { user: system, password: %q } ] }
}
system_account: SYSTEM
cluster {
  name: %q
  listen: "%s:%d"
  compression: off
  authorization { user: route, password: %q, timeout: 10 }
  routes: [ %s ]
}
jetstream {
  store_dir: %s
  max_file_store: %d
  max_memory_store: 64MB
%s}
`, n.Name, loopback, own.client, loopback, own.monitor, Account, c.password, c.password,
		c.name, loopback, own.route, c.password, strings.Join(routes, ", "),
		quoted(n.store), int64(room), c.storeConfig())
}

// quoted is a string of any bytes as nats-server's configuration takes it. Its
// escapes are fewer than Go's (lexStringEscape in its conf/lex.go).
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch size := utf8.RuneLen(r); {
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ', r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			b.WriteString(s[i : i+size])
		}
	}
	b.WriteByte('"')
	return b.String()
}

// storeConfig are the lines of the configuration that differ among clusters.
func (c *Cluster) storeConfig() string {
	var b strings.Builder
	if c.opts.Slots > 0 {
		fmt.Fprintf(&b, "  max_concurrent_io: %d\n", c.opts.Slots)
	}
	if c.opts.Cipher != "" {
		fmt.Fprintf(&b, "  cipher: %s\n  key: %q\n", c.opts.Cipher, c.key)
	}
	switch {
	case c.opts.SyncAlways:
		b.WriteString("  sync_interval: always\n")
	case c.opts.SyncInterval > 0:
		fmt.Fprintf(&b, "  sync_interval: %q\n", c.opts.SyncInterval)
	}
	return b.String()
}
