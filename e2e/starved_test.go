// SPDX-License-Identifier: MIT

package e2e

import (
	"regexp"
	"strings"
	"testing"
)

// A worker that gets too little memory or too few processes, in a host that
// cannot lift the limits: the login fails, with a line in the log, and the list
// is none the worse.
func TestStarved(t *testing.T) {
	const died = `worker ended without a result \((?:exit status|signal) \d+\)`
	for name, tt := range map[string]struct{ limit, log string }{
		"no memory for the hash": {"DATA=134217728:134217728", died},
		"no memory at all":       {"AS=30000000:30000000", died + `|load core: .*`},
		"no process":             {"NPROC=1:1", `start worker: Resource temporarily unavailable`},
		"no threads":             {"NPROC=2:2", died},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			s.replaceList(s.m.Generator, "--count", "12", "--kdf-memory", "200", "--kdf-passes", "1")
			order := s.a.Unused(t)
			host := []string{s.Host(t, "login"), "/etc/pam.d", s.sshd.Name, s.a.Name}
			starved := append([]string{s.Host(t, "hostile"), "-L", tt.limit}, host...)
			r := s.Run(t, s.a, s.sheet.Response(order[0])+"\n", starved...)
			line := regexp.MustCompile(`user=` + s.a.Name + ` rhost=- result=error reason="(?:` + tt.log + `)"\n`)
			if !strings.Contains(r.Stdout, "authenticate: 4\n") || !line.MatchString(r.Stdout) || strings.Count(r.Stdout, "result=") != 1 {
				t.Errorf("status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
			s.lostOnly()
			number := order[0]
			if strings.Contains(r.Stdout, "prompt: ") { // asked for alone, and so set aside
				number = order[1]
			}
			if r := s.Run(t, s.a, s.sheet.Response(number)+"\n", host...); !strings.Contains(r.Stdout, "authenticate: 0\n") {
				t.Errorf("no login afterwards: status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
		})
	}
}
