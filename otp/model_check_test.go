// SPDX-License-Identifier: MIT

package otp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// What is known of a game, and what follows from it. Everything that an actor
// did happened at one moment in a span of time, so what follows is of two kinds:
// what is certainly so when something begins, and what may be so when it ends.

// A span begins after the tick start of the game's clock, and is over before the
// tick end.
type span struct{ start, end int }

func (s span) before(o span) bool   { return s.end < o.start }
func (s span) overlaps(o span) bool { return s.start < o.end && o.start < s.end }

// record is what happened.
type record struct {
	attempts    []*attempt
	revocations []*revocation
	lists       []*generation
	unlocks     []*removal
	views       []*view
	powerOff    []int // when all processes were gone

	byNumber map[string][]*attempt
	faults   []string
}

// accepted counts the successes.
func (r *record) accepted() int {
	n := 0
	for _, a := range r.attempts {
		if a.accepted() {
			n++
		}
	}
	return n
}

// An attempt is one login.
type attempt struct {
	o        Options
	begin    span
	asked    []string // none: err says why
	over     span     // Verify, Close, or the death of its process
	answered bool     // Verify was called
	right    bool     // with the right response
	err      string   // what Verify, or else Begin, returned
	left     Remaining
}

func (a *attempt) ended() bool { return a.over.end > 0 }
func (a *attempt) list() int   { return listOf(a.asked[0]) }

// lostBegin: nobody knows what was asked for.
func (a *attempt) lostBegin() bool { return a.asked == nil && a.err == lost }

// alone: a number was asked for alone, and is named in the lock file since then.
func (a *attempt) alone() bool { return len(a.asked) == 1 && !a.o.NoLock }

func (a *attempt) accepted() bool    { return a.answered && a.err == "" }
func (a *attempt) mayHaveUsed() bool { return a.accepted() || a.answered && a.right && a.err == lost }

// spends: its success takes with it what is set aside.
func (a *attempt) spends() bool { return !a.o.NoLock }

// freed: the number may be asked for alone once more.
func (a *attempt) mayBeFreed() bool {
	return a.o.Reask && a.answered && !a.right && (a.err == lost || a.err == ErrWrong.Error())
}
func (a *attempt) freed() bool { return a.mayBeFreed() && a.err != lost }

// stale: any lock file is too old.
func (a *attempt) stale() bool { return a.o.LegacyLock && a.o.LockTimeout == 1 }

// limit is how many numbers may be set aside before three are asked for.
func (a *attempt) limit() int {
	switch {
	case a.stale():
		return 1 << 30
	case a.o.LegacyLock:
		return 1
	}
	return maxAside
}

type revocation struct {
	span
	numbers []string // to revoke
	hit     []string // unused until then
	err     string
}

type removal struct {
	span
	err string
}

// A view is what list and lock file were at one moment.
type view struct {
	span
	unused, names []string
	err           string
}

// A generation is a list that was made to replace the one before it.
type generation struct {
	id       int
	create   span // Replace
	done     span // Commit, Abort, or the death of its process
	how      string
	err      string
	writeErr string
}

func (l *generation) ended() bool        { return l.done.end > 0 }
func (l *generation) committed() bool    { return l.how == "commit" && l.err == "" }
func (l *generation) mayBeInPlace() bool { return l.committed() || l.how == "commit" && l.err == lost }

func (g *game) fault(format string, args ...any) {
	g.faults = append(g.faults, fmt.Sprintf(format, args...))
}

