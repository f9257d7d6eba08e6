// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// What a login leaves: a notice, a session, and nothing else.

const (
	notice    = `Remaining one-time passwords: 79 of 80\r\n`
	notice2nd = `Remaining one-time passwords: 78 of 80\r\n` // after a wrong answer and a right one
	noticeLow = `Remaining one-time passwords: 39 of 80 \(time to print new ones with otpw-gen\)\r\n`
)

func TestNoticeUnderSshd(t *testing.T) {
	for name, tt := range map[string]struct {
		left   int // entries before the login
		notice string
	}{
		"many": {80, notice},
		"few":  {40, noticeLow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			useAllBut(t, s.a, tt.left)
			l := s.sshd.Shell(s.a)
			l.Enter(s.sheet.Response(l.Single()))
			l.Expect(tt.notice)
			l.Expect(`shell> `)
			l.Enter("env | grep -c OTPW")
			l.Expect(`\r\n0\r\n`)
			l.Leave()
			if n := strings.Count(l.Output(), "Remaining"); n != 1 {
				t.Errorf("notice shown %d times:\n%s", n, l.Output())
			}
		})
	}
}

// A service whose only session line is the module's lets a login by key in, silently.
func TestKeyLogin(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.Install(t)
	sshd := w.Sshd(t, []string{
		"auth required " + m.Path,
		"account required pam_permit.so",
		"session required " + m.Path,
	}, "PubkeyAuthentication yes", "PrintMotd no")
	s := setUpSshd(t, m, sshd)
	key := makeKey(t, w, s.a)
	l := sshd.Shell(s.a, "-o", "PreferredAuthentications=publickey", "-o", "PubkeyAuthentication=yes", "-i", key)
	l.Accepted()
	l.Leave()
	if strings.Contains(l.Output(), "Remaining") {
		t.Errorf("notice after a login by key:\n%s", l.Output())
	}
	s.lostOnly()
	s.logged()
	// Likewise by password, with the notice.
	l = sshd.Shell(s.a)
	l.Enter(s.sheet.Response(l.Single()))
	l.Expect(notice)
	l.Accepted()
}

// makeKey makes a key with which the account may log in, and returns its path.
func makeKey(t *testing.T, w *world.World, a *world.Account) string {
	t.Helper()
	key := a.Path("key")
	for _, command := range []string{
		"ssh-keygen -q -t ed25519 -N '' -f " + key,
		"mkdir -m 700 .ssh && cp key.pub .ssh/authorized_keys",
	} {
		if r := w.Run(t, a, "", "/bin/sh", "-c", command); r.Status != 0 {
			t.Fatal(r.Stderr)
		}
	}
	return key
}

// login(1), whose PAM service is called login: not beside another test with it.
func TestLogin(t *testing.T) {
	w := begin(t)
	m := w.Install(t)
	w.Service(t, "login", pamLines(m)...)
	a := w.Account(t, "alice")
	sheet := cheapList(t, a, m, "-h", "20")
	mark := w.Log.Mark()

	login := w.Terminal(t, nil, "/bin/login", a.Name)
	first := login.Expect(world.PromptPattern)[1]
	login.Enter("wrong")
	login.Expect(`Login incorrect`)
	login.Expect(`login: `)
	login.Enter(a.Name)
	second := login.Expect(world.PromptPattern)[1]
	if second == first {
		t.Errorf("asked for %s again after a wrong answer", first)
	}
	login.Enter(sheet.Response(second))
	login.Expect(notice2nd)
	login.Expect(`shell> `)
	login.Enter("id -un")
	login.Expect(`\r\n` + a.Name + `\r\n`)
	if n := len(w.Log.Find(mark, `\(login:auth\): user=`+a.Name+` rhost=- result=(refused|accepted) challenge=`)); n != 2 {
		t.Errorf("%d result lines, want 2:\n%s", n, world.Lines(w.Log.Since(mark)))
	}
	noSecrets(t, w, sheet, mark)
}

