// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// maxLine bounds an answer in bytes. The original garbles longer ones.
const maxLine = 1022

var errLongLine = fmt.Errorf("an answer of more than %d characters", maxLine)

// errInputEnd: the input ended before a question was answered.
var errInputEnd = errors.New("input ended")

// An input asks questions: of somebody at a terminal, or of the lines of a pipe
// or file.
type input struct {
	file     *os.File
	prompts  io.Writer
	terminal bool

	mu     sync.Mutex
	silent *silence // while a secret is being typed
	over   bool     // the program is ending: nothing is asked any more
}

// A silence remembers how to come back from it, and into it.
type silence struct {
	before, during *term.State
	prompt         string
}

func newInput(file *os.File, prompts io.Writer) *input {
	return &input{file: file, prompts: prompts, terminal: term.IsTerminal(int(file.Fd()))}
}

// ask returns the next line, without its newline. A last line without one is
// whole (the original takes away its last character).
func (in *input) ask(prompt string) (string, error) {
	fmt.Fprint(in.prompts, prompt)
	b, err := in.readLine()
	if !in.terminal || err != nil {
		fmt.Fprintln(in.prompts)
	}
	return string(b), err
}

// askSecret is ask without echo. The caller should clear what it returns.
func (in *input) askSecret(prompt string) ([]byte, error) {
	fmt.Fprint(in.prompts, prompt)
	if in.terminal {
		if err := in.hush(prompt); err != nil {
			return nil, fmt.Errorf("turn off the terminal's echo: %w", err)
		}
		defer in.restore()
	}
	b, err := in.readLine()
	fmt.Fprintln(in.prompts)
	return b, err
}

// readLine reads byte by byte: what stands behind the line is not ours yet, and
// one buffer can be cleared.
func (in *input) readLine() ([]byte, error) {
	line := make([]byte, 0, maxLine)
	var c [1]byte
	for {
		n, err := in.file.Read(c[:])
		switch {
		case n == 1 && c[0] == '\n', n == 0 && err == io.EOF && len(line) > 0:
			return line, nil
		case n == 1 && len(line) == maxLine:
			clear(line)
			return nil, errLongLine
		case n == 1:
			line = append(line, c[0])
		case err == io.EOF:
			return nil, errInputEnd
		case err != nil:
			clear(line)
			return nil, fmt.Errorf("read standard input: %w", err)
		}
	}
}

// hush turns the echo off.
func (in *input) hush(prompt string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.over { // by a signal, which has made the terminal as it was
		return errBrokenOff
	}
	fd := int(in.file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return err
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Lflag &^= unix.ECHO
	t.Lflag |= unix.ICANON | unix.ISIG
	t.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return err
	}
	during, err := term.GetState(fd)
	in.silent = &silence{before, during, prompt}
	return err
}

// flush forgets what was typed at a terminal and not read yet.
func (in *input) flush() {
	if in.terminal {
		_ = unix.IoctlSetInt(int(in.file.Fd()), unix.TCFLSH, unix.TCIFLUSH)
	}
}

// end makes the terminal as it was, and leaves it so. It may be called at any time.
func (in *input) end() {
	in.mu.Lock()
	in.over = true
	in.mu.Unlock()
	in.restore()
}

// restore makes the terminal as it was. It may be called at any time.
func (in *input) restore() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.silent != nil {
		_ = term.Restore(int(in.file.Fd()), in.silent.before)
		in.silent = nil
	}
}

// suspend stops the process, as Ctrl-Z would have done by itself, with the
// terminal as it was. When it goes on, a secret is asked for again.
func (in *input) suspend() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.silent != nil {
		_ = term.Restore(int(in.file.Fd()), in.silent.before)
		fmt.Fprintln(in.prompts)
	}
	// The stop comes some time after kill returns: only SIGCONT tells that it
	// is over, and that the shell has left the terminal to us.
	on := make(chan os.Signal, 1)
	signal.Notify(on, syscall.SIGCONT)
	defer signal.Stop(on)
	if syscall.Kill(os.Getpid(), syscall.SIGSTOP) == nil {
		<-on
	}
	if in.silent != nil {
		_ = term.Restore(int(in.file.Fd()), in.silent.during)
		fmt.Fprint(in.prompts, in.silent.prompt)
	}
}
