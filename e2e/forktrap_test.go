// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Hosts that fork and thread in ways that break a Go runtime loaded into them
// (e2e/hosts/forktrap.c has the modes): every login succeeds, no host hangs, and
// each has as many descriptors, threads and children afterwards as before.
func TestForkTrap(t *testing.T) {
	rounds := budget(40)
	for mode, logins := range map[string]int{ // a round
		"children": 5, "after": 2, "threads": 4, "reaper": 1, "waiter": 1, "ignored": 1, "nocldwait": 1, "storm": 1,
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			a := w.Account(t, "alice")
			sheet := w.MakeList(t, a, m.Generator, prefix, "--count", fmt.Sprint(min(9999, 100+3*logins*rounds)))
			service := "forktrap-" + mode
			w.Service(t, service, pamLines(m)...)
			table := prefix + "\n"
			for number, password := range sheet.Passwords {
				table += number + " " + password + "\n"
			}
			file := "/root/" + service
			do(t, os.WriteFile(file, []byte(table), 0o600))
			r := w.Run(t, nil, "", w.Host(t, "forktrap"), "-t", file, mode, fmt.Sprint(rounds), "/etc/pam.d", service, a.Name)
			if want := fmt.Sprintf("results: 0=%d\n", logins*rounds); r.Status != 0 || !strings.Contains(r.Stdout, want) {
				t.Errorf("status %d, want %q in\n%s%s", r.Status, want, r.Stdout, r.Stderr)
			}
			noSecrets(t, w, sheet, 0)
		})
	}
}
