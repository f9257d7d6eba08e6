// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/otpw-go/otpw/cmd/internal/child"
	"github.com/otpw-go/otpw/otp"
)

// childName is what the program is called when it looks at one list for status --all.
const childName = "otpw-gen-list"

var errNotRoot = errors.New("--all looks at the lists of all users, which only root can")

// statusAll says how the lists of all users are doing. Each is looked at by a
// process of its own, which takes the ids of whom it belongs to for good. It does that
// itself, behind harden: one that had them from the start could be traced by its user.
func (c *command) statusAll(asJSON bool) error {
	if c.ids.self.uid != 0 {
		return statusError{errNotRoot, exitError}
	}
	if c.opts.file != "" || c.opts.user != "" {
		return usage("--all looks at all lists, -f and --user name one: not both")
	}
	err := c.readSite()
	var all []statusJSON
	if err == nil {
		all, err = c.lookAtAll()
	}
	if err != nil {
		return statusError{err, exitError}
	}
	write := writeTable
	if asJSON {
		write = func(w io.Writer, all []statusJSON) error { return writeJSON(w, all) }
	}
	if err := write(c.out, all); err != nil {
		return statusError{stdoutError(err), exitError}
	}
	status := 0
	for _, s := range all {
		switch {
		case s.Format == "":
			status = exitError
		case s.Print && status == 0:
			status = exitPrint
		}
	}
	if status != 0 {
		return statusError{nil, status}
	}
	return nil
}

func (c *command) lookAtAll() ([]statusJSON, error) {
	_, pattern, err := c.keeper()
	if err != nil {
		return nil, err
	}
	out, err := c.askGetent("passwd")
	if err != nil {
		return nil, err
	}
	all := []statusJSON{}
	known := map[string]bool{}
	for line := range strings.Lines(out) {
		who, err := parseAccount(strings.TrimSuffix(line, "\n"))
		if err != nil || known[who.Name] {
			continue
		}
		known[who.Name] = true
		if path, err := otp.ListPath(pattern, who.Account); err == nil { // else he cannot log in
			all = append(all, statusJSON{User: who.Name, List: path})
		}
	}
	child.Each(len(all), func(i int) { all[i] = lookAt(all[i].User, all[i].List) })
	return slices.DeleteFunc(all, func(s statusJSON) bool { return s.User == "" }), nil
}

// lookAt has another process of this program look at a user's list. There is no user
// in what it returns if there is no list.
func lookAt(user, list string) (s statusJSON) {
	out, said, err := child.Run(childName, []string{"status", "--json", "--user=" + user}, nil, nil)
	var exit *exec.ExitError
	errors.As(err, &exit)
	switch {
	case exit != nil && exit.ExitCode() == exitNone:
		return statusJSON{}
	case exit != nil && exit.ExitCode() == exitPrint, err == nil:
		err = json.Unmarshal(out, &s)
	case len(said) > 0:
		first, _, _ := strings.Cut(string(said), "\n")
		err = errors.New(strings.TrimPrefix(first, "otpw-gen: "))
	}
	if err != nil {
		s = statusJSON{List: list, Problem: err.Error(), Print: true}
	}
	s.User = user
	return s
}

// writeTable is for people.
func writeTable(w io.Writer, all []statusJSON) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "Nobody has a list.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "USER\tLEFT\tNEXT\tLAST DAY\tMADE\tREMARK")
	for _, s := range all {
		if s.Format == "" {
			fmt.Fprintf(t, "%s\t-\t-\t-\t-\t%s\n", cell(s.User), cell(s.Problem))
			continue
		}
		made, last, next := "unknown", "-", s.Next
		if s.Created != nil {
			made = s.Created.Local().Format(time.DateOnly)
		}
		if s.Expires != nil {
			last = otp.LastDay(*s.Expires)
		}
		switch {
		case s.Problem != "":
			next = "-"
		case next == "":
			next = "three"
		}
		fmt.Fprintf(t, "%s\t%d/%d\t%s\t%s\t%s\t%s\n", cell(s.User), s.Unused, s.Total, cell(next), last, made, cell(remark(s)))
	}
	return t.Flush()
}

// cell makes a text fit for a table on a terminal.
func cell(s string) string { return strings.ReplaceAll(printable(s), "\n", `\x0a`) }

func remark(s statusJSON) string {
	var r []string
	switch {
	case s.Problem != "":
		r = append(r, s.Problem)
	case s.Print:
		r = append(r, "time to print a new list")
	}
	if s.Open {
		r = append(r, "a login is in progress")
	}
	return strings.Join(r, "; ")
}
