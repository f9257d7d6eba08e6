// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
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
			sheet := cheapList(t, a, m, "--count", fmt.Sprint(min(9999, 100+3*logins*rounds)))
			service := "forktrap-" + mode
			w.Service(t, service, pamLines(m)...)
			file := "/root/" + service
			writeTable(t, file, sheet)
			r := w.Run(t, nil, "", w.Host(t, "forktrap"), "-t", file, mode, fmt.Sprint(rounds), "/etc/pam.d", service, a.Name)
			// Of logins at the same time, one may now and then be asked for what another one uses up.
			var accepted, refused int
			found := regexp.MustCompile(`results: 0=(\d+)(?: 7=(\d+))?\n`).FindStringSubmatch(r.Stdout)
			if found != nil {
				accepted, _ = strconv.Atoi(found[1])
				refused, _ = strconv.Atoi(found[2])
			}
			if r.Status != 0 || accepted+refused != logins*rounds || refused > rounds*(logins-1)/10 {
				t.Errorf("status %d, want %d logins in\n%s%s", r.Status, logins*rounds, r.Stdout, r.Stderr)
			}
			if n := strings.Count(r.Stdout, "used or revoked"); n != refused { // the host shows its log
				t.Errorf("%d logins refused for an entry used meanwhile, %d in all", n, refused)
			}
			if strings.Contains(r.Stdout, prefix) {
				t.Errorf("the prefix is in the log:\n%s", r.Stdout)
			}
		})
	}
}

// A set-user-id host whose caller chooses environment, limits, signals and memory: the login succeeds. Hard limits can
// be lifted only with CAP_SYS_RESOURCE; where that is missing, a login may fail, but cleanly, with a line in the log.
func TestHostileCaller(t *testing.T) {
	for name, tt := range map[string]struct {
		flags  []string
		hard   bool
		before []string
	}{
		"environment": {before: []string{"/usr/bin/env", "GODEBUG=gctrace=1,inittrace=1", "GOMEMLIMIT=1", "GOGC=1", "GOTRACEBACK=crash",
			"LD_PRELOAD=/nonexistent.so", "LD_LIBRARY_PATH=/tmp", "LD_DEBUG=all", "MALLOC_PERTURB_=1", "TZ=/etc/shadow"}},
		"no file size":     {flags: []string{"-L", "FSIZE=0"}},
		"no processes":     {flags: []string{"-L", "NPROC=0"}},
		"little memory":    {flags: []string{"-L", "AS=67108864", "-L", "DATA=33554432"}},
		"signals blocked":  {flags: []string{"-b", "0"}},
		"signals ignored":  {flags: []string{"-i", "13", "-i", "17", "-i", "10", "-i", "14"}},
		"hard: few files":  {flags: []string{"-L", "NOFILE=16:16"}, hard: true},
		"hard: no memory":  {flags: []string{"-L", "AS=67108864:67108864"}, hard: true},
		"hard: no threads": {flags: []string{"-L", "NPROC=1:1"}, hard: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			a := w.Account(t, "alice")
			sheet := cheapList(t, a, m, "-h", "20")
			service := "hostile-" + a.Name
			w.Service(t, service, pamLines(m)...)
			file := "/root/" + service
			writeTable(t, file, sheet)
			host := "/opt/hosts/" + service
			if r := w.Run(t, nil, "", "/bin/cp", w.Host(t, "login"), host); r.Status != 0 {
				t.Fatal(r.Stderr)
			}
			do(t, os.Chmod(host, os.ModeSetuid|0o755))
			argv := append(append(tt.before, w.Host(t, "hostile")), tt.flags...)
			r := w.Run(t, a, "", append(argv, host, "-t", file, "/etc/pam.d", service, a.Name)...)
			succeeded := strings.Contains(r.Stdout, "authenticate: 0\n")
			cleanly := strings.Contains(r.Stdout, "authenticate: ") && strings.Contains(r.Stdout, "user="+a.Name+" rhost=- result=")
			if !succeeded && !(tt.hard && cleanly) {
				t.Errorf("status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
			if r.Status > 128 {
				t.Errorf("the host died: status %d\n%s", r.Status, r.Stderr)
			}
		})
	}
}
