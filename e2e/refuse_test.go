// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/world"
)

// Lists and installations with which nobody gets in.

func TestNoPrompt(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, a *world.Account)
		log   string
	}{
		"no list": {func(t *testing.T, a *world.Account) { do(t, os.Remove(a.Path(".otpw"))) },
			`result=unavailable reason=".*no list`},
		"exhausted list": {func(t *testing.T, a *world.Account) { useAllBut(t, a, 0) },
			`result=unavailable reason=".*exhausted`},
		"other magic line": {func(t *testing.T, a *world.Account) {
			writeList(t, a, strings.Replace(readList(t, a), "OTPW2", "OTPW0", 1))
		}, `result=error reason="`},
		"cut off": {func(t *testing.T, a *world.Account) {
			list := readList(t, a)
			writeList(t, a, list[:len(list)-20])
		}, `result=error reason="`},
		"empty": {func(t *testing.T, a *world.Account) { writeList(t, a, "") },
			`result=error reason="`},
		"bad header": {func(t *testing.T, a *world.Account) {
			writeList(t, a, strings.Replace(readList(t, a), "password: 8", "password: 9999999999", 1))
		}, `result=error reason="`},
		"readable for others": {func(t *testing.T, a *world.Account) { do(t, os.Chmod(a.Path(".otpw"), 0o644)) },
			`result=error reason=".*mode 0644`},
		"another's list": {func(t *testing.T, a *world.Account) { do(t, os.Chown(a.Path(".otpw"), 0, 0)) },
			`result=error reason="`},
		"folder": {func(t *testing.T, a *world.Account) {
			do(t, os.Remove(a.Path(".otpw")))
			do(t, os.Mkdir(a.Path(".otpw"), 0o700))
			do(t, os.Chown(a.Path(".otpw"), a.UID, a.UID))
		}, `result=error reason="`},
		"fifo": {func(t *testing.T, a *world.Account) {
			do(t, os.Remove(a.Path(".otpw")))
			do(t, unix.Mkfifo(a.Path(".otpw"), 0o600))
			do(t, os.Chown(a.Path(".otpw"), a.UID, a.UID))
		}, `result=error reason="`},
		"huge": {func(t *testing.T, a *world.Account) { do(t, os.Truncate(a.Path(".otpw"), 1<<30)) },
			`result=error reason="`},
		"unwritable folder": {func(t *testing.T, a *world.Account) { do(t, os.Chmod(a.Home, 0o500)) },
			`result=error reason="`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			tt.spoil(t, s.a)
			s.sshd.Login(s.a).Refused()
			s.quiet()
			if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` rhost=127\.0\.0\.1 `+tt.log)); n == 0 {
				t.Errorf("no log line %q:\n%s", tt.log, world.Lines(s.results()))
			}
		})
	}
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An unknown user gets no further than the account data base.
func TestUnknownUser(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	nobody := &world.Account{Name: "mallory", UID: 1, Home: "/nonexistent"}
	s.sshd.Login(nobody).Refused()
	// Not by name: it may be a password that was typed where a name should be.
	if n := len(s.Log.Find(s.mark, `pam_otpw\(`+s.sshd.Name+`:auth\): user=- rhost=127\.0\.0\.1 result=refused reason="unknown user"`)); n == 0 {
		t.Error("no log line")
	}
	if lines := s.Log.Find(s.mark, `pam_otpw\(.*mallory`); len(lines) > 0 {
		t.Errorf("in the log:\n%s", world.Lines(lines))
	}
}

