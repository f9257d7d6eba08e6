// SPDX-License-Identifier: MIT

package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// A stranger sees no difference between somebody with a list and those who
// cannot log in: prompts, their order, results, what the client prints.
func TestDecoy(t *testing.T) {
	t.Parallel()
	s := setUp(t, "decoy", "debug")
	exhausted := s.Account(t, "exhausted")
	s.MakeList(t, exhausted, s.m.Generator, prefix, "--count", "5", "--format", "otpw1")
	useAllBut(t, exhausted, 0)
	broken := s.Account(t, "broken")
	writeList(t, broken, "OTPW")
	victims := map[string]*world.Account{
		"with a list":  s.a,
		"without":      s.Account(t, "without"),
		"exhausted":    exhausted,
		"broken":       broken,
		"no such user": {Name: "mallory", UID: 1, Home: "/nonexistent"},
	}
	seen := map[string][]string{}
	var mu sync.Mutex
	t.Run("probe", func(t *testing.T) {
		for name, a := range victims {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got := s.probe(t, a)
				mu.Lock()
				defer mu.Unlock()
				seen[name] = got
			})
		}
	})
	for name, got := range seen {
		if !slices.Equal(got, seen["with a list"]) {
			t.Errorf("%s:\n%q\nwith a list:\n%q", name, got, seen["with a list"])
		}
	}

	s.quiet()
	for name, want := range map[string]string{
		"without":      `result=unavailable challenge=\d{3} reason="decoy: list /.*: no list"`,
		"exhausted":    `result=unavailable challenge=\d{3} reason="decoy: list /.*: list exhausted"`,
		"broken":       `result=error challenge=\d{3} reason="decoy: list /.*: line 1: .*"`,
		"no such user": `result=refused challenge=\d{3} reason="decoy: unknown user"`,
	} {
		who := victims[name].Name
		if name == "no such user" {
			who = "-"
		}
		if n := len(s.Log.Find(s.mark, `user=`+who+` rhost=127\.0\.0\.1 `+want)); n == 0 {
			t.Errorf("%s: no such line in the log: %s", name, want)
		}
	}
	if lines := s.Log.Find(s.mark, `pam_otpw\(.*mallory`); len(lines) > 0 {
		t.Errorf("in the log:\n%s", world.Lines(lines))
	}
}

// probe does what a stranger would to find out whether somebody can log in, and
// returns what he sees.
func (s *scene) probe(t *testing.T, a *world.Account) (seen []string) {
	var asked []string
	begin := func() *world.Login {
		l, err := s.sshd.NewLogin(a)
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := l.FindPrompt()
		if err != nil {
			t.Fatalf("%v\n%s", err, l.Output())
		}
		for _, n := range numbers {
			if slices.Contains(asked, n) {
				t.Errorf("%s was asked for alone before", n)
			}
		}
		if len(numbers) == 1 {
			asked = append(asked, numbers[0])
		}
		seen = append(seen, fmt.Sprint(len(numbers)))
		return l
	}
	refuse := func(l *world.Login, answer string) {
		l.Enter(answer)
		if err := l.FindResult(); !errors.Is(err, world.ErrRefused) {
			t.Errorf("not refused: %v", err)
		}
		l.Wait()
		out := strings.ReplaceAll(l.Output(), a.Name, "USER")
		seen = append(seen, regexp.MustCompile(`\d{3}`).ReplaceAllString(out, "NNN"))
	}
	held := begin() // first contact
	beside := begin()
	refuse(beside, "wrong")
	refuse(held, "wrong")
	cut := begin()
	cut.Kill()
	s.Log.Await(t, s.mark, `user=(?:`+a.Name+`|-) rhost=\S+ result=abandoned challenge=`+asked[1]+` `)
	for _, answer := range []string{"", "too short", strings.Repeat("long", 200)} {
		refuse(begin(), answer)
	}
	return seen
}

// Without the file that decoys need, everybody with a list can log in, and the
// log says what is missing.
func TestDecoyWithoutState(t *testing.T) {
	t.Parallel()
	s := setUp(t, "decoy")
	state := world.DecoyState
	hidden := "mount -t tmpfs tmpfs " + filepath.Dir(state) + " && exec " + s.Host(t, "login") + " /etc/pam.d " + s.sshd.Name + " "
	complaint := "no decoys: " + state + ": No such file or directory (the installation makes it, and libexec/otpw/decoy-secret)\n"
	number := s.a.Unused(t)[0]
	r := s.Run(t, nil, s.sheet.Response(number)+"\n", "/usr/bin/unshare", "-m", "/bin/sh", "-c", hidden+s.a.Name)
	if !strings.Contains(r.Stdout, "authenticate: 0\n") || !strings.Contains(r.Stdout, complaint) {
		t.Errorf("no login:\n%s%s", r.Stdout, r.Stderr)
	}
	r = s.Run(t, nil, "x\n", "/usr/bin/unshare", "-m", "/bin/sh", "-c", hidden+"mallory")
	if !strings.Contains(r.Stdout, "authenticate: 10\n") || strings.Contains(r.Stdout, "prompt:") || !strings.Contains(r.Stdout, complaint) {
		t.Errorf("no such user:\n%s%s", r.Stdout, r.Stderr)
	}
}
