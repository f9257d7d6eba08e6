// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/pam/module"
)

// All that needs a broken machine is in e2e/check.

func TestParseLibpam(t *testing.T) {
	p, ok := parseLibpam("\x00/lib/security\x00x\x00/usr/lib/pam.d/%s\x00/etc/pam.d/%s\x00y/z/security/\x00/lib64/security/\x00")
	if want := (libpam{"/lib64/security", []string{"/etc/pam.d", "/usr/lib/pam.d"}}); !ok || !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, want %+v", p, want)
	}
	for _, bad := range []string{"", "\x00/lib64/security/\x00", "\x00/etc/pam.d/%s\x00"} {
		if p, ok := parseLibpam(bad); ok {
			t.Errorf("%q: %+v", bad, p)
		}
	}
}

// This machine's libpam says where its modules are.
func TestFindLibpam(t *testing.T) {
	p := findLibpam()
	if !exists(p.path("pam_permit.so")) || p.configs[0] != "/etc/pam.d" {
		t.Errorf("%+v", p)
	}
	if got := p.path("/x/$ISA/pam_y.so"); got != "/x/./pam_y.so" {
		t.Error(got)
	}
}

// The first folder that has a file counts, for what is included, too.
func TestFolders(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		first + "/a":         "auth required first.so",
		second + "/a":        "auth required second.so",
		second + "/service":  "auth include a\nauth substack b\nsession required x.so",
		second + "/b":        "auth required b.so [an argument] other",
		second + "/Service2": "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, mistakes := readService([]string{first, second}, "/usr/sbin/SERVICE")
	stack, other := s.stack("auth")
	var got []string
	for _, l := range stack {
		got = append(got, l.where()+" "+l.module+" "+strings.Join(l.args, "|"))
	}
	want := []string{first + "/a line 1 first.so ", second + "/service line 2 b ", second + "/b line 1 b.so an argument|other"}
	if other || len(mistakes) > 0 || !slices.Equal(got, want) {
		t.Errorf("%q, mistakes %v", got, mistakes)
	}
	if _, other := s.stack("account"); !other || !s.found || s.main() != second+"/service" {
		t.Errorf("%+v", s)
	}
}

// Files that include each other twice are not read 2^32 times.
func TestCircle(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"service": "auth include a\nauth include a\n", "a": "auth include service\nauth include service\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s, mistakes := readService([]string{dir}, "service"); !s.stuck || len(mistakes) == 0 {
			t.Errorf("%+v, %v", s, mistakes)
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("it hangs")
	}
}

