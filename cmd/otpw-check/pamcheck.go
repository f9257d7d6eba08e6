// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/pam/module"
)

const sessionLine = "session optional pam_otpw.so"

// checkService looks at the service's PAM configuration, and at the module where
// that says it is.
func (c *checker) checkService() {
	s, mistakes := readService(c.pam.configs, c.service)
	for _, m := range mistakes {
		c.reportMistake(m)
	}
	for _, file := range s.files {
		c.checkConfig(file)
	}
	switch {
	case !slices.ContainsFunc(c.pam.configs, exists) && exists(oldConfig):
		c.add("pam-unreadable", oldConfig, "", "there is none of the folders %s, so PAM reads this file, which otpw-check does not understand", strings.Join(c.pam.configs, ", "))
		return
	case len(s.lines)+len(s.other) == 0 && !s.stuck:
		c.add("pam-missing", c.pam.configs[0]+"/"+s.name, "", "PAM has no configuration of this service, nor of other: it denies everything")
		return
	case s.stuck:
		return // nobody gets in, and why has been said
	}
	m := c.newMender(s)
	c.checkAuth(m)
	c.checkAccount(m)
	c.checkSession(m)
	c.checkUseless(m)
}

// oldConfig is what PAM reads where it has no folder of configurations; a variable
// for the tests.
var oldConfig = "/etc/pam.conf"

func (c *checker) reportMistake(m mistake) {
	switch {
	case m.err == nil:
		c.add("pam-syntax", m.where, "write it right: pam.d(5)", "%s", m.text)
	case errors.Is(m.err, fs.ErrPermission):
		c.add("pam-unreadable", m.where, "", "%s", m.text)
	default:
		c.add("pam-include", m.where, "put that file right, or take the line out", "%s: PAM denies here", m.text)
	}
}

// checkConfig looks at who can write a file of the configuration.
func (c *checker) checkConfig(path string) {
	fi, err := os.Stat(path)
	if err != nil {
		return
	}
	st := fi.Sys().(*syscall.Stat_t)
	switch {
	case st.Uid != 0:
		c.add("pam-unsafe", path, "chown root "+quoted(path), "owner is uid %d, want root", st.Uid)
	case st.Mode&0o022 != 0:
		c.add("pam-unsafe", path, "chmod go-w "+quoted(path), "mode is %04o, want 0644", st.Mode&0o7777)
	}
}

// checkAuth looks at who gets in.
func (c *checker) checkAuth(m *mender) {
	s, stack := m.s, m.stack
	if m.other {
		c.add("pam-other", c.pam.configs[0]+"/"+s.name, "", "has no auth lines: PAM takes those of other")
	}
	missing := c.missing(stack)
	c.reportMissing(m, stack)
	c.checkAccessFiles(stack)
	i := slices.IndexFunc(stack, line.isOTPW)
	if i < 0 {
		c.add("pam-absent", s.main(), m.absent(), "no auth line, neither there nor in what it includes, names pam_otpw.so")
		c.checkArguments(line{}) // those of the site
		return
	}
	for n, l := range stack {
		if l.isOTPW() {
			c.otpw = append(c.otpw, l)
			missing[l.module] = !c.checkModule(c.pam.path(l.module), l.where())
			c.checkArguments(l)
			if c.settings(l).AskNever && !slices.ContainsFunc(stack[:n], line.asks) {
				c.add("argument-first", c.source(l, "use_first_pass"), "take use_first_pass out", "use_first_pass, and nothing before it asks for a password: nobody gets in with a one-time password")
			}
		}
	}
	c.judge(m, c.returns(missing), missing[stack[i].module])
}

// missing finds modules that are not there; ours has findings of its own.
func (c *checker) missing(stack []line) map[string]bool {
	missing := map[string]bool{}
	for _, l := range stack {
		if l.module != "" && !l.substack && classOf(l) != classOTPW && !exists(c.pam.path(l.module)) {
			missing[l.module] = true
		}
	}
	return missing
}

// reportMissing says which of them matter.
func (c *checker) reportMissing(m *mender, stack []line) {
	missing := c.missing(stack)
	for _, l := range stack {
		if !missing[l.module] || l.substack {
			continue
		}
		do := l.control[moduleUnknown]
		if s := wrong; !l.silent || do == bad || do == die {
			if do != bad && do != die {
				s = warning
			}
			mend := "install it"
			if m.removable(l) {
				mend += ", or take the line out"
			}
			c.addAs(s, "pam-module", l.where(), mend, "there is no %s", c.pam.path(l.module))
		}
	}
}

