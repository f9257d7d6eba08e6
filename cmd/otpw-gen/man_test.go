// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/otpw-go/otpw/docs/man"
	"github.com/otpw-go/otpw/docs/man/mantest"
	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/printsheet"
)

func TestManFlags(t *testing.T) {
	mantest.Flags(t, func() *cobra.Command { return newCommand(&command{}) }, "1")
}

// The bounds on the page are those of the code.
func TestManBounds(t *testing.T) {
	pages, err := man.Command(newCommand(&command{}), "1", "v1")
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]string{}
	for _, item := range strings.Split(pages.Section("otpw-gen.1", "OPTIONS"), ".TP\n")[1:] {
		head, body, _ := strings.Cut(man.Text(item), "\n")
		items[head[strings.Index(head, "--")+2:strings.IndexAny(head+"=", "=[")]] = body
	}
	forms := func(least, bits int) string {
		return fmt.Sprintf("%d to %d, with -p 1 to %d, with -p 2 to %d.", least, otp.Base64.MaxEntropy()-bits, otp.Words.MaxEntropy()-bits, otp.Base32.MaxEntropy()-bits)
	}
	for name, want := range map[string]string{
		"entropy":     forms(otp.MinEntropy, 0),
		"key-entropy": strings.ReplaceAll(forms(otp.MinKeyEntropy, 4), "-p", "-P"),
		"count":       fmt.Sprintf("1 to %d.", printsheet.MaxPasswords),
		"pages":       fmt.Sprintf("at most %d passwords", printsheet.MaxPasswords),
		"height":      fmt.Sprintf("At least %d, with -n at least 1.", printsheet.MinHeight),
		"kdf-memory":  fmt.Sprintf("1 to %d; not with --format otpw1. Above %d ", otp.MaxKDFMemory>>10, otp.DefaultKDFMaxMemory>>10),
		"kdf-passes":  fmt.Sprintf("1 to %d; not with --format otpw1. Above %d ", otp.MaxKDFPasses, otp.DefaultKDFMaxPasses),
		"expires":     fmt.Sprintf("1d to %dd.", otp.MaxLife),
		"label":       fmt.Sprintf("1 to %d bytes", otp.MaxTextLen),
	} {
		if !strings.Contains(items[name], want) {
			t.Errorf("--%s: %q does not say %q", name, items[name], want)
		}
	}
}

// status says what its statuses are in its page, too.
func TestManStatus(t *testing.T) {
	pages, err := man.Command(newCommand(&command{}), "1", "v1")
	if err != nil {
		t.Fatal(err)
	}
	terms := pages.Terms("otpw-gen-status.1", "EXIT STATUS")
	if got, want := fmt.Sprint(terms), fmt.Sprint([]int{0, exitPrint, exitNone, exitError}); got != want {
		t.Errorf("the page has %s, the code %s", got, want)
	}
}
