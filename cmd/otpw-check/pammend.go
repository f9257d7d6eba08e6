// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mends that change auth lines. They change the service's own file alone: what it
// includes is other services', too. None is offered before the stack has been judged
// as it would be then.

// An edit is such a change. Lines are told by their numbers in the file; 0: none.
type edit struct {
	put          int // the line that asks everybody stands in the place of this one
	move, before int
	out          []int // are taken out
}

// A mender finds edits for a service.
type mender struct {
	c     *checker
	s     *service
	stack []line
	other bool         // the stack is of the service other
	tops  map[int]line // auth lines of the service's own file
	alone bool         // a one-time password has to be enough
	// Ways past pam_otpw that there are already: with something else, or because of what chooses.
	passed, chosen bool
	known          map[string]bool
}

func (c *checker) newMender(s *service) *mender {
	m := &mender{c: c, s: s, tops: map[int]line{}, known: map[string]bool{}}
	if m.stack, m.other = s.stack("auth"); m.other {
		return m
	}
	for _, l := range m.stack {
		m.tops[l.top.number] = *l.top
	}
	ends := explore(m.stack, c.mute().mayReturn(m.stack))
	asked := slices.ContainsFunc(m.stack, line.isOTPW)
	m.passed = asked && slices.ContainsFunc(ends, end.passes)
	m.chosen = slices.ContainsFunc(ends, end.exempt)
	m.alone = !asked || slices.ContainsFunc(ends, func(e end) bool { return e.in() && e.proof == 0 })
	return m
}

// passes reports whether somebody got in with something else, without being asked by pam_otpw.
func (e end) passes() bool { return e.granted && e.called == 0 && e.proof > 0 }

// exempt reports whether somebody got in because of what chooses, and nothing else.
func (e end) exempt() bool { return e.granted && e.called == 0 && e.proof == 0 && e.chosen > 0 }

// mute is a checker that reports nothing.
func (c *checker) mute() *checker { return &checker{options: c.options, pam: c.pam, site: c.site} }

// mayReturn says what the modules of a stack may return, if ours is there.
func (c *checker) mayReturn(stack []line) returns { return c.returns(c.missing(stack)) }

// own reports whether a line stands in the service's own file.
func (m *mender) own(l line) bool {
	return !m.other && l.top != nil && l.file == l.top.file && l.number == l.top.number
}

// required is the line that asks everybody: with the arguments that say where lists
// are, but none that make exceptions.
func (m *mender) required() line {
	l := line{kind: "auth", module: moduleName}
	if i := slices.IndexFunc(m.stack, line.isOTPW); i >= 0 {
		if exists(m.c.pam.path(m.stack[i].module)) {
			l.module = m.stack[i].module
		}
		for _, arg := range m.stack[i].args {
			if !slices.Contains([]string{"nullok", "use_first_pass", "try_first_pass"}, arg) {
				l.args = append(l.args, arg)
			}
		}
	}
	l.setControl("required")
	words := []string{"auth required", l.module}
	for _, arg := range l.args {
		if strings.ContainsAny(arg, " \t[]") {
			arg = "[" + strings.ReplaceAll(arg, "]", `\]`) + "]"
		}
		words = append(words, arg)
	}
	l.text = strings.Join(words, " ")
	return l
}

// after returns the service as it would be.
func (m *mender) after(e edit) *service {
	s := *m.s
	s.lines = nil
	required := m.required()
	required.top = &required
	var moved []line
	for _, l := range m.s.lines {
		if e.move != 0 && l.top.number == e.move {
			moved = append(moved, l)
		}
	}
	put := false
	for _, l := range m.s.lines {
		switch n := l.top.number; {
		case n == e.put:
			if !put {
				s.lines = append(s.lines, required)
			}
			put = true
			continue
		case n == e.move || slices.Contains(e.out, n):
			continue
		case n == e.before:
			s.lines = append(s.lines, moved...)
			moved = nil
		}
		s.lines = append(s.lines, l)
	}
	if m.other {
		s.lines = append(s.lines, required)
	}
	return &s
}

// sound reports whether after an edit who has a one-time password gets in, nobody whom
// pam_otpw has refused does, nobody who has proved nothing, there are no new ways past it,
// and the other kinds of lines are no worse.
func (m *mender) sound(e edit) bool {
	key := fmt.Sprint(e)
	if known, found := m.known[key]; found {
		return known
	}
	m.known[key] = m.judge(m.after(e))
	return m.known[key]
}

func (m *mender) judge(s *service) bool {
	stack, _ := s.stack("auth")
	ends := explore(stack, m.c.mute().mayReturn(stack))
	if !slices.ContainsFunc(ends, func(e end) bool { return e.in() && (e.proof == 0 || !m.alone) }) {
		return false
	}
	for _, e := range ends {
		refused := e.called > 0 && e.otpw != success && e.otpw != ignored
		other := e.granted && !e.in() && (refused || e.proof == 0 && e.chosen == 0)
		if other || e.called > 1 || e.passes() && !m.passed || e.exempt() && !m.chosen {
			return false
		}
	}
	return m.passes(s, "account", ignored) && m.passes(s, "session", success)
}

