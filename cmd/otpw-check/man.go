// SPDX-License-Identifier: MIT

//go:build man

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otpw-go/otpw/docs/man"
)

// With the build tag man this program writes the manual pages of its commands into
// a folder, and does nothing else. What is installed has none of this.
func init() {
	start = func() int { return man.Main(documented(), "8", version) }
}

// documented is the command with all findings in the help of findings.
func documented() *cobra.Command {
	root := newCommand()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "findings" {
			cmd.Long += findings()
		}
	}
	return root
}

func findings() string {
	var b strings.Builder
	if len(advice) != len(kindsOfFindings) {
		panic("advice about findings that there are not")
	}
	for _, k := range kindsOfFindings {
		if advice[k.id] == "" {
			panic("no advice about " + k.id)
		}
		fmt.Fprintf(&b, "\n\n%s (%s): %s. %s", k.id, k.severity, k.meaning, advice[k.id])
	}
	return b.String()
}
