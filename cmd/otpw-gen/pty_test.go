// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const hang = 30 * time.Second // after which a test gives up

// A screen is a terminal with otpw-gen in it.
type screen struct {
	*testing.T
	tty, keys *os.File // the program's end, and ours
	messages  *os.File // instead of the terminal
	cmd       *exec.Cmd
	shown     chan []byte
	all       []byte // that was ever shown
	rest      []byte // after what see has seen
}

// onScreen starts the program with its messages on a terminal of its own, the
// sheet in the file sheet, and the list in the folder that it returns.
func onScreen(t *testing.T, args ...string) (s *screen, dir string) {
	t.Helper()
	return onScreenWith(t, nil, args...)
}

// onScreenWith does that in a folder with files in it, from names to contents.
func onScreenWith(t *testing.T, before map[string]string, args ...string) (s *screen, dir string) {
	t.Helper()
	s, dir = newScreen(t)
	for name, content := range before {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.start(dir, args...)
	return s, dir
}

// newScreen makes a terminal, and a folder, for start.
func newScreen(t *testing.T) (s *screen, dir string) {
	t.Helper()
	keys, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s = &screen{T: t, tty: tty, keys: keys, shown: make(chan []byte, 64)}
	go func() {
		defer close(s.shown)
		for {
			b := make([]byte, 4096)
			n, err := keys.Read(b)
			if err != nil {
				return
			}
			s.shown <- b[:n]
		}
	}()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.cmd.Process.Kill()
		}
		tty.Close()
		keys.Close()
	})
	return s, t.TempDir()
}

func (s *screen) start(dir string, args ...string) {
	s.Helper()
	s.startCommand(dir, append([]string{"--count", "5", "-f", filepath.Join(dir, "list")}, args...)...)
}

func (s *screen) startCommand(dir string, args ...string) {
	s.Helper()
	sheet, err := os.Create(filepath.Join(dir, "sheet"))
	if err != nil {
		s.Fatal(err)
	}
	defer sheet.Close()
	s.cmd = exec.Command(program(s.T), args...)
	s.cmd.Stdin, s.cmd.Stderr, s.cmd.Stdout = s.tty, s.tty, sheet
	if s.messages != nil {
		s.cmd.Stderr = s.messages
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
}

// see waits until the text is shown.
func (s *screen) see(text string) {
	s.Helper()
	late := time.After(hang)
	for {
		if i := bytes.Index(s.rest, []byte(text)); i >= 0 {
			s.rest = s.rest[i+len(text):]
			return
		}
		select {
		case b := <-s.shown:
			s.rest = append(s.rest, b...)
			s.all = append(s.all, b...)
		case <-late:
			s.Fatalf("%q never comes; all that came:\n%s", text, s.all)
		}
	}
}

// say types the text. When echo is to be off, it waits for that.
func (s *screen) say(text string, echo bool) {
	s.Helper()
	for range hang / (5 * time.Millisecond) {
		if s.echo() == echo {
			if _, err := s.keys.WriteString(text); err != nil {
				s.Fatal(err)
			}
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.Fatalf("echo never becomes %t; all that came:\n%s", echo, s.all)
}

func (s *screen) echo() bool {
	s.Helper()
	t, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		s.Fatal(err)
	}
	return t.Lflag&unix.ECHO != 0
}

// ends waits for the program and checks its status, and that the terminal is sane.
func (s *screen) ends(status int) {
	s.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.Fatal(err)
		}
	case <-time.After(hang):
		s.Fatalf("does not end; all that came:\n%s", s.all)
	}
	if got := s.cmd.ProcessState.ExitCode(); got != status {
		s.Errorf("exit status %d, want %d", got, status)
	}
	if !s.echo() {
		s.Error("the terminal is left without echo")
	}
}

