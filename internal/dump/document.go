package dump

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kmagent/internal/desired"
)

// A document is the file before it is text.
type document struct{ clusters []cluster }

type cluster struct {
	about    []string // comments
	settings []line
	sections []section
	remarks  []string // comments
}

type section struct {
	name    string
	about   []string // comments
	entries []*entry
	single  bool // the one entry is the section: a mapping, not a list
}

// declares says whether anything of the section is more than a comment. One without would be
// a fault.
func (s *section) declares() bool {
	for _, e := range s.entries {
		if !s.single && e.why == "" || s.single && slices.ContainsFunc(e.lines, func(l line) bool { return l.why == "" }) {
			return true
		}
	}
	return false
}

const head = `# yaml-language-server: $schema=desired.schema.json
# Written by kmagent dump: it declares what is there, and a plan of it finds nothing to do.
#
#   1. ONTAP tells no secret. Put each where its reference that begins with FILL_ME says
#      (cred:NAME is a systemd credential), or write another: file:/PATH or env:NAME.
#   2. kmagent plan -f FILE names the references that are still missing. Once none is, it
#      ends with code 0: no changes. What is in place is taken for current and not sent.
#   3. Commit the file. From then on a change to it is a change to the clusters.
#
# A field that is not here is as ONTAP makes it; what a file cannot say is a comment.
# For completion in editors: kmagent schema > desired.schema.json
version: 1

clusters:
`

// The columns of the parts of a file.
const (
	inCluster = 4
	inSection = 8
)

// A page is the text of a document, and what each line of it came from.
type page struct {
	strings.Builder
	owners []owner
}

// An owner is the entry of a line, and the line of the entry; nil where there is none.
type owner struct {
	entry *entry
	line  *line
}

func (d *document) page() *page {
	p := &page{owners: make([]owner, strings.Count(head, "\n"))}
	p.WriteString(head)
	for i := range d.clusters {
		if i > 0 {
			p.put(owner{}, "")
		}
		d.clusters[i].put(p)
	}
	return p
}

func (p *page) put(o owner, text string) {
	p.WriteString(text)
	p.WriteByte('\n')
	p.owners = append(p.owners, o)
}

// comments are put at a column, each on its line.
func (p *page) comments(column int, list []string) {
	for _, s := range list {
		p.put(owner{}, strings.Repeat(" ", column)+"# "+s)
	}
}

func (c *cluster) put(p *page) {
	p.comments(inCluster-2, c.about)
	for i := range c.settings {
		p.put(owner{}, c.settings[i].render(inCluster))
	}
	for i := range c.sections {
		s := &c.sections[i]
		p.put(owner{}, "")
		p.comments(inCluster, s.about)
		mark := "# "
		if s.declares() {
			mark = ""
		}
		p.put(owner{}, strings.Repeat(" ", inCluster)+mark+s.name+":")
		for _, e := range s.entries {
			if s.single {
				e.putFields(p)
			} else {
				e.put(p)
			}
		}
	}
	if len(c.remarks) > 0 {
		p.put(owner{}, "")
		p.comments(inCluster, c.remarks)
	}
}

// put writes an entry, or the comment that stands for it: as many lines, so that what a
// fault says of other lines stays true.
func (e *entry) put(p *page) {
	for i := range e.lines {
		l := &e.lines[i]
		switch {
		case e.why == "":
			p.put(owner{e, l}, l.render(inSection))
		case i == 0:
			p.put(owner{}, strings.Repeat(" ", inSection-2)+"# - "+excerpt(l.text, maxShown)+"  # no entry: "+remark(e.why))
		default:
			p.put(owner{}, strings.Repeat(" ", inSection-2)+"# "+excerpt(l.render(2), maxShown))
		}
	}
}

// putFields puts the lines of an entry that is a section of its own.
func (e *entry) putFields(p *page) {
	for i := range e.lines {
		l := &e.lines[i]
		p.put(owner{e, l}, l.render(inCluster+2))
	}
}

// render returns the line, with keys that are not deep at a column.
func (l *line) render(column int) string {
	indent := strings.Repeat(" ", column+2*l.depth)
	switch {
	case l.why != "":
		return indent + "# " + excerpt(l.text, maxShown) + "  # " + remark(l.why)
	case l.dash:
		indent = indent[2:] + "- "
	}
	if l.note != "" {
		return indent + l.text + "  # " + l.note
	}
	return indent + l.text
}

// settle returns the text of the document as a file that is valid: what cannot be read back
// becomes a comment with the reason, a field if the entry can do without it, and else the
// entry. What a cluster holds may be older, or newer, than the rules of files.
func (d *document) settle() ([]byte, error) {
	for {
		p := d.page()
		text := []byte(p.String())
		_, err := desired.Parse("dump", text)
		if err == nil {
			return text, nil
		}
		faults, ok := errors.AsType[desired.Faults](err)
		if !ok {
			return nil, err
		}
		if !p.concede(faults) {
			return nil, unsettled(faults[0])
		}
	}
}

// unsettled is the error of a fault that no comment mends: one of the settings, by its path
// below the cluster, or of the file as a whole.
func unsettled(f desired.Fault) error {
	if f.Path == "" {
		return errors.New(f.Message)
	}
	return fmt.Errorf("%s: %s", strings.TrimPrefix(f.Path, "clusters[0]."), f.Message)
}

// listed is how many faults of a file are told; one more only counts the others.
const listed = 1000

// concede turns into comments what the faults are about, and says whether that was anything.
func (p *page) concede(faults desired.Faults) bool {
	some := false
	for _, f := range faults[:min(len(faults), listed)] {
		if f.Pos.Line < 1 || f.Pos.Line > len(p.owners) {
			continue
		}
		o := p.owners[f.Pos.Line-1]
		switch {
		case o.entry == nil:
			continue
		case o.line.loose && o.line.why == "":
			o.line.why = reason(f)
		case !o.line.loose && o.entry.why == "":
			o.entry.why = field(f.Path) + reason(f)
		default:
			continue // another fault of the same
		}
		some = true
	}
	return some
}

func reason(f desired.Fault) string {
	if f.Rule == "" {
		return f.Message
	}
	return f.Message + " [" + string(f.Rule) + "]"
}

// field returns, before a colon, the part of a path that is below an entry; nothing if the
// path ends there. Which entry it is shows.
func field(path string) string {
	_, inCluster, _ := strings.Cut(path, "].")
	if _, below, ok := strings.Cut(inCluster, "]."); ok {
		return below + ": "
	}
	return ""
}
