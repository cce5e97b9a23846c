package ontapsim

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A call is one change as plain data, so that a job can carry it out when its time comes
// and a snapshot can hold it until then.
type call struct {
	Method string          `json:"method"`
	Path   string          `json:"path"` // escaped, with /api; of the collection when it creates
	Body   object          `json:"body,omitempty"`
	Flags  map[string]bool `json:"flags,omitempty"`
	SVM    string          `json:"svm,omitempty"`  // UUID that the call is confined to
	UUID   string          `json:"uuid,omitempty"` // of what it creates
}

// A write is a call that has been checked against the schema of its kind.
type write struct {
	method string
	at     []string
	body   object
	flags  map[string]bool
	tunnel *svm
	uuid   string // for what it creates
}

// An effect is a change that has passed every check and is not made yet.
type effect struct {
	made    func() record    // the record that stands in Location and in the answer; nil for none
	contact func() *apiError // what shows only while the change is made: an error here means that nothing was done; may be nil
	apply   func() *apiError // an error here means that it was done in part
	touch   []record         // records besides the target whose text changes
}

// batchTimeout is how long a change of a collection takes at most before it is answered,
// unless the client says how long (ONTAP REST reference, return_timeout).
const batchTimeout = 15 * time.Second

// owner is the UUID of the SVM of what is changed, "" for the cluster's.
func (e effect) owner() string {
	if e.made != nil {
		return e.made().owner()
	}
	for _, r := range e.touch {
		return r.owner()
	}
	return ""
}

// A wish is what a client asks of the answer to its write.
type wish struct {
	flags    map[string]bool
	records  bool
	timeout  time.Duration // to wait for a job
	goOn     bool          // after a failed record of many
	action   string
	choosing *reading // nil without filters
}

// write answers POST, PATCH and DELETE.
func (c *Cluster) write(q *request, t target, query url.Values, tunnel *svm) (answer, *pending) {
	w, err := c.parseWish(q.method, t, query)
	if err != nil {
		return q.fail(err), nil
	}
	body, err := parseBody(q, t)
	if err != nil {
		return q.fail(err), nil
	}
	one := call{Method: q.method, Path: t.path(), Body: body, Flags: w.flags}
	if tunnel != nil {
		one.SVM = tunnel.UUID
	}
	if w.action != "" {
		one.Flags = map[string]bool{"action=" + w.action: true}
	}
	if _, many := body.list("records"); many && t.id == "" && !(q.method == http.MethodPost && t.kind.manyInside) {
		return c.writeMany(q, t, one, w)
	}
	if q.method != http.MethodPost && t.id == "" && t.kind.one == nil {
		return c.writeChosen(q, t, one, w, tunnel)
	}
	return c.writeOne(q, t, one, w)
}

// path is the escaped path of the target, with /api.
func (t target) path() string {
	if t.id == "" {
		return t.collection()
	}
	return t.collection() + "/" + escapeID(t.id)
}

func (c *Cluster) parseWish(method string, t target, query url.Values) (*wish, *apiError) {
	w := &wish{flags: map[string]bool{}}
	if t.id == "" && t.kind.one == nil && method != http.MethodPost {
		w.timeout = batchTimeout
	}
	choices := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := query.Get(name)
		var err *apiError
		release, flag := t.kind.flags[method][name]
		switch {
		case flag && !c.version.before(release):
			w.flags[name], err = parseTruth(name, value)
		case name == "return_timeout":
			var seconds int
			seconds, err = parseNumber(name, value, 0, 120)
			w.timeout = time.Duration(seconds) * time.Second
		case name == "return_records":
			w.records, err = parseTruth(name, value)
		case name == "pretty", name == "serial_records":
			_, err = parseTruth(name, value)
		case name == "continue_on_failure":
			w.goOn, err = parseTruth(name, value)
		case name == "action" && t.kind.act != nil && t.id != "":
			w.action = value
		default:
			choices[name] = query[name]
		}
		if err != nil {
			return nil, err
		}
	}
	return w, c.parseChoices(method, t, choices, w)
}

// parseChoices reads the parameters that choose the records of a collection PATCH or DELETE.
func (c *Cluster) parseChoices(method string, t target, choices url.Values, w *wish) *apiError {
	for _, name := range slices.Sorted(maps.Keys(choices)) {
		n := t.kind.schema.at(name)
		known := n != nil && n.leaf != nil
		switch {
		case known && n.leaf.typ == secret:
			return errInURL(name)
		case known && method == http.MethodPost:
			return problem(http.StatusBadRequest, 262211, name, "A filter is not allowed in the URL of a POST.")
		case t.id != "" || method == http.MethodPost:
			return errUnexpected(name)
		}
	}
	if len(choices) == 0 {
		return nil
	}
	r, err := t.kind.parseReading(choices, true, c.version)
	w.choosing = r
	return err
}