// files checks which files there are in the folder, but for the sheet.
func files(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.Name() != "sheet" {
			got = append(got, e.Name())
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestTerminal(t *testing.T) {
	s, dir := onScreen(t)
	s.see("New prefix password: ")
	s.say("hunter2\n", false)
	s.see("The same again: ")
	s.say("hunter2\n", false)
	s.see("5 passwords made")
	s.ends(0)
	if bytes.Contains(s.all, []byte("hunter2")) {
		t.Errorf("the prefix was shown:\n%s", s.all)
	}
	files(t, dir, "list")
}

func TestTerminalDiffers(t *testing.T) {
	s, dir := onScreen(t)
	for i := range 3 {
		if i > 0 {
			s.see("They were not the same.")
		}
		s.see("New prefix password: ")
		s.say("hunter2\n", false)
		s.see("The same again: ")
		s.say("hunter3\n", false)
	}
	s.see("the two prefix passwords differ")
	s.ends(1)
	files(t, dir)
}

func TestTerminalSecondTry(t *testing.T) {
	s, dir := onScreen(t)
	s.see("New prefix password: ")
	s.say("one\n", false)
	s.see("The same again: ")
	s.say("two\n", false)
	s.see("New prefix password: ")
	s.say("three\n", false)
	s.see("The same again: ")
	s.say("three\n", false)
	s.see("5 passwords made")
	s.ends(0)
	files(t, dir, "list")
}

func TestTerminalEmptyPrefix(t *testing.T) {
	s, dir := onScreen(t)
	for _, nothing := range []string{"\n", " \t\n", "\n"} {
		s.see("New prefix password: ")
		s.say(nothing, false)
	}
	s.see("no prefix password")
	s.see("--allow-empty-prefix")
	s.ends(1)
	if n := bytes.Count(s.all, []byte("whoever finds the sheet can log in as you (if you want that:")); n != 2 {
		t.Errorf("said %d times why there must be one:\n%s", n, s.all)
	}
	files(t, dir)
}

func TestTerminalAllowEmptyPrefix(t *testing.T) {
	for _, format := range []string{"otpw1", "otpw2"} {
		s, dir := onScreen(t, "--allow-empty-prefix", "--format", format)
		s.see("New prefix password: ")
		s.say("\n", false)
		s.see("The same again: ")
		s.say("\n", false)
		s.see("whoever finds the sheet can log in as you")
		s.see("5 passwords made")
		s.ends(0)
		files(t, dir, "list")
	}
}

func TestTerminalEmptyPrefixOTPW1(t *testing.T) {
	s, dir := onScreen(t, "--format", "otpw1")
	s.see("New prefix password: ")
	s.say("\n", false)
	s.see("whoever finds the sheet can log in as you")
	s.see("(y/N)? ")
	s.say("\n", true)
	s.see("New prefix password: ")
	s.say("\n", false)
	s.see("(y/N)? ")
	s.say("y\n", true)
	s.see("5 passwords made")
	s.ends(0)
	files(t, dir, "list")
}

func TestTerminalQuestion(t *testing.T) {
	for _, c := range []struct {
		name, answer, then string
		status             int
	}{
		{"no", "n\n", "no new list wanted", 1},
		{"nothing", "\n", "no new list wanted", 1},
		{"Ctrl-D", "\x04", "input ended", 1},
		{"Ctrl-C", "\x03", "the old list is as it was", 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := onScreenWith(t, map[string]string{"list": oneEntry})
			s.see("with 1 of 1 passwords left")
			s.see("(y/N): ")
			s.say(c.answer, true)
			s.see(c.then)
			s.ends(c.status)
			unchanged(t, dir, filepath.Join(dir, "list"))
		})
	}
}

// The Enter key alone replaces a list that is to be replaced anyway.
func TestTerminalLowList(t *testing.T) {
	for name, old := range map[string]string{
		"used up": "OTPW1\n1 3 12 8\n---------------\n",
		"damaged": "OTPW1\n1 3 12 8\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := onScreenWith(t, map[string]string{"list": old})
			s.see("(Y/n): ")
			s.say("\n", true)
			s.typePrefix()
			s.see("the old one counts (y/n): ")
			s.say("y\n", true)
			s.ends(0)
		})
	}
}

