// SPDX-License-Identifier: MIT

// Package check tests otpw-check with set-ups that are really broken: in a private
// world (see package world), with the machine's libpam and sshd. Unlike those of
// package e2e its tests change all of /etc, so they run one after the other.
package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/world"
)

const prefix = "geHeim wOrt"

var (
	theWorld *world.World
	noWorld  error
	good     *machine // made once
)

func TestMain(m *testing.M) {
	theWorld, noWorld = world.Enter()
	if noWorld != nil && !errors.Is(noWorld, world.ErrNotRoot) && os.Getenv("CI") != "" {
		fmt.Fprintln(os.Stderr, "check: root, but no private world:", noWorld)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A machine is one on which all is well: the module where PAM looks for it, sshd, and
// alice with a list.
type machine struct {
	*world.World
	t        *testing.T
	program  string // otpw-check
	module   world.Module
	modules  string // PAM's folder
	alice    *world.Account
	keeper   *world.Account
	sheet    *world.Sheet
	original world.Module
	saved    map[string]string // folder: where its copy is
	hangs    bool              // who looks at all folders waits
}

var goodPAM = []string{
	"auth required pam_otpw.so",
	"account required pam_permit.so",
	"session required pam_permit.so",
	"session optional pam_otpw.so",
}

var goodSshd = []string{
	"HostKey /etc/ssh/host_key", "UsePAM yes", "KbdInteractiveAuthentication yes", "PasswordAuthentication no",
}

// begin returns the machine as it was at first; what a test changes in it is undone
// when the test ends.
func begin(t *testing.T) *machine {
	t.Helper()
	if noWorld != nil {
		t.Skip(noWorld)
	}
	theWorld.Watch(t, 3*time.Minute)
	if good == nil {
		good = makeMachine(t)
	}
	m := *good
	m.t = t
	for dir, saved := range m.saved {
		m.do(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"))
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		m.shell("cp -a " + saved + "/. " + dir)
	}
	return &m
}

func makeMachine(t *testing.T) *machine {
	t.Helper()
	w := theWorld
	m := &machine{World: w, t: t, program: "/opt/check/otpw-check", saved: map[string]string{}}
	m.do(world.CopyFile(w.Built(t, "otpw-check"), m.program))
	found, _ := filepath.Glob("/lib/*/security/pam_unix.so")
	for _, pattern := range []string{"/lib64/security/pam_unix.so", "/usr/lib64/security/pam_unix.so", "/usr/lib/security/pam_unix.so"} {
		more, _ := filepath.Glob(pattern)
		found = append(found, more...)
	}
	if len(found) == 0 {
		t.Fatal("no folder of PAM modules")
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(found[0]))
	m.do(err)
	m.modules = dir
	m.module, m.original = w.Install(t), w.InstallOriginal(t)
	m.alice = w.Account(t, "alice")
	m.keeper = w.Account(t, "keeper")
	m.sheet = w.MakeList(t, m.alice, m.module.Generator, prefix, "--kdf-memory", "1", "--kdf-passes", "1", "-h", "20")
	w.Service(t, "sshd", goodPAM...)
	m.write("/etc/ssh/sshd_config", 0o644, goodSshd...)
	m.shell("ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/host_key")
	m.do(os.MkdirAll("/sys/fs/selinux", 0o755))

	for _, dir := range []string{"/etc", "/home", "/root", "/var/lib", "/sys", m.modules} {
		saved := "/run/world/saved" + dir
		m.do(os.MkdirAll(saved, 0o755))
		m.shell("cp -a " + dir + "/. " + saved)
		m.saved[dir] = saved
	}
	to := m.saved[m.modules]
	m.shell("cp -a " + m.module.Dir + "/. " + to)
	return m
}

func (m *machine) do(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// shell runs commands.
func (m *machine) shell(commands string) string {
	m.t.Helper()
	r := m.Run(m.t, nil, "", "/bin/sh", "-euc", commands)
	if r.Status != 0 {
		m.t.Fatalf("%s\nstatus %d\n%s", commands, r.Status, r.Stderr)
	}
	return r.Stdout
}

// write writes a file of lines.
func (m *machine) write(path string, mode os.FileMode, lines ...string) {
	m.t.Helper()
	m.do(os.MkdirAll(filepath.Dir(path), 0o755))
	m.do(os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), mode))
	m.do(os.Chmod(path, mode))
}

// label gives a file, or a link, an SELinux type.
func (m *machine) label(path, label string) {
	m.t.Helper()
	m.do(unix.Lsetxattr(path, "security.selinux", []byte("system_u:object_r:"+label+":s0\x00"), 0))
}

// enforcing is a machine with SELinux and our policy, with those types of the worker, and of alice's list if it has one.
func enforcing(worker, list string) func(m *machine) {
	return func(m *machine) {
		m.t.Helper()
		m.write("/sys/fs/selinux/enforce", 0o644, "1")
		m.shell("mkdir -p /var/lib/selinux/targeted/active/modules/400/otpw")
		m.label(m.modules+"/pam_otpw/worker", worker)
		if list != "" {
			m.label("/home/alice/.otpw", list)
		}
	}
}

// pam writes the service's auth lines, with account and session lines that are fine.
func (m *machine) pam(auth ...string) {
	m.t.Helper()
	m.Service(m.t, "sshd", append(auth, goodPAM[1:]...)...)
}

// sshd writes settings that win over the good ones.
func (m *machine) sshd(settings ...string) {
	m.t.Helper()
	m.write("/etc/ssh/sshd_config", 0o644, append(settings, goodSshd...)...)
}

// A finding is what the program found; its text as one line.
type finding struct{ Severity, ID, Where, Text, Mend string }

func (f finding) String() string {
	return fmt.Sprintf("%s %s %s: %s. %s", f.Severity, f.ID, f.Where, f.Text, f.Mend)
}

// check runs the program, and compares what it finds with what is wanted: for each
// finding the beginning of its line, severity and ID, and behind two blanks a
// pattern for the rest.
func (m *machine) check(as *world.Account, status int, want []string, args ...string) []finding {
	m.t.Helper()
	before := m.state()
	found, got := m.run(as, args...)
	if got != status {
		m.t.Errorf("status %d, want %d", got, status)
	}
	if after := m.state(); after != before {
		m.t.Errorf("something has changed: before\n%safter\n%s", before, after)
	}
	rest := append([]finding{}, found...)
	for _, w := range want {
		head, pattern, _ := strings.Cut(w, "  ")
		missing := true
		for i, f := range rest {
			line := f.String()
			if strings.HasPrefix(line, head+" ") && regexp.MustCompile(pattern).MatchString(line) {
				rest = append(rest[:i:i], rest[i+1:]...)
				missing = false
				break
			}
		}
		if missing {
			m.t.Errorf("not found: %s", w)
		}
	}
	for _, f := range rest {
		m.t.Errorf("not wanted: %v", f)
	}
	return found
}

// run runs the program.
func (m *machine) run(as *world.Account, args ...string) (found []finding, status int) {
	m.t.Helper()
	r := m.Run(m.t, as, "", append([]string{m.program, "--json"}, args...)...)
	var out struct {
		Status   int
		Findings []finding
	}
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
		m.t.Fatalf("%v\n%s%s", err, r.Stdout, r.Stderr)
	}
	if r.Status != out.Status {
		m.t.Errorf("status %d, in JSON %d", r.Status, out.Status)
	}
	return out.Findings, r.Status
}

// findings are what the program finds as root.
func (m *machine) findings(args ...string) []finding {
	m.t.Helper()
	found, _ := m.run(nil, args...)
	return found
}

// state is how all that a test may look at is, but for other file systems.
func (m *machine) state() string {
	m.t.Helper()
	if m.hangs {
		return ""
	}
	return m.shell("find /etc /home /root /var/lib " + m.modules + ` -xdev -printf '%p %T@ %C@ %m %U %s %l\n' | sort`)
}

// fuse mounts a file system of another host over a home; or one that never answers.
func (m *machine) fuse(home string, owner *world.Account, answers bool) {
	m.t.Helper()
	list, err := os.ReadFile(home + "/.otpw")
	m.do(err)
	if m.hangs = !answers; m.hangs {
		list = nil
	}
	m.Fuse(m.t, home, owner, true, list)
}
