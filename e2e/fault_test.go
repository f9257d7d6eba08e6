// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/strace"
	"github.com/otpw-go/otpw/e2e/world"
)

// The real worker under faults: the test plays the part of the entry, strace
// kills the worker right before one of its system calls on the list, its folder,
// its lock file or its socket, or lets one fail. Each call in turn.

// formats are the options of otpw-gen for lists whose hashes cost little.
var formats = map[string][]string{
	"otpw1": {"--format", "otpw1"},
	"otpw2": {"--format", "otpw2", "--kdf-memory", "1", "--kdf-passes", "1"},
}

// A situation is what a login finds, and what is answered.
type situation struct {
	name      string
	arguments []string // of the module
	aside     int      // numbers in the lock file
	stale     bool     // the lock file is two days old
	beside    bool     // another login is at its prompt
	wrong     bool     // the answer
	result    int      // of PAM, when nothing fails
}

var situations = []situation{
	{name: "single"},
	{name: "two set aside", aside: 2},
	{name: "three set aside", aside: 3},
	{name: "beside another", beside: true},
	{name: "wrong", wrong: true, result: 7},
	{name: "reask", arguments: []string{"reask"}, wrong: true, result: 7},
	{name: "nolock", arguments: []string{"nolock"}},
	{name: "legacy", arguments: []string{"legacy_lock"}},
	{name: "legacy locked", arguments: []string{"legacy_lock"}, aside: 1},
	{name: "legacy stale", arguments: []string{"legacy_lock"}, aside: 1, stale: true},
}

func (s situation) has(argument string) bool { return slices.Contains(s.arguments, argument) }

// A stage is where a situation is played, again and again.
type stage struct {
	situation
	*world.World
	m       world.Module
	a       *world.Account
	sheet   *world.Sheet
	list    []byte   // as it is before each attempt
	order   []string // its numbers
	service string   // of PAM, for the login after it
	table   string   // of the answers, for e2e/hosts/login.c
	dir     string   // for the logs of strace
}

// onEachStage runs a test with each situation, or those named, and each format.
func onEachStage(t *testing.T, formats map[string][]string, test func(t *testing.T, s *stage), named ...string) {
	needWorld(t)
	m := theWorld.Install(t)
	for format, options := range formats {
		for _, sit := range situations {
			if named != nil && !slices.Contains(named, sit.name) {
				continue
			}
			t.Run(sit.name+"/"+format, func(t *testing.T) {
				t.Parallel()
				begin(t)
				test(t, setStage(t, m, sit, options))
			})
		}
	}
}

func setStage(t *testing.T, m world.Module, sit situation, format []string) *stage {
	t.Helper()
	w := theWorld
	s := &stage{situation: sit, World: w, m: m, a: w.Account(t, "alice"), dir: t.TempDir()}
	s.sheet = w.MakeList(t, s.a, m.Generator, prefix, append([]string{"--count", "30"}, format...)...)
	s.order = s.a.Unused(t)
	s.list = []byte(readList(t, s.a))
	s.service = "fault-" + s.a.Name
	w.Service(t, s.service, pamLines(m, sit.arguments...)...)
	s.table = filepath.Join(s.dir, "table")
	writeTable(t, s.table, s.sheet)
	return s
}

// writeTable writes the answers for the C hosts.
func writeTable(t *testing.T, path string, sheet *world.Sheet) {
	t.Helper()
	table := sheet.Prefix + "\n"
	for number, password := range sheet.Passwords {
		table += number + " " + password + "\n"
	}
	do(t, os.WriteFile(path, []byte(table), 0o600))
}

// An attempt is one login under strace, and what else there was.
type attempt struct {
	world.Attempt
	mark   int // in the log, before it
	calls  []strace.Call
	aside  []string      // numbers in the lock file before it
	other  *world.Worker // the login beside it, at its prompt
	others world.Attempt
}

