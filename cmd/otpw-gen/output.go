// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/otpw-go/otpw/otp"
)

// A target is where the sheet goes.
type target interface {
	// check finds out, before any question, what would lose the sheet.
	check(list string) error
	// put brings the sheet there, all of it.
	put(sheet []byte) error
	// settle is called when it is certain whether the sheet is good. One that is
	// not is taken back, as far as that can be. It may be called at any time, but
	// only once.
	settle(good bool) error
}

// target returns where the options want the sheet to go.
func (c *command) target() target {
	switch o := &c.opts; {
	case o.printer != "":
		return &printer{args: o.lpArgs(), msg: c.msg, ids: c.ids}
	case o.pdf != "" && o.pdf != "-":
		return &pdfFile{path: o.pdf, force: o.force, ids: c.ids}
	}
	return stdout{c.out, c.msg, c.opts.pdf != ""}
}

var errBrokenOff = errors.New("broken off")

// An outputError: the sheet did not get out.
type outputError struct {
	error
	advice string
}

func (e outputError) Unwrap() error { return e.error }

// stdoutError is an error of standard output.
func stdoutError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return outputError{err, "The program that should have taken it ended before it was all there."}
	}
	return outputError{err, "It could not be written to standard output."}
}

// Standard output is where text sheets go, and PDF if wanted.
type stdout struct {
	*os.File
	msg io.Writer
	pdf bool
}

const otherTargets = "Say where the sheet shall go: otpw-gen --print, otpw-gen --pdf FILE, or otpw-gen | lpr"

func (o stdout) check(list string) error {
	out, err := o.Stat()
	if err != nil {
		return stdoutError(err)
	}
	if l, err := os.Stat(list); err == nil && os.SameFile(l, out) {
		return outputError{errors.New("standard output goes into the list file: the sheet would be lost"), otherTargets}
	}
	if isClosed(o.File) {
		return outputError{errors.New("standard output is closed: the sheet would be lost"), otherTargets}
	}
	if o.pdf && term.IsTerminal(int(o.Fd())) {
		return outputError{errors.New("standard output is a terminal, which cannot show PDF"), otherTargets}
	}
	if out.Mode().IsRegular() && out.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(o.msg, "Warning: others may read the file that the sheet goes to (mode %04o). Print it and delete it, or\n"+
			"break this off (Ctrl-C) and say otpw-gen --pdf FILE, which only you can read.\n", out.Mode().Perm())
	}
	return nil
}

// put learns of the errors that come late, too: of a full disk or a file server.
func (o stdout) put(sheet []byte) error {
	_, err := o.Write(sheet)
	if st, serr := o.Stat(); err == nil && serr == nil && st.Mode().IsRegular() {
		err = o.Sync()
	}
	if err == nil {
		err = o.Close()
	}
	return stdoutError(err)
}

func (stdout) settle(bool) error { return nil } // nothing can be taken back

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

// A pdfFile is a new file that only its owner can read. One that was there before
// stands aside, as FILE.old, until the new sheet is good.
type pdfFile struct {
	path  string
	force bool // an existing file may go
	ids   *ids

	mu   sync.Mutex
	over bool // settled
	made bool // there is a new file
	old  bool // there is an old one, aside
}

func (p *pdfFile) aside() string { return p.path + ".old" }

func fileError(err error) error {
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return outputError{err, "There is no room for the sheet. Make some, or name a file on another disk."}
	case errors.Is(err, fs.ErrNotExist):
		return outputError{err, "The folder for the sheet must be there before. Make it, or name another."}
	}
	return outputError{err, "The sheet could not be written there. Name another file."}
}

