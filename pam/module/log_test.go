// SPDX-License-Identifier: MIT

package module

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/otp"
)

// docs/log.md names each result with the words in its reason that stay. This is what logins have to say.
func TestReasonsStay(t *testing.T) {
	page, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	var promised []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		promised = append(promised, row[1]+": "+row[2])
	}
	var kept []string
	for _, err := range []error{
		otp.ErrWrong, otp.ErrUsed, otp.ErrReplaced, errUnknownUser, errAbandoned, otp.ErrNoList, otp.ErrExhausted, otp.ErrExpired,
		otp.ErrTooFew, otp.ErrUnsafe, otp.ErrFormat, otp.ErrCost, otp.ErrBusy,
	} {
		word, _, _ := outcome(fmt.Errorf("list /home/alice/.otpw: %w", err))
		words, _, _ := strings.Cut(err.Error(), " to ask for three") // of the longest only the beginning
		kept = append(kept, word+": "+words)
	}
	slices.Sort(promised)
	slices.Sort(kept)
	if !slices.Equal(promised, kept) {
		t.Errorf("docs/log.md:\n%s\nthe code:\n%s", strings.Join(promised, "\n"), strings.Join(kept, "\n"))
	}
}
