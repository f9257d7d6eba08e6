// SPDX-License-Identifier: MIT

package packages

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// cheap is a list whose hashes take no time.
const cheap = "--kdf-memory 1 --kdf-passes 1"

// debs copies the packages of a build into the system, and returns the command that installs them.
func (r *root) debs(from string) string {
	r.Helper()
	var names []string
	for _, name := range []string{"otpw-bin", "libpam-otpw"} {
		file := world.One(r.T, build(r.T, from, name+"_*.deb"))
		r.copy("srv", file)
		names = append(names, "/srv/"+filepath.Base(file))
	}
	return "dpkg --install " + strings.Join(names, " ")
}

func releases(t *testing.T, test func(r *root)) {
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) { test(newRoot(t, release)) })
	}
}

// wantLogin: a password lets its user in, and whoever has none is refused.
func (r *root) wantLogin(user string, passwords map[string]string) {
	r.Helper()
	if !r.login(user, passwords) {
		r.Errorf("%s is refused", user)
	}
}

// Installed from nothing the packages work, and change no login by themselves.
func TestInstall(t *testing.T) {
	releases(t, func(r *root) {
		pam := r.run("cat /etc/pam.d/*")
		if out := r.run("%s 2>&1", r.debs("deb")); strings.Contains(out, "OTPW 1.5") {
			r.Errorf("takes itself for an upgrade:\n%s", out)
		}
		if now := r.run("cat /etc/pam.d/*"); now != pam {
			r.Errorf("installing changes /etc/pam.d:\n%s", now)
		}
		security := filepath.Dir(world.One(t, r.path("usr/lib/*/security/pam_otpw.so")))
		security = strings.TrimPrefix(security, r.dir)
		for name, mode := range map[string]string{
			"/usr/bin/otpw-gen":                         "-rwxr-xr-x root",
			"/usr/sbin/otpw-check":                      "-rwxr-xr-x root",
			"/usr/libexec/otpw/otpw-gen-as-keeper":      "-rwxr-xr-x root",
			"/usr/share/man/man8/pam_otpw.8.gz":         "-rw-r--r-- root",
			"/etc/otpw.conf":                            "-rw-r--r-- root",
			"/etc/fail2ban/filter.d/otpw.conf":          "-rw-r--r-- root",
			"/var/lib/pam_otpw":                         "drwx------ root",
			"/var/lib/pam_otpw/decoy":                   "-rw------- root",
			security + "/pam_otpw.so":                   "-rw-r--r-- root",
			security + "/pam_otpw/core.so":              "-rw-r--r-- root",
			security + "/pam_otpw/worker":               "-rwx--x--x root",
			"/usr/share/doc/otpw-bin/docs/recipes.md":   "-rw-r--r-- root",
			"/usr/share/doc/libpam-otpw/NEWS.Debian.gz": "-rw-r--r-- root",
		} {
			if got := r.mode(name); got != mode {
				r.Errorf("%s: %s, want %s", name, got, mode)
			}
		}
		r.links("usr/share/doc/otpw-bin")
		r.user("alice")
		r.user("bob")
		passwords := r.makeList("alice", cheap)
		if r.login("alice", passwords) {
			r.Error("logged in without a line in PAM's configuration")
		}
		r.sshd("pam_otpw.so")
		r.wantLogin("alice", passwords)
		if r.login("bob", passwords) {
			r.Error("bob has no list, and is in")
		}
		r.says(`sshd: \d+ ok\n$`, "otpw-check --user alice")
		r.write("etc/otpw.conf", "[module]\ndecoy\n")
		if r.login("bob", passwords) || !strings.Contains(r.read("root/asked"), "Password ") {
			r.Error("a decoy of bob is in, or was not asked")
		}
		r.run(`rm /var/lib/pam_otpw/decoy; eval "$(otpw-check | sed -n 's/.*To mend it: sudo //p')"`) // what it says helps
		version := strings.TrimSuffix(r.run("dpkg-query -W -f '${Version}' libpam-otpw"), "-1")
		r.says(`otpw-bin \(= `+regexp.QuoteMeta(version)+`-1\)`, "dpkg-query -W -f '${Depends}' libpam-otpw")
		r.says("^otpw-gen (version )?"+regexp.QuoteMeta(version)+"\n$", "otpw-gen --version")
		r.says("version "+regexp.QuoteMeta(version)+", with worker and core", "otpw-check -v")
	})
}