// checkAccessFiles looks for the tables of pam_access, which fails without a word that
// names the service.
func (c *checker) checkAccessFiles(stack []line) {
	for _, l := range stack {
		if strings.TrimSuffix(l.name(), ".so") != "pam_access" || l.substack {
			continue
		}
		for _, arg := range l.args {
			path, found := strings.CutPrefix(arg, "accessfile=")
			if _, err := os.Stat(path); found && strings.HasPrefix(path, "/") && errors.Is(err, fs.ErrNotExist) {
				c.add("pam-file", l.where(), "make it, or write its name right", "pam_access.so looks for %q, which is not there", path)
			}
		}
	}
}

// returns says what the modules of an auth stack may return.
func (c *checker) returns(missing map[string]bool) returns {
	return func(l line, t trace) []result {
		switch {
		case l.module == "":
			return []result{permDenied} // as PAM fails a line that it does not understand
		case missing[l.module]:
			return []result{moduleUnknown}
		}
		switch classOf(l) {
		case classOTPW:
			set := c.settings(l)
			all := []result{authErr, authinfoUnavail, systemErr, userUnknown}
			if !set.AskNever || t.typed == 0 { // no text is both passwords
				all = append(all, success)
			}
			if set.Nullok {
				all = append(all, ignored)
			}
			return all
		case classPermit:
			return []result{success}
		case classDeny, classRoot: // what root gets from himself is not looked at
			return []result{authErr}
		case classGate, classChoice:
			return []result{success, authErr, permDenied, ignored}
		default:
			return []result{success, authErr, permDenied, authinfoUnavail, userUnknown}
		}
	}
}

// judge says what is wrong with the ends that an auth stack may come to.
func (c *checker) judge(m *mender, may returns, missing bool) {
	stack := m.stack
	first := slices.IndexFunc(stack, line.isOTPW)
	ours := stack[first].where()
	ends := explore(stack, may)
	switch {
	case !slices.ContainsFunc(ends, func(e end) bool { return e.called > 0 }):
		c.add("pam-unreached", ours, m.moved(stack[first], stack[0]), "pam_otpw is never asked: what stands before it always ends the stack")
		c.judgeWithout(m, ends)
		return
	case missing: // that is what is wrong
	case !slices.ContainsFunc(ends, end.in) && c.judgeFirst(m, may):
	case !slices.ContainsFunc(ends, end.in):
		c.add("pam-nobody", ours, m.require(stack[first]), "whom it accepts is denied by the rest of the stack: nobody gets in with a one-time password")
	case slices.ContainsFunc(ends, func(e end) bool { return e.in() && e.proof == 0 }):
		c.fine(ours, "who has a one-time password gets in")
	default:
		c.fine(ours, "who gets in needs a one-time password, and something else")
	}
	c.judgeNullok(stack, ends)
	for _, e := range ends {
		if e.called > 1 {
			c.add("pam-twice", ours, m.once(), "there are ways through the stack on which pam_otpw is asked twice")
		}
		switch {
		case !e.granted || e.in():
		case e.called == 0:
			c.judgePassed(m, e.trace)
		case e.otpw == ignored:
			c.judgeIgnored(m, e.trace)
		default:
			c.judgeRefused(m, e.trace)
		}
	}
}

// judgeFirst says of a stack in which nobody gets in if that is because of use_first_pass.
func (c *checker) judgeFirst(m *mender, may returns) bool {
	stack, typed := m.stack, 0
	ends := explore(stack, func(l line, t trace) []result {
		if l.isOTPW() && c.settings(l).AskNever {
			typed = max(typed, t.typed)
		}
		t.typed = 0 // as if each were asked for
		return may(l, t)
	})
	if !slices.ContainsFunc(ends, end.in) {
		return false
	}
	ours := slices.IndexFunc(stack, func(l line) bool { return l.isOTPW() && c.settings(l).AskNever })
	mend := "take use_first_pass out"
	if m.own(stack[typed-1]) {
		mend += ", or let the other module be `optional`"
	}
	c.add("argument-first", c.source(stack[ours], "use_first_pass"), mend,
		"use_first_pass takes what was typed for %s, which wants it to be the ordinary password: no text is both, so nobody gets in", moduleAt(stack, typed))
	return true
}

// judgeNullok looks whether those without a list get in, as nullok means.
func (c *checker) judgeNullok(stack []line, ends []end) {
	c.nullok = slices.ContainsFunc(ends, func(e end) bool { return e.granted && e.called > 0 && e.otpw == ignored })
	i := slices.IndexFunc(stack, func(l line) bool {
		set, _, err := module.CheckArgs(c.site.Module, l.args)
		return l.isOTPW() && set.Nullok && err == nil
	})
	if i >= 0 && !c.nullok && slices.ContainsFunc(ends, end.in) {
		c.add("argument-nullok", c.source(stack[i], "nullok"), "let a line like `auth required pam_unix.so` stand behind it (docs/recipes.md 8), or take nullok out",
			"who comes here without a list is refused all the same: nullok leaves him to the rest of the stack, and nothing there lets him in")
	}
}

