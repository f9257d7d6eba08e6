// SPDX-License-Identifier: MIT

//go:build cgo

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/msteinert/pam/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// tryLogin has a real conversation with PAM on the terminal: authentication, and
// whether the account may log in. No session is opened. args may name the user.
func tryLogin(service string, args []string) (accepted bool, err error) {
	user, err := whoLogsIn(args)
	if err != nil {
		return false, err
	}
	t, err := openTerminal()
	if err != nil {
		return false, fmt.Errorf("--login: no terminal: %w", err)
	}
	defer t.file.Close()
	t.say(fmt.Sprintf("Logging in as %s through the service %s.", user, service))
	tx, err := pam.StartFunc(service, user, t.converse)
	if err != nil {
		return false, fmt.Errorf("--login: %w", err)
	}
	defer tx.End()
	err = tx.Authenticate(0)
	if err == nil {
		if err = tx.AcctMgmt(0); err != nil {
			err = fmt.Errorf("the password was accepted, but not the account: %w", err)
		}
	}
	if err != nil {
		t.say(fmt.Sprintf("Refused: %v. %s", err, whyRefused(tx.GetEnv(noticeEnv) != "")))
		return false, nil
	}
	t.say("Accepted. No session was opened.")
	return true, nil
}

// noticeEnv is what pam_otpw leaves for the session when it has accepted, if it has a
// notice: see pam/entry/pam_otpw.c.
const noticeEnv = "OTPW_NOTICE"

// whyRefused says where to look.
func whyRefused(accepted bool) string {
	if accepted {
		return "pam_otpw has accepted, something behind it has refused: journalctl -g 'pam_', or grep 'pam_' /var/log/auth.log"
	}
	return "The log says why: journalctl -g pam_otpw, or grep pam_otpw /var/log/auth.log. If it says result=accepted, something behind pam_otpw has refused: look for 'pam_'"
}

// A terminal is that of whoever runs the program, whatever its input and output are.
type terminal struct {
	file   *os.File
	before *term.State
	mu     sync.Mutex // held while the echo is changed, and by a signal until the end
}

// openTerminal also sees to it that a signal leaves the terminal as it was. It cannot
// be suspended: the shell would have one without echo.
func openTerminal() (*terminal, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	t := &terminal{file: f}
	if t.before, err = term.GetState(int(f.Fd())); err != nil {
		f.Close()
		return nil, err
	}
	signal.Ignore(syscall.SIGTSTP)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		s := <-signals
		t.mu.Lock()
		_ = term.Restore(int(f.Fd()), t.before)
		fmt.Fprintln(f)
		os.Exit(128 + int(s.(syscall.Signal)))
	}()
	return t, nil
}

func (t *terminal) say(text string) { fmt.Fprintln(t.file, printable(text)) }

// hush turns the echo off.
func (t *terminal) hush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	mode, err := unix.IoctlGetTermios(int(t.file.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	mode.Lflag &^= unix.ECHO
	mode.Lflag |= unix.ICANON | unix.ISIG
	mode.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, mode)
}

func (t *terminal) restore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = term.Restore(int(t.file.Fd()), t.before)
}

const maxResponse = 511 // bytes: libpam's bound

// ask returns the line that is typed; what is too long is cut.
func (t *terminal) ask(prompt string, echo bool) (string, error) {
	if !echo {
		if err := t.hush(); err != nil {
			return "", err
		}
		defer fmt.Fprintln(t.file)
		defer t.restore()
	}
	fmt.Fprint(t.file, printable(prompt))
	var line []byte
	defer func() { clear(line) }()
	for c := make([]byte, 1); ; {
		n, err := t.file.Read(c)
		switch {
		case n == 1 && c[0] == '\n':
			return string(line), nil
		case n == 1 && len(line) < maxResponse:
			line = append(line, c[0])
		case err != nil: // also of a terminal that is gone
			return "", err
		}
	}
}

// converse answers PAM.
func (t *terminal) converse(style pam.Style, message string) (string, error) {
	switch style {
	case pam.PromptEchoOff, pam.PromptEchoOn:
		return t.ask(message, style == pam.PromptEchoOn)
	case pam.ErrorMsg, pam.TextInfo:
		t.say(message)
		return "", nil
	}
	return "", errors.New("PAM asks for something that a terminal does not have")
}
