// SPDX-License-Identifier: MIT

package selinux

import (
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/otpw-go/otpw/e2e/world"
)

const prefix = "correct horse"

var number = regexp.MustCompile(`Password ([0-9]+):`)
var numbers = regexp.MustCompile(`Password ([0-9]+)/([0-9]+)/([0-9]+):`)

// answer is what the owner of the sheet types at that prompt.
func answer(t *testing.T, sheet *world.Sheet, prompt string) string {
	t.Helper()
	found := number.FindStringSubmatch(prompt)
	if found == nil {
		found = numbers.FindStringSubmatch(prompt)
	}
	if found == nil {
		t.Fatalf("not a prompt: %q", prompt)
	}
	return sheet.Response(found[1:]...)
}

// makeList has a user make a list.
func (m *machine) makeList(t *testing.T, user string, again bool) *world.Sheet {
	t.Helper()
	input := prefix + "\n" + prefix + "\n"
	if again {
		input = "y\n" + input
	}
	text := m.as(t, user, input, "otpw-gen --kdf-memory 1 --kdf-passes 1")
	sheet := &world.Sheet{Text: text, Prefix: prefix, Passwords: world.ParseSheet(text)}
	if len(sheet.Passwords) == 0 {
		t.Fatalf("no sheet:\n%s", text)
	}
	return sheet
}

// login is a whole one, with the right answer.
func (m *machine) login(t *testing.T, user string, sheet *world.Sheet) {
	t.Helper()
	a := m.attempt(t, user)
	p := a.prompt(t)
	if p == "" {
		t.Fatalf("%s is not asked: %v", user, a.err)
	}
	if !a.answer(t, answer(t, sheet, p)) {
		t.Fatalf("%s is refused at %q: %v", user, p, a.err)
	}
	if out, err := in(a.client, "", "id -un"); err != nil || out != user+"\n" {
		t.Errorf("session of %s: %q, %v", user, out, err)
	}
	a.client.Close()
}

// types wants files to have those types.
func (m *machine) types(t *testing.T, want map[string]string) {
	t.Helper()
	for name, typ := range want {
		if got := m.run(t, "stat -c %%C %s", name); !strings.Contains(got, ":object_r:"+typ+":") {
			t.Errorf("%s is %s, want %s", name, got, typ)
		}
	}
}

// workers wants that many workers, all in their domain.
func (m *machine) workers(t *testing.T, want int) []string {
	t.Helper()
	var pids []string
	for deadline := time.Now().Add(hang); ; time.Sleep(100 * time.Millisecond) {
		pids = strings.Fields(m.run(t, "grep -sl '^worker$' /proc/[0-9]*/comm | cut -d/ -f3"))
		if len(pids) == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("workers: %v, want %d", pids, want)
		}
	}
	for _, pid := range pids {
		if got := m.run(t, "cat /proc/%s/attr/current", pid); !strings.Contains(got, ":otpw_worker_t:") {
			t.Errorf("worker runs as %s", got)
		}
	}
	return pids
}

// step is a test after which no denial may have been logged.
func (m *machine) step(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	start := time.Now()
	t.Run(name, func(t *testing.T) {
		m.denials(t)
		defer func() {
			for _, d := range m.denials(t) {
				t.Errorf("denied: %s", d)
			}
			t.Logf("%v", time.Since(start).Round(time.Second))
		}()
		test(t)
	})
}