// check returns what cannot be.
func (g *game) check() []string {
	g.byNumber = map[string][]*attempt{}
	for _, a := range g.attempts {
		for _, n := range a.asked {
			g.byNumber[n] = append(g.byNumber[n], a)
		}
	}
	g.checkLists()
	for _, a := range g.attempts {
		switch {
		case a.lostBegin():
		case a.asked == nil:
			g.checkNotAsked(a)
		default:
			g.checkAsked(a)
			g.checkEnd(a)
		}
	}
	for number, attempts := range g.byNumber {
		g.checkNumber(number, attempts)
	}
	g.checkLeft()
	for _, r := range g.revocations {
		g.checkRevocation(r)
	}
	for _, v := range g.views {
		g.checkView(v)
	}
	for _, r := range g.unlocks {
		if r.err != "" && r.err != lost {
			g.fault("unlock at %v: %s", r.span, r.err)
		}
	}
	slices.Sort(g.faults)
	return slices.Compact(g.faults)
}

// ---- lists ----

// laterThan are the lists that may have taken the place of a list. Only one can be
// on its way at a time, so they are in place in the order in which they were begun.
func (g *game) laterThan(list int) []*generation {
	var later []*generation
	for _, l := range g.lists {
		if l.mayBeInPlace() && l.create.end > g.lists[list].create.end {
			later = append(later, l)
		}
	}
	return later
}

// replacedBefore: the list is certainly not in its place when at begins.
func (g *game) replacedBefore(list int, at span) bool {
	return slices.ContainsFunc(g.laterThan(list), func(l *generation) bool { return l.committed() && l.done.before(at) })
}

// mayBeReplaced: the list may not be in its place when at ends.
func (g *game) mayBeReplaced(list int, at span) bool {
	return slices.ContainsFunc(g.laterThan(list), func(l *generation) bool { return l.done.start < at.end })
}

// inPlace are the lists that may be in place during at.
func (g *game) inPlace(at span) []int {
	var lists []int
	for _, l := range g.lists {
		if l.mayBeInPlace() && l.done.start < at.end && !g.replacedBefore(l.id, at) {
			lists = append(lists, l.id)
		}
	}
	return lists
}

func (g *game) checkLists() {
	for _, l := range g.lists {
		switch l.err {
		case "", lost:
		case ErrBusy.Error():
			if !slices.ContainsFunc(g.lists, func(o *generation) bool { return o != l && span{o.create.start, o.done.end}.overlaps(l.create) }) {
				g.fault("list %d at %v: busy, but nobody makes another one", l.id, l.create)
			}
		default:
			g.fault("list %d at %v: %s: %s", l.id, l.done, l.how, l.err)
		}
		if l.writeErr != "" && l.writeErr != lost {
			g.fault("list %d at %v: write: %s", l.id, l.create, l.writeErr)
		}
		for _, o := range g.lists {
			if o.id < l.id && o.alive().overlaps(l.alive()) {
				g.fault("lists %d and %d are being made at the same time: %v and %v", o.id, l.id, o.alive(), l.alive())
			}
		}
	}
}

// alive is when a list is certainly on its way.
func (l *generation) alive() span {
	if l.err == ErrBusy.Error() || l.create.end >= l.done.start {
		return span{}
	}
	return span{l.create.end, l.done.start}
}

// ---- numbers ----

// gone says why a number is certainly used up when at begins, or nothing.
func (g *game) gone(number string, at span) string {
	for _, r := range g.revocations {
		if r.err == "" && r.before(at) && slices.Contains(r.hit, number) {
			return fmt.Sprintf("revoked at %v", r.span)
		}
	}
	for _, a := range g.byNumber[number] {
		if a.accepted() && a.over.before(at) {
			return fmt.Sprintf("accepted at %v", a.over)
		}
	}
	return g.cleared(number, at)
}

// cleared says why a number is certainly used up, and not named in the lock file
// any more, when at begins: by a success that looks after the lock file.
func (g *game) cleared(number string, at span) string {
	for _, a := range g.byNumber[number] {
		if a.accepted() && a.spends() && a.over.before(at) {
			return fmt.Sprintf("accepted at %v", a.over)
		}
		if !a.alone() || a.mayBeFreed() {
			continue
		}
		for _, s := range g.attempts {
			if s.accepted() && s.spends() && s.list() == a.list() && a.over.before(s.over) && s.over.before(at) && !g.forgotten(a, s.over) {
				return fmt.Sprintf("set aside at %v, spent at %v", a.over, s.over)
			}
		}
	}
	return ""
}

