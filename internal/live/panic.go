package live

import (
	"errors"
	"runtime/debug"
)

// A panicked is a panic on its way from the goroutine where it happened to the one that
// called the reader, which can contain it: it knows whose cluster this is.
type panicked struct{ stack []byte }

// Error does not say what was panicked with: that may hold anything.
func (*panicked) Error() string { return "a panic while reading" }

// Stack is where it happened.
func (p *panicked) Stack() []byte { return p.stack }

// guard makes a panic in f its error: in a goroutine of its own nobody could recover it.
func guard(f func() error) func() error {
	return func() (err error) {
		defer func() {
			if recover() != nil {
				err = &panicked{debug.Stack()}
			}
		}()
		return f()
	}
}

// passOn panics again if err is a panic.
func passOn(err error) {
	if p, ok := errors.AsType[*panicked](err); ok {
		panic(p)
	}
}
