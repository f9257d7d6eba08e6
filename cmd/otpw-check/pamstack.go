// SPDX-License-Identifier: MIT

package main

import (
	"slices"
	"strings"
)

// What a stack comes to, whatever its modules return: all ways through it, by the
// rules of Linux-PAM (libpam/pam_dispatch.c).

// An impression is what PAM has of a stack so far.
type impression int8

const (
	unknown  impression = iota
	positive            // and a success
	dubious             // positive, and something else: `ok` for a result that is no success
	negative
)

// A trace is what matters of a way through a stack. The lines are indices plus 1; 0: none.
type trace struct {
	otpw   result // of pam_otpw, if it was called
	called int8   // how many times it was, up to 2
	proof  int    // the latest module that somebody had to prove something to
	typed  int    // the one before pam_otpw that has accepted what was typed as the ordinary password
	chosen int    // the latest module that chose where to go on
	passed int    // the one that chose to go past pam_otpw, and on
}

// A way is a trace at one place of the stack.
type way struct {
	at       int
	now      impression
	before   [maxIncludes + 1]impression // at the beginning of each substack
	previous int                         // level of the line before
	trace
}

// An end is what a way comes to.
type end struct {
	granted bool
	trace
}

// in reports whether somebody got in with a one-time password.
func (e end) in() bool { return e.granted && e.called > 0 && e.otpw == success }

// returns says what a module may return, on a way that has come to it so.
type returns func(l line, t trace) []result

// explore returns all ends of a stack.
func explore(stack []line, may returns) (ends []end) {
	seen := map[way]bool{}
	todo := []way{{}}
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[w] {
			continue
		}
		seen[w] = true
		if w.at >= len(stack) {
			if e := (end{w.now == positive, w.trace}); !slices.Contains(ends, e) {
				ends = append(ends, e)
			}
			continue
		}
		l := stack[w.at]
		if w.previous < l.level {
			w.before[l.level] = w.now
		}
		w.previous = l.level
		if l.substack {
			w.at++
			todo = append(todo, w)
			continue
		}
		for _, r := range may(l, w.trace) {
			todo = append(todo, w.step(stack, r))
		}
	}
	return ends
}

// step goes on with the result of the line's module.
func (w way) step(stack []line, r result) way {
	l := stack[w.at]
	do := l.control[r]
	w.note(w.at, l, r, do)
	switch {
	case do == reset:
		w.now = w.before[l.level]
	case do == ok || do == done:
		if w.now == unknown || w.now == positive {
			w.now = dubious
			if r == success {
				w.now = positive
			}
		}
		if do == done && w.now != negative {
			w.leave(stack, l.level)
		}
	case do == bad:
		w.now = negative
	case do == die:
		w.now = negative
		w.leave(stack, l.level)
	case do > 0:
		from := w.at
		w.jump(stack, l.level, int(do))
		if classOf(l) == classChoice && slices.ContainsFunc(stack[from:w.at+1], line.isOTPW) {
			w.passed = from + 1
		}
	}
	w.at++
	return w
}

// leave goes to the last line of the substack.
func (w *way) leave(stack []line, level int) {
	for w.at+1 < len(stack) && stack[w.at+1].level >= level {
		w.at++
	}
}

// jump skips lines; a substack counts as one. PAM denies when there are too few.
func (w *way) jump(stack []line, level, n int) {
	for ; n > 0 && w.at+1 < len(stack) && stack[w.at+1].level >= level; n-- {
		w.at++
		for w.at+1 < len(stack) && stack[w.at+1].level > level {
			w.at++
		}
	}
	if n > 0 {
		w.now = negative
	}
}

// note keeps what matters of a result.
func (w *way) note(i int, l line, r result, do action) {
	moves := do == done || do > 0
	switch classOf(l) {
	case classOTPW:
		w.otpw, w.called = r, min(w.called+1, 2)
	case classProof:
		if r == success {
			w.proof = i + 1
			if w.called == 0 && l.takesPassword() {
				w.typed = i + 1
			}
		}
	case classChoice:
		if moves {
			w.chosen = i + 1
		}
	}
}

// A class says what a module's success means.
type class int

const (
	classProof  class = iota // somebody has proved who he is: unknown modules, too
	classOTPW                // ours
	classGate                // nothing: it lets pass, or not
	classChoice              // something about the user or where he comes from
	classPermit              // it always succeeds
	classDeny                // it always fails
	classRoot                // root asks: su and the like ask root for nothing
)

var classes = map[class]string{
	classOTPW:   "pam_otpw",
	classPermit: "pam_permit",
	classDeny:   "pam_deny",
	classRoot:   "pam_rootok",
	classChoice: "pam_access pam_group pam_listfile pam_localuser pam_rhosts pam_securetty pam_succeed_if pam_time pam_usertype pam_wheel",
	classGate: "pam_cap pam_echo pam_env pam_exec pam_faildelay pam_faillock pam_gnome_keyring pam_keyinit pam_kwallet pam_kwallet5 " +
		"pam_limits pam_loginuid pam_mail pam_motd pam_mkhomedir pam_nologin pam_selinux pam_shells pam_tally2 pam_umask pam_warn pam_xauth",
}

// takesPassword reports whether it is a line of a module whose success means that
// what was typed, and is kept for the next module, is the ordinary password. Of
// modules that are not known here nothing is said.
func (l line) takesPassword() bool {
	return slices.Contains(passwordModules, strings.TrimSuffix(l.name(), ".so"))
}

var passwordModules = []string{"pam_krb5", "pam_ldap", "pam_sss", "pam_unix", "pam_winbind"}

// asks reports whether it is a line of a module that wants something proved.
func (l line) asks() bool { return classOf(l) == classProof && !l.substack && l.module != "" }

// isOTPW reports whether it is a line of our module.
func (l line) isOTPW() bool { return classOf(l) == classOTPW && !l.substack }

func classOf(l line) class {
	name := strings.TrimSuffix(l.name(), ".so")
	for c, names := range classes {
		if slices.Contains(strings.Fields(names), name) {
			return c
		}
	}
	return classProof
}
