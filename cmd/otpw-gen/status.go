// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otpw-go/otpw/otp"
)

// Exit statuses of status, for cron jobs and prompts.
const (
	exitPrint = 1 // it is time to print a new list
	exitNone  = 2 // there is no list
	exitError = 3 // the list cannot be read
)

// A statusError ends the program with a status of its own, and says nothing
// more if it wraps nothing.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

const statusHelp = `status says how much of the list is left, and what the next login asks for.

Exit status: 0; 1 when it is time to print a new list (fewer than half of the
passwords left, or fewer than 20 and not all, or in the last tenth of its life, or
of no more use); 2 when there is no list; 3 when it cannot be read, or after a wrong command line.`

func (c *command) statusCommand() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "say how much of the list is left",
		Long:  statusHelp,
		Args:  func(cmd *cobra.Command, args []string) error { return badCall(noArgs(cmd, args)) },
		RunE: func(*cobra.Command, []string) error {
			if all {
				return badCall(c.statusAll(asJSON))
			}
			return c.status(asJSON)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return badCall(flagError(err)) })
	cmd.Flags().BoolVar(&all, "all", false, "of all users who have one, for root")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

// badCall gives an error of the command line another status than a list that is low.
func badCall(err error) error {
	var wrongUse usageError
	if errors.As(err, &wrongUse) {
		return statusError{err, exitError}
	}
	return err
}

func (c *command) status(asJSON bool) error {
	s, err := c.inspect()
	if errors.Is(err, otp.ErrNoList) {
		return statusError{err, exitNone}
	} else if err != nil {
		return statusError{err, exitError}
	}
	if asJSON {
		err = writeJSON(c.out, toJSON(c.path, s))
	} else {
		err = writeStatus(c.out, c.path, c.printAdvice(), s)
	}
	if err != nil {
		return statusError{stdoutError(err), exitError}
	}
	if s.Err != nil || s.Left.Low() {
		return statusError{nil, exitPrint}
	}
	return nil
}

// inspect finds the list and reads its status.
func (c *command) inspect() (s otp.Status, err error) {
	if err := c.findList(); err != nil {
		return s, err
	}
	err = c.ids.asKeeper(func() (err error) {
		s, err = otp.Inspect(c.path)
		return err
	})
	return s, err
}

const minute = "2006-01-02 15:04"

// writeStatus is for people.
func writeStatus(w io.Writer, path, advice string, s otp.Status) error {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	line("List", "%s", path)
	if s.Format == otp.OTPW1 {
		line("Format", "OTPW1")
		line("Made", "unknown")
	} else {
		line("Format", "OTPW2, id %s", s.ID)
		line("Made", "%s on %s", s.Created.Local().Format(minute), s.Host)
	}
	if s.Label != "" {
		line("Label", "%s", s.Label)
	}
	if !s.Expires.IsZero() {
		line("Last day", "%s (%s)", otp.LastDay(s.Expires), until(s.Expires))
	}
	line("Left", "%d of %d passwords", s.Left.Unused, s.Left.Total)
	switch {
	case s.Err != nil:
		line("Next", "nothing: %v", s.Err)
	case s.Next == "":
		line("Next", "three numbers")
	default:
		line("Next", "%s", s.Next)
	}
	if len(s.Aside) > 0 {
		line("Set aside", "%s (asked for and not answered rightly; the next login uses them up)", strings.Join(s.Aside, " "))
	}
	if s.Open {
		line("Open", "somebody is being asked for a password right now")
	}
	if s.Err != nil || s.Left.Low() {
		b.WriteString("\n" + advice + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// until says how long it is until a moment, in words.
func until(t time.Time) string {
	left := time.Until(t)
	switch days := int(left.Hours() / 24); {
	case left <= 0:
		return "over"
	case days == 0:
		return "less than a day"
	case days == 1:
		return "1 day left"
	default:
		return fmt.Sprintf("%d days left", days)
	}
}

// A statusJSON is for programs. Names stay as they are; others may be added.
type statusJSON struct {
	User    string     `json:"user,omitempty"` // with --all
	List    string     `json:"list"`
	Format  string     `json:"format,omitempty"`
	ID      string     `json:"id,omitempty"`
	Host    string     `json:"host,omitempty"`
	Label   string     `json:"label,omitempty"`
	Created *time.Time `json:"created,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Unused  int        `json:"unused"`
	Total   int        `json:"total"`
	Next    string     `json:"next,omitempty"`
	Aside   []string   `json:"set_aside"`
	Open    bool       `json:"login_in_progress"`
	Print   bool       `json:"time_to_print"`
	Problem string     `json:"problem,omitempty"` // why nobody can log in with it
}

func toJSON(path string, s otp.Status) statusJSON {
	out := statusJSON{
		List: path, Format: fmt.Sprintf("OTPW%d", s.Format), ID: s.ID, Host: s.Host, Label: s.Label,
		Unused: s.Left.Unused, Total: s.Left.Total, Next: s.Next, Aside: append([]string{}, s.Aside...),
		Open: s.Open, Print: s.Err != nil || s.Left.Low(),
	}
	if !s.Created.IsZero() {
		out.Created = &s.Created
	}
	if !s.Expires.IsZero() {
		out.Expires = &s.Expires
	}
	if s.Err != nil {
		out.Problem = s.Err.Error()
	}
	return out
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
