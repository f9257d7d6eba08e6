// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

func TestRightPassword(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	order := s.a.Unused(t)

	l := s.sshd.Login(s.a)
	if got := l.Single(); got != order[0] {
		t.Errorf("asked for %s, the first unused entry is %s", got, order[0])
	}
	s.lock(order[0])
	s.lostOnly()
	l.Enter(s.sheet.Response(order[0]))
	l.Accepted()
	l.Leave()
	s.lock()
	s.lostOnly(order[0])

	if got := s.succeed(); !slices.Equal(got, order[1:2]) {
		t.Errorf("then asked for %v, want %s", got, order[1])
	}
	s.lostOnly(order[:2]...)
	s.logged(
		"result=accepted challenge="+order[0]+" remaining=79/80",
		"result=accepted challenge="+order[1]+" remaining=78/80")
}

// Wrong answers are refused, and the number is not asked for again.
func TestWrongAnswers(t *testing.T) {
	for name, answer := range map[string]func(right, used, number string, s *world.Sheet) string{
		"nothing":        func(right, _, _ string, _ *world.Sheet) string { return "" },
		"wrong password": func(right, _, _ string, _ *world.Sheet) string { return prefix + "AAAAAAAA" },
		"wrong prefix":   func(_, _, n string, s *world.Sheet) string { return "Geheim" + s.Passwords[n] },
		"no prefix":      func(_, _, n string, s *world.Sheet) string { return s.Passwords[n] },
		"too short":      func(right, _, _ string, _ *world.Sheet) string { return right[:len(right)-1] },
		"shorter":        func(right, _, _ string, _ *world.Sheet) string { return "abc" },
		"too long":       func(right, _, _ string, _ *world.Sheet) string { return right + "A" },
		"very long":      func(right, _, _ string, _ *world.Sheet) string { return strings.Repeat("A", 900) },
		"used one":       func(_, used, _ string, _ *world.Sheet) string { return used },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			used := s.succeed()[0]

			l := s.sshd.Login(s.a)
			number := l.Single()
			l.Enter(answer(s.sheet.Response(number), s.sheet.Response(used), number, s.sheet))
			l.Refused()
			s.lock(number)
			s.lostOnly(used)
			next := s.succeed()
			if len(next) != 1 || next[0] == number {
				t.Errorf("asked for %v after a wrong answer to %s, want another number alone", next, number)
			}
			s.lock()
			s.lostOnly(used, number, next[0])
			s.logged("result=accepted challenge="+used+" ",
				"result=refused challenge="+number+" ",
				"result=accepted challenge="+next[0]+" ")
		})
	}
}

// While one login waits at its prompt, another is asked for three other numbers.
func TestMultiChallenge(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	waiting := s.sshd.Login(s.a)
	number := waiting.Single()

	other := s.sshd.Login(s.a)
	numbers := other.Triple()
	if slices.Contains(numbers, number) || numbers[0] == numbers[1] || numbers[1] == numbers[2] || numbers[0] == numbers[2] {
		t.Fatalf("asked for %v while %s is asked for", numbers, number)
	}
	// Their order is that of the prompt, the prefix comes once.
	other.Enter(s.sheet.Response(numbers...))
	other.Accepted()
	s.lostOnly(numbers...)
	s.lock(number)

	// A wrong multi challenge costs nothing and sets nothing aside.
	other = s.sshd.Login(s.a)
	again := other.Triple()
	other.Enter(s.sheet.Response(again[1], again[0], again[2]))
	other.Refused()
	s.lostOnly(numbers...)
	s.lock(number)

	waiting.Enter(s.sheet.Response(number))
	waiting.Accepted()
	s.lostOnly(append(numbers, number)...)
	s.lock()
	s.logged("result=accepted challenge="+strings.Join(numbers, "/")+" ",
		"result=refused challenge="+strings.Join(again, "/")+" ",
		"result=accepted challenge="+number+" ")
}