func TestEnforcing(t *testing.T) {
	m := newMachine(t)
	if got := m.run(t, "getenforce"); got != "Enforcing\n" {
		t.Fatalf("getenforce: %s", got)
	}
	sheets := map[string]*world.Sheet{}
	for _, user := range []string{"alice", "bob", "carol"} {
		sheets[user] = m.makeList(t, user, false)
	}

	// Else nothing that follows proves anything.
	t.Run("without the policy", func(t *testing.T) {
		m.denials(t)
		a := m.attempt(t, "alice")
		if p := a.prompt(t); p != "" {
			t.Errorf("asked: %q", p)
		}
		if a.err == nil {
			t.Error("logged in")
		}
		denials := m.denials(t)
		if !slices.ContainsFunc(denials, func(d string) bool {
			return strings.Contains(d, "{ execute_no_trans }") && strings.Contains(d, ":sshd_t:") && strings.Contains(d, `/pam_otpw/worker"`)
		}) {
			t.Errorf("not the denial that was expected: %q", denials)
		}
		t.Logf("%q", denials)
		out := m.run(t, "journalctl -q -g 'pam_otpw.*(start worker|result=)'")
		if !strings.Contains(out, "result=error") || !strings.Contains(out, "start worker: execve: Permission denied") {
			t.Errorf("the log does not say why:\n%s", out)
		}
		if out := m.run(t, "otpw-check --user alice || true"); !strings.Contains(out, "selinux-policy") {
			t.Errorf("otpw-check does not say why:\n%s", out)
		}
	})

	t.Run("the package", func(t *testing.T) {
		m.run(t, "mkdir /home/eve && touch /home/eve/.otpw") // of whom getent does not tell
		start := time.Now()
		out := m.run(t, "dpkg --install /srv/otpw-selinux.deb 2>&1")
		t.Logf("%v\n%s", time.Since(start).Round(time.Second), out)
		if got := m.run(t, "semodule -l"); !strings.Contains(got, "otpw\n") {
			t.Fatalf("not loaded:\n%s", got)
		}
		m.types(t, map[string]string{
			"/home/alice/.otpw":                    "otpw_home_t",
			"/home/bob/.otpw":                      "otpw_home_t",
			"/home/eve/.otpw":                      "otpw_home_t",
			"/var/lib/pam_otpw":                    "otpw_secret_t",
			"/var/lib/pam_otpw/decoy":              "otpw_secret_t",
			"/usr/lib/*/security/pam_otpw/worker":  "otpw_worker_exec_t",
			"/usr/lib/*/security/pam_otpw/core.so": "lib_t",
		})
	})

	m.run(t, "printf '* * * * * root otpw-gen status --all 2>&1 | logger -t status\\n' >/etc/cron.d/status")

	m.step(t, "login", func(t *testing.T) { m.login(t, "alice", sheets["alice"]) })

	m.step(t, "otpw-check", func(t *testing.T) {
		check := func() string { t.Helper(); return m.run(t, "otpw-check --verbose --user alice || true") }
		if out := check(); !strings.Contains(out, "SELinux is enforcing, with a policy for the module") || strings.Contains(out, "selinux-") {
			t.Errorf("not fine:\n%s", out)
		}
		m.run(t, "chcon -t lib_t /usr/lib/*/security/pam_otpw/worker; chcon -t user_home_t /home/alice/.otpw")
		out := check()
		mends := regexp.MustCompile(`selinux-label.*?(restorecon -Fv [^ ;\n]+)`).FindAllStringSubmatch(out, -1)
		if len(mends) != 2 {
			t.Fatalf("not two labels:\n%s", out)
		}
		for _, mend := range mends {
			m.run(t, "%s", mend[1])
		}
		if out := check(); strings.Contains(out, "selinux-") {
			t.Errorf("not mended:\n%s", out)
		}
	})

	m.step(t, "console", func(t *testing.T) { m.console(t, "alice", sheets["alice"]) })

	m.step(t, "two at once", func(t *testing.T) {
		first, second := m.attempt(t, "alice"), m.attempt(t, "alice")
		p1 := first.prompt(t)
		p2 := second.prompt(t)
		if numbers.MatchString(p1) == numbers.MatchString(p2) {
			t.Errorf("asked %q and %q: not one number, and three", p1, p2)
		}
		m.workers(t, 2)
		m.types(t, map[string]string{"/home/alice/.otpw.lock": "otpw_home_t"})
		if !second.answer(t, answer(t, sheets["alice"], p2)) || !first.answer(t, answer(t, sheets["alice"], p1)) {
			t.Errorf("refused: %v, %v", first.err, second.err)
		}
	})

	m.step(t, "aborted", func(t *testing.T) {
		a := m.attempt(t, "alice")
		a.prompt(t)
		a.conn.Close()
		m.workers(t, 0)
		if out := m.run(t, "journalctl -q -t pam_otpw"); !strings.Contains(out, "user=alice") {
			t.Errorf("the worker did not log: %q", out)
		}
		m.login(t, "alice", sheets["alice"])
	})

	m.step(t, "worker killed", func(t *testing.T) {
		a := m.attempt(t, "alice")
		p := a.prompt(t)
		m.run(t, "kill -9 %s", m.workers(t, 1)[0])
		if a.answer(t, answer(t, sheets["alice"], p)) {
			t.Error("logged in without a worker")
		}
		a.conn.Close()
		m.workers(t, 0)
		m.login(t, "alice", sheets["alice"])
	})

	m.step(t, "sshd killed", func(t *testing.T) {
		a := m.attempt(t, "alice")
		a.prompt(t)
		worker := m.workers(t, 1)[0]
		m.run(t, "kill -9 $(cut -d' ' -f4 /proc/%s/stat)", worker)
		m.workers(t, 0)
		m.login(t, "alice", sheets["alice"])
	})

	m.step(t, "set aside", func(t *testing.T) {
		for range 3 {
			a := m.attempt(t, "alice")
			a.prompt(t)
			if a.answer(t, "wrong") {
				t.Error("logged in with a wrong password")
			}
			a.conn.Close()
			m.workers(t, 0)
		}
		a := m.attempt(t, "alice")
		p := a.prompt(t)
		if !numbers.MatchString(p) {
			t.Errorf("asked %q, not for three", p)
		}
		if !a.answer(t, answer(t, sheets["alice"], p)) {
			t.Errorf("refused: %v", a.err)
		}
	})

	m.step(t, "regeneration", func(t *testing.T) {
		sheets["alice"] = m.makeList(t, "alice", true)
		m.types(t, map[string]string{"/home/alice/.otpw": "otpw_home_t"})
		m.login(t, "alice", sheets["alice"])
	})

	m.step(t, "confined user", func(t *testing.T) {
		if id := m.as(t, "bob", "", "id -Z"); !strings.HasPrefix(id, "user_u:user_r:user_t:") {
			t.Fatalf("bob is %s", id)
		}
		m.login(t, "bob", sheets["bob"])
		sheets["bob"] = m.makeList(t, "bob", true)
		m.types(t, map[string]string{"/home/bob/.otpw": "otpw_home_t"})
		m.login(t, "bob", sheets["bob"])
		m.as(t, "bob", "", "otpw-gen status")
	})

	m.step(t, "sudo", func(t *testing.T) {
		if id := m.as(t, "carol", "", "id -Z"); !strings.HasPrefix(id, "staff_u:staff_r:staff_t:") {
			t.Fatalf("carol is %s", id)
		}
		m.asks(t, "carol", "sudo -S id -u", sheets["carol"], "0\n")
	})

	m.step(t, "su", func(t *testing.T) {
		m.asks(t, "carol", "su -c 'id -un' alice", sheets["alice"], "alice\n")
	})

	m.step(t, "decoys", func(t *testing.T) {
		m.run(t, "printf '[module]\\ndecoy\\n' >/etc/otpw.conf")
		for _, user := range []string{"nosuch", "dave", "alice"} {
			a := m.attempt(t, user)
			p := a.prompt(t)
			if p == "" {
				t.Fatalf("%s is not asked: %v", user, a.err)
			}
			if a.answer(t, "wrong") {
				t.Errorf("%s is in", user)
			}
			a.conn.Close()
		}
		m.workers(t, 0)
		m.login(t, "alice", sheets["alice"])
		m.run(t, "rm /etc/otpw.conf")
	})

	m.step(t, "cron", func(t *testing.T) {
		m.run(t, "timeout 100 sh -c 'until journalctl -q -t status | grep alice; do sleep 1; done'; rm /etc/cron.d/status")
		out := m.run(t, "journalctl -q -t status -o cat")
		if !regexp.MustCompile(`(?m)^alice +\d+/\d+ `).MatchString(out) || !regexp.MustCompile(`(?m)^bob +\d+/\d+ `).MatchString(out) {
			t.Errorf("cron cannot see lists:\n%s", out)
		}
	})

	m.step(t, "revoke", func(t *testing.T) {
		m.as(t, "alice", "", "otpw-gen revoke --all --yes")
		m.as(t, "bob", "", "otpw-gen revoke --all --yes")
	})

	m.step(t, "root", func(t *testing.T) {
		m.as(t, "root", prefix+"\n"+prefix+"\n", "otpw-gen --kdf-memory 1 --kdf-passes 1 >/root/sheet")
		m.types(t, map[string]string{"/root/.otpw": "otpw_home_t"})
		text := m.run(t, "cat /root/sheet")
		m.login(t, "root", &world.Sheet{Prefix: prefix, Passwords: world.ParseSheet(text)})
	})

	m.step(t, "pseudo-user", func(t *testing.T) {
		m.run(t, "otpw-pseudo-user on --set-user-id")
		m.types(t, map[string]string{"/var/lib/otpw": "otpw_var_lib_t"})
		for _, user := range []string{"alice", "bob"} {
			sheets[user] = m.makeList(t, user, false)
			m.types(t, map[string]string{"/var/lib/otpw/" + user: "otpw_var_lib_t"})
			m.login(t, user, sheets[user])
			sheets[user] = m.makeList(t, user, true)
			first, second := m.attempt(t, user), m.attempt(t, user)
			p1, p2 := first.prompt(t), second.prompt(t)
			if !second.answer(t, answer(t, sheets[user], p2)) || !first.answer(t, answer(t, sheets[user], p1)) {
				t.Errorf("refused: %v, %v", first.err, second.err)
			}
		}
		m.run(t, "chmod 0755 /usr/libexec/otpw/otpw-gen-as-keeper; systemd-run --quiet --wait systemd-tmpfiles --create /etc/tmpfiles.d/otpw.conf") // as at boot
		if got := m.run(t, "stat -c '%%A %%U' /usr/libexec/otpw/otpw-gen-as-keeper"); got != "-rwsr-xr-x otpw\n" {
			t.Errorf("after a boot otpw-gen-as-keeper is %s", got)
		}
		m.types(t, map[string]string{"/var/lib/otpw": "otpw_var_lib_t", "/usr/libexec/otpw/otpw-gen-as-keeper": "otpw_keeper_exec_t"})
		m.login(t, "bob", sheets["bob"])
	})

	t.Run("the package goes", func(t *testing.T) {
		if out := m.run(t, "dpkg --purge otpw-selinux 2>&1"); !strings.Contains(out, "logins through them fail without this policy") {
			t.Errorf("does not say that logins fail:\n%s", out)
		}
		if got := m.run(t, "semodule -l"); strings.Contains(got, "otpw") {
			t.Errorf("still loaded:\n%s", got)
		}
		m.types(t, map[string]string{"/home/alice/.otpw": "user_home_t", "/var/lib/otpw": "var_lib_t", "/usr/lib/*/security/pam_otpw/worker": "lib_t"})
	})
}