// mayBeGone: the number may be used up when at ends, by whatever but one attempt.
func (g *game) mayBeGone(number string, at span, but *attempt) bool {
	for _, r := range g.revocations {
		if r.start < at.end && (slices.Contains(r.hit, number) || r.err == lost && slices.Contains(r.numbers, number)) {
			return true
		}
	}
	for _, a := range g.byNumber[number] {
		if a != but && a.mayHaveUsed() && a.over.start < at.end {
			return true
		}
		// what is being asked for alone is not spent meanwhile
		if but != nil && but.alone() || !a.alone() || a.freed() && a.over.before(at) {
			continue
		}
		for _, s := range g.attempts {
			if s != a && s.mayHaveUsed() && s.spends() && s.list() == a.list() && s.over.start < at.end && s.over.end > a.begin.start ||
				s.stale() && s.begin.start < at.end && s.begin.end > a.begin.start {
				return true
			}
		}
	}
	return false
}

// aside: the number is certainly named in the lock file from before at to its
// end, if it is not gone.
func (g *game) aside(number string, at span) bool {
	return slices.ContainsFunc(g.byNumber[number], func(a *attempt) bool {
		return a.alone() && a.begin.before(at) && !(a.mayBeFreed() && a.over.start < at.end) && !g.forgotten(a, at)
	})
}

// mayBeAside: the number may be named in the lock file when at ends.
func (g *game) mayBeAside(number string, at span) bool {
	return slices.ContainsFunc(g.byNumber[number], func(a *attempt) bool {
		return a.alone() && a.begin.start < at.end && !(a.freed() && a.over.before(at))
	})
}

// forgotten: the lock file may not name what a asked for alone until at ends. It
// was removed; or the power went off after somebody who was killed had overwritten
// the entry, but not synced the list: then the entry is back, but the lock file is
// of a time when it was used up.
func (g *game) forgotten(a *attempt, at span) bool {
	since := span{a.begin.start, at.end}
	for _, off := range g.powerOff {
		killed := span{a.begin.start, off}
		if off < at.end &&
			(slices.ContainsFunc(g.attempts, func(b *attempt) bool {
				return (b.answered || b.o.LegacyLock) && b.err == lost && b.over.overlaps(killed)
			}) ||
				slices.ContainsFunc(g.revocations, func(r *revocation) bool { return r.err == lost && r.overlaps(killed) })) {
			return true
		}
	}
	return slices.ContainsFunc(g.unlocks, func(r *removal) bool { return since.overlaps(r.span) })
}

// lostBegins counts the attempts of which nobody knows what they were asked for,
// and which may have set aside a number of the list until at ends.
func (g *game) lostBegins(list int, at span) int {
	n := 0
	for _, a := range g.attempts {
		if a.lostBegin() && a.begin.start < at.end && slices.Contains(g.inPlace(a.begin), list) {
			n++
		}
	}
	return n
}

// numbers are all numbers of a list.
func (g *game) numbers(list int) []string {
	var numbers []string
	for i := range g.n {
		numbers = append(numbers, numberOf(list, i))
	}
	return numbers
}

// count counts the numbers of a list for which is returns true.
func (g *game) count(list int, is func(string) bool) int {
	n := 0
	for _, number := range g.numbers(list) {
		if is(number) {
			n++
		}
	}
	return n
}

// ---- challenges ----

// checkNotAsked: an attempt is asked for nothing only when nothing is left.
func (g *game) checkNotAsked(a *attempt) {
	for _, list := range g.inPlace(a.begin) {
		used := g.lostBegins(list, a.begin) + g.count(list, func(n string) bool { return g.mayBeGone(n, a.begin, nil) })
		kept := used + g.count(list, func(n string) bool { return g.mayBeAside(n, a.begin) && !g.mayBeGone(n, a.begin, nil) })
		if a.err == ErrExhausted.Error() && kept >= g.n || a.err == ErrTooFew.Error() && (g.n-used < minMulti || g.n-kept < multi) {
			return
		}
	}
	g.fault("attempt at %v, asked for nothing: %s", a.begin, a.err)
}