// ready sets the scene.
func (s *stage) ready(t *testing.T) *attempt {
	t.Helper()
	a := &attempt{mark: s.Log.Mark(), aside: s.order[:s.situation.aside]}
	a.Result = -1
	s.reset(t, a.aside)
	if s.beside {
		a.other = s.StartWorker(t, s.m, s.a, nil, s.arguments...)
		if a.others = a.other.Prompt(); len(a.others.Asked) != 1 {
			t.Fatalf("the login beside was asked for %v", a.others.Asked)
		}
	}
	return a
}

// play lets one login happen, with the fault at a place, or without any (fault is "").
func (s *stage) play(t *testing.T, at strace.Point, fault string) *attempt {
	t.Helper()
	a := s.ready(t)
	w := s.StartWorker(t, s.m, s.a, func(socket string) []string {
		return s.traced([]string{"/home", s.a.Home, s.a.Path(".otpw"), s.a.Path(".otpw.lock"), s.a.Path(".otpw.lock.tmp"), socket}, at, fault)
	}, s.arguments...)
	if a.Attempt = w.Prompt(); a.Asked != nil {
		s.free(t)
	}
	response := s.sheet.Response(a.Asked...)
	if s.wrong {
		response += "x"
	}
	w.Answer(&a.Attempt, response)
	a.calls = s.calls(t)
	if len(a.calls) == 0 {
		t.Fatalf("nothing traced: %v", w)
	}
	return a
}

// traced is the command that starts a program as the stage's user, and looks at
// its calls on the paths.
func (s *stage) traced(paths []string, at strace.Point, fault string) []string {
	argv := []string{"/usr/bin/strace", "-u", s.a.Name, "-o", s.log(),
		// Go sends itself signals, which make calls begin anew: there would be more of them in some runs than in others.
		"-E", "GODEBUG=asyncpreemptoff=1"}
	for _, path := range paths {
		argv = append(argv, "-P", path)
	}
	if fault != "" {
		argv = append(argv, at.Inject(fault))
	}
	return argv
}

// log is where strace writes.
func (s *stage) log() string { return filepath.Join(s.dir, "log") }

// calls are those that strace has written there.
func (s *stage) calls(t *testing.T) []strace.Call {
	t.Helper()
	text, err := os.ReadFile(s.log())
	do(t, err)
	return strace.Parse(string(text))
}