// A list that cannot be overwritten lets nobody in, and so accepts nothing twice.
func TestUnwritableList(t *testing.T) {
	for name, tt := range map[string]struct {
		protect, release func(t *testing.T, a *world.Account)
	}{
		"mode 0400": {
			func(t *testing.T, a *world.Account) { do(t, os.Chmod(a.Path(".otpw"), 0o400)) },
			func(t *testing.T, a *world.Account) { do(t, os.Chmod(a.Path(".otpw"), 0o600)) },
		},
		"read-only mount": {
			func(t *testing.T, a *world.Account) {
				do(t, unix.Mount(a.Home, a.Home, "", unix.MS_BIND, ""))
				do(t, unix.Mount("", a.Home, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
			},
			func(t *testing.T, a *world.Account) { do(t, unix.Unmount(a.Home, 0)) },
		},
		// Room for the home and the list, and for no lock file.
		"full disk": {
			func(t *testing.T, a *world.Account) {
				list := readList(t, a)
				do(t, unix.Mount("tmpfs", a.Home, "tmpfs", 0, "nr_inodes=2"))
				do(t, os.Chown(a.Home, a.UID, a.UID))
				writeList(t, a, list)
			},
			func(t *testing.T, a *world.Account) { do(t, unix.Unmount(a.Home, 0)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			order := s.a.Unused(t)
			tt.protect(t, s.a)
			for range 2 {
				s.sshd.Login(s.a).Refused()
			}
			s.quiet()
			if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` rhost=127\.0\.0\.1 result=error reason="`)); n == 0 {
				t.Errorf("no line in the log:\n%s", world.Lines(s.results()))
			}
			s.lostOnly()
			tt.release(t, s.a)
			s.lostOnly()
			s.lock()
			if got := s.succeed(); len(got) != 1 || got[0] != order[0] {
				t.Errorf("then asked for %v, want %s", got, order[0])
			}
			s.lostOnly(order[0])
		})
	}
}

// The list, or what it lies in, is protected while a prompt is open: whatever comes of the
// login, its password is not accepted twice.
func TestProtectedAtPrompt(t *testing.T) {
	for name, path := range map[string]string{"list": ".otpw", "folder": "."} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			l := s.sshd.Login(s.a)
			number := l.Single()
			fi, err := os.Stat(s.a.Path(path))
			do(t, err)
			do(t, os.Chmod(s.a.Path(path), fi.Mode().Perm()&^0o222))
			l.Enter(s.sheet.Response(number))
			accepted := l.FindResult() == nil
			l.Close()
			s.quiet()
			do(t, os.Chmod(s.a.Path(path), fi.Mode().Perm()))
			if accepted {
				s.usedUp(number)
			}
			for range 2 {
				l := s.sshd.Login(s.a)
				if got := l.Single(); got == number {
					t.Errorf("asked for %s again", number)
				}
				l.Enter(s.sheet.Response(number))
				l.Refused()
			}
			s.succeed()
			s.usedUp(number)
		})
	}
}

// A login that was asked for numbers of the old list is refused, and the new one has lost nothing.
func TestListReplacedAtPrompt(t *testing.T) {
	for name, generator := range map[string]func(m, original world.Module) string{
		"by our otpw-gen":     func(m, _ world.Module) string { return m.Generator },
		"by that of OTPW 1.5": func(_, original world.Module) string { return original.Generator },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			single := s.sshd.Login(s.a)
			number := single.Single()
			triple := s.sshd.Login(s.a)
			numbers := triple.Triple()

			old := s.sheet
			s.replaceList(generator(s.m, s.InstallOriginal(t)), "-h", "20")
			s.lock()
			single.Enter(old.Response(number))
			single.Refused()
			triple.Enter(old.Response(numbers...))
			triple.Refused()
			s.lock()
			s.lostOnly()
			got := s.succeed()
			if len(got) != 1 {
				t.Errorf("asked for %v after the list was replaced, want one number", got)
			}
			s.lostOnly(got...)
			if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` .*result=refused challenge=\S+ reason=".*replaced`)); n != 2 {
				t.Errorf("%d log lines say that the list was replaced, want 2:\n%s", n, world.Lines(s.results()))
			}
		})
	}
}