// checkAsked: an attempt is asked for what it may be asked for.
func (g *game) checkAsked(a *attempt) {
	list, at := a.list(), a.begin
	if !slices.Contains(g.inPlace(at), list) {
		g.fault("asked for %v at %v, of a list that is not in its place", a.asked, at)
		return
	}
	if n := len(a.asked); n != 1 && (n != multi || a.o.NoLock || len(slices.Compact(slices.Sorted(slices.Values(a.asked)))) != multi) {
		g.fault("asked for %v at %v", a.asked, at)
	}
	for _, n := range a.asked {
		if why := g.gone(n, at); why != "" {
			g.fault("asked for %s at %v: %s", n, at, why)
		} else if g.aside(n, at) {
			g.fault("asked for %s at %v, which was asked for alone", n, at)
		}
	}
	switch {
	case len(a.asked) == multi:
		g.checkMulti(a)
	case a.alone():
		g.checkAlone(a)
		fallthrough
	default:
		g.checkNext(a)
	}
}

// checkMulti: three numbers are asked for only while somebody else is asked for
// one, or when enough are set aside.
func (g *game) checkMulti(a *attempt) {
	for _, b := range g.attempts {
		if b != a && (b.lostBegin() || b.alone() && b.list() == a.list()) && (span{b.begin.start, b.over.end}).overlaps(a.begin) {
			return
		}
	}
	gone := g.gone
	if a.o.LegacyLock { // then the lock file counts, whatever it names
		gone = g.cleared
		if !g.lists[a.list()].committed() {
			return
		}
	}
	aside := g.count(a.list(), func(n string) bool { return g.mayBeAside(n, a.begin) && gone(n, a.begin) == "" })
	if aside+g.lostBegins(a.list(), a.begin) < a.limit() {
		g.fault("asked for %v at %v, though nobody is asked for one and only %d are set aside", a.asked, a.begin, aside)
	}
}

// checkAlone: and then, nobody is asked for one.
func (g *game) checkAlone(a *attempt) {
	for _, b := range g.attempts {
		if b.alone() && b.list() == a.list() && b.begin.before(a.begin) && a.begin.before(b.over) {
			g.fault("asked for %v alone at %v, while %v is asked for from %v to %v", a.asked, a.begin, b.asked, b.begin, b.over)
		}
	}
	aside := g.count(a.list(), func(n string) bool { return g.aside(n, a.begin) && !g.mayBeGone(n, a.begin, nil) })
	if aside >= a.limit() {
		g.fault("asked for %v alone at %v, though %d are set aside", a.asked, a.begin, aside)
	}
}

// checkNext: the number is the next one.
func (g *game) checkNext(a *attempt) {
	passed := 0
	for _, n := range g.numbers(a.list()) {
		if n < a.asked[0] && !g.mayBeGone(n, a.begin, nil) && !g.mayBeAside(n, a.begin) {
			passed++
		}
	}
	if passed > g.lostBegins(a.list(), a.begin) {
		g.fault("asked for %v at %v, but %d numbers come before it", a.asked, a.begin, passed)
	}
}

// ---- answers ----

