package storedir

import (
	"bytes"
	"encoding/binary"
	"encoding/json"

	"github.com/klauspost/compress/s2"
)

// assignments are what a meta snapshot says: it lies in clear also in an encrypted store.
type assignments struct {
	configs map[string]*Config // by ACCOUNT > STREAM
	assets  map[string]string  // ACCOUNT > STREAM [> CONSUMER] by Raft group
}

// maxAssignments bounds a meta snapshot, packed and unpacked, that is read whole, and
// maxRatio how much memory a small one may ask for: configurations shrink to a twentieth.
const (
	maxAssignments = 256 << 20
	maxRatio       = 200
)

// add reads a meta snapshot's file: behind the peers, an S2 block of a JSON array
// (metaSnapshot and writeableStreamAssignment in jetstream_cluster.go). One that it cannot
// read adds nothing.
func (a *assignments) add(file []byte) {
	if len(file) < snapshotMinLength {
		return
	}
	peers := uint64(binary.LittleEndian.Uint32(file[16:]))
	body := file[snapshotHead : len(file)-hashLength]
	if peers > uint64(len(body)) {
		return
	}
	packed := body[peers:]
	if n, err := s2.DecodedLen(packed); err != nil || n > min(maxAssignments, maxRatio*len(packed)) {
		return
	}
	data, err := s2.Decode(nil, packed)
	if err != nil {
		return
	}
	list := json.NewDecoder(bytes.NewReader(data))
	if open, err := list.Token(); err != nil || open != json.Delim('[') {
		return
	}
	for list.More() {
		var s streamAssignment
		if list.Decode(&s) != nil {
			return
		}
		a.take(s)
	}
}

type groupName struct {
	Name string `json:"name"`
}

// streamAssignment is the part of an assignment that is needed.
type streamAssignment struct {
	Client struct {
		Account string `json:"acc"`
		Service string `json:"svc"`
	} `json:"client"`
	Config    json.RawMessage `json:"stream"`
	Group     groupName       `json:"group"`
	Consumers []struct {
		Name  string    `json:"name"`
		Group groupName `json:"group"`
	}
}

func (a *assignments) take(s streamAssignment) {
	var named struct {
		Name string `json:"name"`
	}
	config, err := parseConfig(s.Config, false)
	if err != nil || json.Unmarshal(s.Config, &named) != nil {
		return
	}
	account := s.Client.Account
	if s.Client.Service != "" {
		account = s.Client.Service
	}
	name := asset(account, named.Name)
	a.configs[name] = config
	a.assets[s.Group.Name] = name
	for _, c := range s.Consumers {
		a.assets[c.Group.Name] = asset(name, c.Name)
	}
}

// readAssignments reads the newest meta snapshot, for what the encryption hides elsewhere.
func (w *walk) readAssignments(d folder, file string) {
	w.bytes(d, file, maxAssignments, func(data []byte) error {
		w.known.add(data)
		return nil
	})
}