// parseBody decodes the body of a write. A DELETE has none, unless it lists records.
func parseBody(q *request, t target) (object, *apiError) {
	if len(strings.TrimSpace(string(q.body))) == 0 {
		return nil, nil
	}
	v, err := decodeJSON(q.body)
	if dup, ok := err.(*errDuplicate); ok {
		return nil, errTwice(dup.name)
	}
	body, ok := v.(object)
	if err != nil || !ok {
		return nil, errSyntax()
	}
	body = slices.DeleteFunc(body, func(m member) bool { return m.name == "records" && m.value == nil })
	if _, many := body.list("records"); q.method == http.MethodDelete && len(body) > 0 && (!many || t.id != "") {
		return nil, errNoBody()
	}
	return body, nil
}

// prepare checks a call against the cluster as it is now. The effect is still to be applied.
func (c *Cluster) prepare(one call) (target, effect, *apiError) {
	t, err := c.route(one.Path)
	if err != nil {
		return t, effect{}, err
	}
	w := &write{method: one.Method, at: t.at, flags: one.Flags, uuid: one.UUID}
	if one.SVM != "" {
		if w.tunnel, err = c.svmNamed("", one.SVM); err != nil {
			return t, effect{}, err
		}
	}
	if w.body, err = t.kind.checkBody(one); err != nil {
		return t, effect{}, err
	}
	if one.Method == http.MethodPost {
		e, err := t.kind.create(c, w)
		return t, e, err
	}
	rec, err := c.find(t, w.tunnel)
	if err != nil {
		if err.code == "4" && err.target == t.kind.id {
			err = c.absent(t, one.Method)
		}
		return t, effect{}, err
	}
	verb := t.kind.change
	switch {
	case one.Method == http.MethodDelete:
		verb = t.kind.remove
	case w.action() != "":
		verb = t.kind.act
	}
	if verb == nil {
		return t, effect{}, errMissing("action")
	}
	e, err := verb(c, w, rec)
	e.touch = append(e.touch, rec)
	return t, e, err
}

// action is the value of ?action=, or "".
func (w *write) action() string {
	for name := range w.flags {
		if a, ok := strings.CutPrefix(name, "action="); ok {
			return a
		}
	}
	return ""
}

// checkBody gives the body of a call its types.
func (k *kind) checkBody(one call) (object, *apiError) {
	verb := patch
	switch one.Method {
	case http.MethodPost:
		verb = post
	case http.MethodDelete:
		return nil, nil
	}
	return k.schema.body(one.Body, verb)
}

// commit applies an effect and remembers the secrets that came with its call.
func (c *Cluster) commit(t target, one call, e effect) *apiError {
	if e.contact != nil {
		if err := e.contact(); err != nil {
			return err
		}
	}
	err := e.apply()
	for _, r := range e.touch {
		if m := r.memo(); m != nil {
			m.forget()
		}
	}
	if body, bad := t.kind.checkBody(one); bad == nil && body != nil {
		path := t.path()
		if e.made != nil && one.Method == http.MethodPost {
			path += "/" + escapeID(e.made().id())
		}
		t.kind.schema.secrets(body, func(name, value string) {
			c.state.Received = append(c.state.Received, received{time.Now().UTC(), one.Method, path, name, value})
		})
	}
	return err
}

// writeOne carries out a write to one record.
func (c *Cluster) writeOne(q *request, t target, one call, w *wish) (answer, *pending) {
	if one.Method == http.MethodPost {
		one.UUID = c.state.uuid()
	}
	_, e, err := c.prepare(one)
	if err != nil {
		return q.fail(err), nil
	}
	if t.kind.async != nil && t.kind.async(c, one.Method, one.Flags) {
		p := &pending{target: t, call: one, wish: w}
		if e.made != nil && one.Method == http.MethodPost {
			p.location = t.collection() + "/" + escapeID(one.UUID)
		}
		p.job = c.startJob([]call{one}, false)
		p.job.SVM = cmp.Or(e.owner(), p.job.SVM)
		return answer{}, p
	}
	if err := c.commit(t, one, e); err != nil {
		return q.fail(err), nil
	}
	return c.done(q, t, one, e, w), nil
}

// done is the answer to a write that is complete.
func (c *Cluster) done(q *request, t target, one call, e effect, w *wish) answer {
	if one.Method != http.MethodPost {
		return q.answer(http.StatusOK, nil)
	}
	if e.made == nil {
		return q.answer(http.StatusCreated, nil)
	}
	rec := e.made()
	a := q.answer(http.StatusCreated, nil)
	if w.records {
		a = q.answer(http.StatusCreated, object{{"num_records", int64(1)}, {"records", []any{c.echo(q, t, one, rec)}}})
	}
	a.header.Set("Location", t.collection()+"/"+escapeID(rec.id()))
	return a
}

