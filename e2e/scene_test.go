// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// prefix is the prefix password of all lists. It must not occur in any log.
const prefix = "geHeim wOrt"

// scene is what most tests start from: the module under test in a real sshd,
// and a user with a list of 80 passwords.
type scene struct {
	*world.World
	t     *testing.T
	m     world.Module
	sshd  *world.Sshd
	a     *world.Account
	sheet *world.Sheet
	mark  int // in the log, before anybody logged in
}

// setUp makes a scene; arguments are the module's.
func setUp(t *testing.T, arguments ...string) *scene {
	t.Helper()
	w := begin(t)
	m := w.Install(t)
	return setUpSshd(t, m, w.Sshd(t, pamLines(m, arguments...)))
}

// setUpSshd makes a scene with a server that runs already.
func setUpSshd(t *testing.T, m world.Module, sshd *world.Sshd) *scene {
	t.Helper()
	s := &scene{World: theWorld, t: t, m: m, sshd: sshd, a: theWorld.Account(t, "alice")}
	s.mark = s.Log.Mark()
	s.newList("-h", "20")
	return s
}

// newList makes a cheapList, in the place of the one there may be.
func (s *scene) newList(args ...string) {
	s.t.Helper()
	s.use(cheapList(s.t, s.a, s.m, args...))
}

// replaceList makes a list, in the place of the one there may be.
func (s *scene) replaceList(generator string, args ...string) {
	s.t.Helper()
	s.use(s.MakeList(s.t, s.a, generator, prefix, args...))
}

// use makes a sheet the scene's. Nothing that it says may ever be in the log.
func (s *scene) use(sheet *world.Sheet) {
	s.sheet = sheet
	s.t.Cleanup(func() { noSecrets(s.t, s.World, sheet, s.mark) })
}

// cheapList makes a list with our otpw-gen as everybody does, but for the cost of its hashes: most tests need no
// slow ones.
func cheapList(t *testing.T, a *world.Account, m world.Module, args ...string) *world.Sheet {
	t.Helper()
	return theWorld.MakeList(t, a, m.Generator, prefix, append([]string{"--kdf-memory", "1", "--kdf-passes", "1"}, args...)...)
}

// noSecrets checks that neither the prefix nor any password of a sheet is in the log.
func noSecrets(t *testing.T, w *world.World, sheet *world.Sheet, mark int) {
	t.Helper()
	secrets := []string{sheet.Prefix}
	for _, password := range sheet.Passwords {
		secrets = append(secrets, password, strings.ReplaceAll(password, " ", ""))
	}
	for _, line := range w.Log.Since(mark) {
		for _, secret := range secrets {
			if strings.Contains(line.Raw, secret) {
				t.Errorf("%q is in the log: %v", secret, line)
			}
		}
	}
}

// pamLines is a PAM service with the module and no other that could let anyone in.
func pamLines(m world.Module, arguments ...string) []string {
	arg := strings.Join(append([]string{""}, arguments...), " ")
	return []string{
		"auth required " + m.Path + arg,
		"account required pam_permit.so",
		"session required pam_permit.so",
		"session optional " + m.Path + arg,
	}
}

// succeed logs in with the right response and leaves again; it returns what was asked.
func (s *scene) succeed() []string {
	s.t.Helper()
	l := s.sshd.Login(s.a)
	numbers := l.Prompt()
	l.Enter(s.sheet.Response(numbers...))
	l.Accepted()
	l.Leave()
	return numbers
}

// quiet waits until all connections are gone: what sshd and the module do when
// one is cut has been done then.
func (s *scene) quiet() {
	s.t.Helper()
	quiet(s.t, s.sshd)
}

func quiet(t *testing.T, sshd *world.Sshd) {
	t.Helper()
	world.Until(t, "all connections are gone", func() bool { return len(sshd.Family()) == 0 })
}

// usedUp checks that entries are used up.
func (s *scene) usedUp(numbers ...string) {
	s.t.Helper()
	unused := s.a.Unused(s.t)
	for _, n := range numbers {
		if slices.Contains(unused, n) {
			s.t.Errorf("entry %s is not used up", n)
		}
	}
}

// lostOnly checks that the list has lost nothing but the given entries.
func (s *scene) lostOnly(numbers ...string) {
	s.t.Helper()
	s.usedUp(numbers...)
	if got, want := len(s.a.Unused(s.t)), len(s.sheet.Passwords)-len(numbers); got != want {
		s.t.Errorf("%d entries left, want %d: all but %v", got, want, numbers)
	}
}

// lock checks what the lock file names.
func (s *scene) lock(want ...string) {
	s.t.Helper()
	if got := s.a.Lock(s.t); got != strings.Join(want, ",") {
		s.t.Errorf("lock file names %q, want %q", got, strings.Join(want, ","))
	}
}

// results lists the module's lines about attempts of the scene's user, in order.
func (s *scene) results() []world.Line {
	return s.Log.Find(s.mark, `user=`+s.a.Name+` rhost=\S+ result=`)
}

// logged checks that the module has logged exactly these results, in this
// order, each on a line of the right form.
func (s *scene) logged(results ...string) {
	s.t.Helper()
	lines := s.results()
	if len(lines) != len(results) {
		s.t.Fatalf("%d result lines, want %d:\n%s", len(lines), len(results), world.Lines(lines))
	}
	for i, line := range lines {
		head := fmt.Sprintf("pam_otpw(%s:auth): user=%s rhost=127.0.0.1 ", s.sshd.Name, s.a.Name)
		if !strings.HasPrefix(line.Text, head+results[i]) {
			s.t.Errorf("log line %q, want %q", line.Text, head+results[i])
		}
		if line.Facility != world.FacilityAuthPriv {
			s.t.Errorf("facility %d, want authpriv: %v", line.Facility, line)
		}
	}
}

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
