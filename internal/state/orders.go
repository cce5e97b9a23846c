package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"kmagent/internal/disk"
	"kmagent/internal/plan"
)

// The orders of people are a journal of their own, beside those of the clusters: checked JSON
// lines, each durable before anybody is told so. It has many writers, one after the other:
// the commands that give orders, and whoever carries them out and notes that one is used up. A
// command therefore works while the service runs, and the service sees it at its next look.
const (
	ordersFile = "orders.journal"
	ordersLock = "orders.lock"
)

// An order is one line of that journal. Exactly one of its parts is set.
type order struct {
	Seq      uint64           `json:"n"`
	Pause    *plan.Pause      `json:"pause,omitempty"`
	Resume   *resume          `json:"resume,omitempty"`
	Override *plan.Override   `json:"override,omitempty"`
	Ask      *plan.Ask        `json:"ask,omitempty"`
	Used     string           `json:"used,omitempty"`    // id of an override, or of an ask
	Revoked  string           `json:"revoked,omitempty"` // likewise
	Resolve  *plan.Resolution `json:"resolve,omitempty"`
	Ack      *ack             `json:"ack,omitempty"`
}

// A resume ends the pauses of exactly that place.
type resume struct {
	plan.Given
	Cluster string `json:"cluster,omitempty"`
	SVM     string `json:"svm,omitempty"`
}

type ack struct {
	plan.Given
	Revision string `json:"revision"`
}

// ReadOrders returns the orders that stand in a state directory; none if there is no such
// directory.
func ReadOrders(dir string) (plan.Standing, error) {
	text, err := readAll(disk.Dir(dir), ordersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return plan.Standing{}, nil
	}
	if err != nil {
		return plan.Standing{}, fmt.Errorf("read orders: %w", err)
	}
	all, _, err := parseOrders(text)
	if err != nil {
		return plan.Standing{}, fmt.Errorf("%s: %w", filepath.Join(dir, ordersFile), err)
	}
	return standing(all), nil
}

// OrdersChanged returns when the orders of a state directory were last changed; the zero time
// if there are none, or that cannot be told.
func OrdersChanged(dir string) time.Time {
	info, err := os.Stat(filepath.Join(dir, ordersFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// An Orders writes to the orders of a state directory.
type Orders struct{ Dir string }

// Pause gives the order to rest, and returns its id.
func (o Orders) Pause(p plan.Pause) (id string, err error) {
	return o.write(func(id string) order { p.ID = id; return order{Pause: &p} })
}

// Resume ends the pauses of exactly that place.
func (o Orders) Resume(g plan.Given, cluster, svm string) (id string, err error) {
	return o.write(func(id string) order { g.ID = id; return order{Resume: &resume{g, cluster, svm}} })
}

// Override gives the order to let one step pass.
func (o Orders) Override(v plan.Override) (id string, err error) {
	return o.write(func(id string) order { v.ID = id; return order{Override: &v} })
}

// Ask gives the order to take an action now, and returns its id.
func (o Orders) Ask(a plan.Ask) (id string, err error) {
	return o.write(func(id string) order { a.ID = id; return order{Ask: &a} })
}

// Use notes that an override or an ask is used up. The step that it is for is sent only after that.
func (o Orders) Use(id string) error {
	_, err := o.write(func(string) order { return order{Used: id} })
	return err
}

// Revoke takes an override or an ask back.
func (o Orders) Revoke(id string) error {
	_, err := o.write(func(string) order { return order{Revoked: id} })
	return err
}

// Resolve says what became of an operation.
func (o Orders) Resolve(r plan.Resolution) (id string, err error) {
	return o.write(func(id string) order { r.ID = id; return order{Resolve: &r} })
}

// Ack takes a file that is smaller than the one before for meant.
func (o Orders) Ack(g plan.Given, revision string) (id string, err error) {
	return o.write(func(id string) order { g.ID = id; return order{Ack: &ack{g, revision}} })
}

// write appends one order under the lock of the orders, which is held for a moment.
func (o Orders) write(make func(id string) order) (id string, err error) {
	if err := makeDir(o.Dir); err != nil {
		return "", err
	}
	unlock, err := lockOrders(o.Dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	return giveOrder(disk.Dir(o.Dir), make)
}

func giveOrder(d disk.Writer, make func(id string) order) (id string, err error) {
	open := d.Reopen
	text, err := readAll(d, ordersFile)
	if errors.Is(err, fs.ErrNotExist) {
		open, err = d.Create, nil
	}
	if err != nil {
		return "", fmt.Errorf("read orders: %w", err)
	}
	all, whole, err := parseOrders(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", d.Where(ordersFile), err)
	}
	f, err := open(ordersFile)
	if err != nil {
		return "", fmt.Errorf("open orders: %w", err)
	}
	defer f.Close()
	seq := uint64(len(all)) + 1
	id = "o" + strconv.FormatUint(seq, 10)
	r := make(id)
	r.Seq = seq
	if err := appendOrder(d, f, text[:whole], r); err != nil {
		f.Truncate(int64(whole)) // nobody is to obey what its giver was told has failed
		return "", fmt.Errorf("write order: %w", err)
	}
	return id, nil
}

// appendOrder adds an order to a journal that has text. The last one that is there goes along
// once more, as in a [Book].
func appendOrder(d disk.Writer, f disk.File, text []byte, r order) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	doubt := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') + 1
	line := fmt.Appendf(slices.Clip(text[doubt:]), "%s %s\n", checksum(body), body)
	if err := f.Truncate(int64(len(text))); err != nil { // what a crash cut short
		return err
	}
	if _, err := f.WriteAt(line, int64(doubt)); err != nil {
		return err
	}
	return errors.Join(f.Sync(), d.Sync())
}

// ordersPatience is how long a writer waits for another one, which takes milliseconds.
const ordersPatience = 10 * time.Second

func lockOrders(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, ordersLock), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of orders: %w", err)
	}
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Since(began) > ordersPatience {
			return nil, errors.Join(fmt.Errorf("lock orders: %w", err), f.Close())
		}
	}
}

