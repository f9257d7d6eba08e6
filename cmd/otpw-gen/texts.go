// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/printsheet"
)

const (
	prefixText = `
Choose a prefix password, and keep it in your head. At each login you type it
first, and right behind it the password from the sheet. Without it, a sheet that
is lost or copied is of no use to anybody: do not write it on the sheet.

`
	otherFormat = `It is of the format OTPW1, and the new one will be of the format OTPW2. Where the
original module (OTPW 1.5) runs, nobody can log in with that: answer n there,
and say --format otpw1.`

	emptyWarning = "Warning: without a prefix password, whoever finds the sheet can log in as you."

	unlockNote = `Logins may ask for these numbers again. If you have typed their passwords on a
keyboard that you do not trust, make a new list: `
)

// sayWhere tells of a sheet that should not stay where it is.
func (c *command) sayWhere() {
	if p, ok := c.to.(*pdfFile); ok {
		fmt.Fprintf(c.msg, "The sheet is in %s. Print it, then delete it.\n", p.place())
	}
}

// call is how to call this program for the same list.
func (c *command) call(args string) string {
	s := "otpw-gen"
	if c.opts.file != "" {
		s += " -f " + quoted(c.opts.file)
	}
	if c.opts.user != "" {
		s += " --user " + quoted(c.opts.user)
	}
	return s + " " + args
}

func (c *command) printAdvice() string {
	return "It is time to print a new list: " + c.call("--print")
}

// report says what has been done. text is the new master key as printed, or nil.
func (c *command) report(text []byte) error {
	fmt.Fprintf(c.msg, "\n%s made, with their hashes in %s.\n", passwordCount(c.layout.count()), c.path)
	c.sayWhere()
	if c.old {
		fmt.Fprintln(c.msg, "The sheet before this one is of no use any more.")
	}
	if text != nil {
		_, err := fmt.Fprintf(c.msg, "\nMaster key: %s\nKeep it secret. To print this sheet again: %s%s\n", text, c.call("-k"), c.opts.same(c.layout.count()))
		clear(text)
		if err != nil {
			return fmt.Errorf("%w: print the master key: %w", otp.ErrInPlace, err)
		}
	}
	return nil
}

// state says in what state a signal leaves the list. c.mu is held.
func (c *command) state() string {
	switch {
	case c.done:
		return "but the new list is in its place"
	case c.old:
		return "the old list is as it was"
	}
	return "no list was made"
}

// A keptError is one from before the new list was in its place.
type keptError struct {
	error
	old bool // there is an old one
}

func (e keptError) Unwrap() error { return e.error }

func (c *command) keptError(err error) error { return keptError{err, c.old} }

// hint says what to do about an error, in one or more lines.
func (c *command) hint(err error) string {
	h := c.advice(err)
	var kept keptError
	if errors.As(err, &kept) {
		if h != "" {
			h += "\n"
		}
		if kept.old {
			h += "The old list is as it was. If anything of the new sheet was printed, throw it away."
		} else {
			h += "No list was made. If anything of the sheet was printed, throw it away."
		}
	}
	return h
}

func (c *command) advice(err error) string {
	var (
		wrongUse usageError
		output   outputError
		site     *otp.SiteError
	)
	switch {
	case errors.Is(err, printsheet.ErrTooMany):
		return "Say a lower --count, or fewer pages (-s)."
	case errors.As(err, &wrongUse):
		return "For help: otpw-gen --help"
	case errors.As(err, &output):
		return output.advice
	case errors.Is(err, errKept):
		return "The old list is as it was."
	case errors.Is(err, errEmpty):
		return "Nothing was changed. Choose one, or say --allow-empty-prefix."
	case errors.Is(err, errDiffers), errors.Is(err, errLongLine):
		return "Nothing was changed. Try again."
	case errors.Is(err, errInputEnd):
		return "Nothing was changed."
	case errors.Is(err, errSetGID):
		return "Ask who runs this system to take the set-group-id bit away (chmod g-s)."
	case errors.Is(err, errNotKeeper):
		return "Ask who runs this system, or name a list of your own with -f."
	case errors.As(err, &site) && site.Limits:
		return "Nobody can make a list until that is right. Ask who runs this system."
	case errors.As(err, &site):
		if errors.Is(err, fs.ErrPermission) {
			return "Logins can read it, users cannot, and nobody can make a list until that is right. Ask who runs this system: chmod 644."
		}
		return "Nobody can log in or make a list until that is right. Ask who runs this system."
	case errors.Is(err, otp.ErrInPlace):
		return "The new sheet is good, the old one is not any more. After a power cut that may be otherwise."
	case errors.Is(err, otp.ErrMasterKey):
		return "Compare it with what you noted: every character counts, and so do capitals. Blanks do not."
	case errors.Is(err, otp.ErrBusy):
		return "Another otpw-gen, or a login, is at work on the list. Try again in a moment."
	case errors.Is(err, otp.ErrNoList):
		return "Make one: " + c.call("--print") + ", or name another file with -f."
	case errors.Is(err, otp.ErrFormat):
		return "It is damaged, and no login takes it. Make a new one: " + c.call("--print")
	case errors.Is(err, otp.ErrMode):
		return "No login takes it. If it is your list, chmod 600 helps; if somebody may have read or changed it, a new one: " + c.call("--print")
	case errors.Is(err, otp.ErrFolder):
		return "No login takes a list there, as others could put another one in its place. If it is your folder, chmod go-w helps."
	case errors.Is(err, otp.ErrUnsafe):
		return "No login of yours takes it. What is done to a list is done by the user who logs in with it."
	case errors.Is(err, errNothing), errors.Is(err, errNotRevoked):
		return "Nothing was changed."
	case errors.Is(err, otp.ErrNotList):
		return "It is left alone. A list is made by the user who logs in with it, in a file that is a list or not there yet. Move it away if it is of no use."
	}
	return fileAdvice(err)
}

func fileAdvice(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "The folder must be there before the list. Make it, or name another file with -f."
	case errors.Is(err, fs.ErrPermission):
		return "You may not do that there. Name another file with -f, or ask who runs this system."
	case errors.Is(err, syscall.EROFS):
		return "Nothing can be written there. Name another file with -f, or ask who runs this system."
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "Make room on the disk, then try again."
	}
	return ""
}