// checkEnd: a right answer succeeds unless something came between, nothing else does.
func (g *game) checkEnd(a *attempt) {
	if !a.answered {
		if a.err != "" && a.err != lost {
			g.fault("close at %v: %s", a.over, a.err)
		}
		return
	}
	var must string
	if g.replacedBefore(a.list(), a.over) {
		must = ErrReplaced.Error()
	}
	for _, n := range a.asked {
		if must == "" && g.gone(n, a.over) != "" {
			must = ErrUsed.Error()
		}
	}
	may := false
	switch a.err {
	case lost:
		return
	case "":
		may = a.right && must == ""
	case ErrWrong.Error():
		may = !a.right && must == ""
	case ErrReplaced.Error():
		may = g.mayBeReplaced(a.list(), a.over)
	case ErrUsed.Error():
		// somebody who was killed may have set aside what is not being asked for alone
		may = must != ErrReplaced.Error() && (!a.alone() && g.lostBegins(a.list(), a.over) > 0 ||
			slices.ContainsFunc(a.asked, func(n string) bool { return g.mayBeGone(n, a.over, a) }))
	}
	if !may {
		g.fault("asked for %v at %v, answered at %v, rightly: %v, result %q (want %q)", a.asked, a.begin, a.over, a.right, a.err, must)
	}
}

// checkNumber: a number is used up once, and asked for alone once.
func (g *game) checkNumber(number string, attempts []*attempt) {
	var used []span
	for _, a := range attempts {
		if a.accepted() {
			used = append(used, a.over)
		}
	}
	for _, r := range g.revocations {
		if slices.Contains(r.hit, number) {
			used = append(used, r.span)
		}
	}
	if len(used) > 1 {
		g.fault("%s was accepted or revoked %d times: %v", number, len(used), used)
	}
	for _, a := range attempts {
		for _, b := range attempts {
			if a.alone() && b.alone() && a.begin.start < b.begin.start && !g.mayAskAgain(a, b) && !g.mayAskAgain(b, a) {
				g.fault("asked for %s alone at %v and %v", number, a.begin, b.begin)
			}
		}
	}
}

// mayAskAgain: b may be asked alone for the number that a was asked for alone.
func (g *game) mayAskAgain(a, b *attempt) bool {
	return a.mayBeFreed() && a.over.start < b.begin.end || g.forgotten(a, b.begin)
}

// checkLeft: each success of a list leaves fewer entries than the one before it.
func (g *game) checkLeft() {
	for _, a := range g.attempts {
		if !a.accepted() {
			continue
		}
		if a.left.Total != g.n {
			g.fault("a success at %v says that the list has %d entries, want %d", a.over, a.left.Total, g.n)
		}
		for _, b := range g.attempts {
			if a == b || !b.accepted() || a.list() != b.list() {
				continue
			}
			if slices.ContainsFunc(g.powerOff, func(t int) bool { return a.over.start < t && t < b.over.end || b.over.start < t && t < a.over.end }) {
				continue // which may bring back what was not synced
			}
			if a.left.Unused == b.left.Unused || a.over.before(b.over) && a.left.Unused < b.left.Unused+len(b.asked) {
				g.fault("of list %d %d entries were left at %v, %d at %v", a.list(), a.left.Unused, a.over, b.left.Unused, b.over)
			}
		}
	}
}

func (g *game) checkRevocation(r *revocation) {
	if r.err != "" && r.err != lost {
		g.fault("revocation at %v: %s", r.span, r.err)
	}
	for _, n := range r.numbers {
		if why := g.gone(n, r.span); slices.Contains(r.hit, n) && why != "" {
			g.fault("%s revoked at %v: %s", n, r.span, why)
		}
		lists := g.inPlace(r.span)
		if r.err == "" && !slices.Contains(r.hit, n) && len(lists) == 1 && lists[0] == listOf(n) &&
			!g.mayBeGone(n, r.span, nil) && g.lostBegins(lists[0], r.span) == 0 {
			g.fault("%s not revoked at %v", n, r.span)
		}
	}
}

// ---- what is on file ----

// checkView: nothing is left that must be gone, nothing is gone that cannot be, and
// the lock file names what must be set aside and nothing else.
func (g *game) checkView(v *view) {
	if v.err == lost {
		return
	}
	if v.err != "" {
		g.fault("look at %v: %s", v.span, v.err)
		return
	}
	lists := g.inPlace(v.span)
	if len(v.unused) > 0 {
		if list := listOf(v.unused[0]); !slices.Contains(lists, list) {
			g.fault("list %d is in its place at %v, want one of %v", list, v.span, lists)
			return
		} else {
			lists = []int{list}
		}
	}
	if len(lists) != 1 {
		return // used up, and nobody knows which list it is
	}
	g.checkUnused(v, lists[0])
	g.checkNames(v, lists[0])
}

