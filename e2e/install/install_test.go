// SPDX-License-Identifier: MIT

// Package install tests `make install` and `make uninstall` with what make has
// built, below a folder of the test's. It needs no root.
package install

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// want are the files below DESTDIR, with their modes.
var want = map[string]fs.FileMode{
	"usr/local/bin/otpw-gen":                                  0o755,
	"usr/local/share/bash-completion/completions/otpw-gen":    0o644,
	"usr/local/share/fish/vendor_completions.d/otpw-gen.fish": 0o644,
	"usr/local/share/zsh/site-functions/_otpw-gen":            0o644,
	"usr/local/share/man/man1/otpw-gen.1":                     0o644,
	"usr/local/share/man/man1/otpw-gen-completion.1":          0o644,
	"usr/local/share/man/man1/otpw-gen-revoke.1":              0o644,
	"usr/local/share/man/man1/otpw-gen-status.1":              0o644,
	"usr/local/share/man/man1/otpw-gen-suggest.1":             0o644,
	"usr/local/share/man/man1/otpw-gen-unlock.1":              0o644,
	"usr/local/share/man/man5/otpw.5":                         0o644,
	"usr/local/share/man/man5/otpw.conf.5":                    0o644,
	"usr/local/sbin/otpw-check":                               0o755,
	"usr/local/sbin/otpw-pseudo-user":                         0o755,
	"usr/local/libexec/otpw/decoy-secret":                     0o755,
	"usr/local/libexec/otpw/otpw-gen-as-keeper":               0o755,
	"usr/local/share/otpw/sysusers.conf":                      0o644,
	"usr/local/share/man/man8/otpw-pseudo-user.8":             0o644,
	"usr/local/share/man/man8/otpw-check.8":                   0o644,
	"usr/local/share/man/man8/otpw-check-findings.8":          0o644,
	"usr/local/share/man/man8/pam_otpw.8":                     0o644,
	"usr/lib/security/pam_otpw.so":                            0o644,
	"usr/lib/security/pam_otpw/core.so":                       0o644,
	"usr/lib/security/pam_otpw/worker":                        0o711,
}

// makeTarget runs make without Go, the compiler and git in reach, as root may have to.
func makeTarget(t *testing.T, target, dest string, settings ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.Command("make", "-C", "../..", target, "DESTDIR="+dest, "PREFIX=/usr/local", "PAMDIR=/usr/lib/security",
		"STATEDIR=/var/lib/pam_otpw", "GO=no-go-here", "CC=no-compiler-here")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=")
	if b := os.Getenv("OTPW_BUILD"); b != "" {
		cmd.Args = append(cmd.Args, "B="+b)
	}
	cmd.Args = append(cmd.Args, settings...)
	return cmd.CombinedOutput()
}

