// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// An outputError is one of standard output: the sheet did not get out.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

var (
	errNoOutput   = errors.New("standard output is closed: the sheet would be lost")
	errListOutput = errors.New("standard output goes into the list file: the sheet would be lost")
)

// checkOutput refuses to make a sheet that nobody could ever see.
func (c *command) checkOutput() error {
	out, err := c.out.Stat()
	if err != nil {
		return outputError{err}
	}
	if list, err := os.Stat(c.path); err == nil && os.SameFile(list, out) {
		return outputError{errListOutput}
	}
	if isClosed(c.out) {
		return outputError{errNoOutput}
	}
	if out.Mode().IsRegular() && out.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(c.msg, "Warning: others may read the file that the sheet goes to (mode %04o).\n", out.Mode().Perm())
	}
	return nil
}

// isClosed reports whether f was closed when the program began: Go has then
// opened the null device for reading and writing. Who wants to throw a sheet
// away opens it for writing.
func isClosed(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil {
		return true
	}
	null := fi.Mode().Type() == os.ModeDevice|os.ModeCharDevice && fi.Sys().(*syscall.Stat_t).Rdev == unix.Mkdev(1, 3)
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err != nil || null && flags&unix.O_ACCMODE == unix.O_RDWR
}

// closeOutput learns of the errors that come late: of a full disk or a file
// server.
func (c *command) closeOutput() error {
	if st, err := c.out.Stat(); err == nil && st.Mode().IsRegular() {
		if err := c.out.Sync(); err != nil {
			return outputError{err}
		}
	}
	if err := c.out.Close(); err != nil {
		return outputError{err}
	}
	return nil
}