// echo is what return_records=true shows of a new record: what was posted and can be read,
// its identity, and its SVM with name and UUID.
func (c *Cluster) echo(q *request, t target, one call, rec record) object {
	s := selection{nodes: map[*node]bool{}, hal: q.hal()}
	href := t.collection()
	if _, many := one.Body.list("records"); !many {
		href += "/" + escapeID(rec.id())
		body, _ := t.kind.checkBody(one)
		t.kind.schema.posted(body, s.nodes)
		for _, name := range []string{t.kind.id, "svm.uuid", "svm.name"} {
			if n := t.kind.schema.at(name); n != nil {
				s.nodes[n] = true
			}
		}
		t.kind.schema.wrap(s.nodes)
	}
	o := s.project(t.kind.schema, rec.object(c, false))
	if s.hal {
		o.put("_links", link(href))
	}
	return o
}

// posted marks the readable fields that a body sets.
func (n *node) posted(o object, chosen map[*node]bool) {
	for _, m := range o {
		k := n.kid(m.name)
		if k.leaf != nil {
			chosen[k] = k.leaf.on&readable != 0
			continue
		}
		for _, v := range elements(m.value) {
			if inner, ok := v.(object); ok {
				k.posted(inner, chosen)
			}
		}
	}
}

// elements is the elements of an array, or the value itself.
func elements(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// writeChosen carries out a PATCH or DELETE of the records of a collection that a filter
// chooses: one after the other, until one fails.
func (c *Cluster) writeChosen(q *request, t target, one call, w *wish, tunnel *svm) (answer, *pending) {
	if w.choosing == nil || len(w.choosing.filters) == 0 {
		return q.fail(problem(http.StatusBadRequest, 262212, "", "A change of a collection needs a filter or records.")), nil
	}
	all, err := t.kind.list(c, t.at)
	if err != nil {
		return q.fail(err), nil
	}
	chosen, next := w.choosing.page(t.kind, c.choose(all, w.choosing, tunnel, true), Paging{})
	var calls []call
	for _, rec := range chosen {
		each := one
		each.Path = t.collection() + "/" + escapeID(rec.id())
		calls = append(calls, each)
	}
	rest := object{{"num_records", int64(len(chosen))}}
	if next != "" {
		href := withQuery(t.collection(), strings.Trim(next+"&"+withoutStart(q.rawQuery), "&"))
		rest.put("_links", object{{"next", object{{"href", href}}}})
	}
	return c.writeEach(q, t, calls, w, rest)
}

// writeEach carries out changes of several records, one after the other, until one fails.
// What was done before stays done. The rest is what the answer says besides the jobs.
func (c *Cluster) writeEach(q *request, t target, calls []call, w *wish, rest object) (answer, *pending) {
	if len(calls) > 0 && t.kind.async != nil && t.kind.async(c, q.method, w.flags) {
		j := c.startJob(calls, w.goOn)
		j.Keep = true
		return answer{}, &pending{target: t, call: calls[0], wish: w, job: j, batch: rest}
	}
	var failed *apiError
	for _, one := range calls {
		if err := c.carryOut(one); err != nil {
			failed = cmp.Or(failed, err)
			if !w.goOn {
				break
			}
		}
	}
	if failed != nil {
		return q.fail(failed), nil
	}
	return q.answer(http.StatusOK, rest), nil
}

// carryOut checks and applies one call.
func (c *Cluster) carryOut(one call) *apiError {
	t, e, err := c.prepare(one)
	if err != nil {
		return err
	}
	return c.commit(t, one, e)
}

// writeMany answers a request that lists its records in the body. Of a POST it is one job,
// and all of it or nothing.
func (c *Cluster) writeMany(q *request, t target, one call, w *wish) (answer, *pending) {
	list, _ := one.Body.list("records")
	var calls []call
	for i, v := range list {
		rec, ok := v.(object)
		if !ok {
			return q.fail(errValue("", "records")), nil
		}
		each := one
		each.Body = rec
		if one.Method == http.MethodPost {
			each.UUID = c.state.uuid()
		} else {
			id, _ := rec.text(t.kind.id)
			if id == "" {
				return q.fail(errMissing(fmt.Sprintf("records[%s].%s", strconv.Itoa(i), t.kind.id))), nil
			}
			each.Path = t.collection() + "/" + escapeID(id)
			each.Body = slices.DeleteFunc(slices.Clone(rec), func(m member) bool { return m.name == t.kind.id })
		}
		if _, err := t.kind.checkBody(each); err != nil {
			return q.fail(err), nil
		}
		calls = append(calls, each)
	}
	if len(calls) == 0 {
		return q.fail(errMissing("records")), nil
	}
	if one.Method != http.MethodPost {
		return c.writeEach(q, t, calls, w, object{{"num_records", int64(len(calls))}})
	}
	return answer{}, &pending{target: t, call: one, wish: w, job: c.startJob(calls, w.goOn)}
}
