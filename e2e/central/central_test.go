// SPDX-License-Identifier: MIT

// Package central tests lists that one account keeps for all users: the pseudo-user
// of OTPW 1.5, otpw-gen set-user-id for it, what root does for others, and
// /etc/otpw.conf. It has a private world of its own, since all of that is for a
// whole host.
package central

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otpw-go/otpw/e2e/strace"
	"github.com/otpw-go/otpw/e2e/world"
	"github.com/otpw-go/otpw/otp"
)

var (
	theWorld *world.World
	noWorld  error
)

func TestMain(m *testing.M) {
	theWorld, noWorld = world.Enter()
	if noWorld != nil && !errors.Is(noWorld, world.ErrNotRoot) && os.Getenv("CI") != "" {
		fmt.Fprintln(os.Stderr, "central: root, but no private world:", noWorld)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const prefix = "geHeim wOrt"

// A site is a host where otpw keeps all lists.
type site struct {
	*world.World
	t      *testing.T
	m      world.Module
	keeper *world.Account
	alice  *world.Account
	bob    *world.Account
}

var theKeeper *world.Account

// begin makes a site. There is one keeper for all tests, which do not run in
// parallel.
func begin(t *testing.T) *site {
	t.Helper()
	if noWorld != nil {
		t.Skip(noWorld)
	}
	theWorld.Watch(t, 3*time.Minute)
	if theKeeper == nil {
		theKeeper = theWorld.SystemAccount(t, "otpw")
	}
	s := &site{World: theWorld, t: t, m: theWorld.Install(t), keeper: theKeeper}
	s.alice, s.bob = theWorld.Account(t, "alice"), theWorld.Account(t, "bob")
	s.setUserID(s.m.Generator)
	t.Cleanup(func() { os.Remove(otp.SitePath) })
	return s
}

// setUserID makes a program set-user-id for the keeper.
func (s *site) setUserID(program string) {
	s.t.Helper()
	must(s.t, os.Chown(program, s.keeper.UID, 0), syscall.Chmod(program, 0o4755))
}

// bothWays runs a test with otpw-gen set-user-id, and with the small program that is so in its place.
func bothWays(t *testing.T, test func(*testing.T, *site)) {
	t.Run("itself", func(t *testing.T) { test(t, begin(t)) })
	t.Run("through otpw-gen-as-keeper", func(t *testing.T) {
		s := begin(t)
		must(t, os.Chown(s.m.Generator, 0, 0), os.Chmod(s.m.Generator, 0o755))
		s.setUserID(s.AsKeeper(t, s.m))
		test(t, s)
	})
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// conf writes /etc/otpw.conf.
func (s *site) conf(lines ...string) {
	s.t.Helper()
	must(s.t, os.WriteFile(otp.SitePath, []byte(strings.Join(lines, "\n")+"\n"), 0o644), os.Chmod(otp.SitePath, 0o644))
}

// list is the path of an account's list.
func (s *site) list(a *world.Account) string { return s.keeper.Path(a.Name) }

var cheap = []string{"--kdf-memory", "1", "--kdf-passes", "1", "-h", "10"}

// gen runs otpw-gen.
func (s *site) gen(as *world.Account, stdin string, args ...string) world.Result {
	s.t.Helper()
	return s.Run(s.t, as, stdin, append([]string{s.m.Generator}, args...)...)
}

// makeList makes a list for an account, as a user of this host does.
func (s *site) makeList(a *world.Account, args ...string) *world.Sheet {
	s.t.Helper()
	return s.makeListWith(s.m.Generator, a, append(slices.Clone(cheap), args...)...)
}

func (s *site) makeListWith(generator string, a *world.Account, args ...string) *world.Sheet {
	s.t.Helper()
	input := prefix + "\n" + prefix + "\n"
	if _, err := os.Lstat(s.list(a)); err == nil {
		input = "y\n" + input
	}
	r := s.Run(s.t, a, input, append([]string{generator}, args...)...)
	if r.Status != 0 {
		s.t.Fatalf("status %d\n%s", r.Status, r.Stderr)
	}
	return &world.Sheet{Text: r.Stdout, Notes: r.Stderr, Prefix: prefix, Passwords: world.ParseSheet(r.Stdout)}
}

// fails runs otpw-gen, which has to fail with a message.
func (s *site) fails(as *world.Account, message string, args ...string) {
	s.t.Helper()
	r := s.gen(as, prefix+"\n"+prefix+"\n", args...)
	if r.Status == 0 || !regexp.MustCompile(message).MatchString(r.Stderr) {
		s.t.Errorf("%s, %q: status %d, want %q\n%s", as.Name, args, r.Status, message, r.Stderr)
	}
}

func (s *site) owner(path string) (uid int, mode os.FileMode) {
	s.t.Helper()
	st, err := os.Lstat(path)
	must(s.t, err)
	return int(st.Sys().(*syscall.Stat_t).Uid), st.Mode()
}

func pamLines(m world.Module, args string) []string {
	return []string{
		"auth required " + m.Path + " " + args,
		"account required pam_permit.so",
		"session required pam_permit.so",
		"session optional " + m.Path + " " + args,
	}
}

func (s *site) login(sshd *world.Sshd, a *world.Account, sheet *world.Sheet) {
	s.t.Helper()
	l := sshd.Login(a)
	l.Enter(sheet.Response(l.Single()))
	l.Accepted()
}

// The set-up of OTPW 1.5 works unchanged, with either generator and either module.
func TestPseudoUser(t *testing.T) {
	s := begin(t)
	original := s.InstallOriginal(t)
	s.setUserID(original.Generator)
	// the original reads lists only where its module does; it knows the user otpw by itself
	theirs, ours := s.Sshd(t, pamLines(original, "")), s.Sshd(t, pamLines(s.m, ""))
	for name, tt := range map[string]struct {
		generator string
		args      []string
		servers   []*world.Sshd
	}{
		"original list":     {original.Generator, []string{"-h", "20"}, []*world.Sshd{ours, theirs}},
		"our list, OTPW1":   {s.m.Generator, []string{"-h", "20", "--format", "otpw1"}, []*world.Sshd{theirs, ours}},
		"our list, default": {s.m.Generator, cheap, []*world.Sshd{ours}},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t, s.alice = t, s.Account(t, "alice")
			sheet := s.makeListWith(tt.generator, s.alice, tt.args...)
			if uid, mode := s.owner(s.list(s.alice)); uid != s.keeper.UID || mode.Perm() != 0o600 {
				t.Errorf("list: uid %d, %v", uid, mode)
			}
			if _, err := os.Lstat(s.alice.Path(".otpw")); err == nil {
				t.Error("there is a list in the home, too")
			}
			for _, sshd := range tt.servers {
				s.login(sshd, s.alice, sheet)
			}
		})
	}
	// a list in a home says nothing any more
	must(t, os.WriteFile(s.alice.Path(".otpw"), []byte("OTPW1\n1 3 12 8\n000abcdefghijkm\n"), 0o600), os.Chown(s.alice.Path(".otpw"), s.alice.UID, s.alice.UID))
	mark := s.Log.Mark()
	ours.Login(s.alice).Refused()
	s.Log.Await(t, mark, `user=`+s.alice.Name+` rhost=127\.0\.0\.1 result=unavailable reason="list `+s.list(s.alice)+`: no list"`)
}

// Who runs the set-user-id program has his own list, and nobody else's.
func TestSetUserID(t *testing.T) { bothWays(t, setUserID) }

func setUserID(t *testing.T, s *site) {
	sheet := s.makeList(s.alice)
	before, err := os.ReadFile(s.list(s.alice))
	must(t, err)
	if r := s.gen(s.alice, "", "status"); r.Status != 0 || !strings.Contains(r.Stdout, s.list(s.alice)) {
		t.Errorf("status: %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	s.fails(s.bob, `list `+s.list(s.bob)+`: no list`, "status")
	for _, args := range [][]string{{"status"}, {"revoke", "--all", "-y"}, {"unlock"}, {}} {
		s.fails(s.bob, `--user alice\d*: the list belongs to another user`, append(args, "--user", s.alice.Name)...)
		s.fails(s.bob, `not both`, append(args, "--user", s.alice.Name, "-f", "x")...)
		s.fails(s.bob, `unsafe list file: folder .* is owned by uid`, append(args, "-f", s.list(s.alice))...)
	}
	s.fails(s.bob, `only root can`, "status", "--all")
	// a link of his own to her list, by his own name
	must(t, os.Symlink(s.list(s.alice), s.bob.Path("link")))
	s.fails(s.bob, `unsafe list file: folder .* is owned by uid`, "-f", "link")
	s.fails(s.bob, `permission denied|not for the sheet`, "--pdf", s.list(s.alice), "--force")
	s.fails(s.bob, `permission denied`, "--pdf", s.keeper.Path("sheet.pdf"))
	if now, err := os.ReadFile(s.list(s.alice)); err != nil || string(now) != string(before) {
		t.Errorf("alice's list has changed: %v", err)
	}

	// a library that writes a file where the environment says
	s.Run(t, s.bob, "", "/usr/bin/env", "BASH_COMP_DEBUG_FILE="+s.keeper.Path("debug"), s.m.Generator, "__complete", "--x", "")
	if _, err := os.Lstat(s.keeper.Path("debug")); err == nil {
		t.Error("a file was made with the keeper's rights")
	}

	// files of his own are his own
	for _, args := range [][]string{{"-f", "list"}, {"--pdf", "sheet.pdf"}} {
		if r := s.gen(s.bob, prefix+"\n"+prefix+"\n", append(slices.Concat(cheap[:4], []string{"--count", "20"}), args...)...); r.Status != 0 {
			t.Fatalf("%q: %s", args, r.Stderr)
		}
		if uid, mode := s.owner(s.bob.Path(args[1])); uid != s.bob.UID || mode.Perm() != 0o600 {
			t.Errorf("%q: uid %d, %v", args, uid, mode)
		}
	}
	if r := s.gen(s.alice, "", "revoke", "-y", "000"); r.Status != 0 {
		t.Error(r.Stderr)
	}
	if r := s.gen(s.alice, "", "unlock"); r.Status != 0 {
		t.Error(r.Stderr)
	}
	delete(sheet.Passwords, "000")
	sshd := s.Sshd(t, pamLines(s.m, ""))
	s.login(sshd, s.alice, sheet)
	if names := s.names(); !slices.Equal(names, sorted(s.alice.Name, s.bob.Name)) {
		t.Errorf("in the folder: %q", names)
	}
}

// With a file of the caller's own the keeper's rights are given up for good.
func TestGivenUp(t *testing.T) {
	s := begin(t)
	term := s.Terminal(t, s.alice, s.m.Generator, "-f", "list")
	term.Expect("refix")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", term.PID()))
	must(t, err)
	if want := fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", s.alice.UID); !strings.Contains(string(status), want) {
		t.Errorf("no %q in\n%s", want, status)
	}
	term.Kill()
}

func sorted(names ...string) []string { return slices.Sorted(slices.Values(names)) }

// names are the files in the keeper's folder that tests with other accounts did not leave.
func (s *site) names() []string {
	s.t.Helper()
	files, err := os.ReadDir(s.keeper.Home)
	must(s.t, err)
	var names []string
	for _, f := range files {
		if n := f.Name(); strings.HasPrefix(n, s.alice.Name) || strings.HasPrefix(n, s.bob.Name) {
			names = append(names, n)
		}
	}
	return names
}

// What the printing system is started with is the caller's, and nothing else.
func TestSetUserIDChildren(t *testing.T) { bothWays(t, setUserIDChildren) }

func setUserIDChildren(t *testing.T, s *site) {
	must(t, os.Mkdir(s.alice.Path("bin"), 0o755),
		os.WriteFile(s.alice.Path("bin/lp"), []byte("#!/bin/sh\nexec >out\ngrep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status\nenv\nls -l /proc/self/fd\ncat >/dev/null\n"), 0o755))
	r := s.Run(t, s.alice, prefix+"\n"+prefix+"\n", append([]string{"/usr/bin/env", "PATH=" + s.alice.Path("bin") + ":/usr/bin:/bin",
		"GODEBUG=gctrace=1", "GOGC=1", "GOMAXPROCS=1", "GOTRACEBACK=crash", "ZONEINFO=/etc/shadow", "TZ=Europe/Berlin", "MARK=kept",
		s.m.Generator, "--print", "--count", "20"}, cheap[:4]...)...)
	if r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	if strings.Contains(r.Stderr, "gc 3 @") {
		t.Errorf("the runtime obeys the caller's environment:\n%s", r.Stderr)
	}
	out, err := os.ReadFile(s.alice.Path("out"))
	must(t, err)
	id := fmt.Sprintf("%[1]d\t%[1]d\t%[1]d\t%[1]d", s.alice.UID)
	for _, want := range []string{"Uid:\t" + id, "Gid:\t" + id, "CapEff:\t0000000000000000", "MARK=kept", " 0 -> "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, not := range []string{"GODEBUG", "GOGC", "GOMAXPROCS", "=crash", "ZONEINFO", s.keeper.Home} {
		if strings.Contains(string(out), not) {
			t.Errorf("%q in\n%s", not, out)
		}
	}
}

// As the keeper, the program touches the list and the files beside it.
func TestSetUserIDCalls(t *testing.T) { bothWays(t, setUserIDCalls) }

func setUserIDCalls(t *testing.T, s *site) {
	allowed := []string{s.list(s.alice), s.list(s.alice) + ".tmp", s.list(s.alice) + ".lock", s.list(s.alice) + ".lock.tmp", s.keeper.Home, "/home"}
	for _, tt := range []struct {
		stdin string
		args  []string
	}{
		{prefix + "\n" + prefix + "\n", append(slices.Clone(cheap[:4]), "--count", "20", "--pdf", "one.pdf")},
		{"y\n" + prefix + "\n" + prefix + "\n", append(slices.Clone(cheap[:4]), "--count", "20", "--pdf", "one.pdf", "--force")},
		{"", []string{"status"}},
		{"", []string{"revoke", "-y", "000-003"}},
		{"", []string{"unlock"}},
	} {
		log := filepath.Join(t.TempDir(), "log")
		r := s.Run(t, nil, tt.stdin, append([]string{"/usr/bin/strace", "-f", "-u", s.alice.Name, "-o", log, "-e", "trace=%file,setresuid", "/bin/sh", "-c", "cd \"$1\"; shift; exec \"$@\"", "sh", s.alice.Home, s.m.Generator}, tt.args...)...)
		if r.Status != 0 {
			t.Fatalf("%q: %d\n%s", tt.args, r.Status, r.Stderr)
		}
		text, err := os.ReadFile(log)
		must(t, err)
		path := regexp.MustCompile(`"(/[^"]*|[^/"][^"]*)"`)
		keeper, touched := false, false
		for _, c := range strace.Parse(string(text)) {
			switch {
			case c.Name == "setresuid":
				keeper = strings.HasPrefix(c.Args, fmt.Sprintf("-1, %d,", s.keeper.UID))
			case keeper:
				for _, m := range path.FindAllStringSubmatch(c.Args, -1) {
					touched = true
					if !slices.Contains(allowed, m[1]) && !(c.Name == "symlinkat" && m[1] == path.FindStringSubmatch(c.Args)[1]) {
						t.Errorf("%q, as the keeper: %v", tt.args, c)
					}
				}
			default:
				for _, m := range path.FindAllStringSubmatch(c.Args, -1) {
					if strings.HasPrefix(m[1], s.keeper.Home+"/") && c.Result != "-1 EACCES (Permission denied)" {
						t.Errorf("%q, as the caller: %v", tt.args, c)
					}
				}
			}
		}
		if !touched {
			t.Errorf("%q: nothing done as the keeper:\n%s", tt.args, text)
		}
	}
}

// Names in which another list, or a file beside one, could hide have none.
func TestNames(t *testing.T) {
	s := begin(t)
	s.makeList(s.alice)
	sshd := s.Sshd(t, pamLines(s.m, ""))
	for _, suffix := range []string{".lock", ".tmp"} {
		odd := s.Account(t, s.alice.Name+suffix)
		s.fails(odd, `no place for a list: the name "alice\d*\`+suffix+`" could be mistaken`)
		mark := s.Log.Mark()
		sshd.Login(odd).Refused()
		s.Log.Await(t, mark, `result=error reason="no place for a list: the name`)
	}
}

// Whatever the caller does to the process, his list is the old one or a new one, and nobody's sheet is in it.
func TestSetUserIDCallers(t *testing.T) { bothWays(t, setUserIDCallers) }

func setUserIDCallers(t *testing.T, s *site) {
	s.makeList(s.alice)
	old, err := os.ReadFile(s.list(s.alice))
	must(t, err)
	answers := "y\n" + prefix + "\n" + prefix + "\n"
	gen := s.m.Generator + " --format otpw1 --count 20"
	for name, command := range map[string]string{
		"stdin closed":         gen + " <&-",
		"stdout closed":        gen + " >&-",
		"stderr closed":        gen + " 2>&- >sheet",
		"stdin, stdout closed": gen + " <&- >&-",
		"out, err closed":      gen + " >&- 2>&-",
		"all closed":           gen + " <&- >&- 2>&-",
		"file size 0":          "ulimit -f 0; " + gen + " >sheet",
		"file size small":      "ulimit -f 1; " + gen + " | cat >/dev/null",
		"few descriptors":      "ulimit -n 3; " + gen + " >sheet",
		"some descriptors":     "ulimit -n 6; " + gen + " >sheet",
		"little memory":        "ulimit -v 60000; " + gen + " >sheet",
		"no time":              "ulimit -t 0; " + gen + " >sheet",
		"no stack":             "ulimit -s 64; " + gen + " >sheet",
		"signals ignored":      "trap '' HUP INT TERM QUIT PIPE XFSZ; " + gen + " >sheet",
		"killed":               gen + " >sheet & sleep 0.05; kill -9 $!; wait",
		"terminated":           gen + " >sheet & sleep 0.05; kill $!; wait",
		"stopped":              gen + " >sheet & kill -STOP $!; kill -CONT $!; wait",
		"no terminal":          "setsid " + gen + " >sheet",
	} {
		t.Run(name, func(t *testing.T) {
			r := s.Run(t, s.alice, answers, "/bin/sh", "-c", command)
			now, err := os.ReadFile(s.list(s.alice))
			must(t, err)
			if _, err := otp.Parse(now); err != nil {
				t.Errorf("list: %v\n%s", err, r.Stderr)
			}
			if uid, mode := s.owner(s.list(s.alice)); uid != s.keeper.UID || mode.Perm() != 0o600 {
				t.Errorf("list: uid %d, %v", uid, mode)
			}
			if strings.Contains(string(now), "refix") || strings.Contains(string(now), "OTPW list") {
				t.Errorf("a message or a sheet is in the list:\n%s", now)
			}
			for _, n := range s.names() {
				if n != s.alice.Name && n != s.alice.Name+".tmp" {
					t.Errorf("left: %s", n)
				}
			}
			must(t, os.WriteFile(s.list(s.alice), old, 0o600))
			os.Remove(s.list(s.alice) + ".tmp")
		})
	}
}

// A signal ends the program also while it has the keeper's rights, before there is a new list.
func TestSetUserIDSignal(t *testing.T) {
	s := begin(t)
	// strace sends the signal in the first look at the list, and has that wait for whoever handles it
	r := s.Run(t, nil, "", "/usr/bin/strace", "-f", "-u", s.alice.Name, "-o", "/dev/null", "-P", s.list(s.alice), "-e", "inject=newfstatat,?lstat:signal=TERM:delay_exit=500000:when=1",
		s.m.Generator, "--pdf", s.alice.Path("sheet.pdf"))
	if r.Status != 128+int(syscall.SIGTERM) || !strings.Contains(r.Stderr, "broken off") {
		t.Errorf("status %d\n%s", r.Status, r.Stderr)
	}
}

// For other bits than set-user-id for the keeper the program does nothing.
func TestWrongBits(t *testing.T) {
	s := begin(t)
	for _, tt := range []struct {
		uid, gid int
		mode     uint32
		message  string
	}{
		{0, 0, 0o4755, "set-user-id for root, which it is not made for"},
		{s.bob.UID, 0, 0o4755, `lists are kept by otpw \(uid \d+\): the list belongs to another user`},
		{0, s.keeper.UID, 0o2755, "set-group-id, which it is not made for"},
		{0, 0, 0o755, `lists are kept by otpw \(uid \d+\): the list belongs to another user, and only root makes them`},
	} {
		must(t, os.Chown(s.m.Generator, tt.uid, tt.gid), syscall.Chmod(s.m.Generator, tt.mode))
		s.fails(s.alice, tt.message)
		if _, err := os.Lstat(s.list(s.alice)); err == nil {
			t.Errorf("%04o: there is a list", tt.mode)
		}
	}
	must(t, os.Chown(s.m.Generator, 0, 0), os.Chmod(s.m.Generator, 0o755))
	helper := s.AsKeeper(t, s.m)
	for _, tt := range []struct {
		uid     int
		mode    uint32
		message string // of otpw-gen
		itself  string // of the helper
	}{
		{0, 0o755, `belongs to another user, and only root makes them`, "not set-user-id for an account that keeps lists"},
		{s.keeper.UID, 0o755, `belongs to another user, and only root makes them`, "not set-user-id for an account that keeps lists"},
		{0, 0o4755, `belongs to another user, and only root makes them`, "not set-user-id for an account that keeps lists"},
		{s.keeper.UID, 0o6755, "not set-user-id for an account that keeps lists", "not set-user-id for an account that keeps lists"}, // and set-group-id for root
		{s.bob.UID, 0o4755, `belongs to another user, and only root makes them`, `lists are kept by otpw \(uid \d+\): the list belongs to another user`},
	} {
		must(t, os.Chown(helper, tt.uid, 0), syscall.Chmod(helper, tt.mode))
		s.fails(s.alice, tt.message)
		if r := s.Run(t, s.alice, "", helper); r.Status != 1 || !regexp.MustCompile(tt.itself).MatchString(r.Stderr) {
			t.Errorf("%d, %04o: %+v", tt.uid, tt.mode, r)
		}
		if _, err := os.Lstat(s.list(s.alice)); err == nil {
			t.Errorf("%d, %04o: there is a list", tt.uid, tt.mode)
		}
	}
	// without the bit, -f is anybody's
	if r := s.gen(s.alice, prefix+"\n"+prefix+"\n", append(slices.Clone(cheap), "-f", "list")...); r.Status != 0 {
		t.Error(r.Stderr)
	}
}

// What root does for others happens with their ids, or the keeper's.
func TestRoot(t *testing.T) {
	for _, where := range []string{"kept", "in homes"} {
		t.Run(where, func(t *testing.T) {
			s := begin(t)
			list, owner := s.list, func(*world.Account) int { return s.keeper.UID }
			if where == "in homes" {
				s.conf("[module]", "file=~/.otpw")
				list, owner = func(a *world.Account) string { return a.Path(".otpw") }, func(a *world.Account) int { return a.UID }
			}
			must(t, os.Chown(s.m.Generator, 0, 0), os.Chmod(s.m.Generator, 0o755))
			sheets := map[*world.Account]*world.Sheet{}
			for _, a := range []*world.Account{s.alice, s.bob} {
				r := s.gen(nil, prefix+"\n"+prefix+"\n", append(slices.Clone(cheap), "--user", a.Name)...)
				if r.Status != 0 {
					t.Fatal(r.Stderr)
				}
				sheets[a] = &world.Sheet{Text: r.Stdout, Prefix: prefix, Passwords: world.ParseSheet(r.Stdout)}
				if uid, mode := s.owner(list(a)); uid != owner(a) || mode.Perm() != 0o600 {
					t.Errorf("%s: uid %d, %v", list(a), uid, mode)
				}
			}
			sshd := s.Sshd(t, pamLines(s.m, ""))
			s.login(sshd, s.alice, sheets[s.alice])

			// a table, and JSON
			r := s.gen(nil, "", "status", "--all")
			for _, want := range []string{`(?m)^USER +LEFT +NEXT +LAST DAY +MADE +REMARK$`, `(?m)^` + s.alice.Name + ` +29/30 +\d{3} +- +20\d\d-\d\d-\d\d *$`,
				`(?m)^` + s.bob.Name + ` +30/30 `} {
				if r.Status > 1 || !regexp.MustCompile(want).MatchString(r.Stdout) {
					t.Errorf("status %d, no %q in\n%s%s", r.Status, want, r.Stdout, r.Stderr)
				}
			}
			var all []struct {
				User   string
				Unused int
				Print  bool `json:"time_to_print"`
			}
			r = s.gen(nil, "", "status", "--all", "--json")
			if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil || len(all) < 2 {
				t.Errorf("%v\n%s", err, r.Stdout)
			}
			if r := s.gen(nil, "", "status", "--user", s.bob.Name); r.Status != 0 || !strings.Contains(r.Stdout, "30 of 30") {
				t.Errorf("%d\n%s", r.Status, r.Stdout)
			}
			if r := s.gen(nil, "", "revoke", "--user", s.bob.Name, "--all", "--yes"); r.Status != 0 {
				t.Error(r.Stderr)
			}
			sshd.Login(s.bob).Refused()
			if r := s.gen(nil, "", "status", "--user", s.bob.Name); r.Status != 1 {
				t.Errorf("an exhausted list: %d\n%s", r.Status, r.Stdout)
			}
			s.fails(world.Root, "user nosuchuser: there is no such user", "--user", "nosuchuser")
			s.fails(world.Root, "makes no sense", "status", "--user", fmt.Sprint(s.alice.UID)) // which is no name

			// somebody's broken list, or worse, is told, and keeps nobody from seeing the others
			must(t, os.Remove(list(s.bob)), syscall.Mkfifo(list(s.bob), 0o600), os.Chown(list(s.bob), owner(s.bob), 0))
			r = s.gen(nil, "", "status", "--all")
			if r.Status != 3 || !regexp.MustCompile(`(?m)^`+s.bob.Name+` +- +- +- +- +list .*not a regular file`).MatchString(r.Stdout) || !strings.Contains(r.Stdout, s.alice.Name) {
				t.Errorf("status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
			must(t, os.Remove(list(s.bob)))
			if where == "in homes" { // his link leads to what only root can read
				secret := "/root/secret"
				must(t, os.WriteFile(secret, []byte("OTPW1\n1 3 12 8\n000abcdefghijkm\n"), 0o600), os.Symlink(secret, list(s.bob)), os.Lchown(list(s.bob), s.bob.UID, s.bob.UID))
				s.fails(world.Root, "permission denied", "status", "--user", s.bob.Name)
				s.fails(world.Root, "permission denied", "--user", s.bob.Name)
				must(t, os.Remove(list(s.bob)))
			}
			s.fails(world.Root, "no list", "status", "--user", s.bob.Name)
		})
	}
}

// What /etc/otpw.conf wants of lists holds where users cannot write theirs; an error in it lets nobody in.
func TestConf(t *testing.T) {
	s := begin(t)
	s.conf("[generator]", "least_entropy=64", "format=otpw2", "longest_life=30d", "least_kdf_memory=2", "least_kdf_passes=2")
	s.fails(s.alice, `/etc/otpw.conf wants --entropy of at least 64`, "-e", "63")
	s.fails(s.alice, `/etc/otpw.conf wants --format otpw2`, "--format", "otpw1")
	s.fails(s.alice, `/etc/otpw.conf wants --kdf-memory of at least 2`, "--kdf-memory", "1")
	s.fails(s.alice, `/etc/otpw.conf wants --kdf-passes of at least 2`, "--kdf-passes", "1")
	s.fails(s.alice, `/etc/otpw.conf wants lists whose last day is at most 30 days away`, "--expires", "31d")
	sheet := s.makeListWith(s.m.Generator, s.alice, "--kdf-memory", "2", "-h", "10", "-m")
	last := time.Now().AddDate(0, 0, 30).Format(time.DateOnly)
	for _, want := range []string{"otpw-gen -k -h 10 -e 64 --expires " + last} {
		if !strings.Contains(sheet.Notes, want) {
			t.Errorf("no %q in\n%s", want, sheet.Notes)
		}
	}
	list, err := os.ReadFile(s.list(s.alice))
	must(t, err)
	if l, err := otp.Parse(list); err != nil || l.PasswordLen() != otp.Base64.Len(64) || otp.LastDay(l.Expires) != last || l.KDF.Passes != 2 {
		t.Errorf("%v\n%s", err, list[:300])
	}
	sshd := s.Sshd(t, pamLines(s.m, ""))
	s.login(sshd, s.alice, sheet)

	// a time zone of his own, in which clocks will be put back by decades, gives him no longer life
	must(t, os.WriteFile(s.bob.Path("zone"), leapingZone(time.Now().AddDate(0, 0, 7)), 0o644))
	for _, args := range [][]string{{}, {"--expires", "30d"}} {
		r := s.Run(t, s.bob, prefix+"\n"+prefix+"\n", append([]string{"/usr/bin/env", "TZ=" + s.bob.Path("zone"), s.m.Generator, "--kdf-memory", "2", "-h", "10"}, args...)...)
		l, err := os.ReadFile(s.list(s.bob))
		if r.Status != 0 {
			continue // refused
		}
		if list, perr := otp.Parse(l); err != nil || perr != nil || time.Until(list.Expires) > 33*24*time.Hour {
			t.Errorf("%q: %v, %v\n%.300s", args, err, perr, l)
		}
		must(t, os.Remove(s.list(s.bob)))
	}

	s.conf("[generator]", "format=otpw1")
	s.makeListWith(s.m.Generator, s.bob, "-h", "10")
	if b, err := os.ReadFile(s.list(s.bob)); err != nil || !strings.HasPrefix(string(b), "OTPW1\n") {
		t.Errorf("%v\n%.100s", err, b)
	}

	// arguments for the module, of which the line's count more
	s.conf("[module]", "prompt=Site")
	l := sshd.Login(s.alice)
	l.Expect(`Site \d+: `)
	own := s.Sshd(t, pamLines(s.m, "prompt=Line"))
	own.Login(s.alice).Expect(`Line [\d/]+: `)

	for _, broken := range []struct{ line, reason string }{
		{"frobnicate", `/etc/otpw.conf line 2: unknown argument`},
		{"lock_timeout=x", `/etc/otpw.conf line 2: argument`},
		{"a\x01", `/etc/otpw.conf: line 2: a control character`},
	} {
		s.conf("[module]", broken.line)
		mark := s.Log.Mark()
		sshd.Login(s.alice).Refused()
		s.Log.Await(t, mark, `result=error reason="`+broken.reason)
	}
	s.conf("[generator]", "least_entropy=many")
	s.fails(s.alice, `^otpw-gen: /etc/otpw.conf line 2: least_entropy: "many", want 1 to \d+\nNobody can make a list until`, cheap...)
	sshd.Login(s.alice).Prompt() // which is nothing to logins, nor to lists that there are
	for _, args := range [][]string{{"status"}, {"revoke", "-y", "029"}} {
		if r := s.gen(s.alice, "", args...); r.Status > 1 || strings.Contains(r.Stderr, otp.SitePath) {
			t.Errorf("%q: %d\n%s", args, r.Status, r.Stderr)
		}
	}
	for _, name := range []string{"file", "user"} { // the module takes that as wrong
		s.conf("[module]", name+"=")
		s.fails(s.alice, `^otpw-gen: /etc/otpw.conf: `+name+`= names nothing\nNobody can log in or make a list until`, cheap...)
		sshd.Login(s.alice).Refused()
	}
	must(t, os.Chmod(otp.SitePath, 0o600))
	s.fails(s.alice, `^otpw-gen: /etc/otpw.conf: permission denied\nLogins can read it, users cannot`, "status")
	s.conf("[modul]")
	s.fails(s.alice, `^otpw-gen: /etc/otpw.conf line 1.*\nNobody can log in or make a list until`, "status")
	s.conf("[generator]", "least_entropy=many")
	if r := s.gen(s.alice, "", "--help"); r.Status != 0 {
		t.Error("no help with a broken configuration")
	}
	s.conf("[module]", "user=nosuchuser")
	s.fails(s.alice, `/etc/otpw.conf: user=nosuchuser: user nosuchuser: there is no such user`)
}

// leapingZone is a time zone (RFC 8536) in which clocks are put back by 60 years at a
// moment.
func leapingZone(at time.Time) []byte {
	var b []byte
	for _, v := range []byte{0, '2'} { // the same twice: once for old readers, with times of 4 bytes
		b = append(append(b, "TZif"...), v)
		b = append(b, make([]byte, 15)...)
		for _, n := range []uint32{0, 0, 0, 1, 2, 8} { // one transition, two kinds of time, names of 8 bytes
			b = binary.BigEndian.AppendUint32(b, n)
		}
		if v == 0 {
			b = binary.BigEndian.AppendUint32(b, uint32(at.Unix()))
		} else {
			b = binary.BigEndian.AppendUint64(b, uint64(at.Unix()))
		}
		b = append(b, 1) // to the second kind
		for i, offset := range []int32{0, -60 * 365 * 86400} {
			b = append(binary.BigEndian.AppendUint32(b, uint32(offset)), 0, byte(4*i))
		}
		b = append(b, "UTC\x00OLD\x00"...)
	}
	return append(b, "\n\n"...)
}

// Lists of their users, in a folder that is not their home; and of an account that an argument names.
func TestPlaces(t *testing.T) {
	s := begin(t)
	s.conf("[module]", "file=/var/lib/lists/%U/%u")
	folder := filepath.Join("/var/lib/lists", fmt.Sprint(s.alice.UID))
	must(t, os.MkdirAll(folder, 0o755), os.Chown(folder, s.alice.UID, 0))
	sheet := s.makeList(s.alice)
	if uid, _ := s.owner(filepath.Join(folder, s.alice.Name)); uid != s.alice.UID {
		t.Errorf("uid %d", uid)
	}
	sshd := s.Sshd(t, pamLines(s.m, ""))
	s.login(sshd, s.alice, sheet)
	s.fails(s.bob, "no such file or directory")
	sshd.Login(s.bob).Refused()

	// root's, as google-authenticator has it: no set-user-id program for those
	s.conf("[module]", "file=/etc/lists/%u", "user=root")
	must(t, os.MkdirAll("/etc/lists", 0o700))
	s.fails(s.alice, `lists are kept by root`)
	r := s.gen(nil, prefix+"\n"+prefix+"\n", append(slices.Clone(cheap), "--user", s.alice.Name)...)
	if r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	s.login(sshd, s.alice, &world.Sheet{Prefix: prefix, Passwords: world.ParseSheet(r.Stdout)})
}