// Fewer than ten entries are too few for a multi challenge.
func TestFewLeft(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	useAllBut(t, s.a, 9)
	waiting := s.sshd.Login(s.a)
	number := waiting.Single()
	s.sshd.Login(s.a).Refused()
	waiting.Enter(s.sheet.Response(number))
	waiting.Accepted()
	if got := s.succeed(); len(got) != 1 {
		t.Errorf("asked for %v, want one number", got)
	}
	if n := len(s.a.Unused(t)); n != 7 {
		t.Errorf("%d entries left, want 7", n)
	}
}

// However a prompt ends without a success, the next login is asked for one
// number again, another one, and the first is invalid after it.
func TestSetAside(t *testing.T) {
	for name, end := range map[string]func(s *scene, l *world.Login){
		"Ctrl-C":            func(_ *scene, l *world.Login) { l.CtrlC() },
		"Ctrl-C in a word":  func(s *scene, l *world.Login) { l.Type(prefix); l.CtrlC() },
		"window closed":     func(_ *scene, l *world.Login) { l.Close() },
		"connection cut":    func(_ *scene, l *world.Login) { l.Kill() },
		"wrong answer":      func(_ *scene, l *world.Login) { l.Enter("wrong"); l.Refused() },
		"worker killed":     func(s *scene, l *world.Login) { kill(s.t, s.sshd.Worker()); l.Enter(prefix); l.Refused() },
		"authenticator":     func(s *scene, _ *world.Login) { kill(s.t, s.sshd.Authenticator()) },
		"monitor killed":    func(s *scene, _ *world.Login) { kill(s.t, s.sshd.Monitor()) },
		"net child killed":  func(s *scene, _ *world.Login) { kill(s.t, s.sshd.Unprivileged()) },
		"login grace is up": func(*scene, *world.Login) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			grace := "LoginGraceTime 60"
			if name == "login grace is up" {
				grace = "LoginGraceTime 2"
			}
			s := setUpSshd(t, m, w.Sshd(t, pamLines(m), grace))

			l := s.sshd.Login(s.a)
			first := l.Single()
			end(s, l)
			s.quiet()
			s.lock(first)
			s.lostOnly()

			l = s.sshd.Login(s.a)
			second := l.Single()
			if second == first {
				t.Fatalf("asked for %s alone once more", first)
			}
			s.lock(first, second)
			l.Enter(s.sheet.Response(second))
			l.Accepted()
			s.lostOnly(first, second)
			s.lock()
			// also of an attempt whose process in sshd is gone
			line := map[string]string{"wrong answer": "result=refused challenge=" + first, "worker killed": "result=error reason="}[name]
			if line == "" {
				line = "result=abandoned challenge=" + first
			}
			s.logged(line, "result=accepted challenge="+second)
		})
	}
}

func kill(t *testing.T, p world.Process) {
	t.Helper()
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %v: %v", p, err)
	}
	// what is written to it from now on must not get lost in a socket that nobody reads
	world.Until(t, "its descriptors are closed", func() bool {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID))
		return err != nil || len(open) == 0
	})
}

// With three numbers set aside, logins are asked for three others until one succeeds.
func TestThreeSetAside(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	var aside []string
	for range 3 {
		l := s.sshd.Login(s.a)
		aside = append(aside, l.Single())
		l.CtrlC()
		s.quiet()
		s.lock(aside...)
	}
	for range 3 {
		l := s.sshd.Login(s.a)
		for _, n := range l.Triple() {
			if slices.Contains(aside, n) {
				t.Errorf("asked for %s, which is set aside", n)
			}
		}
		l.CtrlC()
		s.quiet()
	}
	s.lock(aside...)
	s.lostOnly()
	numbers := s.succeed()
	if len(numbers) != 3 {
		t.Errorf("asked for %v, want three numbers", numbers)
	}
	s.lostOnly(append(numbers, aside...)...)
	s.lock()
	if got := s.succeed(); len(got) != 1 {
		t.Errorf("asked for %v after a success, want one number", got)
	}
}

