// SPDX-License-Identifier: MIT

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

const rpmModule = "/usr/lib64/security/pam_otpw.so"

// rpms copies the packages of a build into the system, and returns their names there.
func (r *root) rpms(from string, names ...string) string {
	r.Helper()
	var files []string
	for _, name := range names {
		file := world.One(r.T, build(r.T, from, name+"-2*.rpm"))
		r.copy("srv", file)
		files = append(files, "/srv/"+filepath.Base(file))
	}
	return strings.Join(files, " ")
}

// standIn makes a package that provides, by the names that Fedora has for it, what Debian's packages brought.
func standIn(t *testing.T, name string, provides ...string) string {
	t.Helper()
	dir := t.TempDir()
	spec := "Name: " + name + "\nVersion: 1\nRelease: 1\nSummary: stand-in\nLicense: MIT\nBuildArch: noarch\n"
	for _, p := range provides {
		spec += "Provides: " + p + "\n"
	}
	spec += "%description\nstand-in\n%files\n"
	if err := os.WriteFile(filepath.Join(dir, "x.spec"), []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, filepath.Join(dir, "x.spec")).CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	return world.One(t, filepath.Join(dir, "RPMS/noarch/*.rpm"))
}

// fedora is a system with what the packages need, and they are installed with what rpm -i wants.
func fedora(t *testing.T) *root {
	t.Helper()
	r := newRoot(t, "bookworm")
	var needs []string
	out := r.run("rpm -qp --requires %s", r.rpms("rpm", "otpw", "pam_otpw", "otpw-selinux"))
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		switch {
		case strings.HasPrefix(line, "rpmlib("), strings.HasPrefix(line, "("), strings.HasPrefix(line, "otpw"), strings.HasPrefix(line, "config("):
		case strings.HasPrefix(line, "selinux-policy"):
		default:
			needs = append(needs, line)
		}
	}
	r.copy("srv", standIn(t, "fedora", needs...))
	return r
}

// The packages want what they need, and of each other.
func TestRPMDependencies(t *testing.T) {
	r := fedora(t)
	otpw, module := r.rpms("rpm", "otpw"), r.rpms("rpm", "pam_otpw")
	r.says(`libpam\.so\.0\(\)\(64bit\) is needed by otpw`, "rpm -i %s 2>&1 || true", otpw)
	r.run("rpm -i /srv/fedora-*.rpm")
	r.says(`otpw\(x86-64\) = \S+ is needed by pam_otpw`, "rpm -i %s 2>&1 || true", module)
	r.run("rpm -i --test %s %s", otpw, module)
	r.copy("srv", standIn(t, "selinux-policy-targeted"))
	r.run("rpm -i /srv/selinux-policy-targeted-*.rpm")
	r.says(`otpw-selinux .*is needed by pam_otpw`, "rpm -i %s %s 2>&1 || true", otpw, module)
	r.run("rpm -i --test %s %s %s", otpw, module, r.rpms("rpm", "otpw-selinux"))
}

// Installed, used through sshd, upgraded with what an administrator has decided, erased.
func TestRPM(t *testing.T) {
	r := fedora(t)
	r.run("rpm -i /srv/fedora-*.rpm")
	r.user("alice")
	r.user("bob")
	r.run("rpm -i %s", r.rpms("rpm-older", "otpw", "pam_otpw"))
	r.run("rpm -V otpw pam_otpw")
	r.says("^/etc/fail2ban/filter.d/otpw.conf\n/etc/otpw.conf\n$", "rpm -qc otpw pam_otpw")
	if got := r.mode("/var/lib/pam_otpw/decoy") + r.mode("/usr/lib64/security/pam_otpw/worker"); got != "-rw------- root-rwx--x--x root" {
		r.Error(got)
	}
	readme := r.run("%s", "rpm -qd otpw | grep '/otpw[^/]*/README.md$'")
	r.links(filepath.Dir(strings.TrimPrefix(readme, "/")))
	passwords := r.makeList("alice", cheap)
	if r.login("alice", passwords) {
		r.Error("logged in without a line in PAM's configuration")
	}
	r.sshd(rpmModule)
	r.wantLogin("alice", passwords)
	if r.login("bob", passwords) {
		r.Error("bob has no list, and is in")
	}

	conf := "[module]\ndebug\n"
	r.write("etc/otpw.conf", conf)
	decoy := r.read("var/lib/pam_otpw/decoy")
	if len(decoy) != 16 {
		r.Errorf("secret of decoys: %d bytes", len(decoy))
	}
	r.says("users make them: otpw-gen", "otpw-pseudo-user on --set-user-id")
	bob := r.makeList("bob", cheap)
	const helper = "/usr/libexec/otpw/otpw-gen-as-keeper"
	was := r.inode(helper)
	r.run("rpm -U %s", r.rpms("rpm", "otpw", "pam_otpw"))
	r.says(`^S\S* +c /etc/otpw\.conf\n$`, "rpm -V otpw pam_otpw || true")
	if got := r.mode(helper); got != "-rwsr-xr-x otpw" || r.inode(helper) == was {
		r.Errorf("helper: %s, the old one: %v", got, r.inode(helper) == was)
	}
	if r.read("etc/otpw.conf") != conf || r.read("var/lib/pam_otpw/decoy") != decoy {
		r.Error("/etc/otpw.conf, or the secret of decoys, has changed")
	}
	if text, err := os.ReadFile("../otpw.conf"); err != nil || r.read("etc/otpw.conf.rpmnew") != string(text) {
		r.Errorf("/etc/otpw.conf.rpmnew is not ours: %v", err)
	}
	r.wantLogin("bob", bob)
	version := r.run("%s", "rpm -q --qf '%{VERSION}' otpw")
	r.says("version "+regexp.QuoteMeta(version)+", with worker and core", "otpw-check -v --service sshd || true")

	out := r.run("rpm -e pam_otpw otpw 2>&1")
	if !strings.Contains(out, "still name pam_otpw") || !strings.Contains(out, "\n/etc/pam.d/sshd\n") {
		r.Errorf("erase does not say who is locked out:\n%s", out)
	}
	r.gone("usr/bin/otpw-gen", "usr/lib64/security/pam_otpw.so", "usr/lib64/security/pam_otpw", "usr/libexec/otpw", "var/lib/pam_otpw", "etc/otpw.conf")
	if r.read("etc/otpw.conf.rpmsave") != conf {
		r.Error("what the administrator wrote is lost")
	}
	if got := r.mode("/var/lib/otpw/bob") + r.mode("/home/alice/.otpw"); got != "-rw------- otpw-rw------- alice" {
		r.Errorf("lists: %s", got)
	}
	for _, name := range r.files("etc") {
		if strings.Contains(name, "otpw") && name != "etc/otpw.conf.rpmsave" && name != "etc/otpw.conf.rpmnew" && !strings.HasPrefix(name, "etc/ssh/") &&
			name != "etc/sysusers.d/otpw.conf" && name != "etc/tmpfiles.d/otpw.conf" {
			r.Errorf("left: %s", name)
		}
	}
}