func (p *pdfFile) check(list string) error {
	if err := otp.CheckFolder(p.path); err != nil {
		return fileError(err)
	}
	for _, suffix := range []string{"", ".lock", ".tmp"} {
		if sameName(p.path, list+suffix) {
			return outputError{fmt.Errorf("%s is not for the sheet, but for the list itself", p.path), "Name another file."}
		}
	}
	for _, name := range []string{p.path, p.aside()} {
		switch st, err := os.Lstat(name); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fileError(err)
		case name != p.path && p.force:
			return outputError{fmt.Errorf("%s is there already, perhaps from an otpw-gen that was killed", name), "Look at it, and delete it or give it another name."}
		case name != p.path:
		case !st.Mode().IsRegular():
			return outputError{fmt.Errorf("%s is there already, and not a regular file", name), "Name another file, or - for standard output."}
		case !p.force:
			return outputError{fmt.Errorf("%s is there already", name), "Name another file, or say --force to have it replaced."}
		}
	}
	return nil
}

// sameName reports whether two paths name the same file, whether it is there or not.
func sameName(a, b string) bool {
	if filepath.Base(a) != filepath.Base(b) {
		return false
	}
	da, erra := os.Stat(filepath.Dir(a))
	db, errb := os.Stat(filepath.Dir(b))
	return erra == nil && errb == nil && os.SameFile(da, db)
}

func (p *pdfFile) put(sheet []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over { // a signal is ending the program
		return errBrokenOff
	}
	return p.ids.asSelf(func() error { return p.write(sheet) })
}

func (p *pdfFile) write(sheet []byte) error {
	if p.force {
		err := os.Rename(p.path, p.aside())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError(err)
		}
		p.old = err == nil
	}
	f, err := os.OpenFile(p.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fileError(err)
	}
	p.made = true
	defer f.Close()
	_, err = f.Write(sheet)
	for _, do := range []func() error{f.Sync, f.Close, p.syncFolder} {
		if err == nil {
			err = do()
		}
	}
	return fileError(err)
}

// syncFolder brings the file's name to the disk.
func (p *pdfFile) syncFolder() error {
	d, err := os.Open(filepath.Dir(p.path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (p *pdfFile) settle(good bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	p.over = true
	return p.ids.asSelf(func() error { return p.decide(good) })
}

func (p *pdfFile) decide(good bool) error {
	switch {
	case good && p.old:
		return os.Remove(p.aside())
	case good:
		return nil
	}
	var errs []error
	if p.made {
		errs = append(errs, os.Remove(p.path))
	}
	if p.old {
		errs = append(errs, os.Rename(p.aside(), p.path))
	}
	return errors.Join(errs...)
}

// A printer gets the sheet through a pipe to lp, so that it is in no file of ours.
type printer struct {
	args []string // of lp
	msg  io.Writer
	ids  *ids

	mu   sync.Mutex
	over bool        // settled
	lp   *os.Process // running
}

const otherSheets = "otpw-gen --pdf FILE makes a file to print elsewhere, and otpw-gen | lpr a sheet of plain text."

func (p *printer) check(string) error {
	if _, err := exec.LookPath("lp"); err != nil {
		return outputError{errors.New("there is no printing system: no program lp in PATH"),
			"Install one (CUPS has it; Debian's package is cups-client).\n" + otherSheets}
	}
	return nil
}

func (p *printer) put(sheet []byte) error {
	cmd := exec.Command("lp", p.args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(sheet), p.msg, p.msg
	if err := p.start(cmd); err != nil {
		return outputError{err, otherSheets}
	}
	err := cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lp = nil
	if err != nil {
		return outputError{fmt.Errorf("the printing system did not take the sheet: lp: %w", err),
			"What lp has against it stands above. lpstat -e names the printers; to choose one: otpw-gen --print NAME.\n" + otherSheets}
	}
	return nil
}

func (p *printer) start(cmd *exec.Cmd) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over { // a signal is ending the program
		return errBrokenOff
	}
	err := p.ids.asSelf(cmd.Start)
	p.lp = cmd.Process
	return err
}

// settle ends lp if it is still reading: the half of a sheet shall not be printed.
func (p *printer) settle(bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.lp == nil {
		return nil
	}
	return p.lp.Kill()
}