// asks runs a command of a user that asks for a password, and reads it from its input.
func (m *machine) asks(t *testing.T, user, command string, sheet *world.Sheet, want string) {
	t.Helper()
	client, err := m.dial(user, ssh.PublicKeys(m.key))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err1 := s.StdinPipe()
	stdout, err2 := s.StdoutPipe()
	if err := errors.Join(err1, err2, s.Start(command+" 2>&1")); err != nil {
		t.Fatal(err)
	}
	c := &conversation{t, stdout, stdin, ""}
	c.say(answer(t, sheet, c.expect("Password [0-9/]+:")) + "\n")
	c.expect(want)
	if err := s.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, c.said)
	}
}

// A conversation is what a terminal sees.
type conversation struct {
	*testing.T
	from io.Reader
	to   io.Writer
	said string // and not yet looked at
}

// expect waits for a text, for as long as there is more to come.
func (c *conversation) expect(pattern string) string {
	c.Helper()
	found := regexp.MustCompile(pattern)
	for buf := make([]byte, 4096); ; {
		if at := found.FindStringIndex(c.said); at != nil {
			match := c.said[at[0]:at[1]]
			c.said = c.said[at[1]:]
			return match
		}
		n, err := c.from.Read(buf)
		c.said += string(buf[:n])
		if n == 0 && err != nil {
			c.Fatalf("want %s: %v\n%s", pattern, err, c.said)
		}
	}
}

func (c *conversation) say(text string) {
	c.Helper()
	if _, err := io.WriteString(c.to, text); err != nil {
		c.Fatal(err)
	}
}

// console logs a user in on the serial console.
func (m *machine) console(t *testing.T, user string, sheet *world.Sheet) {
	t.Helper()
	conn, err := net.Dial("unix", m.serial)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(hang))
	c := &conversation{t, conn, conn, ""}
	c.say("\r")
	c.expect("login: ")
	c.say(user + "\r")
	c.say(answer(t, sheet, c.expect("Password [0-9/]+:")) + "\r")
	c.expect(`\$ `)
	c.say("id -un; exit\r")
	c.expect("[\r\n]" + user + "\r\n")
	c.expect("login: ")
}
