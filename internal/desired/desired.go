// Package desired turns the bytes of a desired-state file into wanted objects, or into
// every fault of the file at once, each with its place, its path and a remedy. What the
// file may say of a kind comes from the tables of package resource, how fields and objects
// go together from package rules; no kind is known here by name, except where rules.go
// names the rule that a table's limit is. The package opens no file, resolves no secret,
// asks no cluster and never returns objects beside an error.
//
// A file is hostile until it is read: its size, the work that reading it takes, and what a
// message repeats of it are bounded, and text from a secret's place is never repeated.
package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"kmagent/internal/resource"
	"kmagent/internal/schedule"
	"kmagent/internal/secret"
)

// A State is what one document wants. It is complete and without faults; callers share it
// and do not change it.
type State struct {
	Digest   string    // SHA-256 of the document's bytes, as 64 hex digits
	Clusters []Cluster // in the order of the file; names and endpoints are unique
	All      []Cluster // the same, whatever [State.Only] has left of them
	Warnings Faults    // what is doubtful in it, in file order; nothing of it keeps the file from being used
	Ignores  []Ignore  // the rules whose warnings it does not want; see [State.Expired]
}

// Only returns the state reduced to the clusters of those names, in the order of the file,
// and the names that it does not have. No names are all clusters.
func (s *State) Only(names []string) (reduced *State, missing []string) {
	if len(names) == 0 {
		return s, nil
	}
	out := *s
	out.Clusters = nil
	for _, c := range s.Clusters {
		if slices.Contains(names, c.Name) {
			out.Clusters = append(out.Clusters, c)
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(s.Clusters, func(c Cluster) bool { return c.Name == n }) {
			missing = append(missing, n)
		}
	}
	return &out, missing
}

// A Cluster is what the file says of one cluster, with the file's defaults filled in.
type Cluster struct {
	Name           string // 1 to 63 of letters, digits, dot, dash and underscore
	Endpoint       string // "https://host" or "https://host:port", in its one spelling; port 443 is left out
	UUID           string // the cluster that must answer, in lower case; empty: whichever answers first
	TLS            TLS
	Auth           Auth          // a Basic, a Certificate or a Bearer; never nil
	Interval       time.Duration // between passes, 1s to 24h; 0 leaves it to the agent
	HealthInterval time.Duration // between reads of expensive fields, 1s to 24h; 0 leaves it to the agent
	Mode           Mode
	Policy         Policy
	Backup         Backup
	Objects        []*resource.Object // by their place in the file; addresses are unique
	Ignores        []Ignore           // the file's
	Source         resource.Pos
}

// TLS says how the cluster proves that it is the right one.
type TLS struct {
	CAFile     string // absolute path of the PEM file with its CAs; empty: the system's
	ServerName string // the name its certificate must have; empty: the endpoint's host
}

// Auth says how kmagent proves who it is: a [Basic], a [Certificate] or a [Bearer].
type Auth interface{ auth() }

// Basic is a user name and a password.
type Basic struct {
	Username string
	Password secret.Ref
}

// Certificate is a client certificate and its key, as absolute paths of PEM files.
type Certificate struct{ CertFile, KeyFile string }

// Bearer is an OAuth 2.0 access token.
type Bearer struct{ Token secret.Ref }

func (Basic) auth()       {}
func (Certificate) auth() {}
func (Bearer) auth()      {}

// Mode says whether a cluster may be changed.
type Mode uint8

// The modes. The zero Mode is Enforce.
const (
	Enforce Mode = iota // carry plans out
	Observe             // read and report, never write
)

// String returns the mode as the file spells it.
func (m Mode) String() string {
	if m == Observe {
		return "observe"
	}
	return "enforce"
}

// Policy bounds what a pass may take away.
type Policy struct {
	MaxDeletes          int            // deletions in one pass; 1 unless the file says otherwise, 0 for none
	MaxRekeys           int            // that may run at a time in the cluster; 0: 1
	MinReachableServers int            // key servers that must stay reachable; 0: two of a list of two or more, else one
	Waves               schedule.Waves // by which its scheduled rekeys follow those of others that have waves; none: it is on its own
}

// Backup says for whom key backups are encrypted, and where they are put.
type Backup struct {
	Recipients []string // age recipients, in the form that age writes them; none: no backup is kept
	Dir        string   // absolute; empty: below the state directory
}

// Parse reads the one document that a desired-state file holds. The name stands in the
// positions of faults and objects; Parse does not open it. The error is a [Faults] with
// every fault in file order, and then the State is nil.
func Parse(name string, text []byte) (*State, error) { return ParseWith(name, text, Options{}) }

// Options change what [ParseWith] takes, for tests of the whole program.
type Options struct {
	Seconds bool // schedules may have seconds, and slots as near to each other as they like
}

// ParseWith is [Parse] with options.
func ParseWith(name string, text []byte, o Options) (*State, error) {
	log := &faultLog{file: name}
	root := parseTree(log, text)
	if root == nil {
		return nil, log.faults()
	}
	d := &decoder{faultLog: log, seconds: o.Seconds}
	clusters, ignores := d.root(root)
	if faults := log.faults(); faults != nil {
		return nil, faults
	}
	sum := sha256.Sum256(text)
	return &State{Digest: hex.EncodeToString(sum[:]), Clusters: clusters, All: clusters, Warnings: d.remarks(ignores), Ignores: ignores}, nil
}
