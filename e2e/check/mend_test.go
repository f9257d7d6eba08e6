// SPDX-License-Identifier: MIT

package check

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const lineOfFile = "(?:`.*?`) \\((\\S+) line ([0-9]+)\\)"

var (
	putMend  = regexp.MustCompile("^(auth required .*?) in the place of " + lineOfFile + "(.*)$")
	fileMend = regexp.MustCompile(`^(auth required .*) in (/etc/pam\.d/\S+)$`)
	moveMend = regexp.MustCompile("^put " + lineOfFile + " before " + lineOfFile + "$")
	outMend  = regexp.MustCompile("(?:^|, and )take " + lineOfFile + " out$")
	allMend  = regexp.MustCompile(`(?:^|, and )take the lines ([0-9, ]+) of (\S+) out$`)
)

// mend does what a mend says, to the letter, if it changes lines. Only the service's
// own file may be named.
func (m *machine) mend(service, text string) (changed bool) {
	m.t.Helper()
	path := "/etc/pam.d/" + service
	data, _ := os.ReadFile(path)
	lines := strings.SplitAfter(string(data), "\n")
	at := func(file, number string) *string {
		m.t.Helper()
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > len(lines) || file != path {
			m.t.Fatalf("%s: there is no line %s of %s in %s", text, number, file, path)
		}
		return &lines[n-1]
	}
	if found := fileMend.FindStringSubmatch(text); found != nil && found[2] == path {
		lines, changed = append(lines, found[1]+"\n"), true
	}
	if found := putMend.FindStringSubmatch(text); found != nil {
		*at(found[2], found[3]) = found[1] + "\n"
		changed = true
	}
	if found := moveMend.FindStringSubmatch(text); found != nil {
		from, to := at(found[1], found[2]), at(found[3], found[4])
		*from, *to, changed = "", *from+*to, true
	}
	if found := outMend.FindStringSubmatch(text); found != nil {
		*at(found[1], found[2]) = ""
		changed = true
	}
	if found := allMend.FindStringSubmatch(text); found != nil {
		for _, n := range strings.Split(found[1], ", ") {
			*at(found[2], n) = ""
		}
		changed = true
	}
	if changed {
		m.do(os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644))
	}
	return changed
}

// ofStack are findings about who gets in; of those none is left when one of them is mended.
var ofStack = []string{"pam-absent", "pam-unreached", "pam-everybody", "pam-no-list", "pam-nobody", "pam-instead", "pam-twice"}

// Each mend that changes lines, done to the letter, leaves a stack in which nothing is
// wrong, and does not touch what other services include.
func TestMends(t *testing.T) {
	for _, tt := range slices.Concat(brokenPAM, stacks) {
		if strings.HasPrefix(tt.args, "alice:") || tt.name == "a folder" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			m := begin(t)
			tt.spoil(m)
			args := strings.Fields(tt.args)
			before, found := m.shell("cp -a /etc/pam.d /run/before; cat /etc/pam.d/sshd 2>/dev/null || true"), m.findings(args...)
			defer os.RemoveAll("/run/before")
			others := slices.ContainsFunc(found, func(f finding) bool { return f.ID == "pam-account" || f.ID == "pam-session" })
			for _, f := range found {
				m.shell("rm -rf /etc/pam.d/*; cp -a /run/before/. /etc/pam.d")
				if !m.mend("sshd", f.Mend) {
					if slices.Contains(ofStack, f.ID) && f.Mend == "" {
						t.Errorf("no mend: %v", f)
					}
					continue
				}
				for _, after := range m.findings(args...) {
					account := !others && (after.ID == "pam-account" || after.ID == "pam-session")
					if slices.Contains(ofStack, after.ID) || account {
						t.Errorf("%s\n%v\n%s\nand then %v", before, f, m.shell("cat /etc/pam.d/sshd"), after)
					}
				}
			}
		})
	}
}

// red is a set-up with Fedora's modules.
func red(spoil func(m *machine)) func(m *machine) {
	return func(m *machine) {
		m.shell("cd " + m.modules + "; cp -L pam_permit.so pam_sss.so") // by its name it asks for a password
		spoil(m)
	}
}

// file is a set-up with a file that services include, and sshd's auth lines.
func file(name string, lines []string, auth ...string) func(m *machine) {
	return func(m *machine) {
		m.write("/etc/pam.d/"+name, 0o644, lines...)
		m.pam(auth...)
	}
}

var (
	// what pam-auth-update makes of packaging/pam-configs/otpw
	profile = []string{"# common", "auth [success=2 default=ignore] pam_otpw.so", "auth [success=1 default=ignore] pam_unix.so nullok try_first_pass",
		"auth requisite pam_deny.so", "auth required pam_permit.so"}
	fedora = []string{"auth required pam_env.so", "auth required pam_faildelay.so delay=2000000",
		"auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular", "auth [default=1 ignore=ignore success=ok] pam_localuser.so",
		"auth sufficient pam_unix.so nullok", "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular",
		"auth sufficient pam_sss.so forward_pass", "auth required pam_deny.so"}
)

const includeMend = " auth required pam_otpw.so in the place of `@include common-auth` ./etc/pam.d/sshd line 1.$"