// passes reports whether lines of a kind let pass, or did not before.
func (m *mender) passes(s *service, kind string, otpw result) bool {
	stack, _ := s.stack(kind)
	before, _ := m.s.stack(kind)
	return m.c.mute().passes(stack, otpw) || !m.c.mute().passes(before, otpw)
}

// require returns how to put the line that asks everybody in the place of a line, with
// others taken out: as few as can be. "": that helps nobody.
func (m *mender) require(at line, out ...line) string {
	if m.other || at.top == nil {
		if e := (edit{}); m.sound(e) {
			return m.required().text + " in " + m.c.pam.configs[0] + "/" + m.s.name
		}
		return ""
	}
	base := edit{put: at.top.number}
	for _, l := range out {
		base.out = append(base.out, l.top.number)
	}
	and := func(which func(number int) bool) edit {
		e := edit{put: base.put, out: slices.Clone(base.out)}
		for _, n := range m.numbers() {
			if which(n) {
				e.out = append(e.out, n)
			}
		}
		return e
	}
	tries := []edit{base}
	for _, one := range m.numbers()[:min(len(m.tops), maxOnes)] {
		tries = append(tries, and(func(n int) bool { return n == one }))
	}
	tries = append(tries,
		and(func(n int) bool { return n > base.put }),
		and(func(n int) bool { return !m.gate(n) }),
		and(func(int) bool { return true }))
	return m.first(tries...)
}

// maxOnes bounds the lines that are tried one by one: judging a long stack takes its time.
const maxOnes = 16

// numbers are those of all auth lines of the service's own file.
func (m *mender) numbers() []int { return slices.Sorted(maps.Keys(m.tops)) }

// gate reports whether a line of the service's own file is of a module that lets pass, or not.
func (m *mender) gate(number int) bool {
	return !slices.ContainsFunc(m.stack, func(l line) bool { return l.top.number == number && classOf(l) != classGate })
}

// first returns the first edit that may be offered; "": there is none.
func (m *mender) first(tries ...edit) string {
	for _, e := range tries {
		slices.Sort(e.out)
		e.out = slices.DeleteFunc(slices.Compact(e.out), func(n int) bool { return n == e.put })
		if m.sound(e) {
			return m.say(e)
		}
	}
	return ""
}

// say puts an edit into words.
func (m *mender) say(e edit) string {
	var parts []string
	if e.put != 0 {
		parts = append(parts, m.required().text+" in the place of "+m.tops[e.put].stand())
	}
	if e.move != 0 {
		parts = append(parts, "put "+m.tops[e.move].stand()+" before "+m.tops[e.before].stand())
	}
	if len(e.out) == 1 {
		parts = append(parts, "take "+m.tops[e.out[0]].stand()+" out")
	} else if len(e.out) > 1 {
		var numbers []string
		for _, n := range e.out {
			numbers = append(numbers, fmt.Sprint(n))
		}
		parts = append(parts, "take the lines "+strings.Join(numbers, ", ")+" of "+m.s.main()+" out")
	}
	return strings.Join(parts, ", and ")
}

// moved returns how to put a line before another, or else in its place.
func (m *mender) moved(ours, before line) string {
	if !m.other && ours.top.number != before.top.number {
		if e := (edit{move: ours.top.number, before: before.top.number}); m.sound(e) {
			return m.say(e)
		}
	}
	return m.require(before, ours)
}

// absent is for a stack without pam_otpw: in the place of what asks for a password.
func (m *mender) absent() string {
	for _, asks := range []func(line) bool{line.takesPassword, line.asks} {
		if i := slices.IndexFunc(m.stack, func(l line) bool { return asks(l) && !l.substack }); i >= 0 {
			return m.require(m.stack[i])
		}
	}
	if len(m.stack) == 0 {
		return m.require(line{})
	}
	return m.require(m.stack[0])
}

// once returns how pam_otpw is asked once: without the last line that asks it.
func (m *mender) once() string {
	lines := slices.DeleteFunc(slices.Clone(m.stack), func(l line) bool { return !l.isOTPW() })
	if last := lines[len(lines)-1]; m.own(last) {
		if mend := m.first(edit{out: []int{last.number}}); mend != "" {
			return mend
		}
	}
	return m.require(lines[0], lines[1:]...)
}

// ours is the first line of our module.
func (m *mender) ours() line { return m.stack[slices.IndexFunc(m.stack, line.isOTPW)] }

// removable reports whether a line, of any kind, can be taken out.
func (m *mender) removable(l line) bool {
	if !m.s.found || l.top == nil || l.file != l.top.file || l.file != m.s.main() {
		return false
	}
	e := edit{out: []int{l.number}}
	switch l.kind {
	case "account":
		return m.passes(m.after(e), l.kind, ignored)
	case "session":
		return m.passes(m.after(e), l.kind, success)
	case "auth":
		return !m.other && m.sound(e)
	}
	return true
}
