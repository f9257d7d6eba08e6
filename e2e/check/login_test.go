// SPDX-License-Identifier: MIT

package check

import (
	"os"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// answer waits for the prompt, and types the right passwords with something behind.
func answer(m *machine, term *world.Terminal, behind string) {
	m.t.Helper()
	numbers := term.Expect(world.PromptPattern)[1]
	term.Enter(m.sheet.Response(strings.Split(numbers, "/")...) + behind)
}

// A login through the real module, as a try.
func TestLogin(t *testing.T) {
	m := begin(t)
	m.Service(t, "sshd", append(goodPAM[:3:3], "session optional pam_otpw.so", "session optional pam_exec.so /bin/touch /tmp/session")...)
	term := m.Terminal(t, nil, m.program, "--login", "alice")
	answer(m, term, "")
	term.Expect(`Accepted\.`)
	if status := term.Wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	for _, secret := range []string{m.sheet.Prefix, m.sheet.Passwords["000"]} {
		if strings.Contains(term.Output(), secret) {
			t.Errorf("the terminal shows %q", secret)
		}
	}
	if n := len(m.alice.Unused(t)); n != len(m.sheet.Passwords)-1 {
		t.Errorf("%d passwords left", n)
	}
	if world.Exists("/tmp/session") {
		t.Error("a session was opened")
	}
}

// While somebody is asked for a number alone the next login is asked for three, which is nobody's mistake.
func TestOpenPrompt(t *testing.T) {
	m := begin(t)
	term := m.Terminal(t, nil, m.program, "--login", "alice")
	term.Expect(world.PromptPattern)
	m.check(nil, 0, nil, "--user", "alice")
	term.Kill()
}

func TestLoginRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(m *machine)
		behind  string
		want    string
	}{
		"wrong password": {func(*machine) {}, "x", `Refused: Authentication failure. The log says why: journalctl -g pam_otpw,`},
		"account":        {shell("sed -i 's/account.*/account required pam_deny.so/' /etc/pam.d/sshd"), "", `Refused: the password was accepted, but not the account: .*\. pam_otpw has accepted, something behind it has refused`},
		"behind":         {auth(otpwLine, "auth required pam_deny.so"), "", `Refused: .*\. pam_otpw has accepted, something behind it has refused`},
		"silent":         {auth(otpwLine+" silent", "auth required pam_deny.so"), "", `Refused: .*\. The log says why: .* If it says result=accepted`},
	} {
		t.Run(name, func(t *testing.T) {
			m := begin(t)
			tt.prepare(m)
			term := m.Terminal(t, nil, m.program, "--login", "alice")
			answer(m, term, tt.behind)
			term.Expect(tt.want)
			if status := term.Wait(); status != 2 {
				t.Errorf("status %d", status)
			}
		})
	}
}

// An ordinary user tries for himself; what otpw-check could not look at is its status.
func TestLoginOneself(t *testing.T) {
	m := begin(t)
	term := m.Terminal(t, m.alice, m.program, "--login")
	answer(m, term, "")
	term.Expect(`Accepted\.`)
	if status := term.Wait(); status != 3 {
		t.Errorf("status %d", status)
	}
}

// Ctrl-C leaves the terminal as it was.
func TestLoginCtrlC(t *testing.T) {
	m := begin(t)
	term := m.Terminal(t, nil, "/bin/sh", "-c", "trap : INT; "+m.program+" --login alice; echo status $?; stty -a | tr ';' '\\n' | grep -w echo")
	term.Expect(world.PromptPattern)
	term.Type("\x03")
	term.Expect(`status 130`)
	term.Expect(` echo `)
}

// Without a terminal there is nobody to ask.
func TestLoginNoTerminal(t *testing.T) {
	m := begin(t)
	r := m.Run(t, nil, "", "/usr/bin/setsid", "-w", m.program, "--login", "alice")
	if r.Status != 3 || !strings.Contains(r.Stderr, "no terminal") {
		t.Errorf("%+v", r)
	}
}

// Nothing of the caller's environment says which programs run.
func TestEnvironment(t *testing.T) {
	m := begin(t)
	for _, name := range []string{"sshd", "getent", "id"} {
		m.write("/opt/evil/"+name, 0o755, "#!/bin/sh", "touch /tmp/evil")
	}
	r := m.Run(t, nil, "", "/usr/bin/env", "-i", "PATH=/opt/evil", m.program, "--user", "alice", "--all-lists")
	if r.Status != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat("/tmp/evil"); err == nil {
		t.Error("a program in the caller's PATH was run")
	}
}