// An installation that is not whole, or that others could change, lets nobody in, and the log says what is wrong.
func TestBrokenInstallation(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, m world.Module)
		log   string
	}{
		"no worker":          {func(t *testing.T, m world.Module) { do(t, os.Remove(m.Worker())) }, `worker: No such file`},
		"no core":            {func(t *testing.T, m world.Module) { do(t, os.Remove(m.Core())) }, `core\.so`},
		"no folder":          {func(t *testing.T, m world.Module) { do(t, os.RemoveAll(m.Dir+"/pam_otpw")) }, `pam_otpw: No such file`},
		"readable worker":    {func(t *testing.T, m world.Module) { do(t, os.Chmod(m.Worker(), 0o755)) }, `worker: mode is 0755, want 0711`},
		"writable worker":    {func(t *testing.T, m world.Module) { do(t, os.Chmod(m.Worker(), 0o733)) }, `worker: mode is 0733, want 0711`},
		"set-user-id worker": {func(t *testing.T, m world.Module) { do(t, unix.Chmod(m.Worker(), 0o4711)) }, `worker: mode is 4711, want 0711`},
		"worker not to run":  {func(t *testing.T, m world.Module) { do(t, os.Chmod(m.Worker(), 0o600)) }, `worker: mode is 0600, want 0711`},
		"writable folder":    {func(t *testing.T, m world.Module) { do(t, os.Chmod(m.Dir+"/pam_otpw", 0o777)) }, `pam_otpw: mode is 0777, want 0755`},
		"another's worker":   {func(t *testing.T, m world.Module) { do(t, os.Chown(m.Worker(), 65534, 65534)) }, `worker: owner is uid 65534`},
		"worker is a link": {func(t *testing.T, m world.Module) {
			do(t, os.Rename(m.Worker(), m.Worker()+"2"))
			do(t, os.Symlink("worker2", m.Worker()))
		}, `worker: not a regular file`},
		"worker is no program": {func(t *testing.T, m world.Module) { do(t, os.WriteFile(m.Worker(), []byte("x"), 0)) }, `start worker: execve`},
		"core is no library":   {func(t *testing.T, m world.Module) { do(t, os.WriteFile(m.Core(), []byte("x"), 0)) }, `core\.so`},
		"entry of another protocol": {func(t *testing.T, m world.Module) {
			patch(t, m.Path, "protocol=1", "protocol=0")
		}, `speaks protocol`},
		"core of another build": {func(t *testing.T, m world.Module) {
			v := buildVersion(t, m)
			patch(t, m.Core(), v, "?"+v[1:])
		}, `core\.so: version \?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			s := setUpSshd(t, m, w.Sshd(t, pamLines(m)))
			tt.spoil(t, m)
			s.sshd.Login(s.a).Refused()
			s.quiet()
			s.lostOnly()
			s.lock()
			if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` rhost=127\.0\.0\.1 result=error reason=".*`+tt.log)); n == 0 {
				t.Errorf("no log line %q:\n%s", tt.log, world.Lines(s.Log.Find(s.mark, "user="+s.a.Name)))
			}
		})
	}
}

// A program that has been running since before an upgrade has an entry of another build than the worker and core are.
func TestEntryOfAnotherBuild(t *testing.T) {
	w := begin(t)
	m := w.Install(t)
	s := setUpSshd(t, m, w.Sshd(t, pamLines(m)))
	v := buildVersion(t, m)
	patch(t, m.Path, "version="+v, "version=?"+v[1:])
	s.succeed()
}

// buildVersion is the version that the module was built as.
func buildVersion(t *testing.T, m world.Module) string {
	t.Helper()
	so, err := os.ReadFile(m.Path)
	do(t, err)
	found := regexp.MustCompile("version=([[:graph:]]+)\x00").FindSubmatch(so)
	if found == nil {
		t.Fatal("no version in pam_otpw.so")
	}
	return string(found[1])
}

// patch changes all of what is in a file to something equally long.
func patch(t *testing.T, path, was, is string) {
	t.Helper()
	b, err := os.ReadFile(path)
	do(t, err)
	if !bytes.Contains(b, []byte(was)) {
		t.Fatalf("no %q in %s", was, path)
	}
	info, err := os.Stat(path)
	do(t, err)
	do(t, os.WriteFile(path, bytes.ReplaceAll(b, []byte(was), []byte(is)), info.Mode()))
}
