package natscluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Group is a Raft group as one server sees it (nats-server's Raftz).
type Group struct {
	ID        string `json:"id"`     // the server's own name inside Raft
	Leader    string `json:"leader"` // that of the leader; empty without one
	State     string `json:"state"`
	Term      uint64 `json:"term"`
	PIndex    uint64 `json:"pindex"`           // the last entry in its log
	Committed uint64 `json:"committed"`        // the last one that a majority has
	Applied   uint64 `json:"applied"`          // the last one that it has carried out
	Proposals uint64 `json:"ipq_proposal_len"` // messages that wait to be put into its log, of a leader
	WAL       struct {
		Bytes uint64 `json:"bytes"`
	} `json:"wal"`
}

// ErrNoRaftz is returned by servers that have no such endpoint.
var ErrNoRaftz = errors.New("this nats-server has no /raftz (2.10.18 and later have)")

// Raftz returns the Raft groups of Account's streams and consumers on this server
// by their names. It takes each group's lock, so how long it takes to answer shows
// how long that is held.
func (n *Node) Raftz(ctx context.Context) (map[string]Group, error) { return n.raftz(ctx, Account) }

// MetaRaftz is the meta group on this server.
func (n *Node) MetaRaftz(ctx context.Context) (map[string]Group, error) { return n.raftz(ctx, "") }

func (n *Node) raftz(ctx context.Context, account string) (map[string]Group, error) {
	var all map[string]map[string]Group
	query := url.Values{}
	if account != "" {
		query.Set("acc", account)
	}
	if err := n.get(ctx, "/raftz?"+query.Encode(), &all); err != nil {
		return nil, err
	}
	groups := map[string]Group{}
	for _, of := range all {
		for name, g := range of {
			groups[name] = g
		}
	}
	return groups, nil
}

// members are a Raft group as its leader tells of it to operators; other servers
// name the leader alone.
type members struct {
	Leader   string `json:"leader"`
	Replicas []struct {
		Name    string `json:"name"`
		Current bool   `json:"current"`
		Offline bool   `json:"offline"`
	} `json:"replicas"`
}

// meta is the meta group as a server sees it.
type meta struct{ members }

func (n *Node) meta(ctx context.Context) (meta, error) {
	var jsz struct {
		Meta *meta `json:"meta_cluster"`
	}
	if err := n.get(ctx, "/jsz", &jsz); err != nil {
		return meta{}, err
	}
	if jsz.Meta == nil {
		return meta{}, errors.New("it has no meta group yet")
	}
	return *jsz.Meta, nil
}

// MetaLeader is the server that leads the meta group, as this one sees it; empty
// without one.
func (n *Node) MetaLeader(ctx context.Context) (string, error) {
	m, err := n.meta(ctx)
	return m.Leader, err
}

// Version is what the server says of itself.
func (n *Node) Version(ctx context.Context) (string, error) {
	var varz struct {
		Version string `json:"version"`
	}
	err := n.get(ctx, "/varz", &varz)
	return varz.Version, err
}

// get asks the monitoring endpoint for JSON.
func (n *Node) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", loopback, n.ports.Load().monitor, path), nil)
	if err != nil {
		return err
	}
	response, err := monitors.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.Name, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return ErrNoRaftz
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read what %s answers: %w", n.Name, err)
	}
	return nil
}

// maxAnswer bounds what is read of a monitoring endpoint: 1,000 groups take under
// 1 MB.
const maxAnswer = 64 << 20

// monitors asks without a proxy: nothing here leaves the loopback interface.
var monitors = &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 4, IdleConnTimeout: 10 * time.Second}}
