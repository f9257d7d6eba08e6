// SPDX-License-Identifier: MIT

// Package packages tests the Debian and RPM packages in systems of their own:
// installed, used through sshd, upgraded, removed. `make package-test` builds
// packages and systems, and says where they are.
package packages

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

const prefix = "correct horse"

// build is the folder of the packages, and of the systems to install them in.
func build(t *testing.T, path ...string) string {
	t.Helper()
	return world.Made(t, "package-test", path...)
}

// A root is a system that packages are installed in. It has no network.
type root struct {
	*testing.T
	dir string
}

func newRoot(t *testing.T, release string) *root {
	t.Helper()
	archive := build(t, "roots", release+".tar.gz")
	dir, err := os.MkdirTemp(build(t), "root-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xpf", archive, "-C", dir, "--numeric-owner").CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", archive, err, out)
	}
	return &root{t, dir}
}

// enter makes a shell script the first process of the system, with namespaces of its own.
const enter = `
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
ip link set lo up
exec chroot "$1" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive /bin/bash -euo pipefail -c "$2"`

// try runs a script, and returns what it prints and its exit status.
func (r *root) try(format string, args ...any) (string, int) {
	r.Helper()
	script := format
	if len(args) > 0 {
		script = fmt.Sprintf(format, args...)
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
		"/bin/bash", "-eu", "-c", enter, "enter", r.dir, script)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		r.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// run is try for what must work.
func (r *root) run(format string, args ...any) string {
	r.Helper()
	out, status := r.try(format, args...)
	if status != 0 {
		r.Fatalf("%s: status %d\n%s", fmt.Sprintf(format, args...), status, out)
	}
	return out
}

// says is run for what must print something.
func (r *root) says(pattern, format string, args ...any) string {
	r.Helper()
	out := r.run(format, args...)
	if !regexp.MustCompile(pattern).MatchString(out) {
		r.Errorf("%s: does not say %q:\n%s", fmt.Sprintf(format, args...), pattern, out)
	}
	return out
}

func (r *root) path(name string) string { return filepath.Join(r.dir, name) }

func (r *root) read(name string) string {
	r.Helper()
	data, err := os.ReadFile(r.path(name))
	if err != nil {
		r.Fatal(err)
	}
	return string(data)
}

func (r *root) write(name, text string) {
	r.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// copy puts files of the machine into a folder of the system.
func (r *root) copy(to string, from ...string) {
	r.Helper()
	for _, f := range from {
		if err := world.CopyFile(f, r.path(filepath.Join(to, filepath.Base(f)))); err != nil {
			r.Fatal(err)
		}
	}
}

// mode is what ls shows, and whose it is: "-rwsr-xr-x otpw".
func (r *root) mode(name string) string {
	r.Helper()
	return strings.TrimSpace(r.run("stat -c '%%A %%U' %s", name))
}

func (r *root) gone(names ...string) {
	r.Helper()
	for _, n := range names {
		if _, err := os.Lstat(r.path(n)); err == nil {
			r.Errorf("%s is there still", n)
		}
	}
}

// user makes an account, without a password.
func (r *root) user(name string) { r.Helper(); r.run("useradd -m -s /bin/bash %s", name) }

// makeList makes one for a user, by himself, in the place of another if there is one.
func (r *root) makeList(user, args string) map[string]string {
	r.Helper()
	script := "cd /home/" + user + "; printf '%s" + prefix + "\\n" + prefix + "\\n' | setpriv --reuid " + user + " --regid " + user + " --clear-groups otpw-gen " + args + " 2>/dev/null"
	out, status := r.try("%s", fmt.Sprintf(script, ""))
	if status != 0 {
		out = r.run("%s", fmt.Sprintf(script, "y\\n"))
	}
	passwords := world.ParseSheet(out)
	if len(passwords) == 0 {
		r.Fatalf("no sheet:\n%s", out)
	}
	return passwords
}

// login tries one through a real sshd, with the right answers, and says whether it worked.
func (r *root) login(user string, passwords map[string]string) bool {
	r.Helper()
	var answers bytes.Buffer
	for n, p := range passwords {
		fmt.Fprintf(&answers, "%s %s%s\n", n, prefix, p)
	}
	r.write("root/answers", answers.String())
	r.write("root/askpass", `#!/bin/sh
echo "$1" >>/root/asked
n=$(echo "$1" | sed -n 's/.*Password \([0-9]*\):.*/\1/p')
sed -n "s/^$n //p" /root/answers
`)
	out := r.run(`
chmod 755 /root/askpass
mkdir -p /run/sshd
rm -f /root/asked /root/sshd.log
/usr/sbin/sshd -E /root/sshd.log -o ListenAddress=127.0.0.1
for i in $(seq 600); do (exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null && break; sleep 0.1; done
SSH_ASKPASS=/root/askpass SSH_ASKPASS_REQUIRE=force timeout 60 ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
  -o PreferredAuthentications=keyboard-interactive -o NumberOfPasswordPrompts=1 %s@127.0.0.1 'echo "logged in as $(id -un)"' 2>&1 || echo "status $?"
cat /root/asked 2>/dev/null || echo 'nothing asked'
echo; cat /root/sshd.log`, user)
	in := strings.Contains(out, "logged in as "+user+"\n")
	if !in && !strings.Contains(out, "status 255\n") {
		r.Fatalf("login of %s: neither in nor refused:\n%s", user, out)
	}
	if m := regexp.MustCompile(`Password (\d+):`).FindStringSubmatch(out); in && m != nil {
		delete(passwords, m[1]) // each works once
	}
	r.Logf("%s", out)
	return in
}

// sshd has sshd ask PAM, and PAM the module of that path.
func (r *root) sshd(module string) {
	r.Helper()
	r.write("etc/ssh/sshd_config.d/00-otpw.conf", "UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\n")
	text := r.read("etc/pam.d/sshd")
	if !strings.Contains(text, "@include common-auth\n") {
		r.Fatalf("pam.d/sshd:\n%s", text)
	}
	r.write("etc/pam.d/sshd", strings.Replace(text, "@include common-auth\n", "auth required "+module+"\n", 1)+"session optional "+module+"\n")
}

// links wants what README.md there links to.
func (r *root) links(dir string) {
	r.Helper()
	for _, link := range regexp.MustCompile(`\]\(([a-zA-Z][^):#]*)[#)]`).FindAllStringSubmatch(r.read(dir+"/README.md"), -1) {
		if _, err := os.Stat(r.path(filepath.Join(dir, link[1]))); err != nil {
			r.Errorf("README.md links to what is not there: %v", err)
		}
	}
}

// files are those below a folder, sorted.
func (r *root) files(dir string) []string {
	r.Helper()
	var names []string
	err := filepath.WalkDir(r.path(dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, r.dir+"/"))
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// inode tells whether a file is the one it was.
func (r *root) inode(name string) uint64 {
	r.Helper()
	fi, err := os.Stat(r.path(name))
	if err != nil {
		r.Fatal(err)
	}
	return fi.Sys().(*syscall.Stat_t).Ino
}
