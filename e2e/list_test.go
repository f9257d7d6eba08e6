// SPDX-License-Identifier: MIT

package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

func readList(t *testing.T, a *world.Account) string {
	t.Helper()
	data, err := os.ReadFile(a.Path(".otpw"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// writeList puts something in the place of an account's list.
func writeList(t *testing.T, a *world.Account, text string) {
	t.Helper()
	path := a.Path(".otpw")
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, a.UID, a.UID); err != nil {
		t.Fatal(err)
	}
}

// useAllBut uses up the entries of an account's list, all but the last n.
func useAllBut(t *testing.T, a *world.Account, n int) {
	t.Helper()
	lines := strings.SplitAfter(readList(t, a), "\n")
	entries := len(a.List(t))
	first := len(lines) - 1 - entries // behind the last line end there is nothing
	for i := first; i < first+entries-n; i++ {
		lines[i] = strings.Repeat("-", len(lines[i])-1) + "\n"
	}
	writeList(t, a, strings.Join(lines, ""))
}
