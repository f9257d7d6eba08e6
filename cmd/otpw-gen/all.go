// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/otpw-go/otpw/otp"
)

// lookTime bounds how long looking at one list may take: a home may lie on a file
// server that does not answer, or on a file system that its user has made.
const lookTime = 10 * time.Second

var errNotRoot = errors.New("--all looks at the lists of all users, which only root can")

// statusAll says how the lists of all users are doing. Each is looked at by a
// process of its own, with the ids of whom it belongs to.
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
	keeper, pattern, err := c.keeper()
	if err != nil {
		return nil, err
	}
	out, err := c.askGetent("passwd")
	if err != nil {
		return nil, err
	}
	all := []statusJSON{}
	seen := map[string]bool{}
	for line := range strings.Lines(out) {
		who, err := parseAccount(strings.TrimSuffix(line, "\n"))
		if err != nil || seen[who.Name] {
			continue
		}
		seen[who.Name] = true
		path, err := otp.ListPath(pattern, who.Account)
		if err != nil {
			continue // nor can he log in
		}
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		owner := who
		if keeper != nil {
			owner = keeper
		}
		s, err := c.lookAt(who, owner)
		switch {
		case errors.Is(err, otp.ErrNoList): // behind a folder that root cannot enter
			continue
		case err != nil:
			s = statusJSON{List: path, Problem: err.Error(), Print: true}
		}
		s.User = who.Name
		all = append(all, s)
	}
	return all, nil
}

// lookAt has another process of this program look at the list of an account.
func (c *command) lookAt(who, owner *account) (s statusJSON, err error) {
	id, err := c.identity(owner)
	if err != nil {
		return s, err
	}
	groups := []uint32{uint32(id.gid)}
	for _, g := range id.groups {
		groups = append(groups, uint32(g))
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "status", "--json", "--user="+who.Name)
	cmd.Env = []string{"TZ=" + os.Getenv("TZ")}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id.uid), Gid: uint32(id.gid), Groups: groups}}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return s, fmt.Errorf("no answer within %v", lookTime)
	case errors.As(err, &exit) && exit.ExitCode() == exitNone:
		return s, otp.ErrNoList
	case errors.As(err, &exit) && exit.ExitCode() == exitPrint, err == nil:
		return s, json.Unmarshal(out, &s)
	case said.Len() > 0:
		first, _, _ := strings.Cut(said.String(), "\n")
		return s, errors.New(strings.TrimPrefix(first, "otpw-gen: "))
	}
	return s, err
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
			fmt.Fprintf(t, "%s\t-\t-\t-\t-\t%s\n", s.User, printable(s.Problem))
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
		fmt.Fprintf(t, "%s\t%d/%d\t%s\t%s\t%s\t%s\n", s.User, s.Unused, s.Total, next, last, made, remark(s))
	}
	return t.Flush()
}

func remark(s statusJSON) string {
	var r []string
	switch {
	case s.Problem != "":
		r = append(r, printable(s.Problem))
	case s.Print:
		r = append(r, "time to print a new list")
	}
	if s.Open {
		r = append(r, "a login is in progress")
	}
	return strings.Join(r, "; ")
}