func files(t *testing.T, root string) map[string]fs.FileMode {
	t.Helper()
	found := map[string]fs.FileMode{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		found[strings.TrimPrefix(path, root+"/")] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestInstall(t *testing.T) {
	dest := t.TempDir()
	if out, err := makeTarget(t, "install", dest); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	found := files(t, dest)
	checkDocs(t, found)
	for name, mode := range want {
		if found[name] != mode {
			t.Errorf("%s: mode %v, want %v (0: not there)", name, found[name], mode)
		}
		delete(found, name)
	}
	if len(found) > 0 {
		t.Errorf("installed, too: %v", found)
	}
	checkPages(t, dest)
	checkCompletions(t, dest)

	state := filepath.Join(dest, "var/lib/pam_otpw")
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v", state, info, err)
	}
	for _, name := range []string{"usr/local/share/man/man1/other.1", "var/lib/pam_otpw/decoy"} { // the latter goes
		if err := os.WriteFile(filepath.Join(dest, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := makeTarget(t, "uninstall", dest); err != nil {
		t.Fatalf("make uninstall: %v\n%s", err, out)
	}
	if found := files(t, dest); len(found) != 1 || found["usr/local/share/man/man1/other.1"] == 0 {
		t.Errorf("make uninstall leaves %v, want other.1 alone", found)
	}
	for _, dir := range []string{"usr/lib/security/pam_otpw", "var/lib/pam_otpw", "usr/local/share/doc/otpw", "usr/local/share/otpw", "usr/local/libexec/otpw"} {
		if _, err := os.Stat(filepath.Join(dest, dir)); err == nil {
			t.Errorf("make uninstall leaves %s", dir)
		}
	}
}

// checkDocs sees that what README.md links to is installed, by the same paths, and takes it out of what was found.
func checkDocs(t *testing.T, found map[string]fs.FileMode) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const dir = "usr/local/share/doc/otpw/"
	for _, link := range regexp.MustCompile(`\]\(([a-zA-Z][^):#]*)[#)]`).FindAllSubmatch(readme, -1) {
		if name := dir + string(link[1]); found[name] != 0o644 {
			t.Errorf("%s: mode %v", name, found[name])
		}
	}
	for _, name := range []string{"README.md", "packaging/otpw.conf", "packaging/grok/otpw", "packaging/fail2ban/filter.d/otpw.conf", "packaging/fail2ban/jail.d/otpw.conf"} {
		if found[dir+name] != 0o644 {
			t.Errorf("%s: mode %v", dir+name, found[dir+name])
		}
	}
	maps.DeleteFunc(found, func(name string, _ fs.FileMode) bool { return strings.HasPrefix(name, dir) })
}

// checkPages sees that all pages that were built are installed.
func checkPages(t *testing.T, dest string) {
	build := os.Getenv("OTPW_BUILD")
	if build == "" {
		build = "../../build"
	}
	built, err := filepath.Glob(filepath.Join(build, "man/*.[0-9]"))
	if err != nil || built == nil {
		t.Fatalf("no pages in %s: %v", build, err)
	}
	for _, page := range built {
		name := filepath.Join("usr/local/share/man", "man"+page[len(page)-1:], filepath.Base(page))
		if want[name] == 0 {
			t.Errorf("%s is not installed", page)
		}
	}
}

// checkCompletions sees that they are those of the program that was installed.
func checkCompletions(t *testing.T, dest string) {
	for shell, name := range map[string]string{
		"bash": "bash-completion/completions/otpw-gen", "zsh": "zsh/site-functions/_otpw-gen", "fish": "fish/vendor_completions.d/otpw-gen.fish",
	} {
		got, err := os.ReadFile(filepath.Join(dest, "usr/local/share", name))
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(filepath.Join(dest, "usr/local/bin/otpw-gen"), "completion", shell).Output()
		if err != nil || len(out) == 0 || !bytes.Equal(got, out) {
			t.Errorf("%s: not what otpw-gen completion %s prints (%v)", name, shell, err)
		}
	}
}

// standIns makes files of that text in the place of all that make builds.
func standIns(t *testing.T, build, text string) {
	t.Helper()
	names := []string{"otpw-gen", "otpw-gen-as-keeper", "otpw-check", "completions/bash", "completions/zsh", "completions/fish"}
	for name := range want {
		switch dir := filepath.Dir(name); {
		case strings.HasPrefix(dir, "usr/local/share/man/"):
			names = append(names, "man/"+filepath.Base(name))
		case strings.HasPrefix(dir, "usr/lib/security"):
			names = append(names, strings.TrimPrefix(name, "usr/lib/security/"))
		}
	}
	for _, name := range names {
		writeFile(t, filepath.Join(build, name), text)
	}
	writeFile(t, filepath.Join(build, "version"), "2.0.0 /usr/local /var/lib/pam_otpw\n")
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// An installation that fails half way, on a disk that is full say, leaves the module as it was: without it nobody may be
// able to log in and mend that.
func TestInstallFails(t *testing.T) {
	module := []string{"pam_otpw/worker", "pam_otpw/core.so", "pam_otpw.so"}
	for _, full := range module {
		t.Run(full, func(t *testing.T) {
			dest, build, bin := t.TempDir(), t.TempDir(), t.TempDir()
			standIns(t, build, "old")
			if out, err := makeTarget(t, "install", dest, "B="+build); err != nil {
				t.Fatalf("make install: %v\n%s", err, out)
			}
			old := files(t, dest)
			standIns(t, build, "new")
			// as install(1) does it: what was there goes before the copy begins
			writeFile(t, filepath.Join(bin, "install"), `#!/bin/sh
for last; do :; done
case $* in *" `+filepath.Join(build, full)+` "*)
	rm -f "$last"
	printf n >"$last"
	exit 1 ;;
esac
PATH=${PATH#*:} exec install "$@"
`)
			if err := os.Chmod(filepath.Join(bin, "install"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			if out, err := makeTarget(t, "install", dest, "B="+build); err == nil {
				t.Errorf("make install works:\n%s", out)
			}
			found := files(t, dest)
			for _, name := range module {
				name = filepath.Join("usr/lib/security", name)
				text, err := os.ReadFile(filepath.Join(dest, name))
				if err != nil || string(text) != "old" || found[name] != old[name] {
					t.Errorf("%s has changed: %q, mode %v, %v", name, text, found[name], err)
				}
			}
			if out, err := makeTarget(t, "uninstall", dest, "B="+build); err != nil || len(files(t, dest)) > 0 {
				t.Errorf("make uninstall: %v, leaves %v\n%s", err, files(t, dest), out)
			}
		})
	}
}

// What PAM still loads is not removed.
func TestUninstallInUse(t *testing.T) {
	dest := t.TempDir()
	pam := filepath.Join(dest, "etc/pam.d")
	if err := os.MkdirAll(pam, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pam, "sshd"), []byte("auth required pam_otpw.so\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := makeTarget(t, "install", dest); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	before := files(t, dest)
	if out, err := makeTarget(t, "uninstall", dest); err == nil || !slices.Contains(strings.Fields(string(out)), filepath.Join(pam, "sshd")) {
		t.Errorf("make uninstall: %v\n%s", err, out)
	}
	if after := files(t, dest); len(after) != len(before) {
		t.Errorf("%d files left of %d", len(after), len(before))
	}
}

// The path of otpw-gen is compiled into a program that may be set-user-id.
func TestInstallElsewhere(t *testing.T) {
	dest := t.TempDir()
	out, err := makeTarget(t, "install", dest, "PREFIX=/opt/otpw")
	if err == nil || !bytes.Contains(out, []byte("was made for PREFIX and STATEDIR /usr/local /var/lib/pam_otpw: run make again")) {
		t.Errorf("make install: %v\n%s", err, out)
	}
	if found := files(t, dest); len(found) > 0 {
		t.Errorf("installed: %v", found)
	}
}
