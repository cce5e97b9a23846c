package ontap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// An Answer is what is left of a change that succeeded.
type Answer struct {
	Location string // path of what a POST created, with /api/; may have a query, or be empty
	Job      string // UUID of the job that did it; empty: there was none
}

// ID returns the identity of what a POST created, the last segment of Location; empty if
// ONTAP did not say, or knew no more than a query that finds it.
func (a Answer) ID() string {
	if strings.ContainsRune(a.Location, '?') {
		return ""
	}
	path := strings.TrimSuffix(a.Location, "/")
	id, err := url.PathUnescape(path[strings.LastIndexByte(path, '/')+1:])
	if err != nil {
		return ""
	}
	return id
}

// Send makes one change, with POST, PATCH or DELETE, and returns when it has come to its end:
// if ONTAP answers with a job, when that has; accepted, unless it is nil, is told the job's
// UUID before the wait begins. A leaf of body that has a method
// Expose() []byte is a secret: it is sent as a string, and masked in whatever the cluster
// says of the request. Other leaves are strings, numbers, booleans and slices of strings;
// branches are map[string]any, []any and []map[string]any. A nil body sends none.
//
// An error that is not [ErrOutcomeUnknown] means that nothing was changed. Nothing is sent
// twice, but for what the cluster refused to look at because the credentials had just been
// rotated; and nothing to a path with an empty segment, dots or a query in it, which could
// mean more than one object.
func (c *Client) Send(ctx context.Context, method, path string, body any, accepted func(job string)) (Answer, error) {
	if method != http.MethodPost && method != http.MethodPatch && method != http.MethodDelete {
		return Answer{}, fmt.Errorf("%s is no method of a change", safe(method))
	}
	var query url.Values
	if before, raw, found := strings.Cut(path, "?"); found && method == http.MethodPost {
		// Of a PATCH or DELETE a query would choose objects: those go to one, by its path.
		var err error
		if query, err = url.ParseQuery(raw); err != nil {
			return Answer{}, fmt.Errorf("%s %s: its query is not one", method, safe(before))
		}
		path = before
	}
	r, err := newRequest(method, path, query)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		if r.body, r.secrets, err = encodeBody(body); err != nil {
			return Answer{}, fmt.Errorf("%s %s: %w", r.method, r.path, err)
		}
	}
	rep, err := c.attempt(ctx, r, nil)
	if err != nil {
		return Answer{}, err
	}
	a, err := parseAnswer(rep)
	if err != nil {
		return Answer{}, &AnswerError{Method: r.method, Path: r.path, Status: rep.status, Problem: err.Error()}
	}
	if a.Job != "" {
		if accepted != nil {
			accepted(a.Job)
		}
		ctx, cancel := context.WithTimeout(ctx, c.cfg.JobWait)
		defer cancel()
		if err := c.waitJob(ctx, a.Job, r.secrets); err != nil {
			return Answer{}, fmt.Errorf("%s %s: %w", r.method, r.path, err)
		}
	}
	return a, nil
}

// parseAnswer reads a success. Where nothing is said the documented body is an empty object;
// no body at all is taken for the same.
func parseAnswer(rep reply) (Answer, error) {
	a := Answer{Location: location(rep.header)}
	body := map[string]any{}
	if len(bytes.TrimSpace(rep.body)) > 0 {
		var err error
		if body, err = decodeObject(spaced(rep.body)); err != nil {
			return a, err
		}
	}
	if _, bad := body["error"]; bad {
		return a, errors.New("an error inside a success")
	}
	job, _ := body["job"].(map[string]any)
	a.Job, _ = job["uuid"].(string)
	if rep.status == http.StatusAccepted && a.Job == "" {
		return a, errors.New("a job without UUID")
	}
	return a, nil
}

// location returns the path of what was created, if that is what the header has.
func location(h http.Header) string {
	l := h.Get("Location")
	if len(l) > maxLink || !strings.HasPrefix(l, apiPrefix) || strings.ContainsFunc(l, isUnsafe) {
		return ""
	}
	return l
}

// encodeBody returns a body in JSON, and the secrets in it.
func encodeBody(body any) (text []byte, secrets []string, err error) {
	plain, err := plainValue(body, &secrets)
	if err != nil {
		return nil, nil, err
	}
	if text, err = json.Marshal(plain); err != nil {
		return nil, nil, errors.New("the body cannot be JSON") // without the cause: secrets were in scope
	}
	return text, secrets, nil
}

// plainValue copies a value with its secrets in the clear. A type it does not know is refused
// and not left to encoding/json: that would send the mask of a secret as if it were one.
func plainValue(v any, secrets *[]string) (any, error) {
	switch v := v.(type) {
	case interface{ Expose() []byte }:
		s := v.Expose()
		if !utf8.Valid(s) {
			return nil, errors.New("a secret is not UTF-8 and cannot be sent in JSON")
		}
		*secrets = append(*secrets, string(s))
		return string(s), nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			p, err := plainValue(inner, secrets)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = p
		}
		return out, nil
	case []any:
		return plainList(v, secrets)
	case []map[string]any:
		return plainList(v, secrets)
	case nil, string, bool, int, int64, float64, json.Number, []string:
		return v, nil
	}
	return nil, fmt.Errorf("a value of type %T cannot be sent", v)
}

func plainList[T any](list []T, secrets *[]string) (any, error) {
	out := make([]any, len(list))
	for i, v := range list {
		p, err := plainValue(v, secrets)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}
