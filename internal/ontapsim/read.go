package ontapsim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A memo keeps the text of a record for the selections that were last asked for, until the
// record or anything else that shows in it changes.
type memo struct {
	epoch uint64
	texts map[string][]byte
}

// maxMemo bounds how many selections of one record are kept.
const maxMemo = 4

func (m *memo) forget() { m.texts = nil }

func (m *memo) text(epoch uint64, selection string) []byte {
	if m.epoch != epoch {
		m.epoch, m.texts = epoch, nil
	}
	return m.texts[selection]
}

func (m *memo) keep(selection string, text []byte) {
	if m.texts == nil || len(m.texts) >= maxMemo {
		m.texts = make(map[string][]byte, 1)
	}
	m.texts[selection] = text
}

// implicitCap is the most records a page has when the client names no number.
const implicitCap = 10000

// A reading is the parsed query of a GET, or the part of a collection PATCH or DELETE that
// chooses records.
type reading struct {
	selection
	signature string // names the selection in a memo
	filters   []filter
	searches  []search
	order     []ordering
	limit     int
	offset    int
	start     string // the id to begin with: where the page before ended
	noRecords bool
	pretty    bool
	trim      bool // leave unmatched array elements out
}

// A search is a cross-field query: one value in any of several fields.
type search []filter

