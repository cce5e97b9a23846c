package ontap

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// errRefused is what the gate says while it is shut.
var errRefused = errors.New("refused before")

// A gate lets requests pass whose credentials may be tried. Credentials that the cluster
// refused are not tried again, since ONTAP locks accounts; those it has not accepted yet are
// tried by one request alone, so that a wrong password costs one failed login however many
// requests are waiting.
type gate struct {
	ask   func(context.Context) (Credential, error)
	trial chan struct{} // holds one token while a first request is under way

	mu       sync.Mutex
	accepted [sha256.Size]byte
	refused  [sha256.Size]byte
	latest   credential // what requests carry now
}

// A pass is the permission to make one exchange.
type pass struct {
	credential
	first bool
	moved bool // other credentials than those of the pass before
}

func newGate(ask func(context.Context) (Credential, error)) *gate {
	return &gate{ask: ask, trial: make(chan struct{}, 1)}
}

// enter waits for a pass. Each must go to leave.
func (g *gate) enter(ctx context.Context) (pass, error) {
	asked, err := g.ask(ctx)
	if err != nil {
		return pass{}, err
	}
	if asked.expose == nil {
		return pass{}, errors.New("no credentials")
	}
	p := pass{credential: asked.expose()}
	if known, err := g.lookUp(&p); known || err != nil {
		return p, err
	}
	select {
	case g.trial <- struct{}{}:
	case <-ctx.Done():
		return pass{}, ctx.Err()
	}
	// Whoever was first may have learned the answer.
	if known, err := g.lookUp(&p); known || err != nil {
		<-g.trial
		return p, err
	}
	p.first = true
	return p, nil
}

// lookUp says whether the cluster has accepted the credentials; errRefused, that it has not.
func (g *gate) lookUp(p *pass) (known bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.sum == g.refused {
		return false, errRefused
	}
	p.moved = p.moved || g.latest.sum != p.sum && g.latest.sum != [sha256.Size]byte{}
	g.latest = p.credential
	return p.sum == g.accepted, nil
}

// A verdict is what an exchange says of its credentials.
type verdict int

const (
	noVerdict verdict = iota // no answer
	accept
	refuse
)

func (g *gate) leave(p pass, v verdict) {
	g.mu.Lock()
	switch v {
	case accept:
		g.accepted = p.sum
		if p.sum == g.latest.sum {
			g.refused = [sha256.Size]byte{} // what comes after these has changed since
		}
	case refuse:
		g.refused = p.sum
		if g.accepted == p.sum {
			g.accepted = [sha256.Size]byte{}
		}
	}
	g.mu.Unlock()
	if p.first {
		<-g.trial
	}
}

func (g *gate) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = [sha256.Size]byte{}
}

// shown is what a new connection is made for.
func (g *gate) shown() credential {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.latest
}
