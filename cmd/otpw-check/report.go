// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// A severity is how bad a finding is.
type severity string

const (
	fine      severity = "ok"
	warning   severity = "warning"
	unchecked severity = "unchecked" // it could not be looked at
	wrong     severity = "error"     // somebody is locked out, or gets in who should not
)

// severities in ascending order; the exit status is that of the worst.
var severities = []struct {
	severity
	status int
}{{fine, 0}, {warning, 1}, {unchecked, 3}, {wrong, 2}}

// kindsOfFindings are all that there are: what scripts may look for. The severity is
// the usual one.
var kindsOfFindings = []struct {
	id string
	severity
	meaning string
}{
	{"not-root", unchecked, "without root's rights not all can be looked at"},

	{"module-missing", wrong, "there is no pam_otpw.so where PAM's configuration says"},
	{"module-foreign", wrong, "pam_otpw.so is not of this project: the original, or something else"},
	{"module-unsafe", wrong, "pam_otpw.so, or a folder on the way, has the wrong owner or mode"},
	{"module-broken", wrong, "a file of the module is no library for this machine: damaged, or of another one"},
	{"worker-unsafe", wrong, "pam_otpw/worker or its folder is missing, or has the wrong owner or mode"},
	{"core-unsafe", wrong, "pam_otpw/core.so is missing, or has the wrong owner or mode"},
	{"version-mixed", wrong, "pam_otpw.so, worker and core.so are not of one build"},
	{"version-other", warning, "the module is of another build than otpw-check"},
	{"generator-setuid", warning, "otpw-gen itself is set-user-id, as with OTPW 1"},

	{"pam-missing", wrong, "PAM has no configuration for the service"},
	{"pam-other", warning, "PAM takes the service other for this one"},
	{"pam-unreadable", unchecked, "a file of PAM's configuration cannot be read"},
	{"pam-unsafe", wrong, "others than root can write a file of PAM's configuration"},
	{"pam-syntax", wrong, "PAM does not understand a line"},
	{"pam-include", wrong, "a file cannot be included"},
	{"pam-module", wrong, "another module's file is missing"},
	{"pam-file", warning, "a file that a line gives pam_access does not exist"},
	{"pam-absent", wrong, "no auth line names pam_otpw.so"},
	{"pam-unreached", wrong, "pam_otpw is never asked: something before it always ends the stack"},
	{"pam-before", warning, "something before pam_otpw lets in without it"},
	{"pam-everybody", wrong, "who is refused by pam_otpw, or has proved nothing, is let in"},
	{"pam-no-list", wrong, "with nullok, who has no list is let in without proving anything"},
	{"pam-nobody", wrong, "who is accepted by pam_otpw is not let in"},
	{"pam-instead", warning, "who is refused by pam_otpw can get in with something else"},
	{"pam-twice", warning, "pam_otpw is asked twice"},
	{"pam-account", wrong, "no account passes the account lines"},
	{"pam-session", wrong, "no session can be opened"},
	{"pam-notice", warning, "no session line names pam_otpw.so: nobody sees how many passwords remain"},
	{"pam-useless", warning, "an account or password line names pam_otpw.so, which does nothing there"},
	{"argument-ignored", warning, "an argument is unknown, or has a bad value"},
	{"argument-refused", wrong, "the module refuses all logins because of its arguments"},
	{"argument-user", wrong, "the account of the argument user= does not exist"},
	{"argument-place", warning, "otpw-gen looks for lists elsewhere: file= or user= stand in PAM's configuration only"},
	{"argument-nullok", warning, "nullok, and nothing lets in who has no list"},
	{"argument-first", wrong, "use_first_pass, and nothing before the module asks for a password, or nothing that lets a one-time password pass"},
	{"site", wrong, "/etc/otpw.conf has a mistake"},
	{"decoy-state", wrong, "the secret of decoys is missing, or has the wrong owner or mode"},

	{"sshd-missing", unchecked, "there is no sshd"},
	{"sshd-untested", unchecked, "sshd does not say what its settings are"},
	{"sshd-settings", wrong, "sshd refuses its settings: it cannot start again"},
	{"sshd-reload", warning, "the running sshd has not read a file since it was changed"},
	{"sshd-pam", wrong, "sshd does not ask PAM"},
	{"sshd-keyboard", wrong, "sshd has keyboard-interactive logins turned off"},
	{"sshd-password", warning, "sshd takes passwords before anybody has seen the number"},
	{"sshd-methods", wrong, "AuthenticationMethods leaves no way in with a one-time password"},
	{"sshd-root", warning, "sshd lets root in with keys only"},
	{"sshd-root-out", wrong, "root cannot log in by ssh in any way: a key is not enough, and all else is forbidden him"},

	{"selinux-policy", wrong, "SELinux is enforcing, and has no policy for the module"},
	{"selinux-label", warning, "a file of the module, or a list, has a label with which SELinux may keep logins from it"},

	{"user-unknown", unchecked, "there is no such user"},
	{"list-none", warning, "the user has no list"},
	{"list-nobody", warning, "nobody on this host has a list"},
	{"list-elsewhere", warning, "the user's only list is in his home, and lists are looked for elsewhere"},
	{"list-unreachable", wrong, "the list's folder is not there, or a link leads nowhere"},
	{"list-place", wrong, "there is no place for a list of this user"},
	{"list-unsafe", wrong, "the list has the wrong owner, mode, type or size"},
	{"list-folder", wrong, "others may write into the list's folder, or it is somebody else's"},
	{"list-damaged", wrong, "the list cannot be understood"},
	{"list-unreadable", wrong, "the list cannot be opened"},
	{"list-readonly", wrong, "the list, or its folder, cannot be written"},
	{"list-expired", wrong, "the list's last day is over"},
	{"list-exhausted", wrong, "no password is left"},
	{"list-few", wrong, "three passwords are due, and too few are left"},
	{"list-cost", wrong, "the list's hash costs more than the module computes"},
	{"list-low", warning, "it is time to print new passwords"},
	{"list-aside", warning, "the next login is asked for three passwords"},
	{"list-remote", warning, "the list lies on a file system of another host"},
	{"list-unchecked", unchecked, "the list could not be looked at"},
}

