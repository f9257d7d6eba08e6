// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
		return &printer{args: o.lpArgs(), screen: c.screen, ids: c.ids}
	case o.pdf != "" && o.pdf != "-":
		return &pdfFile{path: o.pdf, force: o.force, ids: c.ids, msg: c.msg, dir: -1}
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
	for _, name := range listNames(list) {
		if l, err := os.Lstat(name); err == nil && os.SameFile(l, out) {
			return outputError{fmt.Errorf("standard output goes into %s, which is for the list itself: the sheet would be lost", name), otherTargets}
		}
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

// A pdfFile is a new file that only its owner can read. Where there is one already it
// is another one, beside it, until the sheet is good. The folder is opened once, and
// nothing is renamed or removed but what was made here: others may have the same names.
type pdfFile struct {
	path  string
	force bool // an existing file may go
	ids   *ids
	msg   io.Writer

	dir int // descriptor of the folder; -1: not open

	mu   sync.Mutex
	over bool   // settled
	name string // of the new file, in the folder
	made *unix.Stat_t
}

func (p *pdfFile) base() string { return filepath.Base(p.path) }

// beside is the name of the new file where there is an old one: sheet.new.pdf.
func (p *pdfFile) beside() string {
	ext := filepath.Ext(p.base())
	return strings.TrimSuffix(p.base(), ext) + ".new" + ext
}

// place is the path of the file that holds the new sheet now.
func (p *pdfFile) place() string { return filepath.Join(filepath.Dir(p.path), p.name) }

// of puts a name in the folder before an error.
func (p *pdfFile) of(name, what string, err error) error {
	path := filepath.Join(filepath.Dir(p.path), name)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return outputError{fmt.Errorf("%s %s: %w", what, path, err), "There is no room for the sheet. Make some, or name a file on another disk."}
	case errors.Is(err, syscall.EEXIST):
		return outputError{fmt.Errorf("%s is there already: another otpw-gen is at work, or one that was killed has left it", path),
			"Delete it, unless otpw-gen status names the list that is on it."}
	}
	return outputError{fmt.Errorf("%s %s: %w", what, path, err), "The sheet could not be written there. Name another file."}
}

// stat looks at a name in the folder, without following a link; nil: there is nothing.
func (p *pdfFile) stat(name string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(p.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	switch err {
	case nil:
		return &st, nil
	case unix.ENOENT:
		return nil, nil
	}
	return nil, p.of(name, "look at", err)
}

// again makes a call anew that a signal has interrupted.
func again(call func() error) error {
	err := call()
	for err == unix.EINTR {
		err = call()
	}
	return err
}

func (p *pdfFile) check(list string) error {
	return p.ids.asSelf(func() error { return p.look(list) })
}

func (p *pdfFile) look(list string) error {
	if err := otp.CheckFolder(p.path); err != nil {
		advice := "The sheet could not be written there. Name another file."
		if errors.Is(err, fs.ErrNotExist) {
			advice = "The folder for the sheet must be there before. Make it, or name another."
		}
		return outputError{err, advice}
	}
	err := again(func() (err error) {
		p.dir, err = unix.Open(filepath.Dir(p.path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return p.of(".", "open", err)
	}
	p.name = p.base()
	st, err := p.stat(p.name)
	switch {
	case err != nil:
		return err
	case st == nil:
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return outputError{fmt.Errorf("%s is there already, and not a regular file", p.path), "Name another file, or - for standard output."}
	case !p.force:
		return outputError{fmt.Errorf("%s is there already", p.path), "Name another file, or say --force to have it replaced."}
	default:
		p.name = p.beside()
		if st, err := p.stat(p.name); err != nil {
			return err
		} else if st != nil {
			return p.of(p.name, "", syscall.EEXIST)
		}
	}
	for _, name := range []string{p.base(), p.name} {
		if err := p.isList(name, list); err != nil {
			return err
		}
	}
	return nil
}

// isList refuses a name that is the list's, or of one of the files beside it.
func (p *pdfFile) isList(name, list string) error {
	var here, there unix.Stat_t
	err := errors.Join(unix.Fstat(p.dir, &here), unix.Stat(filepath.Dir(list), &there))
	if err == nil && here.Dev == there.Dev && here.Ino == there.Ino && slices.Contains(listNames(filepath.Base(list)), name) {
		return outputError{fmt.Errorf("%s is not for the sheet, but for the list itself", filepath.Join(filepath.Dir(p.path), name)), "Name another file."}
	}
	return nil
}

// listNames are the names of a list and of what is beside it.
func listNames(list string) []string {
	return []string{list, list + ".tmp", list + ".lock", list + ".lock.tmp"}
}

func (p *pdfFile) put(sheet []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over { // a signal is ending the program
		return errBrokenOff
	}
	return p.ids.asSelf(func() error { return p.of(p.name, "write", p.write(sheet)) })
}

func (p *pdfFile) write(sheet []byte) error {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(p.dir, p.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), p.place())
	defer f.Close()
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	p.made = &st
	if st.Mode&0o077 != 0 { // FAT, say
		fmt.Fprintf(p.msg, "Warning: others may read %s: its file system does not keep the mode 0600.\n", p.place())
	}
	_, err = f.Write(sheet)
	for _, do := range []func() error{f.Sync, f.Close, p.syncFolder} {
		if err == nil {
			err = do()
		}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// syncFolder brings names to the disk, where the folder can be read.
func (p *pdfFile) syncFolder() error {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(p.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err == unix.EACCES {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return again(func() error { return unix.Fsync(fd) })
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
	if p.made == nil || good && p.name == p.base() {
		return nil
	}
	st, err := p.stat(p.name)
	if err != nil || st == nil || st.Dev != p.made.Dev || st.Ino != p.made.Ino { // somebody has taken it away
		return err
	}
	if !good {
		return p.of(p.name, "remove", again(func() error { return unix.Unlinkat(p.dir, p.name, 0) }))
	}
	err = again(func() error { return unix.Renameat(p.dir, p.name, p.dir, p.base()) })
	if err != nil {
		return fmt.Errorf("the sheet is in %s, for it could not take the place of %s: %w", p.place(), p.path, err)
	}
	p.name = p.base()
	return p.of(p.name, "write", p.syncFolder())
}

// A printer gets the sheet through a pipe to lp, so that it is in no file of ours.
type printer struct {
	args   []string // of lp
	screen *os.File // for what it says
	ids    *ids

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
	cmd.Stdout, cmd.Stderr = p.screen, p.screen
	in, err := cmd.StdinPipe()
	if err == nil {
		err = p.start(cmd)
	}
	if err != nil {
		return outputError{err, otherSheets}
	}
	_, unread := in.Write(sheet)
	unread = errors.Join(unread, in.Close())
	if err = cmd.Wait(); err == nil && unread != nil {
		err = fmt.Errorf("it has not read all of it: %w", unread)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lp = nil
	if err != nil {
		return outputError{fmt.Errorf("the printing system did not take the sheet: lp: %w", err),
			"If lp has said what it has against it, that stands above. lpstat -e names the printers; to choose one: otpw-gen --print NAME.\n" + otherSheets}
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
