// SPDX-License-Identifier: MIT

package world

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Sheet is the paper: the password behind each number.
type Sheet struct {
	Text      string // as printed
	Notes     string // what the generator said beside it
	Prefix    string
	Passwords map[string]string
}

// MakeList makes a list for account with a generator (the path of an
// otpw-gen), replacing one that exists, and reads its sheet.
func (w *World) MakeList(t T, a *Account, generator, prefix string, args ...string) *Sheet {
	t.Helper()
	input := prefix + "\n" + prefix + "\n"
	if _, err := os.Lstat(a.Path(".otpw")); err == nil {
		input = "y\n" + input
	}
	r := w.Run(t, a, input, append([]string{generator}, args...)...)
	if r.Status != 0 {
		t.Fatalf("%s %s: status %d\n%s%s", generator, strings.Join(args, " "), r.Status, r.Stderr, r.Stdout)
	}
	sheet := &Sheet{Text: r.Stdout, Notes: r.Stderr, Prefix: prefix, Passwords: ParseSheet(r.Stdout)}
	if n := len(a.List(t)); n != len(sheet.Passwords) {
		t.Fatalf("%s %s: %d passwords on the sheet, %d entries in the list\n%s%s",
			generator, strings.Join(args, " "), len(sheet.Passwords), n, r.Stderr, r.Stdout)
	}
	return sheet
}

var cell = regexp.MustCompile(`^(\d{3,4}) (\S+(?: \S+)*)$`)

// ParseSheet reads the numbers and passwords off a sheet: cells `NNN password`, two spaces between them.
func ParseSheet(text string) map[string]string {
	passwords := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		for _, c := range strings.Split(strings.TrimSpace(line), "  ") {
			if m := cell.FindStringSubmatch(c); m != nil {
				passwords[m[1]] = m[2]
			}
		}
	}
	return passwords
}

// Response is what the owner of the sheet types when asked for numbers.
func (s *Sheet) Response(numbers ...string) string {
	r := s.Prefix
	for _, n := range numbers {
		r += s.Passwords[n]
	}
	return r
}

// Entry is one line of a list.
type Entry struct {
	Number string // what is asked for; once used it is known only by its place
	Used   bool
}

// List reads the account's list, in the order of the file.
func (a *Account) List(t T) []Entry {
	t.Helper()
	data, err := os.ReadFile(a.Path(".otpw"))
	if err != nil {
		t.Fatalf("read list: %v", err)
	}
	entries, err := parseList(string(data))
	if err != nil {
		t.Fatalf("read list of %s: %v\n%s", a.Name, err, data)
	}
	return entries
}

func parseList(text string) ([]Entry, error) {
	lines := strings.Split(text, "\n")
	var count, challenge, hash int
	switch lines[0] {
	case "OTPW1":
		lines = lines[1:]
		if strings.HasPrefix(lines[0], "#") {
			lines = lines[1:]
		}
		var password int
		if _, err := fmt.Sscan(lines[0], &count, &challenge, &hash, &password); err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		lines = lines[1:]
	case "OTPW2":
		hash = 43
		for lines = lines[1:]; len(lines) > 0 && lines[0] != ""; lines = lines[1:] {
			fmt.Sscanf(lines[0], "entries: %d", &count)
			fmt.Sscanf(lines[0], "digits: %d", &challenge)
		}
		if len(lines) == 0 || count == 0 || challenge == 0 {
			return nil, errors.New("header is not whole")
		}
		lines = lines[1:]
	default:
		return nil, errors.New("no magic line")
	}
	if len(lines) != count+1 || lines[count] != "" {
		return nil, fmt.Errorf("%d entries announced, %d lines", count, len(lines)-1)
	}
	entries := make([]Entry, count)
	for i, line := range lines[:count] {
		if len(line) != challenge+hash {
			return nil, fmt.Errorf("entry %d: length %d, want %d", i, len(line), challenge+hash)
		}
		if line == strings.Repeat("-", len(line)) {
			entries[i] = Entry{Used: true}
			continue
		}
		if _, err := strconv.Atoi(line[:challenge]); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		entries[i] = Entry{Number: line[:challenge]}
	}
	return entries, nil
}

// Unused lists the numbers that a list still has, in the order of the file.
func Unused(list []Entry) []string {
	var numbers []string
	for _, e := range list {
		if !e.Used {
			numbers = append(numbers, e.Number)
		}
	}
	return numbers
}

// Unused lists the numbers that the account's list still has, in the order of the file.
func (a *Account) Unused(t T) []string {
	t.Helper()
	return Unused(a.List(t))
}

// Lock is what the account's lock file names, empty when there is none.
func (a *Account) Lock(t T) string {
	t.Helper()
	target, err := os.Readlink(a.Path(".otpw.lock"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("read lock file: %v", err)
	}
	return target
}