// Where there is one file for all services, PAM reads that.
func TestOldConfig(t *testing.T) {
	dir := t.TempDir()
	defer func(before string) { oldConfig = before }(oldConfig)
	oldConfig = dir + "/pam.conf"
	for _, want := range []string{"pam-missing", "pam-unreadable"} {
		c := &checker{pam: libpam{dir, []string{dir + "/pam.d"}}}
		c.checkService()
		if len(c.findings) != 1 || c.findings[0].ID != want {
			t.Errorf("%v, want %s", c.findings, want)
		}
		if err := os.WriteFile(oldConfig, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMethods(t *testing.T) {
	const on = "usepam yes\nkbdinteractiveauthentication yes\npasswordauthentication no\npubkeyauthentication yes\nhostbasedauthentication no\n"
	for methods, want := range map[string]struct {
		found  []string
		keyToo bool
	}{
		"any":       {nil, false},
		"publickey": {[]string{"sshd-methods"}, true},
		"keyboard-interactive publickey,keyboard-interactive": {nil, false},
		"publickey keyboard-interactive":                      {nil, false},
		"publickey,keyboard-interactive":                      {nil, true},
		"publickey,keyboard-interactive:pam":                  {nil, true},
		"publickey,keyboard-interactive:bsdauth":              {[]string{"sshd-methods"}, true},
		"hostbased,keyboard-interactive publickey":            {[]string{"sshd-methods"}, true},
		"password publickey,keyboard-interactive":             {nil, true}, // password is turned off
		"keyboard-interactive,keyboard-interactive":           {nil, false},
	} {
		c := &checker{keyToo: true}
		c.judgeSshd(sshdAnswer{where: "x", set: parseSshd(on + "authenticationmethods " + methods + "\n")})
		var found []string
		for _, f := range c.findings {
			if f.Severity != fine {
				found = append(found, f.ID)
			}
		}
		if !slices.Equal(found, want.found) || c.keyToo != want.keyToo {
			t.Errorf("%s: %v, key %v", methods, found, c.keyToo)
		}
	}
}

// What a user's process says is not believed.
func TestSight(t *testing.T) {
	for _, bad := range []string{"", "x", "[]", `{"ID":"sshd-pam"}`, `{"ID":"x"}`, `{"Unused":"x"}`, "{}{}"} {
		if s, err := readSight([]byte(bad)); !errors.Is(err, errSight) {
			t.Errorf("%q: %+v, %v", bad, s, err)
		}
	}
	if s, err := readSight([]byte(`{"ID":"list-none","Real":"/x"}`)); err != nil || s.Real != "/x" {
		t.Errorf("%+v, %v", s, err)
	}
}

// Words of a user's process look like nothing else, and stay in one line.
func TestChildText(t *testing.T) {
	c := &checker{root: true}
	text := "\x1b[2J\nok: \". To mend it: rm -r /"
	of := func(name string, s sight) *subject {
		return &subject{account: account{Account: otp.Account{Name: name}}, named: true, path: "/x", sight: s}
	}
	c.reportSight(of("alice", sight{ID: "list-damaged", Real: "/y\n\"", Text: text}), module.Settings{})
	c.reportSight(of("bob", sight{Real: "/x", About: text}), module.Settings{})
	var b strings.Builder
	if err := c.write(&b, "sshd", true); err != nil {
		t.Fatal(err)
	}
	const quoted = `"\x1b[2J\nok: \". To mend it: rm -r /"`
	want := `error: list-damaged: alice: /x -> "/y\n\"": ` + quoted + ". To mend it: otpw-gen --user alice --print\nok: bob: /x: " + quoted + "\nsshd: 1 error, 1 ok\n"
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

func TestAccounts(t *testing.T) {
	got := parseAccounts("a:x:1:2:g:/h:/s\nshort:x:1\n:x:1:2:g:/h:/s\nn:x:-1:2:g:/h:/s\nm:x:4294967295:2:g:/h:/s\nb:x:4294967294:0::/h:\n")
	want := []account{{otp.Account{Name: "a", UID: 1, Home: "/h"}, 2}, {otp.Account{Name: "b", UID: 4294967294, Home: "/h"}, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// Files that a package owns are made right by it.
func TestInstallCommand(t *testing.T) {
	const old = "Package: x\nVersion: 1.0\n\nPackage: libpam-otpw\nStatus: install ok installed\nVersion: 1.5-2\n\n"
	list := map[string]string{"/var/lib/dpkg/info/libpam-otpw:amd64.list": "/.\n/lib/x/security/pam_otpw.so\n", "/var/lib/dpkg/status": strings.ReplaceAll(old, "1.5-2", "2.0.0")}
	rpm := map[string]string{"/usr/lib/sysimage/rpm/x": "", "/usr/lib64/security/x": ""}
	for name, tt := range map[string]struct {
		files      map[string]string
		path, want string
	}{
		"none":                   {nil, "/usr/lib/x/security/pam_otpw.so", "sudo make install"},
		"Debian":                 {list, "/usr/lib/x/security/pam_otpw.so", "apt install --reinstall libpam-otpw"},
		"Debian, another file":   {list, "/usr/lib/x/security/pam_otpw/core.so", "sudo make install"},
		"Debian's own":           {map[string]string{"/var/lib/dpkg/info/libpam-otpw.list": "/usr/lib/x/security/pam_otpw.so", "/var/lib/dpkg/status": old}, "/lib/x/security/pam_otpw.so", newPackages},
		"Fedora":                 {rpm, "/usr/lib64/security/pam_otpw/worker", "dnf reinstall pam_otpw"},
		"Fedora, somewhere else": {rpm, "/opt/security/pam_otpw.so", "sudo make install"},
		"rpm on Debian":          {map[string]string{"/var/lib/rpm/x": ""}, "/usr/lib64/security/pam_otpw.so", "sudo make install"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func(before string) { hostRoot = before }(hostRoot)
			hostRoot = t.TempDir()
			for path, text := range tt.files {
				if err := os.MkdirAll(filepath.Dir(hostRoot+path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(hostRoot+path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := installCommand(tt.path); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{"/etc/pam.d/sshd": "/etc/pam.d/sshd", "/a b": "'/a b'", "/a'b": `'/a'\''b'`, "/$(x)": "'/$(x)'"} {
		if got := quoted(path); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Arguments of the line come after those of the site, and win; what the module ignores is nothing here.
func TestSettings(t *testing.T) {
	c := &checker{site: otp.Site{Module: []otp.SiteArg{{Line: 2, Text: "user=a"}, {Line: 3, Text: "kdf_max_memory=1"}, {Line: 4, Text: "kdf_max_passes=3"}}}}
	got := c.settings(line{args: []string{"user=b", "kdf_max_memory=2", "kdf_max_memory=4", "kdf_max_memory=many", "nolock", "nullok=1", "decoy=yes", "use_first_pass", "file=/x"}})
	want := module.Settings{AskNever: true, File: "/x", User: "b", Options: otp.Options{NoLock: true, KDFMaxMemory: 4096, KDFMaxPasses: 3}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Errors count most, then what could not be checked.
func TestStatus(t *testing.T) {
	var r report
	for _, tt := range []struct {
		severity
		want int
	}{{fine, 0}, {warning, 1}, {unchecked, 3}, {wrong, 2}, {fine, 2}} {
		r.addAs(tt.severity, "", "", "", "%s", tt.severity)
		if got := r.status(); got != tt.want {
			t.Errorf("%d after %s, want %d", got, tt.severity, tt.want)
		}
	}
}

// Without libpam there is all but --login.
func TestWithoutCgo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "otpw-check")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "--login", "root").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage || !strings.Contains(string(out), "built without libpam") || !strings.Contains(string(out), "sshd: ") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Whatever stands in a file, reading it ends.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"auth required pam_otpw.so\n", "@include a\nauth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\n",
		"auth substack a\n-session [x\\]y=1", "auth include service\nauth [success=9] x \\\n", "auth [default=reset success=2147483648] x y=[z z]\n",
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, service, included string) {
		if len(service)+len(included) > 2000 {
			return
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"service": service, "a": included} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := &checker{pam: libpam{dir, []string{dir}}}
		c.service = "service"
		c.checkService()
	})
}