func TestSu(t *testing.T) {
	w := begin(t)
	m := w.Install(t)
	w.Service(t, "su-l", pamLines(m)...)
	a, b := w.Account(t, "alice"), w.Account(t, "bob")
	sheet := cheapList(t, a, m, "-h", "20")
	mark := w.Log.Mark()

	su := w.Terminal(t, b, "/bin/su", "-", a.Name)
	first := su.Expect(world.PromptPattern)[1]
	su.Enter("wrong")
	su.Expect(`Authentication failure`)
	if status := su.Wait(); status == 0 {
		t.Error("su ended with status 0 after a wrong password")
	}
	su = w.Terminal(t, b, "/bin/su", "-", a.Name)
	second := su.Expect(world.PromptPattern)[1]
	if second == first {
		t.Errorf("asked for %s again after a wrong answer", first)
	}
	su.Enter(sheet.Response(second))
	su.Expect(notice2nd)
	su.Expect(`shell> `)
	su.Enter("id -un")
	su.Expect(`\r\n` + a.Name + `\r\n`)
	su.Enter("exit")
	su.Wait()
	for _, result := range []string{"refused challenge=" + first, "accepted challenge=" + second} {
		if n := len(w.Log.Find(mark, `\(su-l:auth\): user=`+a.Name+` rhost=- result=`+result+` `)); n != 1 {
			t.Errorf("%d lines with result=%s, want 1:\n%s", n, result, world.Lines(w.Log.Since(mark)))
		}
	}
	noSecrets(t, w, sheet, mark)
}

func TestSudo(t *testing.T) {
	w := begin(t)
	m := w.Install(t)
	w.Service(t, "sudo", pamLines(m)...)
	a := w.Account(t, "alice")
	sheet := cheapList(t, a, m, "-h", "20")
	mark := w.Log.Mark()
	if err := os.WriteFile("/etc/sudoers.d/"+a.Name, []byte(a.Name+" ALL=(ALL) ALL\n"), 0o440); err != nil {
		t.Fatal(err)
	}

	// sudo asks three times: after a wrong password for another number.
	sudo := w.Terminal(t, a, "/usr/bin/sudo", "id", "-un")
	first := sudo.Expect(world.PromptPattern)[1]
	sudo.Enter("wrong")
	second := sudo.Expect(world.PromptPattern)[1]
	if second == first {
		t.Errorf("asked for %s again after a wrong answer", first)
	}
	sudo.Enter(sheet.Response(second))
	sudo.Expect(`root\r\n`)
	if status := sudo.Wait(); status != 0 {
		t.Errorf("sudo ended with status %d", status)
	}
	for _, n := range []string{first, second} {
		if strings.Contains(strings.Join(a.Unused(t), " "), n) {
			t.Errorf("entry %s is not used up", n)
		}
	}
	noSecrets(t, w, sheet, mark)
}

// A screen locker is not root: it can ask for its own user only.
func TestScreenLocker(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.Install(t)
	locker := w.Host(t, "login")
	a, b := w.Account(t, "alice"), w.Account(t, "bob")
	sheet := cheapList(t, a, m, "-h", "20")
	service := "locker-" + a.Name
	w.Service(t, service, pamLines(m)...)

	unlock := w.Terminal(t, a, locker, "/etc/pam.d", service, a.Name)
	first := unlock.Expect(world.PromptPattern)[1]
	unlock.Enter("wrong")
	unlock.Expect(`log: \w+ pam_otpw\(` + service + `:auth\): user=` + a.Name + ` rhost=- result=refused challenge=` + first + ` `)
	unlock.Expect(`authenticate: 7\r\n`)
	unlock.Wait()
	unlock = w.Terminal(t, a, locker, "/etc/pam.d", service, a.Name)
	unlock.Enter(sheet.Response(unlock.Expect(world.PromptPattern)[1]))
	unlock.Expect(`authenticate: 0\r\n`)
	unlock.Expect(`info: ` + notice2nd)
	if status := unlock.Wait(); status != 0 {
		t.Errorf("the host is not as it was before: status %d\n%s", status, unlock.Output())
	}
	if n := len(a.Unused(t)); n != 78 {
		t.Errorf("%d entries left, want 78", n)
	}

	// The conversation ends at the prompt.
	unlock = w.Terminal(t, a, locker, "/etc/pam.d", service, a.Name)
	third := unlock.Expect(world.PromptPattern)[1]
	unlock.Type("\x04")
	unlock.Expect(`user=` + a.Name + ` rhost=- result=abandoned challenge=` + third + ` `)
	unlock.Expect(`authenticate: 9\r\n`)
	unlock.Wait()

	// The list of another user is not asked for, though its owner could let him read it.
	other := w.Terminal(t, b, locker, "/etc/pam.d", service, a.Name)
	other.Expect(`log: \w+ pam_otpw\(` + service + `:auth\): user=` + a.Name + ` rhost=- result=error reason="`)
	other.Expect(`authenticate: 9\r\n`)
	other.Wait()
	if strings.Contains(other.Output(), "prompt:") {
		t.Errorf("bob was asked for a password of alice's:\n%s", other.Output())
	}
}

