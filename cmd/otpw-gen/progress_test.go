// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// The bar takes one line of any terminal, and leaves an empty one.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name       string
		columns    uint16
		begin, end string // shown; empty: no bar
	}{
		{"size unknown", 0,
			"Hashing   0% [........................................] (0/280) ",
			"Hashing  50% [===================>....................] (140/280) "},
		{"wide", 200,
			"Hashing   0% [........................................] (0/280) ",
			"Hashing  50% [===================>....................] (140/280) "},
		{"narrow", 40,
			"Hashing   0% [.............] (0/280) ",
			"Hashing  50% [=====>.......] (140/280) "},
		{"narrowest", 32,
			"Hashing   0% [.....] (0/280) ",
			"Hashing  50% [=>...] (140/280) "},
		{"too narrow", 31, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := newScreen(t)
			if err := pty.Setsize(s.tty, &pty.Winsize{Rows: 24, Cols: c.columns}); err != nil {
				t.Fatal(err)
			}
			progress := (&command{screen: s.tty}).progress(280)
			if c.begin == "" {
				if progress != nil {
					t.Error("a bar")
				}
				return
			}
			s.see(c.begin)
			time.Sleep(150 * time.Millisecond) // it is drawn every 100 ms at most
			progress(140)
			s.see(c.end)
			progress(280)
			s.see("\r")
			s.tty.WriteString("the end")
			s.see("the end")
			for _, drawn := range strings.Split(string(s.all), "\r") {
				if c.columns > 0 && len(drawn) >= int(c.columns) {
					t.Errorf("%d characters in a line of %d: %q", len(drawn), c.columns, drawn)
				}
			}
			if got := overwritten(string(s.all)); got != "the end" {
				t.Errorf("left on the screen: %q", got)
			}
		})
	}
}

// overwritten is what a terminal shows of a line in which the cursor goes back.
func overwritten(line string) string {
	var shown []byte
	for _, s := range strings.Split(line, "\r") {
		shown = append([]byte(s), shown[min(len(s), len(shown)):]...)
	}
	return strings.TrimRight(string(shown), " ")
}

// typePrefix answers the first questions.
func (s *screen) typePrefix() {
	s.Helper()
	s.see("New prefix password: ")
	s.say("hunter2\n", false)
	s.see("The same again: ")
	s.say("hunter2\n", false)
}

// slow hashes are never ready while a test is at work.
var slow = []string{"--kdf-passes", "1000", "--kdf-memory", "64"}

// A signal while passwords are being hashed: no new list, no sheet, and a sane terminal.
func TestSignalWhileHashing(t *testing.T) {
	for _, c := range []struct {
		name   string
		send   func(s *screen)
		status int
	}{
		{"Ctrl-C", func(s *screen) { s.say("\x03", true) }, 130},
		{"Ctrl-backslash", func(s *screen) { s.say("\x1c", true) }, 131},
		{"SIGTERM", func(s *screen) { s.cmd.Process.Signal(syscall.SIGTERM) }, 143},
		{"SIGHUP", func(s *screen) { s.cmd.Process.Signal(syscall.SIGHUP) }, 129},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := onScreenWith(t, map[string]string{"list": oneEntry}, slow...)
			s.see("(y/N): ")
			s.say("y\n", true)
			s.typePrefix()
			s.see("Hashing   0%")
			c.send(s)
			s.see("\notpw-gen: broken off, the old list is as it was\r\n")
			s.ends(c.status)
			unchanged(t, dir, filepath.Join(dir, "list"))
			if sheet, err := os.ReadFile(filepath.Join(dir, "sheet")); err != nil || len(sheet) > 0 {
				t.Errorf("sheet %q, %v", sheet, err)
			}
		})
	}
}

// kill -9 while passwords are being hashed leaves the terminal and the list alone.
func TestKilledWhileHashing(t *testing.T) {
	s, dir := onScreenWith(t, map[string]string{"list": oneEntry}, slow...)
	s.see("(y/N): ")
	s.say("y\n", true)
	s.typePrefix()
	s.see("Hashing   0%")
	s.cmd.Process.Kill()
	s.ends(-1)
	unchanged(t, dir, filepath.Join(dir, "list"))
}

// The bar is where the messages are, and only on a terminal.
func TestProgressElsewhere(t *testing.T) {
	s, dir := newScreen(t)
	messages, err := os.Create(filepath.Join(t.TempDir(), "messages"))
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Close()
	s.messages = messages
	s.start(dir)
	for range 2 {
		s.say("hunter2\n", false)
	}
	s.ends(0)
	said, err := os.ReadFile(messages.Name())
	if err != nil || !strings.Contains(string(said), "5 passwords made") || strings.Contains(string(said), "Hashing") {
		t.Errorf("%v\n%s", err, said)
	}
	files(t, dir, "list")
}
