// SPDX-License-Identifier: MIT

// Package main is pam_otpw/core.so: what pam_otpw/worker loads and calls, and nothing of its own. It is built with
// -buildmode=c-shared, so that the worker can stay a small C program that reports a core it cannot load.
//
// The runtime that starts with it has the process to itself: it sees no host, no other library's signal handlers, and
// standard output and error are /dev/null.
package main

import "C"

import (
	"os"

	"github.com/otpw-go/otpw/pam/module"
)

// otpw_core_version lets the worker see that it loaded its own core. A function and not a string in C, so that the
// version is given to the build once, by the linker, and is the one that the module itself knows. It is called once
// in the life of a process: the string is never freed.
//
//export otpw_core_version
func otpw_core_version() *C.char {
	return C.CString(module.Version)
}

// otpw_serve serves one login on the socket fd, and returns when the result has
// been sent: NULL, or the line for the log that could not be sent.
//
//export otpw_serve
func otpw_serve(fd C.int) *C.char {
	if line := module.Serve(os.NewFile(uintptr(fd), "entry")); line != "" {
		return C.CString(line) // never freed: the process ends with it
	}
	return nil
}

func main() {} // buildmode c-shared wants one and never calls it