// The old list goes when whoever sits there has the new sheet in hand.
func TestTerminalConfirm(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		answer string // to the question about the sheet; "" if there is to be none
		then   string
		status int
		old    bool // what counts afterwards
	}{
		{"yes", nil, "y\n", "The sheet before this one is of no use", 0, false},
		{"in capitals", nil, " YES\n", "The sheet before this one is of no use", 0, false},
		{"no", nil, "n\n", "the sheet did not come out\r\nThe old list is as it was. If anything of the new sheet was printed, throw it away.", 1, true},
		{"nothing, then yes", nil, "\nwhat?\ny\n", "The sheet before this one is of no use", 0, false},
		{"nothing at all", nil, "\n\n\n", "the sheet did not come out", 1, true},
		{"Ctrl-D", nil, "\x04", "input ended\r\nNothing was changed.\r\nThe old list is as it was.", 1, true},
		{"Ctrl-C", nil, "\x03", "the old list is as it was", 130, true},
		{"not asked", []string{"--no-confirm"}, "", "The sheet before this one is of no use", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, dir := onScreenWith(t, map[string]string{"list": oneEntry}, append([]string{"--format", "otpw1", "-m"}, c.args...)...)
			s.see("(y/N): ")
			s.say("y\n", true)
			for _, prompt := range []string{"New prefix password: ", "The same again: "} {
				s.see(prompt)
				s.say("hunter2\n", false)
			}
			if c.answer != "" {
				s.see("the old one counts (y/n): ")
				if b, err := os.ReadFile(filepath.Join(dir, "list")); err != nil || string(b) != oneEntry {
					t.Errorf("the old list has gone before the answer: %v", err)
				}
				if b, err := os.ReadFile(filepath.Join(dir, "sheet")); err != nil || !bytes.Contains(b, []byte("REMEMBER")) {
					t.Errorf("the sheet is not there when it is asked for: %v", err)
				}
				s.say(c.answer, true)
			}
			s.see(c.then)
			if !c.old {
				s.see("Master key: ")
			}
			s.ends(c.status)
			if c.old && bytes.Contains(s.all, []byte("Master key: ")) {
				t.Errorf("a master key of no list:\n%s", s.all)
			}
			b, err := os.ReadFile(filepath.Join(dir, "list"))
			if err != nil || (string(b) == oneEntry) != c.old {
				t.Errorf("list: %v\n%s", err, b)
			}
			files(t, dir, "list")
		})
	}
}

func TestTerminalSignals(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(s *screen)
		want int
	}{
		{"Ctrl-C", func(s *screen) { s.say("\x03", false) }, 130},
		{"Ctrl-backslash", func(s *screen) { s.say("\x1c", false) }, 131},
		{"SIGTERM", func(s *screen) { s.say("", false); s.cmd.Process.Signal(syscall.SIGTERM) }, 143},
		{"SIGHUP", func(s *screen) { s.say("", false); s.cmd.Process.Signal(syscall.SIGHUP) }, 129},
		{"Ctrl-D", func(s *screen) { s.say("\x04", false) }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := onScreen(t)
			s.see("New prefix password: ")
			s.say("hunter2\n", false)
			s.see("The same again: ")
			c.send(s)
			s.ends(c.want)
			files(t, dir)
		})
	}
}

// Ctrl-Z gives the terminal back as it was, and the prompt comes again.
func TestTerminalSuspend(t *testing.T) {
	s, dir := onScreen(t)
	s.see("New prefix password: ")
	// A session of its own has no shell to stop it: the signal comes from us.
	s.say("hun", false)
	s.cmd.Process.Signal(syscall.SIGTSTP)
	stopped(t, s.cmd.Process.Pid)
	if !s.echo() {
		t.Error("the terminal is left without echo")
	}
	if err := unix.IoctlSetInt(int(s.tty.Fd()), unix.TCFLSH, unix.TCIFLUSH); err != nil { // as Ctrl-Z does
		t.Fatal(err)
	}
	s.cmd.Process.Signal(syscall.SIGCONT)
	s.see("New prefix password: ")
	s.say("hunter2\n", false)
	s.see("The same again: ")
	s.say("hunter2\n", false)
	s.see("5 passwords made")
	s.ends(0)
	if bytes.Contains(s.all, []byte("hunter2")) {
		t.Errorf("the prefix was shown:\n%s", s.all)
	}
	files(t, dir, "list")
}

func stopped(t *testing.T, pid int) {
	t.Helper()
	for range hang / (5 * time.Millisecond) {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOWAIT|unix.WNOHANG, nil)
		if err == nil && info.Signo == int32(unix.SIGCHLD) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("does not stop")
}

func TestTerminalMasterKey(t *testing.T) {
	s, dir := onScreen(t, "-k")
	s.see("Master key: ")
	s.say("wrong\n", false)
	s.see("Once more:")
	s.see("Master key: ")
	s.say("d2fi b2nh c9zf zurj\n", false)
	s.ends(0)
	if bytes.Contains(s.all, []byte("d2fi")) {
		t.Errorf("the key was shown:\n%s", s.all)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "sheet")); err != nil || !bytes.Contains(b, []byte("regenerated")) {
		t.Errorf("sheet %q, %v", b, err)
	}
	files(t, dir)
}

func TestTerminalMasterKeyThreeTries(t *testing.T) {
	s, _ := onScreen(t, "-k")
	for range 3 {
		s.see("Master key: ")
		s.say("wrong\n", false)
	}
	s.see("not a master key")
	s.ends(1)
}
