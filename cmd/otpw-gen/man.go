// SPDX-License-Identifier: MIT

//go:build man

package main

import "github.com/otpw-go/otpw/docs/man"

// With the build tag man this program writes the manual pages of its commands into
// a folder, and does nothing else. What is installed has none of this.
func init() {
	start = func() int { return man.Main(newCommand(&command{}), "1", version) }
}
