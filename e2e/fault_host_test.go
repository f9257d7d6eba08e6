// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/strace"
	"github.com/otpw-go/otpw/e2e/world"
)

// The program that calls PAM is killed right before every system call that it
// makes while it has a worker. The worker ends, and the next login works.
func TestHostKilled(t *testing.T) {
	onEachStage(t, formats, func(t *testing.T, s *stage) {
		dry, killed := s.hostUnder(t)
		if killed || dry.Result != 0 {
			t.Fatalf("result %d", dry.Result)
		}
		s.check(t, dry)
		cases := 0
		for _, first := range whileWorking(t, dry.calls) {
			// How often it waits differs from run to run: until nothing is left to kill.
			for p, killed := first, true; killed; p.N++ {
				t.Run(p.String(), func(t *testing.T) {
					var a *attempt
					a, killed = s.hostUnder(t, p.Inject(strace.Kill))
					if !killed && a.Result != 0 {
						t.Errorf("neither killed nor let in: result %d", a.Result)
					}
					s.workerEnds(t)
					if killed {
						cases++
						if n := len(a.Log) + len(s.workersLines(a)); n > 1 {
							t.Errorf("%d lines about the result", n)
						}
					}
					s.check(t, a)
				})
			}
		}
		t.Logf("killed %d times", cases)
	}, "single", "three set aside")
}

// whileWorking lists the calls, by name, that a host makes from before it starts
// the worker until it has reaped it: the first of each.
func whileWorking(t *testing.T, calls []strace.Call) (first []strace.Point) {
	t.Helper()
	start, end := -1, -1
	for i, c := range calls {
		switch {
		case c.Name == "socketpair":
			start = i
		case c.Name == "waitid" && start >= 0 && end < 0:
			end = i
		}
	}
	if end < 0 {
		t.Fatalf("no worker in %v", calls)
	}
	seen := map[string]bool{}
	for _, p := range strace.Points(calls)[start : end+1] {
		if !seen[p.Name] {
			seen[p.Name] = true
			first = append(first, p)
		}
	}
	return first
}

// hostUnder logs in with the host under strace. Its children are not traced.
func (s *stage) hostUnder(t *testing.T, options ...string) (a *attempt, killed bool) {
	t.Helper()
	a = s.ready(t)
	r := s.host(t, append([]string{"/usr/bin/strace", "-o", s.log()}, options...)...)
	a.Attempt = hostAttempt(r)
	a.calls = s.calls(t)
	killed = r.Status == 128+int(unix.SIGKILL)
	if !killed && r.Status != 0 {
		t.Fatalf("host: status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	return a, killed
}

// workerEnds waits until nothing is left of a login: neither the worker nor the
// copy of the host that becomes it.
func (s *stage) workerEnds(t *testing.T) {
	t.Helper()
	world.Until(t, "the worker has ended", func() bool {
		return !slices.ContainsFunc(world.Processes(), func(p world.Process) bool {
			return p.UID == s.a.UID || strings.Contains(p.Title, s.service)
		})
	})
}

// workersLines lists what the worker itself has written to syslog about the result.
func (s *stage) workersLines(a *attempt) []world.Line {
	return s.Log.Find(a.mark, `^pam_otpw\(\S+:auth\): user=`+s.a.Name+` .*result=`)
}

// holdList takes the list lock of an account, so that no login goes on.
func holdList(t *testing.T, a *world.Account) (release func()) {
	t.Helper()
	f, err := os.OpenFile(a.Path(".otpw"), os.O_RDWR, 0)
	do(t, err)
	lock := listLock
	world.Until(t, "the list lock is taken", func() bool {
		return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) == nil
	})
	return func() { f.Close() }
}

// sshd's process that authenticates is killed, when nobody has been asked yet
// and when the answer is being verified. (TestSetAside does it at the prompt.)
func TestAuthenticatorKilled(t *testing.T) {
	for name, arrive := range map[string]func(s *scene) (asked []string, release func()){
		"before the prompt": func(s *scene) ([]string, func()) {
			release := holdList(s.t, s.a)
			s.sshd.Login(s.a)
			world.Until(s.t, "a worker has opened the list", func() bool {
				return slices.ContainsFunc(s.sshd.Workers(), func(p world.Process) bool { return p.Opened(s.a.Path(".otpw")) })
			})
			return nil, release
		},
		"verifying": func(s *scene) ([]string, func()) {
			l := s.sshd.Login(s.a)
			asked := l.Prompt()
			worker := s.sshd.Worker()
			release := holdList(s.t, s.a)
			l.Enter(s.sheet.Response(asked...))
			world.Until(s.t, "the worker has read the response", func() bool {
				call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", worker.PID))
				return strings.HasPrefix(string(call), fmt.Sprint(unix.SYS_FUTEX, " ")) // asleep between two tries
			})
			return asked, release
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			asked, release := arrive(s)
			kill(t, s.sshd.Authenticator())
			release()
			s.quiet()
			next := s.succeed()
			if len(next) != 1 || slices.Equal(next, asked) {
				t.Errorf("asked for %v and then for %v, want another number alone", asked, next)
			}
			s.usedUp(asked...)
			s.usedUp(next...)
			if n := len(s.results()); n != 2 {
				t.Errorf("%d lines about results, want 2:\n%s", n, world.Lines(s.results()))
			}
		})
	}
}
