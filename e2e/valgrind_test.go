// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// The entry in a host under valgrind, with the real worker and core outside of
// it: no invalid access, nothing lost, and the results are as ever. Root logs in,
// since valgrind starts no program that the user cannot read, as the worker is.
func TestValgrind(t *testing.T) {
	const rightly = "(from the table)"
	for _, tt := range []struct {
		name   string
		answer string
		spoil  func(t *testing.T, m world.Module, a *world.Account)
		result int
	}{
		{name: "right", answer: rightly},
		{name: "wrong", answer: prefix + "wrong\n", result: 7},
		{name: "too long", answer: strings.Repeat("x", 8192) + "\n", result: 9},
		{name: "abandoned", answer: "", result: 9},
		{name: "multi challenge", answer: rightly, spoil: func(t *testing.T, _ world.Module, a *world.Account) {
			do(t, os.Symlink(strings.Join(a.Unused(t)[:3], ","), a.Path(".otpw.lock")))
		}},
		{name: "no list", result: 9, spoil: func(t *testing.T, _ world.Module, a *world.Account) { do(t, os.Remove(a.Path(".otpw"))) }},
		{name: "unknown user", result: 10, spoil: func(_ *testing.T, _ world.Module, a *world.Account) { a.Name += "-not" }},
		{name: "no worker", result: 4, spoil: func(t *testing.T, m world.Module, _ *world.Account) { do(t, os.Remove(m.Worker())) }},
		{name: "no core", result: 4, spoil: func(t *testing.T, m world.Module, _ *world.Account) { do(t, os.Remove(m.Core())) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			a := w.RootAccount(t, "toor")
			sheet := w.MakeList(t, a, m.Generator, prefix, "-f", a.Path(".otpw"), "--count", "20", "--format", "otpw1")
			service := "valgrind-" + a.Name
			w.Service(t, service, pamLines(m, "debug")...)
			if tt.spoil != nil {
				tt.spoil(t, m, a)
			}
			log, table := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "table")
			argv := []string{"/usr/bin/valgrind", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite", "--log-file=" + log, w.Host(t, "login")}
			if tt.answer == rightly {
				writeTable(t, table, sheet)
				argv = append(argv, "-t", table)
			}
			r := w.Run(t, nil, tt.answer, append(argv, "/etc/pam.d", service, a.Name)...)
			if got := hostAttempt(r); r.Status != 0 || got.Result != tt.result || len(got.Log) != 1 {
				t.Errorf("status %d, want 0; result %d, want %d\n%s%s", r.Status, got.Result, tt.result, r.Stdout, r.Stderr)
			}
			// One line of the host, and one of a child that did not become the worker.
			text, err := os.ReadFile(log)
			do(t, err)
			clean := regexp.MustCompile(`ERROR SUMMARY: 0 errors`).FindAll(text, -1)
			if len(clean) == 0 || len(clean) != bytes.Count(text, []byte("ERROR SUMMARY")) {
				t.Errorf("valgrind:\n%s", text)
			}
		})
	}
}
