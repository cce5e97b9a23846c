package main

import (
	"errors"
	"sync"
	"syscall"

	"kmagent/internal/secret"
	"kmagent/internal/state"
)

// A stateStore is the state directory as those see it who write to it: taken when it is first
// needed, and tried again after it could not be. Until then nothing is remembered, so that
// nothing is sent; the clusters are observed all the same.
type stateStore struct {
	dir       string
	highWater func(cluster string) (uint64, error)

	mu    sync.Mutex
	store *state.Store
}

// get returns the directory, taken for writing.
func (s *stateStore) get() (*state.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		return s.store, nil
	}
	store, err := openState(s.dir)
	if err != nil {
		return nil, err
	}
	store.HighWater = s.highWater
	s.store = store
	return store, nil
}

// key is that of the digests, as far as it can be read.
func (s *stateStore) key() secret.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		return s.store.Key()
	}
	key, err := state.ReadKey(s.dir)
	if err != nil {
		return secret.Key{} // no digest is made with it: nothing is remembered to compare with
	}
	return key
}

func (s *stateStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

// mayPassByItself tells, of why a state directory cannot be taken, what may be over soon: a disk that is
// full, broken or mounted for reading only. Wrong owners, modes and holders are for a human.
func mayPassByItself(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
