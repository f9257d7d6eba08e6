// SPDX-License-Identifier: MIT

// Otpw-gen makes a list of one-time passwords: it prints the sheet on standard
// output and writes the hashes to the list file, by default ~/.otpw.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
)

// version is set when linking.
var version = "unknown"

// start is run, but with the build tag man (man.go).
var start = run

func main() { os.Exit(start()) }

// run is main, but returns the exit status: 0, or 1 after any error, as the
// original has it; status has others. A signal ends the program with 128 and its number.
func run() int {
	harden()
	// A pipe that nobody reads any more is an error like others.
	signal.Ignore(syscall.SIGPIPE)
	ids, err := startIDs()
	if err != nil {
		fmt.Fprintf(os.Stderr, "otpw-gen: %v\n%s\n", err, new(command).hint(err))
		return 1
	}
	ids.forGood = os.Args[0] == childName && ids.self.uid == 0
	msg := printableWriter{os.Stderr}
	c := &command{ids: ids, in: newInput(os.Stdin, msg), out: os.Stdout, screen: os.Stderr, msg: msg}
	stop := c.watchSignals()
	defer stop()
	defer c.cleanUp() // in a panic, too

	err = newCommand(c).Execute()
	c.cleanUp()
	if err == nil {
		return 0
	}
	status := 1
	var se statusError
	if errors.As(err, &se) {
		status = se.status
	}
	if se.status != 0 && se.error == nil {
		return status
	}
	fmt.Fprintf(c.msg, "otpw-gen: %v\n", err)
	if h := c.hint(err); h != "" {
		fmt.Fprintln(c.msg, h)
	}
	return status
}

// A printableWriter is for messages, whole characters at a time.
type printableWriter struct{ io.Writer }

func (w printableWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, printable(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// printable makes a text fit for a terminal: the name of a file may hold
// anything.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) || r == '\n' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\x%02x", r)
		}
	}
	return b.String()
}
