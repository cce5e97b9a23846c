package watch

import (
	"errors"
	"io/fs"
	"testing"
	"time"
)

// A glimpse is one line of a settler's test: what a look at a time saw, and what came of it.
type glimpse struct {
	at   time.Duration
	saw  reading
	news bool
	good string // digest
	err  error
	why  string
}

func content(digest string, ctime int64) reading {
	return reading{Snapshot: Snapshot{Digest: digest}, stamp: stamp{ctime: ctime}}
}

func TestSettler(t *testing.T) {
	var (
		a, a2, b = content("a", 1), content("a", 2), content("b", 3)
		missing  = reading{err: &fs.PathError{Op: "stat", Path: "p", Err: fs.ErrNotExist}}
		unstable = reading{err: pathError("p", ErrUnstable)}
	)
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		name string
		see  []glimpse
	}{
		{"at rest", []glimpse{
			{0, a, false, "", ErrUnstable, "seen once"},
			{999 * ms, a, false, "", ErrUnstable, "too soon"},
			{s, a, true, "a", nil, "twice, a second apart"},
			{2 * s, a, false, "a", nil, "no news"},
		}},
		{"changed", []glimpse{
			{0, a, false, "", ErrUnstable, ""},
			{s, a, true, "a", nil, ""},
			{2 * s, b, false, "a", nil, "the old one stands"},
			{3 * s, b, true, "b", nil, ""},
		}},
		{"changed for a moment", []glimpse{
			{0, a, false, "", ErrUnstable, ""},
			{s, a, true, "a", nil, ""},
			{2 * s, b, false, "a", nil, ""},
			{2500 * ms, a2, false, "a", nil, "back, as a new file"},
			{3 * s, a2, false, "a", nil, "b does not count any more, nor a already"},
			{3500 * ms, a2, false, "a", nil, "what counts is what counted"},
		}},
		{"equal looks with a change between", []glimpse{
			{0, a, false, "", ErrUnstable, ""},
			{500 * ms, b, false, "", ErrUnstable, ""},
			{s, a, false, "", ErrUnstable, "equal to the first, yet b was between"},
			{2 * s, a, true, "a", nil, ""},
		}},
		{"written in place", []glimpse{
			{0, content("", 1), false, "", ErrUnstable, "the writer has cut it"},
			{s, content("", 2), false, "", ErrUnstable, "and again: equal content, another stamp"},
			{2 * s, unstable, false, "", ErrUnstable, "caught in the act"},
			{3 * s, unstable, false, "", ErrUnstable, "and again"},
			{4 * s, b, false, "", ErrUnstable, ""},
			{5 * s, b, true, "b", nil, ""},
		}},
		{"deleted and written anew", []glimpse{
			{0, a, false, "", ErrUnstable, ""},
			{s, a, true, "a", nil, ""},
			{2 * s, missing, false, "a", nil, "perhaps only for a moment"},
			{2500 * ms, a2, false, "a", nil, "so it was"},
			{4 * s, a2, false, "a", nil, ""},
		}},
		{"missing", []glimpse{
			{0, a, false, "", ErrUnstable, ""},
			{s, a, true, "a", nil, ""},
			{2 * s, missing, false, "a", nil, ""},
			{3 * s, missing, true, "a", fs.ErrNotExist, "the last good one stays at hand"},
			{4 * s, missing, false, "a", fs.ErrNotExist, "told once"},
			{5 * s, a2, false, "a", fs.ErrNotExist, ""},
			{6 * s, a2, true, "a", nil, "the same content, but in force again"},
		}},
		{"missing from the start", []glimpse{
			{0, missing, false, "", ErrUnstable, ""},
			{s, missing, true, "", fs.ErrNotExist, ""},
		}},
		{"never at rest", []glimpse{
			{0, content("a", 1), false, "", ErrUnstable, ""},
			{30 * s, content("a", 2), false, "", ErrUnstable, ""},
			{60 * s, content("a", 3), true, "", ErrUnstable, "patience is at an end"},
			{90 * s, content("a", 4), false, "", ErrUnstable, "told once"},
			{200 * s, content("a", 5), false, "", ErrUnstable, "and not each minute"},
			{201 * s, content("a", 5), true, "a", nil, ""},
			{300 * s, content("a", 6), false, "a", nil, "a new minute begins"},
			{359 * s, content("a", 7), false, "a", nil, ""},
			{360 * s, content("a", 8), true, "a", ErrUnstable, ""},
		}},
		{"two errors by turns", []glimpse{
			{0, missing, false, "", ErrUnstable, ""},
			{s, reading{err: fs.ErrPermission}, false, "", ErrUnstable, ""},
			{2 * s, missing, false, "", ErrUnstable, "neither persists"},
			{3 * s, missing, true, "", fs.ErrNotExist, ""},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := settler{settle: time.Second, state: State{Err: ErrUnstable}}
			start := time.Now()
			for _, g := range c.see {
				at := start.Add(g.at)
				news := set.observe(g.saw, at, at)
				if news != g.news || set.state.Good.Digest != g.good || !errors.Is(set.state.Err, g.err) {
					t.Errorf("at %v: news %v, good %q, err %v; want %v, %q, %v: %s", g.at,
						news, set.state.Good.Digest, set.state.Err, g.news, g.good, g.err, g.why)
				}
			}
		})
	}
}