// The profile of pam-auth-update is for the administrator to choose, stays at an upgrade, and goes with the package.
func TestProfile(t *testing.T) {
	releases(t, func(r *root) {
		r.run("%s", r.debs("deb-older"))
		r.user("alice")
		passwords := r.makeList("alice", cheap)
		r.write("etc/ssh/sshd_config.d/00-otpw.conf", "UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\n")
		r.run("pam-auth-update --enable otpw")
		r.run("%s", r.debs("deb"))
		r.says(`(?m)^auth\s+\[success=2 default=ignore\]\s+pam_otpw\.so`, "cat /etc/pam.d/common-auth")
		r.says(`(?m)^session\s+optional\s+pam_otpw\.so`, "cat /etc/pam.d/common-session")
		r.wantLogin("alice", passwords)
		out := r.run("dpkg --remove libpam-otpw 2>&1")
		if strings.Contains(out, "still name pam_otpw") {
			r.Errorf("remove: %s", out)
		}
		if out, _ := r.try("grep -r pam_otpw /etc/pam.d"); out != "" {
			r.Errorf("left in /etc/pam.d:\n%s", out)
		}
	})
}

// OTPW 1.5 goes on as ours, with its lists and its configuration; what is refused now is named.
func TestUpgradeOriginal(t *testing.T) {
	releases(t, func(r *root) {
		r.run("dpkg --install /srv/*otpw*1.5*.deb")
		r.user("alice")
		r.user("bob")
		passwords, open := r.makeList("alice", ""), r.makeList("bob", "")
		r.run("chmod 644 /home/bob/.otpw")
		// in Debian 12 /lib/security/pam_otpw.so
		r.sshd(strings.TrimSpace(r.run("dpkg -L libpam-otpw | grep '/pam_otpw\\.so$'")))
		r.wantLogin("alice", passwords)
		r.wantLogin("bob", open)
		pam, list := r.read("etc/pam.d/sshd"), r.read("home/bob/.otpw")

		out := r.run("%s 2>&1", r.debs("deb"))
		if !strings.Contains(out, "/home/bob/.otpw") || strings.Contains(out, "/home/alice/.otpw") {
			r.Errorf("upgrade does not name bob's list alone:\n%s", out)
		}
		if r.read("etc/pam.d/sshd") != pam || r.read("home/bob/.otpw") != list {
			r.Error("upgrade changed PAM's configuration, or a list")
		}
		r.says(`/pam_otpw\.so\n$`, "readlink /lib/security/pam_otpw.so")
		r.wantLogin("alice", passwords)
		if r.login("bob", open) {
			r.Error("bob's list is everybody's to read, and he is in")
		}
		r.run("chmod 600 /home/bob/.otpw")
		r.wantLogin("bob", open)
		r.wantLogin("alice", r.makeList("alice", cheap))
	})
}

