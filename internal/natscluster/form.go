package natscluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// FormError is a cluster that was not formed in time.
type FormError struct {
	After time.Duration
	// Missing are the servers that were not part of it, 0 to Size-1. The others had
	// a leader among them when it holds one; with more, nobody can have led.
	Missing []int
	Last    string // of the first missing server's log; empty when it logged nothing
}

func (e *FormError) Error() string {
	text := fmt.Sprintf("the cluster was not formed within %v", e.After.Round(time.Millisecond))
	if len(e.Missing) == 0 {
		return text + "; a moment later it was"
	}
	return fmt.Sprintf("%s (missing: servers %v); of the first of them: %s", text, e.Missing, lastWords(e.Last))
}

const pollInterval = 20 * time.Millisecond

// WaitFormed waits until a server leads the meta group and all servers are in it
// and current, and returns how long that took since the servers were started. When
// ctx ends first the error is a FormError, that of a server that ended by itself,
// or that of ctx's cause where somebody else ended it. Servers whose ports were taken
// since they were found free are started again on others, and the time begins anew;
// once the cluster has formed, clients know its ports, and one that is taken is an
// error that names it.
func (c *Cluster) WaitFormed(ctx context.Context) (time.Duration, error) {
	for {
		missing := c.missing(ctx)
		if ctx.Err() == nil && len(missing) == 0 {
			c.formed = true
			return time.Since(c.began), nil
		}
		err := c.died()
		if errors.Is(err, errPortTaken) && !c.formed && c.launches < maxLaunches {
			err = c.relaunch(ctx)
		}
		if err != nil {
			return time.Since(c.began), err
		}
		select {
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return time.Since(c.began), context.Cause(ctx)
			}
			missing = c.missing(context.WithoutCancel(ctx))
			e := &FormError{After: time.Since(c.began), Missing: missing}
			if len(missing) > 0 {
				e.Last = c.nodes[missing[0]].lastLines(toldLines)
			}
			return e.After, e
		case <-time.After(pollInterval):
		}
	}
}

// died is the error of the first server that ended by itself.
func (c *Cluster) died() error {
	for _, n := range c.nodes {
		if err := n.Died(); err != nil {
			return err
		}
	}
	return nil
}

// lookWait is how long a server may take to tell of the meta group; one whose locks
// are held does not.
const lookWait = 2 * time.Second

// missing are the servers that are not in the meta group, as its leader sees them
// and they themselves do.
func (c *Cluster) missing(ctx context.Context) (missing []int) {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	var views [Size]meta
	var all sync.WaitGroup
	for i, n := range c.nodes {
		all.Go(func() { views[i], _ = n.meta(ctx) }) // one that does not answer sees nobody
	}
	all.Wait()
	leader := slices.IndexFunc(c.nodes[:], func(n *Node) bool {
		return slices.ContainsFunc(views[:], func(m meta) bool { return m.Leader == n.Name })
	})
	for i, n := range c.nodes {
		if leader < 0 || views[i].Leader != c.nodes[leader].Name || i != leader && !views[leader].has(n.Name) {
			missing = append(missing, i)
		}
	}
	return missing
}

// has says whether the leader sees a server that keeps up with it.
func (m members) has(name string) bool {
	for _, r := range m.Replicas {
		if r.Name == name {
			return r.Current && !r.Offline
		}
	}
	return false
}

// LeadMeta makes a server the leader of the meta group.
func (c *Cluster) LeadMeta(ctx context.Context, node int) error {
	ask := c.anyBut(node)
	nc, err := c.Connect(ask, true)
	if err != nil {
		return err
	}
	defer nc.Close()
	return c.hand(ctx, nc, "$JS.API.META.LEADER.STEPDOWN", node, func() (members, error) {
		view, err := c.nodes[ask].meta(ctx)
		if err != nil {
			return members{}, err
		}
		for _, n := range c.nodes { // the leader alone tells of its replicas
			if n.Name == view.Leader {
				view, err = n.meta(ctx)
			}
		}
		return view.members, err
	})
}

// LeadStream makes a server the leader of a stream. nc is a client of Account.
func (c *Cluster) LeadStream(ctx context.Context, nc *nats.Conn, stream string, node int) error {
	return c.hand(ctx, nc, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, node, func() (members, error) {
		return streamMembers(ctx, nc, stream)
	})
}

// StreamLeader is the server that leads a stream, as that one says itself. nc is a
// client of Account. Nobody answers while there is no leader.
func (c *Cluster) StreamLeader(ctx context.Context, nc *nats.Conn, stream string) (string, error) {
	m, err := streamMembers(ctx, nc, stream)
	return m.Leader, err
}

// anyBut is a server other than the one whose volume may be slow.
func (c *Cluster) anyBut(node int) int { return (node + 1) % Size }

func streamMembers(ctx context.Context, nc *nats.Conn, stream string) (members, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+stream, nil)
	if err != nil {
		return members{}, fmt.Errorf("ask for the leader of stream %s: %w", stream, err)
	}
	var info struct {
		Cluster members `json:"cluster"`
	}
	if err := json.Unmarshal(reply.Data, &info); err != nil {
		return members{}, fmt.Errorf("read the leader of stream %s: %w", stream, err)
	}
	return info.Cluster, nil
}

const (
	// handWait is how long a leader that was asked to step down for another gets
	// before it is asked again, and how long that other one may take to be current.
	handWait = 2 * time.Second
	// stepWait bounds the request itself: nobody answers it while there is no leader.
	stepWait = time.Second
)

// hand asks the leader to step down in favour of a server until that one leads. A
// leader passes over a server that it has not heard of for a moment, as after a
// stream was made. Servers before 2.11 choose by themselves whom; they are asked
// until it is the one.
func (c *Cluster) hand(ctx context.Context, nc *nats.Conn, subject string, node int, look func() (members, error)) error {
	name := c.nodes[node].Name
	preferred := fmt.Appendf(nil, `{"placement":{"preferred":%q}}`, name)
	leads := func(m members) bool { return m.Leader == name }
	for {
		now, err := awaited(ctx, look, func(m members) bool { return leads(m) || m.Leader != "" && m.has(name) })
		if err == nil && leads(now) {
			return nil
		}
		if err == nil && now.Leader != "" {
			err = stepDown(ctx, nc, subject, preferred)
		}
		before := now.Leader
		now, late := awaited(ctx, look, func(m members) bool { return m.Leader != "" && m.Leader != before })
		if late == nil && leads(now) {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("%s does not become leader: %w", name, context.Cause(ctx)), err)
		}
	}
}

// awaited looks until done, for handWait at most, and returns the last look.
func awaited(ctx context.Context, look func() (members, error), done func(members) bool) (members, error) {
	late := time.After(handWait)
	for {
		now, err := look()
		if err == nil && done(now) {
			return now, nil
		}
		select {
		case <-late:
			return now, err
		case <-ctx.Done():
			return now, context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

func stepDown(ctx context.Context, nc *nats.Conn, subject string, preferred []byte) error {
	for _, body := range [][]byte{preferred, nil} {
		ctx, cancel := context.WithTimeout(ctx, stepWait)
		reply, err := nc.RequestWithContext(ctx, subject, body)
		cancel()
		if err != nil {
			return fmt.Errorf("ask a leader to step down: %w", err)
		}
		if !strings.Contains(string(reply.Data), `"error"`) {
			return nil
		}
	}
	return nil // it was asked; whether another leads shows by itself
}
