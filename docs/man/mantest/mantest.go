// SPDX-License-Identifier: MIT

// Package mantest compares manual pages with the code that they describe.
package mantest

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/otpw-go/otpw/docs/man"
)

// Written returns the pages that are written by hand.
func Written(t *testing.T) man.Pages {
	t.Helper()
	pages, err := man.Written("v1")
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

var (
	longFlag  = regexp.MustCompile(`--[a-z][a-z-]*`)
	shortFlag = regexp.MustCompile(`(?m)(?:^|[ (])(-[A-Za-z])\b`)
	bold      = regexp.MustCompile(`\\fB(.*?)\\f[PR]`)
)

// Flags checks that the pages of a command and its commands have each flag and no
// other, and that what is said of it there names no other. made makes the command.
func Flags(t *testing.T, made func() *cobra.Command, section string) {
	root := made()
	pages, err := man.Command(made(), section, "v1")
	if err != nil {
		t.Fatal(err)
	}
	root.InitDefaultHelpFlag()
	number := 0
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd != root && !cmd.IsAvailableCommand() {
			continue
		}
		number++
		page := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + "." + section
		cmd.InitDefaultHelpFlag()
		text := man.Text(string(pages[page]))
		known := map[string]bool{}
		learn := func(f *pflag.Flag) {
			known["--"+f.Name] = true
			known["-"+f.Shorthand] = true
		}
		cmd.Flags().VisitAll(learn)
		cmd.InheritedFlags().VisitAll(learn)
		listed := map[string]bool{}
		for _, term := range pages.Terms(page, "OPTIONS") {
			listed[longFlag.FindString(term)] = true
		}
		for flag := range known {
			if strings.HasPrefix(flag, "--") && !listed[flag] {
				t.Errorf("%s: OPTIONS has no %s", page, flag)
			}
		}
		root.Flags().VisitAll(learn) // of which all pages may speak
		root.PersistentFlags().VisitAll(learn)
		for _, flag := range longFlag.FindAllString(text, -1) {
			if !known[flag] {
				t.Errorf("%s names %s, which there is not", page, flag)
			}
		}
		for _, m := range shortFlag.FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("%s names %s, which there is not", page, m[1])
			}
		}
	}
	if len(pages) != number {
		t.Errorf("%d pages of %d commands", len(pages), number)
	}
	for name, page := range Written(t) {
		pages[name] = page
	}
	for name := range pages {
		calls(t, name, pages, root)
	}
}

// calls checks what a page says about how to call the command: in bold, and in examples.
func calls(t *testing.T, name string, pages man.Pages, root *cobra.Command) {
	roff := string(pages[name])
	spoken := Bold(roff)
	for _, part := range strings.Split(roff, ".EX\n")[1:] {
		example, _, _ := strings.Cut(part, ".EE\n")
		spoken = append(spoken, strings.Split(man.Text(example), "\n")...)
	}
	for _, call := range spoken {
		call, _, _ = strings.Cut(strings.TrimSpace(call), "  ") // comments of examples
		args, found := strings.CutPrefix(call, root.Name()+" ")
		if !found {
			continue
		}
		if end := strings.IndexAny(args, "|;>&"); end >= 0 {
			args = args[:end]
		}
		words := strings.Fields(args)
		cmd := root
		for _, sub := range root.Commands() {
			if len(words) > 0 && sub.Name() == words[0] {
				cmd = sub
			}
		}
		if len(words) > 0 && cmd == root && !strings.HasPrefix(words[0], "-") {
			t.Errorf("%s: there is no command %q", name, call)
		}
		for _, word := range words {
			flag, _, _ := strings.Cut(word, "=")
			letter := strings.TrimPrefix(flag, "-")
			switch {
			case strings.HasPrefix(flag, "--"):
				if cmd.Flag(flag[2:]) == nil {
					t.Errorf("%s: %q: no %s", name, call, flag)
				}
			case strings.HasPrefix(flag, "-") && len(letter) == 1:
				if cmd.Flags().ShorthandLookup(letter) == nil && cmd.InheritedFlags().ShorthandLookup(letter) == nil {
					t.Errorf("%s: %q: no %s", name, call, flag)
				}
			}
		}
	}
}

// Names compares the names before = in the heads of a list with those that there are.
func Names(t *testing.T, page, section string, want []string) {
	t.Helper()
	left := map[string]bool{}
	for _, name := range want {
		left[name] = true
	}
	for _, term := range Written(t).Terms(page, section) {
		name, _, _ := strings.Cut(term, "=")
		if !left[name] {
			t.Errorf("%s has %s, which there is not, or twice", page, name)
		}
		delete(left, name)
	}
	for name := range left {
		t.Errorf("%s, %s: no %s", page, section, name)
	}
}

// Bold returns what is bold in a text in roff.
func Bold(roff string) (words []string) {
	for _, m := range bold.FindAllStringSubmatch(roff, -1) {
		words = append(words, man.Text(m[1]))
	}
	return words
}

// About returns what a list says about a name, as [man.Text] in one line.
func About(t *testing.T, page, section, name string) string {
	t.Helper()
	for _, item := range strings.Split(Written(t).Section(page, section), ".TP\n")[1:] {
		head, body, _ := strings.Cut(man.Text(item), "\n")
		if term, _, _ := strings.Cut(head, "="); term == name {
			return strings.Join(strings.Fields(body), " ")
		}
	}
	t.Errorf("%s, %s: nothing about %s", page, section, name)
	return ""
}