// While a session is open nothing of Go is left in sshd, and no process of ours.
func TestNothingLeftInSession(t *testing.T) {
	for name, logIn := range map[string]func(s *scene) *world.Login{
		"keyboard-interactive": func(s *scene) *world.Login {
			l := s.sshd.Login(s.a)
			l.Single()
			if workers := s.sshd.Workers(); len(workers) != 1 || workers[0].UID != s.a.UID {
				s.t.Errorf("workers at the prompt: %v", workers)
			}
			return l
		},
		// This one authenticates in sshd's monitor, which stays for the session.
		"password": func(s *scene) *world.Login {
			l := s.sshd.Login(s.a, "-o", "PreferredAuthentications=password")
			l.Expect(`password: `)
			return l
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			s := setUpSshd(t, m, w.Sshd(t, pamLines(m), "PasswordAuthentication yes"))
			first := s.a.Unused(t)[0]
			l := logIn(s)
			l.Enter(s.sheet.Response(first))
			l.Accepted()
			family := s.sshd.Family()
			if len(family) < 2 {
				t.Errorf("%d processes of the connection:\n%s", len(family), world.ProcessTable())
			}
			for _, p := range family {
				if p.Threads != 1 {
					t.Errorf("%d threads: %v", p.Threads, p)
				}
				if p.State == "Z" {
					t.Errorf("zombie: %v", p)
				}
				for _, file := range append(world.Mapped(p.PID), p.Executable) {
					if file == m.Core() || file == m.Worker() {
						t.Errorf("%s is left in %v", file, p)
					}
				}
			}
		})
	}
}

// Attempts by password run in sshd's monitor, which forks for
// keyboard-interactive: one after the other, both ask and neither hangs.
//
// What follows is OpenSSH's: after a failed attempt in the monitor its
// pam_setcred repeats that failure, and the connection is closed though
// keyboard-interactive has succeeded in the child. With every module, so also
// with the original (TestOriginalPasswordFirst).
func TestPasswordFirst(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.Install(t)
	s := setUpSshd(t, m, w.Sshd(t, pamLines(m), "PasswordAuthentication yes"))
	order := s.a.Unused(t)
	for i := range 3 {
		aside, asked := order[2*i], order[2*i+1]
		passwordFirst(t, s.sshd, s.a, s.sheet, asked)
		s.lostOnly(order[:2*i+2]...)
		if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` .* result=refused challenge=`+aside+` `)); n != 1 {
			t.Errorf("%d log lines about the attempt by password, want 1", n)
		}
		if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` .* result=accepted challenge=`+asked+` `)); n != 1 {
			t.Errorf("%d log lines about keyboard-interactive, want 1", n)
		}
	}
	// Who knows the number gets in by password, too.
	l := s.sshd.Shell(s.a, "-o", "PreferredAuthentications=password")
	l.Expect(`password: `)
	l.Enter(s.sheet.Response(order[6]))
	l.Expect(`Remaining one-time passwords: 73 of 80\r\n`)
	l.Accepted()
	s.lostOnly(order[:7]...)
}

// passwordFirst fails by password, then answers rightly to keyboard-interactive, which must ask for number.
func passwordFirst(t *testing.T, sshd *world.Sshd, a *world.Account, sheet *world.Sheet, number string) {
	t.Helper()
	mark := theWorld.Log.Mark()
	l := sshd.Login(a, "-o", "PreferredAuthentications=password,keyboard-interactive")
	l.Expect(`password: `)
	l.Enter("wrong")
	if got := l.Single(); got != number {
		t.Errorf("asked for %s after an attempt by password, want %s", got, number)
	}
	l.Enter(sheet.Response(number))
	theWorld.Log.Await(t, mark, `^Accepted keyboard-interactive/pam for `+a.Name+` `)
	if l.FindResult() != nil {
		theWorld.Log.Await(t, mark, `^fatal: PAM: pam_setcred\(\): `)
	}
	l.Close()
}