// From an older version of ours to this one, all that an administrator has decided stays.
func TestUpgrade(t *testing.T) {
	releases(t, func(r *root) {
		r.run("%s", r.debs("deb-older"))
		r.user("alice")
		r.user("bob")
		r.sshd("pam_otpw.so")
		conf, filter := "[module]\ndebug\n", "# of our own\n"
		r.write("etc/fail2ban/filter.d/otpw.conf", filter)
		r.write("etc/otpw.conf", conf)
		r.says("users make them: otpw-gen", "otpw-pseudo-user on --set-user-id")
		bob := r.makeList("bob", cheap)
		r.wantLogin("bob", bob)
		const helper = "/usr/libexec/otpw/otpw-gen-as-keeper"
		before, decoy, pam := r.inode(helper), r.read("var/lib/pam_otpw/decoy"), r.read("etc/pam.d/sshd")

		out := r.run("%s </dev/null 2>&1", strings.Replace(r.debs("deb"), "--install", "--force-confold --install", 1))
		if strings.Contains(out, "OTPW 1.5") {
			r.Errorf("takes itself for OTPW 1.5:\n%s", out)
		}
		if r.inode(helper) == before {
			r.Error("the helper is the old one")
		}
		if got := r.mode(helper); got != "-rwsr-xr-x otpw" {
			r.Errorf("helper: %s", got)
		}
		for name, want := range map[string]string{"etc/otpw.conf": conf, "etc/fail2ban/filter.d/otpw.conf": filter, "var/lib/pam_otpw/decoy": decoy, "etc/pam.d/sshd": pam} {
			if r.read(name) != want {
				r.Errorf("%s has changed", name)
			}
		}
		r.mode("/etc/otpw.conf.dpkg-dist") // ours has changed, too
		r.wantLogin("bob", bob)
		r.wantLogin("alice", r.makeList("alice", cheap))
		if got := r.mode("/var/lib/otpw/alice"); got != "-rw------- otpw" {
			r.Errorf("alice's list: %s", got)
		}
		// else the bit would be there again when the package is
		r.run("dpkg --purge libpam-otpw otpw-bin")
		r.gone("etc/sysusers.d/otpw.conf", "etc/tmpfiles.d/otpw.conf")
		r.mode("/var/lib/otpw/alice")
	})
}

// What is removed leaves lists, configuration and secret; what is purged leaves lists.
func TestRemove(t *testing.T) {
	releases(t, func(r *root) {
		before := r.files("etc")
		r.run("%s", r.debs("deb"))
		r.user("alice")
		r.makeList("alice", cheap)
		pam := r.read("etc/pam.d/sshd")
		r.sshd("pam_otpw.so")
		out := r.run("dpkg --remove libpam-otpw otpw-bin 2>&1")
		if !strings.Contains(out, "still name pam_otpw") || !strings.Contains(out, "\n/etc/pam.d/sshd\n") {
			r.Errorf("remove does not say who is locked out:\n%s", out)
		}
		r.gone("usr/bin/otpw-gen", "usr/lib/security/pam_otpw.so", "usr/libexec/otpw")
		r.mode("/var/lib/pam_otpw/decoy")
		r.mode("/etc/otpw.conf")
		r.mode("/home/alice/.otpw")
		r.write("etc/pam.d/sshd", pam)
		r.run("rm /etc/ssh/sshd_config.d/00-otpw.conf; dpkg --purge libpam-otpw otpw-bin; userdel alice; rm -f /etc/*-")
		r.gone("var/lib/pam_otpw", "etc/otpw.conf", "etc/fail2ban")
		r.mode("/home/alice/.otpw")
		for _, name := range r.files("etc") {
			found := false
			for _, b := range before {
				found = found || b == name
			}
			if !found {
				r.Errorf("left: %s", name)
			}
		}
	})
}