// standIns is what programs of SELinux are there; they write down what they are told.
const standIns = `#!/bin/sh
[ "${0##*/}" != selinuxenabled ] || exec test -e /root/selinux
echo "${0##*/} $*" >>/root/did
case $* in *-f*) cat >>/root/did; esac
[ "$1" != -iRF ] # a folder that cannot be labelled keeps nobody's list from it
`

// Where SELinux is on, the policy is loaded and files get their labels; they lose them when it goes. Elsewhere nothing is done.
func TestRPMSELinux(t *testing.T) {
	r := fedora(t)
	r.copy("srv", standIn(t, "selinux-policy-targeted"), standIn(t, "policycoreutils"))
	r.run("rpm -i /srv/fedora-*.rpm /srv/selinux-policy-targeted-*.rpm /srv/policycoreutils-*.rpm")
	r.user("alice")
	for _, name := range []string{"selinuxenabled", "semodule", "restorecon"} {
		r.write("usr/sbin/"+name, standIns)
		r.run("chmod 755 /usr/sbin/%s", name)
	}
	older, now := r.rpms("rpm-older", "otpw", "pam_otpw", "otpw-selinux"), r.rpms("rpm", "otpw", "pam_otpw", "otpw-selinux")
	r.run("rpm -i %s", older)
	r.run("rpm -e otpw-selinux pam_otpw otpw")
	r.gone("root/did")

	r.write("root/selinux", "")
	r.run("rpm -i %s", older)
	r.makeList("alice", cheap)
	const load = "^semodule --priority 200 --install /usr/share/selinux/packages/targeted/otpw.pp.bz2\n"
	const label = "(.*\n)*restorecon -iRF /usr/lib64/security/pam_otpw\n(.*\n)*restorecon -iF -f -\n"
	r.says(load+label, "cat /root/did; rm /root/did")
	r.run("rpm -U %s", now)
	if out := r.says(load+label+"/home/alice/.otpw\n$", "cat /root/did; rm /root/did"); strings.Contains(out, "--remove") {
		r.Errorf("the policy is gone after an upgrade:\n%s", out)
	}
	r.run("cd /home/alice; touch .otpw.tmp; ln -s nowhere .otpw.lock; ln -s nowhere .otpw.lock.tmp; mkdir -p /var/lib/otpw")
	r.run("/usr/libexec/otpw/otpw-relabel || test $? -eq 1")
	did := r.run("cat /root/did; rm /root/did")
	for _, path := range []string{"RF /usr/lib64/security/pam_otpw", "RF /usr/libexec/otpw", "RF /var/lib/otpw", "RF /var/lib/pam_otpw"} {
		if !strings.Contains(did, path+"\n") {
			r.Errorf("no restorecon -%s:\n%s", path, did)
		}
	}
	if !strings.HasSuffix(did, " -\n/home/alice/.otpw\n/home/alice/.otpw.lock\n/home/alice/.otpw.lock.tmp\n/home/alice/.otpw.tmp\n") {
		r.Errorf("not all files in homes:\n%s", did)
	}
	r.sshd(rpmModule)
	r.says("otpw-selinux: files in /etc/pam.d name pam_otpw", "rpm -e otpw-selinux pam_otpw otpw 2>&1")
	r.says("^semodule --priority 200 --remove otpw\n(.*\n)*restorecon -iF -f -\n/home/alice/.otpw\n", "cat /root/did")
}

func TestRPMLint(t *testing.T) {
	files, err := filepath.Glob(build(t, "rpm", "*.rpm"))
	if err != nil || len(files) != 3 {
		t.Fatalf("packages: %q, %v", files, err)
	}
	cmd := exec.Command("rpmlint", append([]string{"--strict", "--config", "../rpm/rpmlint.toml", "../rpm/otpw.spec"}, files...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("rpmlint: %v\n%s", err, out)
	}
}
