// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otpw-go/otpw/otp"
)

const revokeHelp = `revoke invalidates passwords, those of a lost half of a sheet, say. A login that
is being asked for one of them right now is refused.

NUMBERS are numbers and ranges with commas between them: 000-049,120`

var (
	errNothing    = errors.New("none of these numbers has a password that could still be used")
	errNotRevoked = errors.New("nothing was revoked")
)

func (c *command) revokeCommand() *cobra.Command {
	var all, yes bool
	cmd := &cobra.Command{
		Use:               "revoke [NUMBERS...]",
		Short:             "invalidate passwords of the list",
		Long:              revokeHelp,
		Example:           "  otpw-gen revoke 000-049,120\n  otpw-gen revoke --all",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			spans, err := parseNumbers(args, all)
			if err != nil {
				return err
			}
			return c.revoke(spans, yes)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all passwords: nobody can log in with this list any more")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask first")
	return cmd
}

// A span is a range of numbers, both ends included.
type span struct{ from, to uint64 }

// parseNumbers reads numbers and ranges.
func parseNumbers(args []string, all bool) ([]span, error) {
	switch {
	case all && len(args) > 0:
		return nil, usage("--all means all passwords: not both that and numbers")
	case all:
		return []span{{0, math.MaxUint64}}, nil
	case len(args) == 0:
		return nil, usage("say which numbers: otpw-gen revoke 000-049,120, or --all")
	}
	var spans []span
	for _, s := range strings.Split(strings.Join(args, ","), ",") {
		from, to, isRange := strings.Cut(strings.Replace(s, "–", "-", 1), "-") // as on the sheet
		if !isRange {
			to = from
		}
		a, err1 := strconv.ParseUint(from, 10, 64)
		b, err2 := strconv.ParseUint(to, 10, 64)
		if err1 != nil || err2 != nil {
			return nil, usage("%q is not a number or a range: want 120 or 000-049", s)
		}
		if a > b {
			return nil, usage("%q: the range ends before it begins", s)
		}
		spans = append(spans, span{a, b})
	}
	return spans, nil
}

// has reports whether a number of a list is in one of the ranges.
func has(spans []span, number string) bool {
	n, err := strconv.ParseUint(number, 10, 64)
	return err == nil && slices.ContainsFunc(spans, func(s span) bool { return s.from <= n && n <= s.to })
}

// checkNumbers refuses numbers that the list never had: somebody meant another one.
// The numbers of a list go from 0 to one less than there are entries, unless it was
// not made by otpw-gen.
func checkNumbers(spans []span, l *otp.List) error {
	for i := range l.Len() {
		if n, err := strconv.ParseUint(l.Number(i), 10, 64); err == nil && n >= uint64(l.Len()) {
			return nil
		}
	}
	for _, s := range spans {
		if s.to >= uint64(l.Len()) && s.to != math.MaxUint64 {
			return usage("the list has no number %d, only 0 to %d: nothing was revoked", s.to, l.Len()-1)
		}
	}
	return nil
}

func (c *command) revoke(spans []span, yes bool) error {
	if _, err := c.inspect(); err != nil {
		return err
	}
	list, err := c.oldList()
	if err != nil {
		return err
	}
	if err := checkNumbers(spans, list); err != nil {
		return err
	}
	which := func(number string) bool { return has(spans, number) }
	n, left := 0, list.Remaining().Unused
	for i := range list.Len() {
		if number := list.Number(i); number != "" && which(number) {
			n++
		}
	}
	if n == 0 {
		return errNothing
	}
	if !yes {
		a, err := c.in.ask(fmt.Sprintf("Revoke %s of the %d left in %s? There is no way back (y/N): ", passwordCount(n), left, c.path))
		if err != nil {
			return err
		}
		if !strings.HasPrefix(strings.ToLower(a), "y") {
			return errNotRevoked
		}
	}
	var s otp.Status
	err = c.ids.asKeeper(func() (err error) {
		if n, err = list.Revoke(c.path, which); err == nil {
			s, err = otp.Inspect(c.path)
		}
		return err
	})
	if err != nil && n > 0 {
		return fmt.Errorf("%w (%s revoked before that)", err, passwordCount(n))
	} else if err != nil {
		return err
	}
	fmt.Fprintf(c.msg, "%s revoked, %d of %d left in %s.\n", passwordCount(n), s.Left.Unused, s.Left.Total, c.path)
	if s.Left.Low() {
		fmt.Fprintln(c.msg, c.printAdvice())
	}
	return nil
}

func passwordCount(n int) string { return plural(n, "password") }

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