// reset puts list and lock file into the state before an attempt.
func (s *stage) reset(t *testing.T, aside []string) {
	t.Helper()
	for _, name := range []string{".otpw.lock", ".otpw.lock.tmp"} {
		if err := os.Remove(s.a.Path(name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	writeList(t, s.a, string(s.list))
	if len(aside) == 0 {
		return
	}
	lock := s.a.Path(".otpw.lock")
	do(t, os.Symlink(strings.Join(aside, ","), lock))
	do(t, os.Lchown(lock, s.a.UID, s.a.UID))
	if s.stale {
		then := unix.NsecToTimeval(time.Now().AddDate(0, 0, -2).UnixNano())
		do(t, unix.Lutimes(lock, []unix.Timeval{then, then}))
	}
}

// listLock is the lock on a list that is held while a challenge is chosen or the list changed (docs/format.md).
var listLock = unix.Flock_t{Type: unix.F_WRLCK, Start: 1 << 30, Len: 1}

// free checks that nobody holds the list lock.
func (s *stage) free(t *testing.T) {
	t.Helper()
	f, err := os.Open(s.a.Path(".otpw"))
	do(t, err)
	defer f.Close()
	lock := listLock
	do(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock))
	if lock.Type != unix.F_UNLCK {
		t.Error("the list lock is held at the prompt")
	}
}

// check looks at what an attempt has left, and logs in after it.
func (s *stage) check(t *testing.T, a *attempt) {
	t.Helper()
	unused := s.a.Unused(t) // the list parses
	spent := func(n string) bool { return !slices.Contains(unused, n) }
	if a.Result == 0 {
		for _, n := range a.Asked {
			if !spent(n) {
				t.Errorf("%s was accepted and is not used up", n)
			}
		}
	}
	for _, n := range s.order {
		if spent(n) && !slices.Contains(a.Asked, n) && !slices.Contains(a.aside, n) {
			t.Errorf("%s is used up, asked for was %v", n, a.Asked)
		}
	}
	was := s.a.Lock(t)
	next := s.next(t)
	s.rules(t, a, unused, was, next)
	if a.other != nil {
		a.other.Answer(&a.others, s.sheet.Response(a.others.Asked...))
		if a.others.Result != 0 {
			t.Errorf("the login beside: %v", a.others)
		}
	}
	// Nothing that was accepted, or asked for alone, is valid after a success.
	unused = s.a.Unused(t)
	gone := slices.Concat(next, a.others.Asked)
	if a.Result == 0 || s.onlyOnce(a, was) {
		gone = append(gone, a.Asked...)
	}
	for _, n := range gone {
		if !spent(n) {
			t.Errorf("%s is not used up after the next login (%v)", n, next)
		}
	}
}

// next is the login after the attempt, with the real module in a host.
func (s *stage) next(t *testing.T) []string {
	t.Helper()
	r := s.host(t)
	a := hostAttempt(r)
	if a.Asked == nil || a.Result != 0 || r.Status != 0 {
		t.Errorf("the next login: status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	return a.Asked
}

// host runs the host that logs in with right answers, behind another command.
func (s *stage) host(t *testing.T, before ...string) world.Result {
	t.Helper()
	return s.Run(t, nil, "", append(before, s.Host(t, "login"), "-a", "-t", s.table, "/etc/pam.d", s.service, s.a.Name)...)
}

var (
	hostPrompt = regexp.MustCompile(`(?m)^prompt: Password (\S+): $`)
	hostResult = regexp.MustCompile(`(?m)^authenticate: (\d+)$`)
	hostLog    = regexp.MustCompile(`(?m)^log: .* (result=.*)$`)
)

// hostAttempt reads what the host has printed.
func hostAttempt(r world.Result) (a world.Attempt) {
	a.Result = -1
	if m := hostPrompt.FindStringSubmatch(r.Stdout); m != nil {
		a.Asked = strings.Split(m[1], "/")
	}
	if m := hostResult.FindStringSubmatch(r.Stdout); m != nil {
		a.Result, _ = strconv.Atoi(m[1])
	}
	for _, m := range hostLog.FindAllStringSubmatch(r.Stdout, -1) {
		a.Log = append(a.Log, m[1])
	}
	return a
}

// onlyOnce reports whether the attempt was asked for a number alone that may
// never be asked for alone again. lock is what the lock file named after it.
func (s *stage) onlyOnce(a *attempt, lock string) bool {
	forgiven := s.has("reask") && s.wrong && lock == "" // a wrong answer is
	return len(a.Asked) == 1 && !s.has("nolock") && !forgiven
}

// rules checks what the next login was asked for.
func (s *stage) rules(t *testing.T, a *attempt, unused []string, lock string, next []string) {
	t.Helper()
	var live []string
	for _, n := range strings.Split(lock, ",") {
		if slices.Contains(unused, n) {
			live = append(live, n)
		}
	}
	want := 1
	switch {
	case s.has("nolock"):
	case s.has("legacy_lock"):
		if lock != "" && !(s.stale && lock == strings.Join(a.aside, ",")) {
			want = 3
		}
	case s.beside || len(live) >= 3:
		want = 3
	}
	if len(next) != want {
		t.Errorf("the next login was asked for %v, want %d, the lock file named %q", next, want, lock)
	}
	if len(next) == 1 && slices.Equal(next, a.Asked) && s.onlyOnce(a, lock) {
		t.Errorf("%s was asked for alone again", next[0])
	}
	for _, n := range next {
		if slices.Contains(a.aside, n) || slices.Contains(a.others.Asked, n) {
			t.Errorf("the next login was asked for %s, of %v and %v", n, a.aside, a.others.Asked)
		}
	}
}

// kill -9 before every call.
func TestWorkerKilled(t *testing.T) {
	onEachStage(t, formats, func(t *testing.T, s *stage) {
		calls := s.undisturbed(t)
		for i, p := range strace.Points(calls) {
			t.Run(fmt.Sprint(i, " ", p), func(t *testing.T) {
				a := s.play(t, p, strace.Kill)
				if last := len(a.calls) - 1; last != i || a.calls[i].Name != p.Name || !a.calls[i].Cut() {
					t.Fatalf("not killed before %v:\n%v", calls[i], a.calls)
				}
				s.check(t, a)
			})
		}
		t.Logf("%d calls", len(calls))
	})
}

// undisturbed lets a login happen without a fault and returns its calls.
func (s *stage) undisturbed(t *testing.T) []strace.Call {
	t.Helper()
	a := s.play(t, strace.Point{}, "")
	if a.Result != s.result || len(a.Asked) == 0 {
		t.Fatalf("result %d, want %d: %q", a.Result, s.result, a.Log)
	}
	s.check(t, a)
	return a.calls
}

// faults are what may become of a call: errors of broken, full and network disks, and short writes.
func faults(c strace.Call) []string {
	if c.Name == "getsockopt" { // before there is anybody to say it to
		return nil
	}
	if strings.HasPrefix(c.Args, "3, ") { // the socket
		return []string{"error=EIO", "error=EINTR"}
	}
	faults := []string{"error=EIO", "error=EINTR"}
	switch c.Name {
	case "openat", "symlinkat", "renameat", "unlinkat", "fdatasync":
		faults = append(faults, "error=ENOSPC", "error=EROFS", "error=EDQUOT")
	case "pwrite64":
		faults = append(faults, "error=ENOSPC", "error=EROFS", "error=EDQUOT", "retval=0", "retval=5")
	case "fcntl":
		faults = append(faults, "error=ENOLCK")
	}
	return faults
}

// Every call fails, in every way.
func TestWorkerErrors(t *testing.T) {
	onEachStage(t, formats, func(t *testing.T, s *stage) {
		cases, accepted := 0, 0
		calls := s.undisturbed(t)
		for i, p := range strace.Points(calls) {
			for _, fault := range faults(calls[i]) {
				t.Run(fmt.Sprint(i, " ", p, " ", fault), func(t *testing.T) {
					a := s.play(t, p, fault)
					if len(a.calls) <= i || a.calls[i].Name != p.Name || !a.calls[i].Injected() {
						t.Fatalf("no fault in %v:\n%v", calls[i], a.calls)
					}
					cases++
					if a.Result == 0 {
						accepted++
					}
					if fault == "error=EINTR" && a.Result != s.result {
						t.Errorf("result %d, want %d: %q", a.Result, s.result, a.Log)
					}
					s.oneResult(t, a)
					s.check(t, a)
				})
			}
		}
		t.Logf("%d faults, %d logins accepted", cases, accepted)
	})
}

// oneResult checks that an attempt has left one line about its result, and that it says what became of it.
func (s *stage) oneResult(t *testing.T, a *attempt) {
	t.Helper()
	var lines []string
	for _, l := range a.Log {
		if strings.HasPrefix(l[1:], "result=") {
			lines = append(lines, l[1:])
		}
	}
	for _, l := range s.workersLines(a) {
		lines = append(lines, l.Text)
	}
	if len(lines) != 1 {
		t.Errorf("result %d, %d lines about it, want 1: %q", a.Result, len(lines), lines)
	}
	if a.Result == 0 && !strings.Contains(lines[0], "result=accepted") {
		t.Errorf("accepted, and the line is %q", lines[0])
	}
}
