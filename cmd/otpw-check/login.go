// SPDX-License-Identifier: MIT

//go:build cgo

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/msteinert/pam/v2"
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
	defer t.close()
	fmt.Fprintf(t.out, "\nLogging in as %s through the service %s.\n", printable(user), service)
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
		fmt.Fprintf(t.out, "Refused: %v. The log says why: journalctl -g pam_otpw, or grep pam_otpw /var/log/auth.log\n", err)
		return false, nil
	}
	fmt.Fprintln(t.out, "Accepted. No session was opened.")
	return true, nil
}

// A terminal is that of whoever runs the program, whatever its input and output are.
type terminal struct {
	file *os.File
	in   *bufio.Reader
	out  *os.File
	stop chan struct{}
}

// openTerminal also sees to it that a signal leaves the terminal as it was.
func openTerminal() (*terminal, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		f.Close()
		return nil, err
	}
	t := &terminal{f, bufio.NewReader(f), f, make(chan struct{})}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		select {
		case s := <-signals:
			_ = term.Restore(int(f.Fd()), before)
			fmt.Fprintln(f)
			os.Exit(128 + int(s.(syscall.Signal)))
		case <-t.stop:
			signal.Stop(signals)
		}
	}()
	return t, nil
}

func (t *terminal) close() {
	close(t.stop)
	t.file.Close()
}

// converse answers PAM.
func (t *terminal) converse(style pam.Style, message string) (string, error) {
	switch style {
	case pam.PromptEchoOff:
		fmt.Fprint(t.out, printable(message))
		answer, err := term.ReadPassword(int(t.file.Fd()))
		fmt.Fprintln(t.out)
		defer clear(answer)
		return string(answer), err
	case pam.PromptEchoOn:
		fmt.Fprint(t.out, printable(message))
		answer, err := t.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		return answer[:len(answer)-1], nil
	case pam.ErrorMsg, pam.TextInfo:
		fmt.Fprintln(t.out, printable(message))
		return "", nil
	}
	return "", errors.New("PAM asks for something that a terminal does not have")
}