// parseOrders returns the orders, and how many bytes of the text are whole lines. What is
// damaged otherwise than by a torn end is [ErrCorrupt].
func parseOrders(text []byte) (all []order, whole int, err error) {
	for whole < len(text) {
		end := bytes.IndexByte(text[whole:], '\n')
		if end < 0 {
			break
		}
		body, err := checked(text[whole : whole+end])
		if err != nil {
			return nil, whole, fmt.Errorf("%w at byte %d: %w", ErrCorrupt, whole, err)
		}
		var r order
		if err := json.Unmarshal(body, &r); err != nil || r.Seq != uint64(len(all))+1 {
			return nil, whole, fmt.Errorf("%w at byte %d: not order %d", ErrCorrupt, whole, len(all)+1)
		}
		all, whole = append(all, r), whole+end+1
	}
	return all, whole, nil
}

// standing is what the orders add up to.
func standing(all []order) plan.Standing {
	var s plan.Standing
	for _, r := range all {
		switch {
		case r.Pause != nil:
			s.Pauses = append(s.Pauses, *r.Pause)
		case r.Resume != nil:
			s.Pauses = slices.DeleteFunc(s.Pauses, func(p plan.Pause) bool { return p.Cluster == r.Resume.Cluster && p.SVM == r.Resume.SVM })
		case r.Override != nil:
			s.Overrides = append(s.Overrides, *r.Override)
		case r.Ask != nil:
			s.Asks = append(s.Asks, *r.Ask)
		case r.Used != "":
			for i := range s.Asks {
				s.Asks[i].Used = s.Asks[i].Used || s.Asks[i].ID == r.Used
			}
			for i := range s.Overrides {
				s.Overrides[i].Used = s.Overrides[i].Used || s.Overrides[i].ID == r.Used
			}
		case r.Revoked != "":
			s.Asks = slices.DeleteFunc(s.Asks, func(a plan.Ask) bool { return a.ID == r.Revoked })
			s.Overrides = slices.DeleteFunc(s.Overrides, func(o plan.Override) bool { return o.ID == r.Revoked })
		case r.Resolve != nil:
			s.Resolved = append(s.Resolved, *r.Resolve)
		case r.Ack != nil:
			s.Acks = append(s.Acks, r.Ack.Revision)
		}
	}
	return s
}
