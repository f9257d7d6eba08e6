// SPDX-License-Identifier: MIT

package world

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

// T is the part of testing.T that the world needs; the demonstration has its own.
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
}

// Patience is how long anything is waited for before it counts as hanging.
const Patience = time.Minute

// World is the private machine.
type World struct {
	// Source is the source tree, Build the folder that make built in. Both are read-only.
	Source, Build string
	Log           *Log

	mu         sync.Mutex // guards what follows and the files in /etc
	accounts   int
	servers    int
	modules    int
	neighbours int
	groups     int
	addresses  int
	hostKey    string
}

// open is called inside a world that has been built.
func open() (*World, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	source, err := sourceRoot(dir)
	if err != nil {
		return nil, err
	}
	log, err := listen("/dev/log")
	if err != nil {
		return nil, err
	}
	return &World{Source: source, Build: BuildDir(source), Log: log}, nil
}

// Watch bounds the time of a test: when it is over, everything that is known
// about processes and goroutines is printed and the whole run ends.
func (w *World) Watch(t T, limit time.Duration) {
	name := t.Name()
	timer := time.AfterFunc(limit, func() {
		fmt.Fprintf(os.Stderr, "world: %s is still running after %v\n%s\nsystem log:\n%s\n", name, limit, ProcessTable(), w.Log.Tail(60))
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		os.Exit(2)
	})
	start := w.Log.Mark()
	t.Cleanup(func() {
		timer.Stop()
		if t.Failed() {
			t.Logf("system log:\n%s\nprocesses:\n%s", Lines(w.Log.Since(start)), ProcessTable())
		}
	})
}

// Service writes a PAM service file: one line a line.
func (w *World) Service(t T, name string, lines ...string) {
	t.Helper()
	text := strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile("/etc/pam.d/"+name, []byte(text), 0o644); err != nil {
		t.Fatalf("write PAM service %s: %v", name, err)
	}
}

// Built is the path of something that make built.
func (w *World) Built(t T, name string) string {
	t.Helper()
	path := filepath.Join(w.Build, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make first", err)
	}
	return path
}

// appendTo adds a line to one of the files in /etc. w.mu is held.
func appendTo(path, line string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return replaceFile(path, append(old, line+"\n"...))
}

// replaceFile replaces one of the files in /etc. Readers see the old file or the new one.
func replaceFile(path string, text []byte) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, fi.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