// stacks are those of distributions, and what becomes of them.
var stacks = []broken{
	{"Debian", file("common-auth", profile[2:], "@include common-auth"), "", 2, []string{"error pam-absent " + includeMend}},
	{"Debian with the profile", file("common-auth", profile, "@include common-auth"), "", 1, []string{"warning pam-instead  common-auth line 2: .*common-auth line 3 .pam_unix.so.*" + includeMend}},
	{"Debian with the profile, optional", file("common-auth", []string{"auth optional pam_otpw.so", "auth required pam_permit.so"}, "@include common-auth"), "", 2, []string{
		"error pam-everybody  .*auth_err.*" + includeMend, "error pam-everybody  .*authinfo_unavail", "error pam-everybody  .*system_err", "error pam-everybody  .*user_unknown"}},
	{"Debian's lines in the service's file", auth(profile[1:]...), "", 1, []string{"warning pam-instead  auth required pam_otpw.so in the place of `.*pam_unix.so nullok try_first_pass` ./etc/pam.d/sshd line 2., and take the lines 1, 3 of /etc/pam.d/sshd out$"}},
	{"Debian's lines in the service's file, without ours", auth(profile[2:]...), "", 2, []string{"error pam-absent  line 1., and take `auth requisite pam_deny.so` ./etc/pam.d/sshd line 2. out$"}},
	{"Fedora", red(file("password-auth", fedora, "auth substack password-auth")), "", 2, []string{"error pam-absent  in the place of `auth substack password-auth` ./etc/pam.d/sshd line 1.$"}},
	{"Fedora, before it", red(file("password-auth", fedora, "auth sufficient pam_otpw.so", "auth substack password-auth")), "", 1,
		[]string{"warning pam-instead  pam_unix.so.* in the place of `auth substack password-auth` ./etc/pam.d/sshd line 2., and take `auth sufficient pam_otpw.so` ./etc/pam.d/sshd line 1. out$", "warning pam-instead  pam_sss.so"}},
	{"Fedora, in it", red(file("password-auth", append([]string{"auth sufficient pam_otpw.so"}, fedora...), "auth substack password-auth")), "", 1,
		[]string{"warning pam-instead  pam_unix.so.* in the place of `auth substack password-auth` ./etc/pam.d/sshd line 1.$", "warning pam-instead  pam_sss.so"}},
	{"Fedora's lines in the service's file", red(auth(append([]string{"auth sufficient pam_otpw.so"}, fedora...)...)), "", 1,
		[]string{
			"warning pam-instead  auth required pam_otpw.so in the place of `auth sufficient pam_unix.so nullok` .*take the lines 1, 4, 5, 7, 8, 9 of /etc/pam.d/sshd out$",
			"warning pam-instead  auth required pam_otpw.so in the place of `auth sufficient pam_sss.so forward_pass` .*take the lines 1, 4, 5, 6, 7, 9 of /etc/pam.d/sshd out$"}},
	{"two that ask, of whom one is not for all", red(auth("auth sufficient pam_otpw.so", "auth [success=ignore default=1] pam_localuser.so", "auth sufficient pam_unix.so", "auth sufficient pam_sss.so")), "", 1, []string{
		"warning pam-instead  pam_unix.so.*place of `auth sufficient pam_unix.so` .*take the lines 1, 2 of", "warning pam-instead  pam_sss.so.*place of `auth sufficient pam_sss.so` .*take the lines 1, 3 of"}},
	{"two that ask, of whom one must accept", red(auth("auth sufficient pam_otpw.so", "auth sufficient pam_unix.so", "auth required pam_sss.so")), "", 1, []string{
		"warning pam-instead  pam_unix.so.*place of `auth sufficient pam_unix.so` .*take the lines 1, 3 of", "warning pam-instead  pam_sss.so.*place of `auth required pam_sss.so` .*take the lines 1, 2 of"}},
	{"twice, in what is included", file("common-auth", []string{otpwLine, otpwLine}, "@include common-auth"), "", 1, []string{"warning pam-twice " + includeMend}},
	{"nullok and permit, in what is included", file("common-auth", []string{otpwLine + " nullok", "auth required pam_permit.so"}, "@include common-auth"), "", 2, []string{"error pam-no-list " + includeMend}},
	{"a missing module that others include", file("common-auth", []string{"auth required pam_nonesuch.so", otpwLine}, "@include common-auth"), "", 2, []string{"error pam-module  install it$", "error pam-nobody " + includeMend}},
	{"a missing module that others include, and need not be there", file("common-auth", []string{"auth optional pam_nonesuch.so"}, "auth required pam_env.so", "@include common-auth", otpwLine), "", 1,
		[]string{"warning pam-module  install it$"}},
	{"a missing module that Debian's jumps count", auth("auth [success=2 default=ignore] pam_otpw.so", "auth [success=1 default=ignore] pam_nonesuch.so", "auth requisite pam_deny.so", "auth required pam_permit.so"), "", 1,
		[]string{"warning pam-module  install it$"}},
	{"our arguments stay", auth("auth sufficient pam_otpw.so nullok debug [prompt=One time] try_first_pass", "auth required pam_unix.so"), "", 1,
		[]string{"warning pam-instead  auth required pam_otpw.so debug .prompt=One time. in the place of `auth required pam_unix.so`"}},
	{"lines of other", shell("sed -i '/^auth/d' /etc/pam.d/sshd; { echo auth sufficient pam_otpw.so; echo auth required pam_unix.so; } >/etc/pam.d/other"), "", 1,
		[]string{"warning pam-other", "warning pam-instead  auth required pam_otpw.so in /etc/pam.d/sshd$"}},
}

// After the mend of Debian's profile a one-time password is accepted, and nothing else.
func TestMendedProfile(t *testing.T) {
	for name, tt := range map[string]struct{ behind, want string }{"right": {"", `Accepted\.`}, "wrong": {"x", `Refused: `}} {
		t.Run(name, func(t *testing.T) {
			m := begin(t)
			file("common-auth", profile, "@include common-auth")(m)
			for _, f := range m.findings() {
				if !m.mend("sshd", f.Mend) {
					t.Fatalf("no mend: %v", f)
				}
			}
			term := m.Terminal(t, nil, m.program, "--login", "alice")
			answer(m, term, tt.behind)
			term.Expect(tt.want)
			term.Wait()
		})
	}
}