func (g *game) checkUnused(v *view, list int) {
	if !slices.IsSortedFunc(v.unused, cmp.Compare) {
		g.fault("list %d at %v is not in its order: %v", list, v.span, v.unused)
	}
	var missing []string
	for _, n := range g.numbers(list) {
		unused := slices.Contains(v.unused, n)
		if why := g.gone(n, v.span); unused && why != "" {
			g.fault("%s is unused at %v: %s", n, v.span, why)
		}
		if !unused && !g.mayBeGone(n, v.span, nil) {
			missing = append(missing, n)
		}
	}
	if n := g.lostBegins(list, v.span); len(missing) > n {
		g.fault("%v are used up at %v, but nobody used them, and killed processes at most %d", missing, v.span, n)
	}
}

func (g *game) checkNames(v *view, list int) {
	if len(v.names) > 0 && !slices.ContainsFunc(g.attempts, func(a *attempt) bool { return !a.o.NoLock }) {
		g.fault("with nolock, the lock file names %v at %v", v.names, v.span)
	}
	unknown := 0
	for _, n := range v.names {
		of := listOf(n)
		switch {
		case of != list && (of < 0 || of >= len(g.lists) || g.lists[list].committed()):
			g.fault("the lock file of list %d names %s at %v", list, n, v.span)
		case slices.ContainsFunc(g.byNumber[n], func(a *attempt) bool { return a.accepted() && a.spends() && a.over.before(v.span) }):
			g.fault("the lock file names %s at %v, which was accepted", n, v.span)
		case of == list && !g.mayBeAside(n, v.span):
			unknown++
		}
	}
	if unknown > g.lostBegins(list, v.span) {
		g.fault("the lock file names %v at %v, which were not asked for alone", v.names, v.span)
	}
	for _, n := range g.numbers(list) {
		if g.aside(n, v.span) && !g.mayBeGone(n, v.span, nil) && !slices.Contains(v.names, n) {
			g.fault("the lock file names %v at %v, but not %s", v.names, v.span, n)
		}
	}
}

// String tells the story, in the order of its beginnings.
func (g *game) String() string {
	type line struct {
		span
		text string
	}
	var lines []line
	add := func(at span, format string, args ...any) {
		lines = append(lines, line{at, fmt.Sprintf(format, args...)})
	}
	for _, a := range g.attempts {
		how := "closed or killed"
		if a.answered {
			how = fmt.Sprintf("answered, rightly: %v", a.right)
		}
		o := strings.Join(strings.Fields(fmt.Sprintf("nolock %v reask %v legacy %v %v", a.o.NoLock, a.o.Reask, a.o.LegacyLock, a.o.LockTimeout)), " ")
		add(a.begin, "asked for %v (%s); %s at %v: %q, %d left", a.asked, o, how, a.over, a.err, a.left.Unused)
	}
	for _, r := range g.revocations {
		add(r.span, "revoke %v: %v %q", r.numbers, r.hit, r.err)
	}
	for _, l := range g.lists {
		add(l.create, "list %d: %s at %v: %q", l.id, l.how, l.done, l.err)
	}
	for _, r := range g.unlocks {
		add(r.span, "unlock: %q", r.err)
	}
	for _, v := range g.views {
		add(v.span, "unused %v, set aside %v %q", v.unused, v.names, v.err)
	}
	for _, t := range g.powerOff {
		add(span{t, t}, "power off")
	}
	slices.SortFunc(lines, func(a, b line) int { return a.start - b.start })
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%4d-%-4d %s\n", l.start, l.end, l.text)
	}
	return b.String()
}
