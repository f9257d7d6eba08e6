// SPDX-License-Identifier: MIT

package e2e

import (
	"strings"
	"testing"
)

// rootSquashed starts a program as a root who is nobody special to files, as on a
// file server that squashes root: he cannot enter a home of mode 0700.
var rootSquashed = []string{"/usr/bin/setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search"}

func TestRootSquashed(t *testing.T) {
	for name, login := range map[string]func(s *scene) (asked []string){
		"host": func(s *scene) []string {
			table := s.t.TempDir() + "/table"
			writeTable(s.t, table, s.sheet)
			r := s.Run(s.t, nil, "", append(rootSquashed, s.Host(s.t, "login"), "-t", table, "/etc/pam.d", s.sshd.Name, s.a.Name)...)
			a := hostAttempt(r)
			if r.Status != 0 || a.Result != 0 {
				s.t.Errorf("status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
			return a.Asked
		},
		"sshd": func(s *scene) []string { return s.succeed() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			s := setUpSshd(t, m, w.SshdBehind(t, rootSquashed, pamLines(m)))
			if r := w.Run(t, nil, "", append(rootSquashed, "/bin/ls", s.a.Home)...); r.Status == 0 || !strings.Contains(r.Stderr, "Permission denied") {
				t.Fatalf("root can still enter the home: status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
			first := login(s)
			s.lostOnly(first...)
			// and once that has failed, another number
			l := s.sshd.Login(s.a)
			l.Single()
			l.Enter("wrong")
			l.Refused()
			if next := login(s); len(next) != 1 || next[0] == first[0] {
				t.Errorf("asked for %v, then for %v", first, next)
			}
		})
	}
}