// parseReading reads the query of a GET.
func (k *kind) parseReading(query url.Values, collection bool, v version) (*reading, *apiError) {
	r := &reading{limit: implicitCap}
	var terms []term
	lenient := false
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := strings.Join(query[name], ",")
		var err *apiError
		switch name {
		case "fields":
			terms, err = parseFields(value)
		case "pretty":
			r.pretty, err = parseTruth(name, value)
		case "return_timeout":
			_, err = parseNumber(name, value, 0, 120)
		case "ignore_unknown_fields":
			if v.before(since(11)) {
				err = errUnexpected(name)
			} else {
				lenient, err = parseTruth(name, value)
			}
		default:
			switch {
			case collection:
				err = k.parseChoice(r, query, name)
			case name == "max_records": // NetApp's own modules send it everywhere
				_, err = parseNumber(name, value, 1, math.MaxInt32)
			case name == "return_records": // ONTAP REST reference, generic query parameters: of every GET
				_, err = parseTruth(name, value)
			default:
				err = k.refuse(name)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	for _, f := range r.filters { // what is filtered on is shown
		if len(terms) > 0 {
			terms = append(terms, term{name: f.node.path})
		}
	}
	var err *apiError
	if r.selection, err = k.schema.choose(terms, collection, lenient); err != nil {
		return nil, err
	}
	if len(terms) == 0 && len(r.filters) > 0 {
		for _, f := range r.filters {
			f.node.pick(r.nodes, readable)
			r.exp = r.exp || f.node.leaf.on&exp != 0
		}
		k.schema.wrap(r.nodes)
	}
	r.signature = signature(terms, r.filters, collection)
	return r, nil
}

// signature names what choose returns.
func signature(terms []term, filters []filter, collection bool) string {
	var b strings.Builder
	for _, t := range terms {
		if t.not {
			b.WriteByte('!')
		}
		b.WriteString(t.name + ",")
	}
	for _, f := range filters {
		b.WriteString("&" + f.node.path)
	}
	if collection {
		b.WriteByte('[')
	}
	return b.String()
}

// parseChoice reads one parameter that chooses, orders or limits records.
func (k *kind) parseChoice(r *reading, query url.Values, name string) *apiError {
	value := strings.Join(query[name], ",")
	var err *apiError
	switch name {
	case "max_records":
		r.limit, err = parseNumber(name, value, 1, math.MaxInt32)
	case "offset", "start.position":
		r.offset, err = parseNumber(name, value, 0, math.MaxInt32)
	case "start." + k.id:
		r.start = value
	case "order_by", "$orderBy":
		r.order, err = k.schema.parseOrder(value)
	case "return_records":
		var records bool
		records, err = parseTruth(name, value)
		r.noRecords = !records
	case "return_unmatched_nested_array_objects":
		var keep bool
		keep, err = parseTruth(name, value)
		r.trim = !keep
	case "query":
		err = k.parseSearch(r, value, query.Get("query_fields"))
	case "query_fields":
		if !query.Has("query") {
			err = problem(http.StatusBadRequest, 262277, name, `Field "query_fields" needs "query".`)
		}
	default:
		for _, one := range query[name] {
			f, err := k.schema.newFilter(name, one)
			if err != nil {
				return err
			}
			r.filters = append(r.filters, f)
		}
	}
	return err
}

func (k *kind) parseSearch(r *reading, value, names string) *apiError {
	if names == "" {
		return problem(http.StatusBadRequest, 262273, "query", `Field "query" needs "query_fields".`)
	}
	var s search
	for name := range strings.SplitSeq(names, ",") {
		f, err := k.schema.newFilter(strings.TrimSpace(name), value)
		if err != nil {
			return problem(http.StatusBadRequest, 262275, "query_fields", "The value "+quoted(name)+` is invalid for field "query_fields".`)
		}
		s = append(s, f)
	}
	r.searches = append(r.searches, s)
	return nil
}

// refuse is the answer to a parameter that an instance does not take.
func (k *kind) refuse(name string) *apiError {
	if n := k.schema.at(name); n != nil && n.leaf != nil && n.leaf.typ == secret {
		return errInURL(name)
	}
	return errUnexpected(name)
}

// parseTruth reads a boolean parameter. Python clients write True and False.
func parseTruth(name, value string) (bool, *apiError) {
	switch strings.ToLower(value) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, errInvalid(value, name)
}

func parseNumber(name, value string, low, high int) (int, *apiError) {
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		return 0, errInvalid(value, name)
	}
	return n, nil
}

// get answers a GET.
func (c *Cluster) get(q *request, t target, query url.Values, tunnel *svm) answer {
	if len(q.body) > 0 {
		return q.fail(errNoBody())
	}
	collection := t.id == "" && t.kind.one == nil
	r, err := t.kind.parseReading(query, collection, c.version)
	if err != nil {
		return q.fail(err)
	}
	r.hal = q.hal()
	if t.kind.reads != nil {
		if err := t.kind.reads(c, t.at); err != nil {
			return q.fail(err)
		}
	}
	if collection {
		return c.getCollection(q, t, r, tunnel)
	}
	rec, err := c.find(t, tunnel)
	if err == nil && t.kind.guard != nil {
		err = t.kind.guard(c, rec, r)
	}
	if err == nil && rec.hidden() {
		err = errNotFound(t.kind.id)
	}
	if err != nil {
		return q.fail(err)
	}
	return q.raw(http.StatusOK, r.layout(append(slices.Clip(c.render(t, rec, r)), '\n')))
}

// absent is the answer when the record a path names does not exist.
func (c *Cluster) absent(t target, method string) *apiError {
	if t.kind.absent != nil {
		return t.kind.absent(c, t, method)
	}
	return errNotFound(t.kind.id)
}

// find is the record a path names, hidden or not.
func (c *Cluster) find(t target, tunnel *svm) (record, *apiError) {
	if t.kind.one != nil {
		return t.kind.one(c, t.at)
	}
	all, err := t.kind.list(c, t.at)
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearchFunc(all, t.id, func(r record, id string) int { return cmp.Compare(r.id(), id) })
	if !ok || !visible(all[i], tunnel) {
		return nil, errNotFound(t.kind.id)
	}
	return all[i], nil
}

// visible tells whether a call confined to an SVM sees a record.
func visible(r record, tunnel *svm) bool { return tunnel == nil || r.owner() == tunnel.UUID }

// render is the JSON text of a record.
func (c *Cluster) render(t target, rec record, r *reading) []byte {
	m := rec.memo()
	signature := r.signature
	if r.hal {
		signature += "&hal"
	}
	if m != nil && !r.trim {
		if text := m.text(c.epoch, signature); text != nil {
			return text
		}
	}
	full := rec.object(c, r.exp)
	if r.trim {
		for _, f := range r.filters {
			full = f.prune(full)
		}
	}
	o := r.project(t.kind.schema, full)
	if r.hal && !o.has("_links") {
		href := t.collection()
		if t.kind.one == nil {
			href += "/" + escapeID(rec.id())
		}
		o.put("_links", link(href))
	}
	text := appendJSON(nil, o)
	if m != nil && !r.trim {
		m.keep(signature, text)
	}
	return text
}

// choose is the records of a collection that a reading asks for, in its order, before
// paging.
func (c *Cluster) choose(all []record, r *reading, tunnel *svm, hidden bool) []record {
	var out []record
	var objects map[record]object
	if len(r.order) > 0 {
		objects = make(map[record]object, len(all))
	}
	costly := r.comparesExpensive()
	for _, rec := range all {
		if rec.hidden() && !hidden || !visible(rec, tunnel) {
			continue
		}
		if len(r.filters)+len(r.searches)+len(r.order) > 0 {
			o := rec.object(c, costly)
			if !r.accepts(o) {
				continue
			}
			if objects != nil {
				objects[rec] = o
			}
		}
		out = append(out, rec)
	}
	slices.SortStableFunc(out, func(a, b record) int {
		for _, o := range r.order {
			if n := o.compare(objects[a], objects[b]); n != 0 {
				return n
			}
		}
		return 0
	})
	return out
}

// comparesExpensive tells whether records are chosen or ordered by an expensive field.
func (r *reading) comparesExpensive() bool {
	costly := func(f filter) bool { return f.node.leaf.on&exp != 0 }
	return slices.ContainsFunc(r.filters, costly) ||
		slices.ContainsFunc(r.searches, func(s search) bool { return slices.ContainsFunc(s, costly) }) ||
		slices.ContainsFunc(r.order, func(o ordering) bool { return o.node.leaf.on&exp != 0 })
}

func (r *reading) accepts(o object) bool {
	for _, f := range r.filters {
		if !f.accepts(o) {
			return false
		}
	}
	for _, s := range r.searches {
		if !slices.ContainsFunc(s, func(f filter) bool { return f.accepts(o) }) {
			return false
		}
	}
	return true
}

// page cuts one page out of the chosen records. It returns the query parameter that the
// next page begins with, or "".
func (r *reading) page(k *kind, chosen []record, p Paging) (page []record, next string) {
	first := min(r.offset, len(chosen))
	if r.start != "" {
		first += max(0, slices.IndexFunc(chosen[first:], func(rec record) bool { return rec.id() >= r.start }))
		if len(chosen) > 0 && chosen[len(chosen)-1].id() < r.start {
			first = len(chosen)
		}
	}
	most := r.limit
	if p.Limit > 0 {
		most = min(most, p.Limit)
	}
	last := min(first+most, len(chosen))
	if last == len(chosen) && !(p.EmptyPage && first < last) {
		return chosen[first:], ""
	}
	if len(r.order) > 0 || last == len(chosen) || chosen[last-1].id() == chosen[last].id() {
		return chosen[first:last], "start.position=" + strconv.Itoa(last)
	}
	return chosen[first:last], "start." + k.id + "=" + url.QueryEscape(chosen[last].id())
}

// getCollection answers a GET of a collection.
func (c *Cluster) getCollection(q *request, t target, r *reading, tunnel *svm) answer {
	all, err := t.kind.list(c, t.at)
	if err != nil {
		return q.fail(err)
	}
	page, next := r.page(t.kind, c.choose(all, r, tunnel, false), c.state.World.Paging)
	var b bytes.Buffer
	b.WriteByte('{')
	if !r.noRecords {
		b.WriteString(`"records":[`)
		for i, rec := range page {
			if i > 0 {
				b.WriteByte(',')
			}
			text := c.render(t, rec, r)
			if i == 0 {
				b.Grow(len(page) * (len(text) + 64))
			}
			b.Write(text)
		}
		b.WriteString("],")
	}
	b.WriteString(`"num_records":` + strconv.Itoa(len(page)))
	links := object{}
	if r.hal {
		links.put("self", object{{"href", withQuery(t.collection(), q.rawQuery)}})
	}
	if next != "" {
		next = withQuery(t.collection(), strings.Trim(next+"&"+withoutStart(q.rawQuery), "&"))
		links.put("next", object{{"href", next}})
	}
	if len(links) > 0 {
		b.WriteString(`,"_links":`)
		b.Write(appendJSON(b.AvailableBuffer(), links))
	}
	b.WriteString("}\n")
	a := q.raw(http.StatusOK, r.layout(b.Bytes()))
	if next != "" {
		a.header.Set("Link", "<"+next+`>; rel="next"`)
	}
	return a
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// withoutStart takes from a query what the page before put in, and the offset that page
// has already skipped.
func withoutStart(query string) string {
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(p, "start.") && !strings.HasPrefix(p, "offset=") {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "&")
}

// layout indents the text when the client asks for it.
func (r *reading) layout(text []byte) []byte {
	if !r.pretty {
		return text
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return text
	}
	return b.Bytes()
}