func TestRootLogin(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.Install(t)
	sshd := w.Sshd(t, pamLines(m), "PermitRootLogin yes")
	sheet := cheapList(t, world.Root, m, "-h", "20")
	for i := range 2 {
		l := sshd.Login(world.Root)
		l.Enter(sheet.Response(l.Single()))
		l.Accepted()
		if n := len(world.Root.Unused(t)); n != 79-i {
			t.Errorf("%d entries left, want %d", n, 79-i)
		}
	}
	// Without it, root's right password is not enough.
	sshd = w.Sshd(t, pamLines(m))
	l := sshd.Login(world.Root)
	l.Enter(sheet.Response(l.Single()))
	l.Refused()
}

// With all that sshd and the module have to say in the log, one line an attempt says what came of it, and none has a secret.
func TestLog(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.Install(t)
	s := setUpSshd(t, m, w.Sshd(t, pamLines(m, "debug"), "LogLevel DEBUG3"))
	order := s.a.Unused(t)

	l := s.sshd.Login(s.a)
	l.Single()
	l.Enter(s.sheet.Response(order[0]))
	l.Accepted()
	l.Leave()
	l = s.sshd.Login(s.a)
	l.Single()
	l.Enter(s.sheet.Response(order[2])) // a valid one, but not asked for
	l.Refused()
	l = s.sshd.Login(s.a)
	l.Single()
	l.Enter(prefix + "secret" + s.sheet.Passwords[order[2]] + "x")
	l.Refused()
	l = s.sshd.Login(s.a)
	waiting := l.Single()
	l2 := s.sshd.Login(s.a)
	three := l2.Triple()
	l2.Enter(s.sheet.Response(three...))
	l2.Accepted()
	l.Enter(s.sheet.Response(waiting))
	l.Accepted()
	// When a connection is cut, sshd kills the process that would have a result
	// to log: the worker logs it then.
	cut := s.sshd.Login(s.a)
	unanswered := cut.Single()
	cut.Kill()
	s.Log.Await(t, s.mark, ` result=abandoned challenge=`+unanswered+` `)
	s.logged(
		"result=accepted challenge="+order[0]+" remaining=79/80",
		"result=refused challenge="+order[1]+" ",
		"result=refused challenge="+order[2]+" ",
		fmt.Sprintf("result=accepted challenge=%s remaining=", strings.Join(three, "/")),
		"result=accepted challenge="+waiting+" remaining=",
		"result=abandoned challenge="+unanswered+" ")
	if len(s.Log.Find(s.mark, `user=`+s.a.Name+` rhost=\S+ debug: `)) == 0 {
		t.Error("no debug lines")
	}
	for _, line := range s.Log.Since(s.mark) {
		if strings.Contains(line.Raw, "secret") {
			t.Errorf("what was typed is in the log: %v", line)
		}
	}
}

// Whoever answers is asked for the ordinary password behind it, if that is wanted: what he typed is not tried as that.
func TestPasswordBehind(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.Install(t)
	a := w.Account(t, "alice")
	sheet := cheapList(t, a, m, "-h", "20")
	service := "behind-" + a.Name
	for name, tt := range map[string]struct {
		control string
		right   bool
	}{
		"instead of one that failed": {"sufficient", false},
		"after one that succeeded":   {"required", true},
	} {
		t.Run(name, func(t *testing.T) {
			w.Service(t, service, "auth "+tt.control+" "+m.Path, "auth required pam_unix.so try_first_pass")
			mark := w.Log.Mark()
			login := w.Terminal(t, nil, w.Host(t, "login"), "/etc/pam.d", service, a.Name)
			response := "wrong"
			if number := login.Expect(world.PromptPattern)[1]; tt.right {
				response = sheet.Response(strings.Split(number, "/")...)
			}
			login.Enter(response)
			login.Expect(`prompt: Password: `)
			if lines := w.Log.Find(mark, `pam_unix.*`+a.Name); len(lines) > 0 {
				t.Errorf("the response was tried as the ordinary password:\n%s", world.Lines(lines))
			}
			login.Enter("wrong, too")
			login.Expect(`authenticate: 7\r\n`)
			login.Wait()
		})
	}
}
