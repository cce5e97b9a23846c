package ontapsim

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A requestLog is the calls of the API, the latest of them.
type requestLog struct {
	next    int
	entries []logged
}

// maxLogged is how many calls are kept.
const maxLogged = 1 << 16

type logged struct {
	N      int       `json:"n"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // unescaped
	Query  string    `json:"query"`
	Body   any       `json:"body"`   // the JSON value; a string when it is not JSON; null without
	Status int       `json:"status"` // 0 when the connection was dropped before the effect
	At     time.Time `json:"at"`
}

// add logs a request and returns its number. Numbers begin at 0.
func (l *requestLog) add(r *http.Request, path string, body []byte) int {
	if len(l.entries) >= 2*maxLogged {
		l.entries = append([]logged(nil), l.entries[maxLogged:]...)
	}
	e := logged{N: l.next, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, At: time.Now().UTC()}
	if len(body) > 0 {
		v, err := decodeJSON(body)
		if err != nil {
			v = string(body)
		}
		e.Body = v
	}
	l.entries = append(l.entries, e)
	l.next++
	return e.N
}

// finish notes the status of a request.
func (l *requestLog) finish(n, status int) {
	first := l.next - len(l.entries)
	if n >= first {
		l.entries[n-first].Status = status
	}
}

// since is the calls from number n on that are still kept.
func (l *requestLog) since(n int) []logged {
	first := l.next - len(l.entries)
	from := min(max(n-first, 0), len(l.entries))
	return append([]logged{}, l.entries[from:]...)
}

func (c *Cluster) controlRequests(query url.Values) (any, error) {
	n := 0
	if s := query.Get("since"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			return nil, fmt.Errorf("since %q is not a number", s)
		}
	}
	return struct {
		Next     int      `json:"next"`
		Requests []logged `json:"requests"`
	}{c.requests.next, c.requests.since(n)}, nil
}