// hole is how bad it is that PAM lets somebody in who has proved nothing to it.
func (c *checker) hole() severity {
	if c.keyToo {
		return warning
	}
	return wrong
}

// moduleAt says which module a trace names.
func moduleAt(stack []line, i int) string {
	return stack[i-1].where() + " (" + stack[i-1].name() + ")"
}

// judgePassed is about who gets in without being asked by pam_otpw.
func (c *checker) judgePassed(m *mender, t trace) {
	ours := m.ours()
	switch {
	case t.proof > 0 && t.passed > 0:
		c.fine(moduleAt(m.stack, t.passed), "decides who needs a one-time password; the others get in with %s", moduleAt(m.stack, t.proof))
	case t.proof > 0:
		c.add("pam-before", moduleAt(m.stack, t.proof), m.moved(ours, m.stack[t.proof-1]), "lets in whom it accepts, without a one-time password")
	case t.chosen > 0:
		c.add("pam-before", moduleAt(m.stack, t.chosen), "", "lets in without a one-time password, depending on what it says")
	default:
		c.addAs(c.hole(), "pam-everybody", ours.where(), m.moved(ours, m.stack[0]), "there is a way past it on which nobody has to prove anything")
	}
}

// judgeIgnored is about who gets in without a list, by nullok.
func (c *checker) judgeIgnored(m *mender, t trace) {
	if t.proof > 0 || t.chosen > 0 {
		return
	}
	mend := "take nullok out, or let something behind it ask for the password"
	if !m.own(m.ours()) {
		mend = m.require(m.ours())
	}
	c.addAs(c.hole(), "pam-no-list", m.ours().where(), mend, "with nullok, who has no list is let in without proving anything")
}

// judgeRefused is about who gets in after a refusal.
func (c *checker) judgeRefused(m *mender, t trace) {
	ours := m.ours()
	switch {
	case t.proof > 0:
		c.add("pam-instead", ours.where(), m.require(m.stack[t.proof-1], ours), "who is refused by it can get in with %s", moduleAt(m.stack, t.proof))
	case t.chosen > 0:
		c.add("pam-instead", ours.where(), m.require(ours, m.stack[t.chosen-1]), "who is refused by it can get in depending on what %s says", moduleAt(m.stack, t.chosen))
	default:
		c.addAs(c.hole(), "pam-everybody", ours.where(), m.require(ours), "whom it refuses is let in all the same (%s)", resultNames[t.otpw])
	}
}

// judgeWithout says whether a stack without pam_otpw lets everybody in.
func (c *checker) judgeWithout(m *mender, ends []end) {
	for _, e := range ends {
		if e.granted && e.proof == 0 && e.chosen == 0 {
			c.addAs(c.hole(), "pam-everybody", m.stack[0].where(), m.require(m.stack[0], m.ours()), "nobody has to prove anything")
		}
	}
}

// passes reports whether there is a way through a stack that ends well.
func (c *checker) passes(stack []line, otpw result) bool {
	missing := c.missing(stack)
	ends := explore(stack, func(l line, _ trace) []result {
		switch class := classOf(l); {
		case l.module == "":
			return []result{permDenied}
		case missing[l.module]:
			return []result{moduleUnknown}
		case class == classOTPW && !exists(c.pam.path(l.module)):
			return []result{moduleUnknown}
		case class == classOTPW:
			return []result{otpw}
		case class == classPermit:
			return []result{success}
		case class == classDeny:
			return []result{authErr}
		}
		return []result{success, authErr, ignored, newAuthtokReqd}
	})
	return slices.ContainsFunc(ends, func(e end) bool { return e.granted })
}

// checkAccount looks whether anybody passes the account lines, for which pam_otpw is nothing.
func (c *checker) checkAccount(m *mender) {
	s := m.s
	stack, other := s.stack("account")
	c.reportMissing(m, stack)
	c.checkAccessFiles(stack)
	if !c.passes(stack, ignored) {
		c.add("pam-account", place(s, stack, "account"), "account required pam_unix.so", "no account passes the account lines%s: nobody gets in", ofOther(other))
	}
}

