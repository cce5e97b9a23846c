package ontapsim

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// onboard is what the onboard key manager has.
type onboard struct {
	Passphrase   string `json:"passphrase"`
	Changes      int    `json:"passphrase_changes"` // how often it was changed
	Synchronized int    `json:"synchronized"`       // how often nodes were synchronized
}

const (
	minPassphrase       = 32
	minPassphraseStrict = 64 // in Common Criteria mode
	maxPassphrase       = 256
)

// wellFormed tells whether a passphrase has the right length and is ASCII.
func wellFormed(passphrase string, least int) bool {
	if len(passphrase) < least || len(passphrase) > maxPassphrase {
		return false
	}
	return strings.IndexFunc(passphrase, func(r rune) bool { return r > 0x7e || r < 0x20 }) < 0
}

// backup is the text that an administrator is to save. It changes with every change of the
// passphrase and every synchronization, and says nothing of the passphrase.
func (o *onboard) backup(uuid string) string {
	var b strings.Builder
	b.WriteString("--------------------------BEGIN BACKUP--------------------------\n")
	block := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", uuid, o.Changes, o.Synchronized))
	for range 4 {
		b.WriteString(base64.StdEncoding.EncodeToString(append([]byte("NetApp Key Blob\x00"), block[:]...)) + "\n")
		block = sha256.Sum256(block[:])
	}
	b.WriteString("---------------------------END BACKUP---------------------------\n")
	return b.String()
}

// createOnboard answers the POST of an onboard key manager.
func (c *Cluster) createOnboard(w *write, m *keyManager) (effect, *apiError) {
	passphrase, given := w.body.text("onboard.passphrase")
	synchronize, _ := w.body.truth("onboard.synchronize")
	least := minPassphrase
	if c.state.World.CommonCriteria {
		least = minPassphraseStrict
	}
	var err *apiError
	switch {
	case m.SVM != "":
		err = c.code(65536916)
	case w.body.has("configuration.name"):
		err = c.code(65539582)
	case w.body.has("onboard.existing_passphrase") && synchronize:
		err = c.code(65537241)
	case w.body.has("onboard.existing_passphrase"):
		err = errNotSettable("onboard.existing_passphrase")
	case !given && synchronize:
		err = c.code(65537240)
	case !given:
		err = errMissing("onboard.passphrase")
	case !wellFormed(passphrase, least):
		err = c.code(65536920)
	case c.state.World.Platform.NoDataAtRestEncryption:
		err = c.code(65536508)
	case !m.Enabled:
		err = c.checkInactiveOnboard()
	case synchronize:
		err = c.checkSynchronize()
	default:
		err = c.checkNewOnboard()
	}
	if err != nil {
		return effect{}, err
	}
	m.Onboard = &onboard{Passphrase: passphrase}
	return effect{
		made: func() record { return m },
		apply: func() *apiError {
			c.state.KeyManagers.insert(m)
			if m.Enabled && c.anyNode("failed") {
				return c.code(65536903)
			}
			return nil
		},
	}, nil
}

func (c *Cluster) checkInactiveOnboard() *apiError {
	other := c.managerOf("", true)
	switch {
	case c.state.World.MetroCluster != nil:
		return c.code(65539511)
	case c.effective().before(version{9, 16, 1}):
		return c.code(65539512)
	case c.inactive(func(m *keyManager) bool { return m.Onboard != nil }):
		return c.code(65539581)
	case other != nil && other.Onboard != nil:
		return c.code(65539706)
	}
	return c.broken("POST security/key-managers inactive onboard")
}

// checkNewOnboard tells whether an onboard key manager can be set up.
func (c *Cluster) checkNewOnboard() *apiError {
	other := c.managerOf("", true)
	recent := !c.version.before(since(16))
	switch {
	case other != nil && other.Onboard != nil && recent:
		return c.code(65539706)
	case other != nil && other.Onboard != nil:
		return c.code(65536907)
	case other != nil && recent:
		return c.adminHas(other)
	case other != nil:
		return c.code(65536823)
	case c.cloudManages(""):
		return c.code(65539216)
	}
	if metro := c.state.World.MetroCluster; metro != nil {
		if err := c.peer(65536310); err != nil {
			return err
		}
		switch metro.KeyManager {
		case "external":
			return c.code(65536900)
		case "onboard":
			return c.code(65536906)
		}
	}
	return c.broken("POST security/key-managers onboard")
}

// checkSynchronize tells whether the partner's onboard key manager can be taken over.
func (c *Cluster) checkSynchronize() *apiError {
	metro := c.state.World.MetroCluster
	other := c.managerOf("", true)
	switch {
	case metro == nil:
		return c.code(65537246)
	case other != nil && other.Onboard != nil:
		return c.code(65537244)
	case other != nil:
		return c.adminHas(other)
	case c.cloudManages(""):
		return c.code(65539216)
	}
	if err := c.peer(65536341); err != nil {
		return err
	}
	if metro.KeyManager != "onboard" {
		return c.code(65537245)
	}
	return c.broken("POST security/key-managers synchronize")
}

// changeOnboard answers the PATCH of an onboard key manager: a new passphrase, or a
// synchronization of nodes.
func (c *Cluster) changeOnboard(w *write, m *keyManager) (func() *apiError, *apiError) {
	existing, hasExisting := w.body.text("onboard.existing_passphrase")
	passphrase, hasNew := w.body.text("onboard.passphrase")
	synchronize, _ := w.body.truth("onboard.synchronize")
	right := existing == m.Onboard.Passphrase
	switch {
	case synchronize && hasNew:
		return nil, c.code(65537243)
	case synchronize && !hasExisting:
		return nil, c.code(65537242)
	case synchronize && !right:
		return nil, c.code(65536139)
	case synchronize:
		return func() *apiError { return c.synchronize(m) }, nil
	case !hasExisting || !hasNew:
		return nil, c.code(65536917)
	case !right:
		return nil, c.code(65536139)
	case passphrase == existing:
		return nil, c.code(65536150)
	case !wellFormed(passphrase, minPassphrase):
		return nil, c.code(65536404)
	case c.state.World.CommonCriteria && !wellFormed(passphrase, minPassphraseStrict):
		return nil, c.code(65536802)
	}
	if err := c.broken("PATCH security/key-managers onboard"); err != nil {
		return nil, err
	}
	return func() *apiError {
		m.Onboard.Passphrase = passphrase
		m.Onboard.Changes++
		if c.anyNode("failed") {
			return c.code(65536407)
		}
		return nil
	}, nil
}

// synchronize gives the keys to the nodes that miss them.
func (c *Cluster) synchronize(m *keyManager) *apiError {
	m.Onboard.Synchronized++
	for _, n := range c.state.Nodes {
		if n.Onboard == "missing" {
			n.Onboard = ""
		}
	}
	c.deliver(m)
	c.epoch++
	return nil
}

// anyNode tells whether onboard key management is in a state on some node.
func (c *Cluster) anyNode(state string) bool {
	for _, n := range c.state.Nodes {
		if n.Onboard == state {
			return true
		}
	}
	return false
}
