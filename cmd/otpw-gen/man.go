// SPDX-License-Identifier: MIT

//go:build man

package main

import (
	"fmt"
	"os"

	"github.com/otpw-go/otpw/docs/man"
)

// With the build tag man this program writes the manual pages of its commands into
// a folder, and does nothing else. What is installed has none of this.
func init() { start = writePages }

func writePages() int {
	pages, err := man.Command(newCommand(&command{}), "1", version)
	if err == nil {
		err = pages.Write(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write manual pages:", err)
		return 1
	}
	return 0
}
