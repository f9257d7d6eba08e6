// SPDX-License-Identifier: MIT

package world

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// Terminal is a program on a terminal with a person before it.
type Terminal struct {
	t    T
	cmd  *exec.Cmd
	pty  *os.File
	done chan struct{} // closed when the program has ended and its output is read

	mu      sync.Mutex
	output  []byte
	seen    int           // how much of output was found already
	changed chan struct{} // closed and replaced when output grows
	ended   bool          // all output has been read
}

// Terminal starts a program on a terminal of its own, as root or as account.
// It is killed when the test ends.
func (w *World) Terminal(t T, as *Account, argv ...string) *Terminal {
	t.Helper()
	term, err := w.NewTerminal(t, as, argv...)
	if err != nil {
		t.Fatalf("start %s: %v", argv[0], err)
	}
	return term
}

// NewTerminal is Terminal for use outside of the test's goroutine.
func (w *World) NewTerminal(t T, as *Account, argv ...string) (*Terminal, error) {
	cmd := command(as, argv...)
	attr := cmd.SysProcAttr
	attr.Setsid, attr.Setctty = true, true
	file, err := pty.StartWithAttrs(cmd, &pty.Winsize{Rows: 50, Cols: 132}, attr)
	if err != nil {
		return nil, err
	}
	term := &Terminal{t: t, cmd: cmd, pty: file, done: make(chan struct{}), changed: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		term.read()
		close(read)
	}()
	go func() {
		_ = cmd.Wait()
		// Somebody else may still have the terminal open: what is in it now is all that counts.
		select {
		case <-read:
		case <-time.After(time.Second):
		}
		close(term.done)
	}()
	t.Cleanup(term.Close)
	return term, nil
}

func (term *Terminal) read() {
	buf := make([]byte, 8192)
	for {
		n, err := term.pty.Read(buf)
		term.mu.Lock()
		term.output = append(term.output, buf[:n]...)
		term.ended = err != nil
		close(term.changed)
		term.changed = make(chan struct{})
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// PID is the program's.
func (term *Terminal) PID() int { return term.cmd.Process.Pid }

// Type types text.
func (term *Terminal) Type(text string) {
	_, _ = term.pty.WriteString(text)
}

// Enter types text and presses Enter.
func (term *Terminal) Enter(text string) { term.Type(text + "\r") }

// CtrlC presses Ctrl-C, as people do until the program ends: ssh notices the
// key only while it reads, and does not yet when its prompt has just appeared.
func (term *Terminal) CtrlC() {
	term.t.Helper()
	deadline := time.After(Patience)
	for {
		term.Type("\x03")
		select {
		case <-term.done:
			return
		case <-time.After(200 * time.Millisecond):
		case <-deadline:
			term.t.Fatalf("%s does not end by Ctrl-C\n%s%s", term.cmd.Args[0], term.transcript(), ProcessTable())
		}
	}
}

// Kill kills the program with SIGKILL: a connection that it has is cut.
func (term *Terminal) Kill() { _ = term.cmd.Process.Kill() }

// Close closes the terminal's window, makes sure the program is gone and waits for its end.
func (term *Terminal) Close() {
	_ = term.pty.Close()
	_ = term.cmd.Process.Kill()
	<-term.done
}

// Output is all that the program has printed.
func (term *Terminal) Output() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return string(term.output)
}

// errEnded: the program ended, or closed its terminal, before it printed what was waited for.
var errEnded = errors.New("the program has ended")

// Find waits until the program prints something that matches, behind what was
// found before, and returns the match and its groups.
func (term *Terminal) Find(re string) ([]string, error) {
	rx := regexp.MustCompile(re)
	deadline := time.After(Patience)
	for {
		term.mu.Lock()
		if m := rx.FindSubmatchIndex(term.output[term.seen:]); m != nil {
			groups := make([]string, len(m)/2)
			for i := range groups {
				if m[2*i] >= 0 {
					groups[i] = string(term.output[term.seen+m[2*i] : term.seen+m[2*i+1]])
				}
			}
			term.seen += m[1]
			term.mu.Unlock()
			return groups, nil
		}
		changed, ended := term.changed, term.ended
		term.mu.Unlock()
		if ended {
			return nil, fmt.Errorf("waiting for %q: %w", re, errEnded)
		}
		select {
		case <-changed:
		case <-deadline:
			return nil, fmt.Errorf("waiting for %q: not within %v\n%s", re, Patience, ProcessTable())
		}
	}
}

// Expect is Find; not finding fails the test.
func (term *Terminal) Expect(re string) []string {
	term.t.Helper()
	m, err := term.Find(re)
	if err != nil {
		term.t.Fatalf("%v\n%s", err, term.transcript())
	}
	return m
}

// Wait waits for the program's end and returns its exit status, 128 + n when signal n ended it.
func (term *Terminal) Wait() int {
	term.t.Helper()
	select {
	case <-term.done:
	case <-time.After(Patience):
		term.t.Fatalf("%s has not ended within %v\n%s%s", term.cmd.Args[0], Patience, term.transcript(), ProcessTable())
	}
	return exitStatus(term.cmd.ProcessState)
}

func (term *Terminal) transcript() string {
	out := bytes.ReplaceAll([]byte(term.Output()), []byte("\r"), nil)
	return fmt.Sprintf("the terminal of %s:\n  | %s\n", strings.Join(term.cmd.Args, " "), bytes.ReplaceAll(out, []byte("\n"), []byte("\n  | ")))
}

func exitStatus(state *os.ProcessState) int {
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