func (c *checker) checkSession(m *mender) {
	s := m.s
	stack, other := s.stack("session")
	c.reportMissing(m, stack)
	if !c.passes(stack, success) {
		c.add("pam-session", place(s, stack, "session"), "session required pam_unix.so", "no session can be opened with the session lines%s", ofOther(other))
		return
	}
	if len(c.otpw) > 0 && !slices.Contains(inSession, s.name) && !slices.ContainsFunc(stack, line.isOTPW) {
		c.add("pam-notice", s.main(), sessionLine, "no session line names pam_otpw.so: nobody sees how many passwords remain, and the notice stays in the environment")
	}
}

// inSession are services that are asked in a session, whose login has shown the notice,
// or could have: they show none.
var inSession = []string{"doas", "polkit-1", "su", "su-l", "sudo", "sudo-i"}

func place(s *service, stack []line, kind string) string {
	if len(stack) == 0 {
		return fmt.Sprintf("%s of %s", kind, s.name)
	}
	return stack[0].where()
}

func ofOther(other bool) string {
	if other {
		return " of the service other"
	}
	return ""
}

func (c *checker) checkUseless(m *mender) {
	for _, kind := range []string{"account", "password"} {
		stack, _ := m.s.stack(kind)
		for _, l := range stack {
			if l.isOTPW() {
				mend := ""
				if m.removable(l) {
					mend = "take the line out"
				}
				c.add("pam-useless", l.where(), mend, "pam_otpw.so does nothing in %s lines", kind)
			}
		}
	}
}

// settings are what the module makes of the arguments of the site and of a line.
func (c *checker) settings(l line) module.Settings {
	s, _, _ := module.CheckArgs(c.site.Module, l.args)
	return s
}

// checkArguments looks at the arguments of a line, and at what they rest on.
func (c *checker) checkArguments(l line) {
	where := l.where()
	if l.file == "" {
		where = otp.SitePath
	}
	s, complaints, err := module.CheckArgs(c.site.Module, l.args)
	for _, text := range complaints {
		c.add("argument-ignored", where, "take it out, or write it right", "%s", text)
	}
	var site *otp.SiteError
	switch {
	case errors.As(err, &site):
		c.reportSite(site, "all logins are refused")
	case err != nil:
		c.add("argument-refused", where, "write it right, or take it out: pam_otpw(8)", "%v: all logins are refused", err)
	}
	if s.Decoys {
		c.checkDecoyState()
	}
	if site := c.settings(line{}); site.File != s.File || site.User != s.User {
		c.add("argument-place", where, "file= and user= in "+otp.SitePath+", below [module]", "otpw-gen does not know where it says that lists are: it makes them elsewhere")
	}
	if s.User != "" {
		if _, err := lookUp(s.User); errors.Is(err, otp.ErrNoAccount) {
			c.add("argument-user", c.source(l, "user"), "make that account, or name another", "there is no user %q: all logins are refused", s.User)
		}
	}
}

// decoyState is set when linking, as for the module.
var decoyState = "/var/lib/pam_otpw/decoy"

const decoySecret = 16 // bytes

// makeSecret is the command for that, which was installed with this program. Root types it, wherever root is: a relative
// path might be somebody else's.
func makeSecret() string {
	self, _ := os.Executable()
	return "sudo " + quoted(filepath.Join(filepath.Dir(self), "../libexec/otpw/decoy-secret")) + " " + quoted(decoyState)
}

// checkDecoyState looks at the secret, by the rules of pam/entry/decoy.c.
func (c *checker) checkDecoyState() {
	fi, err := os.Lstat(decoyState)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			c.add("not-root", decoyState, "", "cannot be looked at: %v", bareError(err))
			return
		}
		c.add("decoy-state", decoyState, makeSecret(), "%v: there are no decoys", bareError(err))
		return
	}
	st := fi.Sys().(*syscall.Stat_t)
	switch {
	case !fi.Mode().IsRegular():
		c.add("decoy-state", decoyState, "rm it; "+makeSecret(), "not a regular file: there are no decoys")
	case st.Uid != 0:
		c.add("decoy-state", decoyState, "chown root "+quoted(decoyState), "owner is uid %d, want root: there are no decoys", st.Uid)
	case st.Mode&0o077 != 0:
		c.add("decoy-state", decoyState, "rm it, for others may know it; "+makeSecret(), "mode is %04o, want 0600: there are no decoys", st.Mode&0o7777)
	case st.Size < decoySecret:
		c.add("decoy-state", decoyState, "rm it; "+makeSecret(), "shorter than %d bytes: there are no decoys", decoySecret)
	default:
		c.fine(decoyState, "the secret of decoys")
	}
}

// quoted makes a path fit for a shell.
func quoted(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("/._+-%@:,", r))
	}) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return filepath.Clean(path)
}