// One account for all lists: on, with and without the bit, and off.
func TestPseudoUser(t *testing.T) {
	releases(t, func(r *root) {
		r.run("%s", r.debs("deb"))
		r.user("alice")
		r.sshd("pam_otpw.so")
		const helper = "/usr/libexec/otpw/otpw-gen-as-keeper"
		r.says("only root", "setpriv --reuid alice --regid alice --clear-groups otpw-pseudo-user on || true")
		r.says("otpw-pseudo-user on --set-user-id", "otpw-pseudo-user 2>&1 || test $? -eq 2")
		r.says("no such command: on --set-userid\n", "otpw-pseudo-user on --set-userid 2>&1 || test $? -eq 2")

		r.run("rm -rf /etc/tmpfiles.d /etc/sysusers.d")
		r.says("root makes them", "umask 0; otpw-pseudo-user on")
		if out := r.run("find /etc/tmpfiles.d /etc/sysusers.d -perm /022"); out != "" {
			r.Errorf("others can write what systemd does as root:\n%s", out)
		}
		if got := r.mode("/var/lib/otpw") + r.mode(helper); got != "drwx------ otpw-rwxr-xr-x root" {
			r.Error(got)
		}
		r.says("only root makes them unless otpw-pseudo-user", "printf 'p\\np\\n' | setpriv --reuid alice --regid alice --clear-groups otpw-gen || true")
		r.says("000 ", "printf 'p\\np\\n' | otpw-gen --user alice %s", cheap)

		r.says("users make them", "otpw-pseudo-user on --set-user-id")
		r.wantLogin("alice", r.makeList("alice", cheap))
		r.says(`^account otpw|uid`, "id otpw")

		r.says("there are lists in /var/lib/otpw", "otpw-pseudo-user off 2>&1 || test $? -eq 1")
		if got := r.mode(helper); got != "-rwxr-xr-x root" {
			r.Error(got)
		}
		r.run("systemd-tmpfiles --create /etc/tmpfiles.d/otpw.conf")
		if got := r.mode(helper); got != "-rwxr-xr-x root" {
			r.Errorf("at the next start: %s", got)
		}
		r.run("rm /var/lib/otpw/*; touch /var/lib/otpw/.profile")
		r.says("end what runs as otpw", `setpriv --reuid otpw sleep 1000 & pid=$!
until grep -q "^Uid:[[:space:]]*$(id -u otpw)" /proc/$pid/status; do :; done
otpw-pseudo-user off 2>&1 || test $? -eq 1; kill $pid`)
		r.run("rm /var/lib/otpw/.profile")
		r.says("lists are in homes", "otpw-pseudo-user off")
		r.gone("etc/tmpfiles.d/otpw.conf", "etc/sysusers.d/otpw.conf", "var/lib/otpw")
		r.wantLogin("alice", r.makeList("alice", cheap))
		// a person of that name
		r.user("otpw")
		r.says(`is no system account`, "otpw-pseudo-user on 2>&1 || test $? -eq 1")
	})
}

// Debian's own tests of packages.
func TestPiuparts(t *testing.T) {
	var debs []string
	for _, name := range []string{"otpw-bin", "libpam-otpw"} {
		debs = append(debs, world.One(t, build(t, "deb", name+"_*.deb")))
	}
	cmd := exec.Command("piuparts", append([]string{"--basetgz", build(t, "roots", "bookworm.tar.gz"), "--distribution", "bookworm",
		"--no-eatmydata", "--warn-on-leftovers-after-purge", "--skip-logrotatefiles-test", "--no-upgrade-test"}, debs...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("piuparts: %v\n%s", err, out)
	}
}

// shell runs a script of this machine.
func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func TestLintian(t *testing.T) {
	cmd := exec.Command("lintian", "--pedantic", "--tag-display-limit", "0", "--fail-on", "error,warning,info,pedantic",
		world.One(t, build(t, "deb", "*.changes")))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

// The same tree makes the same archive, whose version is the tree's, and which has all that git knows.
func TestArchive(t *testing.T) {
	build(t)
	version := strings.TrimSpace(shell(t, "../../scripts/version"))
	var archives []string
	for _, umask := range []string{"022", "077"} {
		dir := t.TempDir()
		shell(t, "umask "+umask+"; make -s -C ../.. dist B="+dir)
		archives = append(archives, filepath.Join(dir, "otpw-"+version+".tar.gz"))
	}
	shell(t, "cmp "+archives[0]+" "+archives[1])
	dir := t.TempDir()
	shell(t, "tar -x -C "+dir+" --strip-components=1 -f "+archives[0])
	if got := strings.TrimSpace(shell(t, dir+"/scripts/version")); got != version {
		t.Errorf("version %s, want %s", got, version)
	}
	shell(t, "cd ../..; git ls-files -z | (cd "+dir+" && xargs -0 ls -d vendor/modules.txt)")
}

// Built twice, in different folders, the packages are the same.
func TestReproducible(t *testing.T) {
	for _, kind := range []string{"deb", "rpm"} {
		first, err := filepath.Glob(build(t, kind, "*."+kind))
		if err != nil || len(first) == 0 {
			t.Fatalf("no packages: %v", err)
		}
		for _, file := range first {
			a, err1 := os.ReadFile(file)
			b, err2 := os.ReadFile(build(t, kind+"-again/elsewhere", filepath.Base(file)))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a, b) {
				t.Errorf("%s: two builds differ", filepath.Base(file))
			}
		}
	}
}
