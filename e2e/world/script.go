// SPDX-License-Identifier: MIT

package world

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// Script runs a program that is not a test in a new world, and ends the
// process: with status 0 when nothing failed. limit bounds its time.
func Script(name string, limit time.Duration, program func(t T, w *World)) {
	w, err := Enter()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	s := &script{name: name}
	w.Watch(s, limit)
	done := make(chan struct{})
	go func() { // Fatalf ends it
		defer close(done)
		defer s.cleanUp()
		program(s, w)
	}()
	<-done
	if s.Failed() {
		os.Exit(1)
	}
	os.Exit(0)
}

// script is the T of a program.
type script struct {
	name string

	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

func (s *script) Helper()      {}
func (s *script) Name() string { return s.name }

func (s *script) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (s *script) Errorf(format string, args ...any) {
	s.mu.Lock()
	s.failed = true
	s.mu.Unlock()
	s.Logf(s.name+": "+format, args...)
}

func (s *script) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

func (s *script) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *script) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

func (s *script) cleanUp() {
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		f := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		f()
	}
}
