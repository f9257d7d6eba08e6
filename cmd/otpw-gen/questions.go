// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/otpw-go/otpw/otp"
)

const (
	tries       = 3 // at a terminal; a pipe has one
	shortPrefix = 6 // characters; a shorter prefix gets a warning
)

var (
	errMeanwhile = errors.New("somebody has made or removed the list meanwhile")
	errKept      = errors.New("no new list wanted")
	errSheet     = errors.New("the sheet did not come out")
	errDiffers   = errors.New("the two prefix passwords differ")
	errEmpty     = errors.New("no prefix password")
)

// attempts returns how often somebody may answer.
func (in *input) attempts() int {
	if in.terminal {
		return tries
	}
	return 1
}

// askReplace asks whether an existing list may go. The answer of the original
// to an empty line is yes.
func (c *command) askReplace() error {
	if !c.old {
		return nil
	}
	l, err := c.oldList()
	fmt.Fprintf(c.msg, "There is a list already: %s%s.\n", c.path, unused(l, err))
	if err == nil && l.Format == otp.OTPW1 && c.opts.format == otp.OTPW2 && !c.opts.formatGiven {
		fmt.Fprintln(c.msg, otherFormat)
	}
	// nobody throws a good list away with the Enter key alone; scripts may, as with the original
	keep := c.in.terminal && err == nil && !l.Remaining().Low()
	choice := "Y/n"
	if keep {
		choice = "y/N"
	}
	a, err := c.in.ask("Replace it? Its sheet will be of no use any more (" + choice + "): ")
	if err != nil {
		return err
	}
	a = strings.ToLower(strings.TrimRight(a, "\r"))
	if strings.HasPrefix(a, "y") || a == "" && !keep {
		return nil
	}
	return errKept
}

// confirm lets the old list go only when the new sheet is there to see. Who asked
// for that without a terminal, or for no question, has to see to it himself.
func (c *command) confirm() error {
	if !c.old || !c.in.terminal || c.opts.noConfirm {
		return nil
	}
	if p, ok := c.to.(*pdfFile); ok {
		fmt.Fprintf(c.msg, "\nThe new sheet is in %s: look at it, or print it.", p.place())
	}
	c.in.flush() // what was typed before is no answer to this
	for range tries {
		a, err := c.in.ask("\nDid the new sheet come out right? Until you say yes, the old one counts (y/n): ")
		if err != nil {
			return err
		}
		switch a = strings.ToLower(strings.TrimSpace(a)); {
		case strings.HasPrefix(a, "y"):
			return nil
		case strings.HasPrefix(a, "n"):
			return errSheet
		}
	}
	return errSheet
}

// unused says when the old list was made and how many passwords it has left, if
// it could be read.
func unused(l *otp.List, err error) string {
	var damaged *otp.FormatError
	switch {
	case errors.As(err, &damaged):
		return fmt.Sprintf(", which is damaged (line %d: %s)", damaged.Line, damaged.Reason)
	case err != nil:
		return ""
	}
	r := l.Remaining()
	made := ""
	if !l.Created.IsZero() {
		made = ", made " + l.Created.Local().Format(minute)
	}
	text := fmt.Sprintf("%s, with %d of %d passwords left", made, r.Unused, r.Total)
	if l.Expired(time.Now()) {
		text += ". It has expired"
	}
	return text
}

// oldList reads the list that is there.
func (c *command) oldList() (l *otp.List, err error) {
	err = c.ids.asKeeper(func() (err error) {
		l, err = readList(c.path)
		return err
	})
	return l, err
}

func readList(path string) (*otp.List, error) {
	if there, err := otp.Existing(path); err != nil || !there {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, otp.MaxFileSize+1))
	if err != nil {
		return nil, err
	}
	return otp.Parse(data)
}

// askPrefix asks for the prefix password, twice. The caller should clear it.
func (c *command) askPrefix() ([]byte, error) {
	fmt.Fprint(c.msg, prefixText)
	for n := c.in.attempts(); ; n-- {
		prefix, err := c.askPrefixTwice()
		if err == nil {
			c.warnPrefix(prefix)
			return prefix, nil
		}
		if n == 1 || !errors.Is(err, errDiffers) && !errors.Is(err, errEmpty) {
			return nil, err
		}
		if errors.Is(err, errEmpty) && c.opts.format == otp.OTPW2 {
			fmt.Fprintln(c.msg, "Without a prefix password, whoever finds the sheet can log in as you (if you want that:\n"+
				"--allow-empty-prefix). Once more:")
		} else if errors.Is(err, errDiffers) {
			fmt.Fprintln(c.msg, "They were not the same. Once more, both of them:")
		}
	}
}