// A finding is one thing that was looked at.
type finding struct {
	Severity severity `json:"severity"`
	ID       string   `json:"id,omitempty"` // empty: nothing is wrong
	Where    string   `json:"where,omitempty"`
	Text     string   `json:"text"`
	Mend     string   `json:"mend,omitempty"` // the line or the command
}

// A report collects findings, in the order in which they were found.
type report struct{ findings []finding }

// add adds a finding of a kind, with its usual severity.
func (r *report) add(id, where, mend, format string, args ...any) {
	for _, k := range kindsOfFindings {
		if k.id == id {
			r.addAs(k.severity, id, where, mend, format, args...)
			return
		}
	}
	panic("no kind of finding: " + id)
}

// addAs adds a finding once.
func (r *report) addAs(s severity, id, where, mend, format string, args ...any) {
	f := finding{s, id, where, fmt.Sprintf(format, args...), mend}
	if !slices.Contains(r.findings, f) {
		r.findings = append(r.findings, f)
	}
}

// fine says that something is as it should be.
func (r *report) fine(where, format string, args ...any) {
	r.addAs(fine, "", where, "", format, args...)
}

// status is the exit status.
func (r *report) status() (status int) {
	for _, s := range severities {
		if r.count(s.severity) > 0 {
			status = s.status
		}
	}
	return status
}

func (r *report) count(s severity) (n int) {
	for _, f := range r.findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// write writes the findings, each in one line, and a line at the end; those that
// are fine only if all are wanted.
func (r *report) write(w io.Writer, what string, all bool) error {
	var b strings.Builder
	for _, f := range r.findings {
		if f.Severity == fine && !all {
			continue
		}
		head := []string{string(f.Severity)}
		for _, s := range []string{f.ID, f.Where} {
			if s != "" {
				head = append(head, s)
			}
		}
		fmt.Fprintf(&b, "%s: %s", printable(strings.Join(head, ": ")), printable(f.Text))
		if f.Mend != "" {
			fmt.Fprintf(&b, ". To mend it: %s", printable(f.Mend))
		}
		b.WriteString("\n")
	}
	var counts []string
	for _, s := range severities {
		if n := r.count(s.severity); n > 0 {
			plural := ""
			if n > 1 && (s.severity == wrong || s.severity == warning) {
				plural = "s"
			}
			counts = append(counts, fmt.Sprintf("%d %s%s", n, s.severity, plural))
		}
	}
	slices.Reverse(counts)
	fmt.Fprintf(&b, "%s: %s\n", printable(what), strings.Join(counts, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}

// writeJSON is for programs. Names stay as they are; others may be added.
func (r *report) writeJSON(w io.Writer, service string, all bool) error {
	out := struct {
		Version  string    `json:"version"`
		Service  string    `json:"service"`
		Status   int       `json:"status"`
		Findings []finding `json:"findings"`
	}{version, service, r.status(), []finding{}}
	for _, f := range r.findings {
		if all || f.Severity != fine {
			out.Findings = append(out.Findings, f)
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

// printable makes text fit for a terminal and for one line.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\x%02x", r)
		}
	}
	return b.String()
}
