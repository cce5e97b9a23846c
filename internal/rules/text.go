package rules

import (
	"fmt"
	"strings"
)

// width is where the lines of a text end, so far as words let them.
const width = 88

// Text explains the rule on a terminal, in lines of some 88 characters.
func (r *Rule) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n\n%s\n", r.ID, r.Title, wrap(r.standing()))
	b.WriteString(wrap(r.Why))
	b.WriteString("\n" + wrap("What to do: "+r.Remedy) + "\n")
	if len(r.Codes) > 0 {
		b.WriteString(wrap("Prevents ONTAP's "+strings.Join(r.Codes, ", ")+".") + "\n")
	}
	b.WriteString("For example:\n\n")
	for line := range strings.Lines(r.Example) {
		b.WriteString("    " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// standing says how much the rule weighs and where it is checked.
func (r *Rule) standing() string {
	if r.Severity == Warning {
		return fmt.Sprintf("A warning, checked %s. It stops nothing; rules.ignore in the file silences it.", r.Where)
	}
	return fmt.Sprintf("An error, checked %s. It cannot be ignored.", r.Where)
}

// Manual returns the chapter of the rules, as Markdown.
func Manual() string {
	var b strings.Builder
	b.WriteString("\n| Id | Severity | Checked | What is right |\n| --- | --- | --- | --- |\n")
	for _, r := range All() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", r.ID, strings.ToLower(string(r.ID)), r.Severity, r.Where, r.Title)
	}
	for _, r := range All() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s.** %s\n\n%s\n\nWhat to do: %s\n", r.ID, r.Title, r.standing(), r.Why, r.Remedy)
		if len(r.Codes) > 0 {
			fmt.Fprintf(&b, "\nPrevents ONTAP's %s.\n", strings.Join(r.Codes, ", "))
		}
		fmt.Fprintf(&b, "\n```text\n%s\n```\n", r.Example)
	}
	return b.String() + "\n"
}

// wrap breaks a paragraph into lines.
func wrap(s string) string {
	var b strings.Builder
	col := 0
	for word := range strings.FieldsSeq(s) {
		n := len([]rune(word))
		switch {
		case col == 0:
		case col+1+n > width:
			b.WriteString("\n")
			col = 0
		default:
			b.WriteString(" ")
			col++
		}
		b.WriteString(word)
		col += n
	}
	return b.String() + "\n"
}
