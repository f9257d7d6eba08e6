// SPDX-License-Identifier: MIT

// Package man makes the manual pages. Those of a command come from the command
// itself, by cobra/doc, with what a file beside this one adds; others are such a
// file as a whole. No program that is installed may link this package.
package man

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

// The files NAME.SECTION.md. One with a section NAME is a page. The others add to the
// page of a command: a section of theirs stands behind the one of the same name, and
// each `## --flag` in OPTIONS behind what the command itself says of that flag.
//
//go:embed *.md
var sources embed.FS

// Pages are pages in roff, by the names of their files, as otpw.5.
type Pages map[string][]byte

// order is that of the sections of a page; there are no others. man-pages(7) has it.
var order = []string{
	"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "ARGUMENTS", "MODULE ARGUMENTS", "GENERATOR SETTINGS", "OTPW1", "OTPW2", "THE LOCK FILE",
	"WHERE LISTS ARE", "MODULE TYPES", "RETURN VALUES", "EXIT STATUS", "ENVIRONMENT", "FILES", "DIAGNOSTICS", "NOTES", "SECURITY", "EXAMPLES", "SEE ALSO",
}

// Written returns the pages that are written by hand.
func Written(version string) (Pages, error) {
	names, err := fs.Glob(sources, "*.md")
	pages := Pages{}
	for _, file := range names {
		page := strings.TrimSuffix(file, ".md")
		s, _, rerr := source(page)
		if rerr != nil {
			return nil, rerr
		}
		if s["NAME"] != "" {
			if pages[page], err = assemble(page, version, s); err != nil {
				return nil, err
			}
		}
	}
	return pages, err
}

// Write writes pages into a folder, which it makes.
func (p Pages) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, roff := range p {
		if err := os.WriteFile(filepath.Join(dir, name), roff, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sections are the texts of sections, in roff, by name.
type sections map[string]string

// source reads what is written about a page, and about flags; nothing if there is no
// such file. The texts about flags are Markdown.
func source(page string) (s sections, flags map[string]string, err error) {
	flags = map[string]string{}
	text, err := sources.ReadFile(page + ".md")
	if err != nil {
		return sections{}, flags, nil
	}
	before, rest, _ := strings.Cut("\n"+string(text), "\n# OPTIONS\n")
	options, after, _ := strings.Cut(rest, "\n# ")
	for _, about := range strings.Split("\n"+options, "\n## --")[1:] {
		name, words, _ := strings.Cut(about, "\n")
		flags[name] = strings.Join(strings.Fields(words), " ")
	}
	s, err = split(render([]byte(before + "\n# " + after)))
	if err != nil {
		return nil, nil, fmt.Errorf("%s.md: %w", page, err)
	}
	return s, flags, nil
}

// render makes roff of Markdown; what stands before the first section is lost.
func render(text []byte) string {
	text = regexp.MustCompile(`(?m)^## `).ReplaceAll(text, []byte("### ")) // for md2man ## is #
	return string(md2man.Render(append([]byte("% \"\" \"\"\n"), text...)))
}

// split takes a page apart.
func split(roff string) (sections, error) {
	s := sections{}
	for _, part := range strings.Split("\n"+roff, "\n.SH ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		if name == "" {
			continue
		}
		if !slices.Contains(order, name) || s[name] != "" {
			return nil, fmt.Errorf("section %s twice, or not among %s", name, strings.Join(order, ", "))
		}
		s[name] = body
	}
	return s, nil
}

// assemble puts a page together, without hyphenation: what people copy must be whole. Its footer has the version, and the date of the
// commit, if SOURCE_DATE_EPOCH says it: the same source makes the same page.
func assemble(page, version string, s sections) ([]byte, error) {
	name, section, _ := cutLast(page, ".")
	date := ""
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		date = time.Unix(seconds, 0).UTC().Format(time.DateOnly)
	}
	manual := map[string]string{"1": "User Commands", "5": "File Formats", "8": "System Administration"}[section]
	var b bytes.Buffer
	if strings.Contains(s["ARGUMENTS"]+s["OTPW1"]+s["OTPW2"]+s["DIAGNOSTICS"], ".TS\n") {
		b.WriteString("'\\\" t\n")
	}
	fmt.Fprintf(&b, ".TH %s %s \"%s\" \"OTPW %s\" \"%s\"\n.nh\n.nr HY 0\n.ad l\n", strings.ToUpper(plain(name)), section, date, version, manual)
	for _, name := range order {
		if s[name] != "" {
			fmt.Fprintf(&b, ".SH %s\n%s", name, tidy(s[name]))
		}
	}
	return b.Bytes(), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// ascii keeps what people copy from a page as it is: without that a terminal gets
// typographic hyphens, quotes and tildes.
var ascii = strings.NewReplacer(`\-`, `\-`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "'", `\(aq`, "`", `\(ga`)

func plain(s string) string { return ascii.Replace(s) }

// reference is one to a page, of which only the name is bold.
var reference = regexp.MustCompile(`\\fB([a-z_.\\-]+)\((\d)\)\\fP`)

// tidy mends what md2man makes: blank lines, which belong only into examples, and
// which stand before each; examples that are not indented; and what ascii is for.
func tidy(roff string) string {
	var b strings.Builder
	example, blank := false, false
	for line := range strings.Lines(roff) {
		control := strings.HasPrefix(line, ".")
		switch {
		case line == ".EX\n":
			example, blank = true, false
			if b.Len() > 0 {
				b.WriteString(".sp\n")
			}
			b.WriteString(".RS 4\n.EX\n")
			continue
		case line == ".EE\n":
			example, blank = false, false
			b.WriteString(".EE\n.RE\n")
			continue
		case line == "\n" && !example:
			blank = b.Len() > 0
			continue
		case !control:
			line = plain(line)
		}
		if blank && !control && !afterControl(b.String()) {
			b.WriteString(".sp\n")
		}
		blank = false
		b.WriteString(line)
	}
	return reference.ReplaceAllString(b.String(), `\fB$1\fP($2)`)
}

// afterControl reports whether the last line is a request that begins a paragraph.
func afterControl(roff string) bool {
	_, last, _ := cutLast(strings.TrimSuffix("\n"+roff, "\n"), "\n")
	return strings.HasPrefix(last, ".")
}

// Text returns a page, or a part of one, without what is only for the formatter. A
// line of it is one of the source.
func Text(roff string) string {
	var b strings.Builder
	for line := range strings.Lines(roff) {
		if !strings.HasPrefix(line, ".") || strings.HasPrefix(line, ".S") {
			b.WriteString(line)
		}
	}
	return strings.NewReplacer(`\fB`, "", `\fI`, "", `\fP`, "", `\fR`, "", `\&`, "", `\-`, "-", `\(ti`, "~", `\(ha`, "^", `\(aq`, "'", `\(ga`, "`", `\\`, `\`).Replace(b.String())
}

// Section returns a section of a page as it is in roff.
func (p Pages) Section(page, name string) string {
	s, _ := split(string(p[page]))
	return s[name]
}

// Terms returns what a section of a page has lists of: the heads of their items, as [Text].
func (p Pages) Terms(page, section string) []string {
	var terms []string
	head := false
	for line := range strings.Lines(p.Section(page, section)) {
		if head {
			terms = append(terms, strings.TrimSpace(Text(line)))
		}
		head = line == ".TP\n"
	}
	return terms
}
