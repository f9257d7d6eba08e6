// SPDX-License-Identifier: MIT

// Write writes the manual pages that are not made from a command into a folder.
package main

import (
	"fmt"
	"os"

	"github.com/otpw-go/otpw/docs/man"
)

// version is set when linking.
var version = "unknown"

func main() {
	pages, err := man.Written(version)
	if err == nil {
		err = pages.Write(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write manual pages:", err)
		os.Exit(1)
	}
}
