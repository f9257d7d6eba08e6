// SPDX-License-Identifier: MIT

package man

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// Main writes the pages of a command into the folder that the command line names, and
// returns the exit status: for a program that is built with the tag man.
func Main(root *cobra.Command, section, version string) int {
	pages, err := Command(root, section, version)
	if err == nil {
		err = pages.Write(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write manual pages:", err)
		return 1
	}
	return 0
}

// Command returns the pages of a command and of its commands. It changes them for
// that: they cannot be run any more.
func Command(root *cobra.Command, section, version string) (Pages, error) {
	pages := Pages{}
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd != root && !cmd.IsAvailableCommand() {
			continue
		}
		page := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + "." + section
		roff, err := command(cmd, page, section, version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", page, err)
		}
		pages[page] = roff
	}
	return pages, nil
}

// optionHead is the head of an option as md2man makes it of what cobra/doc writes:
// a paragraph, with the text behind a tab or blanks.
var optionHead = regexp.MustCompile(`(?m)^\.PP\n(\\fB-.*)\n\s+`)

func command(cmd *cobra.Command, page, section, version string) ([]byte, error) {
	more, flags, err := source(page)
	if err != nil {
		return nil, err
	}
	if err := describe(cmd, flags); err != nil {
		return nil, err
	}
	synopsis := regexp.MustCompile(`\[flags\]`).ReplaceAllString(strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath()), "[options]")
	cmd.DisableAutoGenTag = true
	cmd.Long = markdown(cmd.Long)
	cmd.Example = regexp.MustCompile("(?m)^  ").ReplaceAllString(cmd.Example, "")
	var b bytes.Buffer
	if err := doc.GenMan(cmd, &doc.GenManHeader{Section: section}, &b); err != nil {
		return nil, err
	}
	roff := strings.NewReplacer(".SH OPTIONS INHERITED FROM PARENT COMMANDS\n", ".PP\n", ".SH EXAMPLE\n", ".SH EXAMPLES\n", "\\fP=\n", "\\fP\n").Replace(b.String())
	roff = optionHead.ReplaceAllString(strings.ReplaceAll(roff, ".SH OPTIONS\n", ".SH OPTIONS\n.PP\n"), ".TP\n$1\n")
	roff = regexp.MustCompile(`="(\\fI.*\\fP)"`).ReplaceAllString(roff, "=$1") // what cobra/doc does to strings
	s, err := split(roff)
	if err != nil {
		return nil, err
	}
	s["SYNOPSIS"] = fmt.Sprintf(".B %s\n%s\n", plain(cmd.CommandPath()), plain(strings.TrimSpace(synopsis)))
	s["COMMANDS"] = commands(cmd, section)
	for name, text := range more {
		switch {
		case s[name] == "":
		case name == "SEE ALSO":
			s[name] = strings.TrimRight(s[name], "\n") + ",\n"
			text = strings.TrimLeft(text, "\n")
		default:
			s[name] += ".PP\n"
		}
		s[name] += text
	}
	return assemble(page, version, s)
}

// commands is a list of the commands of a command.
func commands(cmd *cobra.Command, section string) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, ".TP\n\\fB%s-%s(%s)\\fP\n%s\n", cmd.Name(), c.Name(), section, sentence(c.Short))
		}
	}
	return b.String()
}

const described = "described"

// describe has cobra/doc write flags as we want them, through the fields that it reads.
func describe(cmd *cobra.Command, about map[string]string) error {
	cmd.InitDefaultHelpFlag()
	known := map[string]bool{}
	change := func(f *pflag.Flag) {
		known[f.Name] = true
		if f.Annotations[described] != nil { // with the command that it is inherited from
			return
		}
		f.Annotations = map[string][]string{described: {}}
		kind, usage := pflag.UnquoteUsage(f)
		if f.Name == "help" {
			usage = "show this help" // cobra has other words for each command
		}
		text := strings.TrimSpace(markdown(sentence(usage)) + " " + about[f.Name])
		switch zero := f.DefValue == "" || f.DefValue == "0" || f.DefValue == "false" || f.DefValue == "[]"; {
		case zero, strings.Contains(text, "efault"):
		default:
			text += " Default: " + markdown(f.DefValue) + "."
		}
		f.Usage = text
		f.DefValue = ""
		if f.Value.Type() == "bool" {
			f.NoOptDefVal = "" // nobody needs --force=false
		} else {
			f.DefValue = "*" + kind + "*"
		}
	}
	cmd.NonInheritedFlags().VisitAll(change)
	cmd.InheritedFlags().VisitAll(change)
	for name := range about {
		if !known[name] {
			return fmt.Errorf("the page is about --%s, which there is not", name)
		}
	}
	return nil
}

func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return strings.TrimSuffix(string(unicode.ToUpper(r))+s[n:], ".") + "."
}

var special = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "`", "\\`", "[", `\[`)

// markdown makes Markdown of a plain text of help. Lines with two blanks are examples.
func markdown(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "  ") {
			b.WriteString("  " + line)
		} else {
			b.WriteString(special.Replace(line))
		}
	}
	return b.String()
}
