package ontapsim

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A state is everything a cluster holds. It is what GET /sim/state writes and PUT
// /sim/state reads back.
type state struct {
	ONTAP        string              `json:"ontap"`
	Name         string              `json:"name"`
	UUID         string              `json:"uuid"`
	Seed         uint64              `json:"seed"`
	Sequence     uint64              `json:"sequence"` // UUIDs given so far
	World        World               `json:"world"`
	Nodes        []*clusterNode      `json:"nodes"`
	SVMs         table[*svm]         `json:"svms"`
	Certificates table[*certificate] `json:"certificates"`
	KeyManagers  table[*keyManager]  `json:"key_managers"`
	CloudKMS     table[*cloudKMS]    `json:"cloud_kms"`
	Configs      configs             `json:"key_manager_configs"`
	Jobs         table[*job]         `json:"jobs"`

	// DisabledByDefault tells whether new data is left unencrypted unless encryption is asked for.
	DisabledByDefault bool `json:"software_data_encryption_disabled_by_default,omitempty"`

	Received []received `json:"received"`
}

// received is a secret that arrived in a change that was made.
type received struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // of the record
	Field  string    `json:"field"`
	Value  string    `json:"value"`
}

// newState is the world at start.
func newState(cfg Config, v version) *state {
	s := &state{ONTAP: v.String(), Name: cfg.Name, Seed: cfg.Seed, World: newWorld(), Received: []received{}}
	s.UUID = s.uuid()
	for i := range cfg.Nodes {
		s.Nodes = append(s.Nodes, &clusterNode{Name: "node" + strconv.Itoa(i+1), UUID: s.uuid(), Quorum: true})
	}
	s.addCertificates(nil)
	for _, name := range cfg.SVMs {
		s.addSVM(name)
	}
	for i := range cfg.Managers {
		s.addManager(s.addSVM(fmt.Sprintf("km%05d", i+1)))
	}
	s.sort()
	return s
}

// sort brings the tables into their order after many additions.
func (s *state) sort() {
	s.SVMs.sort()
	s.Certificates.sort()
	s.KeyManagers.sort()
	s.CloudKMS.sort()
	s.Jobs.sort()
}

// uuid makes the next UUID of the cluster. Equal names and seeds give equal sequences.
func (s *state) uuid() string {
	s.Sequence++
	text := binary.BigEndian.AppendUint64(nil, s.Seed)
	text = binary.BigEndian.AppendUint64(text, s.Sequence)
	h := sha256.Sum256(append(text, s.Name...))
	h[6] = h[6]&0x0f | 0x40 // version 4
	h[8] = h[8]&0x3f | 0x80 // variant of RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// clone is a deep copy.
func (s *state) clone() *state {
	text, err := json.Marshal(s)
	if err != nil {
		panic("ontapsim: " + err.Error()) // every value in it can be written
	}
	out := &state{}
	if err := json.Unmarshal(text, out); err != nil {
		panic("ontapsim: " + err.Error()) // and read back
	}
	return out
}

// A table is things with an id, sorted by it.
type table[T interface{ id() string }] []T

func (t table[T]) search(id string) (int, bool) {
	return slices.BinarySearchFunc(t, id, func(r T, id string) int { return cmp.Compare(r.id(), id) })
}

// find is the record with an id.
func (t table[T]) find(id string) (r T, ok bool) {
	i, ok := t.search(id)
	if ok {
		r = t[i]
	}
	return r, ok
}

func (t *table[T]) insert(r T) {
	i, _ := t.search(r.id())
	*t = slices.Insert(*t, i, r)
}

func (t *table[T]) remove(r T) {
	if i, ok := t.search(r.id()); ok {
		*t = slices.Delete(*t, i, i+1)
	}
}

func (t table[T]) sort() {
	slices.SortFunc(t, func(a, b T) int { return cmp.Compare(a.id(), b.id()) })
}

// records is a table as the interface that the verbs work on.
func records[T record](t []T) []record {
	out := make([]record, len(t))
	for i, r := range t {
		out[i] = r
	}
	return out
}