// A hostile keyboard copies what the victim types, keeps the victim from
// logging in, and comes back with the copy.
func TestCopiedKeystrokes(t *testing.T) {
	for name, spoil := range map[string]func(l *world.Login, response string){
		"cut before Enter": func(l *world.Login, response string) { l.Type(response); l.Kill() },
		"spoilt answer":    func(l *world.Login, response string) { l.Enter(response + "x"); l.Refused() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			victim := s.sshd.Login(s.a)
			number := victim.Single()
			response := s.sheet.Response(number)
			spoil(victim, response)
			s.quiet()

			for range 4 {
				attacker := s.sshd.Login(s.a)
				if slices.Contains(attacker.Prompt(), number) {
					t.Errorf("asked for %s again", number)
				}
				attacker.Enter(response)
				attacker.Refused()
			}
			s.succeed()
			s.usedUp(number)
			attacker := s.sshd.Login(s.a)
			attacker.Single()
			attacker.Enter(response)
			attacker.Refused()
		})
	}
}

// The victim's connection stays open at the prompt while the copy is tried beside it.
func TestCopiedKeystrokesHeldBack(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	victim := s.sshd.Login(s.a)
	number := victim.Single()
	response := s.sheet.Response(number)
	victim.Type(response)
	for range 3 {
		attacker := s.sshd.Login(s.a)
		if slices.Contains(attacker.Triple(), number) {
			t.Errorf("asked for %s again", number)
		}
		attacker.Enter(response)
		attacker.Refused()
	}
	victim.Enter("")
	victim.Accepted()
	s.usedUp(number)
}

// reask: a wrong answer, but not a cut connection, lets the number be asked again.
func TestReask(t *testing.T) {
	t.Parallel()
	s := setUp(t, "reask")
	l := s.sshd.Login(s.a)
	number := l.Single()
	l.Enter("wrong")
	l.Refused()
	s.lock()
	l = s.sshd.Login(s.a)
	if got := l.Single(); got != number {
		t.Errorf("asked for %s after a wrong answer, want %s again", got, number)
	}
	l.Kill()
	s.quiet()
	s.lock(number)
	if got := s.succeed(); len(got) != 1 || got[0] == number {
		t.Errorf("asked for %v after a cut connection, want another number than %s", got, number)
	}
}

// nolock: both logins are asked for one number, and one of them gets in.
func TestNolock(t *testing.T) {
	t.Parallel()
	s := setUp(t, "nolock")
	one, two := s.sshd.Login(s.a), s.sshd.Login(s.a)
	number := one.Single()
	if got := two.Single(); got != number {
		t.Fatalf("asked for %s and %s", number, got)
	}
	one.Enter(s.sheet.Response(number))
	one.Accepted()
	two.Enter(s.sheet.Response(number))
	two.Refused()
	s.lostOnly(number)
	s.lock()
}

// legacy_lock: a lock file means what it means to the original.
func TestLegacyLock(t *testing.T) {
	t.Parallel()
	s := setUp(t, "legacy_lock", "lock_timeout=3600")
	l := s.sshd.Login(s.a)
	number := l.Single()
	l.CtrlC()
	s.quiet()
	s.lock(number)
	l = s.sshd.Login(s.a)
	if slices.Contains(l.Triple(), number) {
		t.Errorf("asked for %s again", number)
	}
	l.CtrlC()
	s.quiet()
	s.lock(number)
	// Older than lock_timeout, it is stale.
	if r := s.Run(t, s.a, "", "/usr/bin/touch", "-h", "-d", "2 hours ago", s.a.Path(".otpw.lock")); r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	next := s.succeed()
	if len(next) != 1 || next[0] == number {
		t.Errorf("asked for %v, want one number that is not %s", next, number)
	}
	s.lock()
	s.lostOnly(number, next[0])
}