// The time that a look takes does not count as rest: it may have been spent waiting for
// the first byte.
func TestSettlerCountsFromTheEndOfALook(t *testing.T) {
	set := settler{settle: time.Second}
	start := time.Now()
	set.observe(content("a", 1), start, start.Add(10*time.Second))
	if set.observe(content("a", 1), start.Add(10*time.Second), start.Add(11*time.Second)) {
		t.Error("two looks with nothing between them have counted")
	}
}

func TestRestart(t *testing.T) {
	set := settler{settle: time.Second, state: State{Err: ErrUnstable}}
	at := time.Now()
	see := func(after time.Duration, r reading) bool {
		at = at.Add(after)
		return set.observe(r, at, at)
	}
	see(0, content("a", 1))
	see(time.Second, content("a", 1))

	set.restart(at)
	if set.settled() {
		t.Error("settled although nothing has been read again")
	}
	if see(0, content("a", 1)) {
		t.Error("one look has counted")
	}
	set.restart(at.Add(500 * time.Millisecond)) // while one is under way: as if it had not been
	if !see(time.Second, content("a", 1)) {
		t.Error("the outcome was not told; it has to be even when it is no news")
	}
	if see(time.Second, content("a", 1)) {
		t.Error("the outcome was told twice")
	}

	set.restart(at)
	for ctime := range int64(59) {
		if see(time.Second, content("a", 10+ctime)) {
			t.Fatal("told before there was something to tell")
		}
	}
	if !see(time.Second, content("a", 100)) || !errors.Is(set.state.Err, ErrUnstable) {
		t.Error("whoever asked must be told that there is no answer")
	}
}

// However looks fall, what counts was seen by every look of a span not shorter than the
// settle time, and contents and errors never follow each other faster than that.
func FuzzSettler(f *testing.F) {
	f.Add([]byte{0x00, 0x84, 0x84, 0x41, 0xc1})
	f.Add([]byte{0x01, 0xf1, 0x02, 0xf2, 0xf3, 0xf3, 0xf3})
	f.Fuzz(func(t *testing.T, script []byte) {
		const settle = 10 * time.Second
		set := settler{settle: settle, state: State{Err: ErrUnstable}}
		at := time.Now()
		var told, began time.Time // the latest news; the first of the latest equal looks
		var last reading
		for _, step := range script { // four bits of time to pass, four bits of what is seen
			at = at.Add(time.Duration(step>>4) * time.Second)
			r := content(string('a'+rune(step&3)), int64(step&7))
			if step&8 != 0 {
				r = reading{err: []error{fs.ErrNotExist, ErrUnstable}[step&1]}
			}
			if began.IsZero() || !r.same(last) {
				last, began = r, at
			}
			if !set.observe(r, at, at) {
				continue
			}
			if set.state.Err == ErrUnstable {
				continue
			}
			if !told.IsZero() && at.Sub(told) < settle {
				t.Errorf("news after %v", at.Sub(told))
			}
			told = at
			if at.Sub(began) < settle {
				t.Errorf("counts after %v of rest", at.Sub(began))
			}
			if r.err == nil && set.state.Good.Digest != r.Digest || r.err != set.state.Err {
				t.Errorf("state %+v after %+v", set.state, r)
			}
		}
	})
}
