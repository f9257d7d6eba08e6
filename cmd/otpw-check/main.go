// SPDX-License-Identifier: MIT

// Otpw-check is the administrator's doctor: it looks whether one-time logins work on
// this host, and let nobody in who should not get in. It changes nothing.
package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// version is set when linking.
var version = "unknown"

// start is run, but with the build tag man (man.go).
var start = run

func main() {
	if os.Args[0] == childName {
		os.Exit(inspectAsChild())
	}
	os.Exit(start())
}

// Exit statuses beside those of severities.
const (
	exitRefused = 2 // --login was refused
	exitUsage   = 3 // a wrong command line: nothing could be checked
)

// A statusError ends the program with a status of its own, and says nothing more if
// it wraps nothing.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

// run is main, but returns the exit status.
func run() int {
	// What is typed for --login is kept out of core dumps and other processes' reach.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	err := newCommand().Execute()
	if err == nil {
		return 0
	}
	status := exitUsage
	var se statusError
	if errors.As(err, &se) {
		status = se.status
		if se.error == nil {
			return status
		}
	}
	fmt.Fprintf(os.Stderr, "otpw-check: %s\n", printable(err.Error()))
	return status
}