func (c *command) askPrefixTwice() ([]byte, error) {
	prefix, err := c.in.askSecret("New prefix password: ")
	if err != nil {
		return nil, err
	}
	format := c.opts.format
	switch {
	case c.opts.emptyPrefix:
	case format == otp.OTPW2 && characters(prefix) == 0:
		return nil, errEmpty
	case format == otp.OTPW1 && len(prefix) == 0 && c.in.terminal:
		fmt.Fprintln(c.msg, emptyWarning)
		a, err := c.in.ask("Really without a prefix password (y/N)? ")
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(strings.ToLower(a), "y") {
			return nil, errEmpty
		}
		return prefix, nil
	}
	again, err := c.in.askSecret("The same again: ")
	defer clear(again)
	if err == nil && !bytes.Equal(format.TrimPrefix(prefix), format.TrimPrefix(again)) {
		err = errDiffers
	}
	if err != nil {
		clear(prefix)
		return nil, err
	}
	return prefix, nil
}

// warnPrefix speaks of prefixes that are taken as they are, but may not be
// what was meant.
func (c *command) warnPrefix(prefix []byte) {
	switch n := characters(prefix); {
	case n == 0 && (!c.in.terminal || c.opts.emptyPrefix):
		fmt.Fprintln(c.msg, emptyWarning)
	case c.opts.format == otp.OTPW1 && len(bytes.TrimSpace(prefix)) < len(prefix):
		fmt.Fprintln(c.msg, "Warning: the prefix password begins or ends with a blank (or a line end of another\n"+
			"system). It counts, and will have to be typed at each login.")
	case n > 0 && n < shortPrefix:
		fmt.Fprintf(c.msg, "Warning: a prefix password of %s is soon guessed by whoever finds the sheet.\n", plural(n, "character"))
	case bytes.ContainsFunc(prefix, func(r rune) bool { return r < ' ' || r == 127 }):
		fmt.Fprintln(c.msg, "Warning: there is a control character in the prefix password (an arrow key, perhaps).\n"+
			"It counts, and will have to be typed at each login.")
	}
}

// fewest is below how many passwords nobody is asked for three.
const fewest = 10

// warnCount speaks of lists that a stranger can make useless by asking for them.
func (c *command) warnCount() {
	if c.layout.count() < fewest {
		fmt.Fprintf(c.msg, "Warning: with fewer than %d passwords, three prompts that are not answered rightly, by whomever,\n"+
			"deny all logins until otpw-gen unlock or a new list.\n", fewest)
	}
}

// characters counts those of a prefix, blanks around it left out.
func characters(prefix []byte) int { return utf8.RuneCount(bytes.TrimSpace(prefix)) }

// warnCost speaks of hashes that no login would compute.
func (c *command) warnCost() {
	if k := c.header.KDF; c.opts.format == otp.OTPW2 && (k.Memory > otp.DefaultKDFMaxMemory || k.Passes > otp.DefaultKDFMaxPasses) {
		fmt.Fprintf(c.msg, "Warning: a login refuses lists of more than %d MiB or %d passes, unless the module's\n"+
			"arguments kdf_max_memory and kdf_max_passes say otherwise.\n", otp.DefaultKDFMaxMemory>>10, otp.DefaultKDFMaxPasses)
	}
}

// askMasterKey asks for a master key.
func (c *command) askMasterKey() (*otp.MasterKey, error) {
	for n := c.in.attempts(); ; n-- {
		typed, err := c.in.askSecret("Master key: ")
		if err != nil {
			return nil, err
		}
		key, err := otp.ParseMasterKey(typed)
		clear(typed)
		if err == nil || n == 1 {
			return key, err
		}
		fmt.Fprintln(c.msg, "That is not a master key: there must be a typing error. Once more:")
	}
}
