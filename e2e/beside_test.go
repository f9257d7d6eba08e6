// SPDX-License-Identifier: MIT

package e2e

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// Ours, with legacy_lock, beside the original on another machine. Of what the
// original takes for granted these tests tell apart what it does wrong by itself: it
// has no locks but the lock file, compares with what it has read before it asked,
// and now and then asks for the number in the lock file among its three.

// besideOriginal is a scene with ours here and the original there.
func besideOriginal(t *testing.T) *neighbours {
	t.Helper()
	s := setUp(t, "legacy_lock")
	s.replaceList(s.m.Generator, "-h", "20", "--format", "otpw1")
	return &neighbours{s, s.Neighbour(t).Sshd(t, pamLines(s.InstallOriginal(t)))}
}

// original has the original ask for three numbers until they are right.
func (n *neighbours) original(right func(numbers []string) bool) (*world.Login, []string) {
	n.t.Helper()
	for {
		l := n.there.Login(n.a)
		numbers := l.Triple()
		if right(numbers) {
			return l, numbers
		}
		l.Close()
	}
}

// withoutLocked has the original ask for three numbers, which it should never do with that in the lock file.
func (n *neighbours) withoutLocked(number string) (*world.Login, []string) {
	n.t.Helper()
	return n.original(func(numbers []string) bool { return !slices.Contains(numbers, number) })
}

// sharing has the original ask for three numbers that ours asks for, too, at least one of them.
func (n *neighbours) sharing(numbers []string) (*world.Login, []string) {
	n.t.Helper()
	return n.original(func(three []string) bool {
		return slices.ContainsFunc(three, func(number string) bool { return slices.Contains(numbers, number) })
	})
}

// logIn answers rightly and is let in.
func (n *neighbours) logIn(l *world.Login, numbers ...string) {
	n.t.Helper()
	l.Enter(n.sheet.Response(numbers...))
	l.Accepted()
	l.Leave()
}

func TestBesideOriginal(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, n *neighbours){
		"in turn": func(t *testing.T, n *neighbours) {
			order := n.a.Unused(t)
			for i := range 6 {
				sshd := []*world.Sshd{n.sshd, n.there}[i%2]
				l := sshd.Login(n.a)
				if got := l.Single(); got != order[i] {
					t.Errorf("asked for %s, want %s", got, order[i])
				}
				n.logIn(l, order[i])
				n.lock()
			}
			n.lostOnly(order[:6]...)
		},
		"ours waits": func(t *testing.T, n *neighbours) {
			ours := n.sshd.Login(n.a)
			number := ours.Single()
			n.lock(number)
			original, three := n.withoutLocked(number)
			n.logIn(original, three...)
			n.lock(number)
			n.logIn(ours, number)
			n.lock()
			n.lostOnly(append(three, number)...)
		},
		"the original waits": func(t *testing.T, n *neighbours) {
			original := n.there.Login(n.a)
			number := original.Single()
			n.lock(number)
			ours := n.sshd.Login(n.a)
			three := ours.Triple()
			if slices.Contains(three, number) {
				t.Errorf("asked for %v while the original asks for %s", three, number)
			}
			n.logIn(ours, three...)
			n.lock()
			n.lostOnly(append(three, number)...)
			n.logIn(original, number) // what it has read before it asked: for the first time, and the last
			n.lostOnly(append(three, number)...)
			original = n.there.Login(n.a)
			n.logIn(original, original.Single())
		},
		"the original is cut": func(t *testing.T, n *neighbours) {
			original := n.there.Login(n.a)
			number := original.Single()
			original.Kill()
			quiet(t, n.there)
			n.lock(number)
			ours := n.sshd.Login(n.a)
			three := ours.Triple()
			if slices.Contains(three, number) {
				t.Errorf("asked for %v, lock file names %s", three, number)
			}
			n.logIn(ours, three...)
			n.lock()
			n.lostOnly(append(three, number)...)
			original = n.there.Login(n.a)
			n.logIn(original, original.Single())
		},
		"ours is cut": func(t *testing.T, n *neighbours) {
			ours := n.sshd.Login(n.a)
			number := ours.Single()
			ours.Kill()
			n.quiet()
			n.lock(number)
			original, three := n.withoutLocked(number)
			n.logIn(original, three...)
			n.lock(number)
			n.lostOnly(three...)
			ours = n.sshd.Login(n.a)
			again := ours.Triple()
			if slices.Contains(again, number) {
				t.Errorf("asked for %v, lock file names %s", again, number)
			}
			n.logIn(ours, again...)
			n.lock()
			n.lostOnly(slices.Concat(three, again, []string{number})...)
			original = n.there.Login(n.a)
			n.logIn(original, original.Single())
		},
		"ours is answered wrongly": func(t *testing.T, n *neighbours) {
			ours := n.sshd.Login(n.a)
			number := ours.Single()
			ours.Enter("wrong")
			ours.Refused()
			n.lock(number)
			original, three := n.withoutLocked(number)
			n.logIn(original, three...)
			n.lostOnly(three...)
		},
		"the original is answered wrongly": func(t *testing.T, n *neighbours) {
			original := n.there.Login(n.a)
			number := original.Single()
			original.Enter("wrong")
			original.Refused()
			n.lock() // it asks again, and so do we
			ours := n.sshd.Login(n.a)
			if got := ours.Single(); got != number {
				t.Errorf("asked for %s, want %s", got, number)
			}
			n.logIn(ours, number)
			n.lostOnly(number)
		},
		// The original removes whatever lock file there is when it has its answer.
		"the original removes our lock file": func(t *testing.T, n *neighbours) {
			original := n.there.Login(n.a)
			number := original.Single()
			ours := n.sshd.Login(n.a)
			n.logIn(ours, ours.Triple()...)
			ours = n.sshd.Login(n.a)
			next := ours.Single()
			if next == number {
				t.Errorf("asked for %s, which the original asks for", next)
			}
			n.lock(next)
			original.Enter("wrong")
			original.Refused()
			n.lock()
			other := n.sshd.Login(n.a) // the entry lock is left
			if three := other.Triple(); slices.Contains(three, next) {
				t.Errorf("asked for %v while %s is asked for alone", three, next)
			}
			n.logIn(ours, next)
			n.usedUp(number, next)
		},
		"the original uses up one of three": func(t *testing.T, n *neighbours) {
			useAllBut(t, n.a, 12)
			n.setAside(1)
			ours := n.sshd.Login(n.a)
			numbers := ours.Triple()
			original, three := n.sharing(numbers)
			n.logIn(original, three...)
			ours.Enter(n.sheet.Response(numbers...))
			ours.Refused()
		},
		// By itself it does the same.
		"ours uses up one of three, the original accepts it again": func(t *testing.T, n *neighbours) {
			useAllBut(t, n.a, 12)
			n.setAside(1)
			ours := n.sshd.Login(n.a)
			numbers := ours.Triple()
			original, three := n.sharing(numbers)
			n.logIn(ours, numbers...)
			n.logIn(original, three...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, besideOriginal(t))
		})
	}
}

// A visit is a login to one of the two.
type visit struct {
	ours      bool
	numbers   []string
	right, in bool
	// ticks: before it began, after it was asked, before Enter, and after the result was there
	began, asked, pressed, over int
}

// Many logins to both, at once and in turn.
func TestBesideOriginalManyLogins(t *testing.T) {
	t.Parallel()
	n := besideOriginal(t)
	n.replaceList(n.m.Generator, "-h", "300", "--format", "otpw1")
	var (
		mu     sync.Mutex
		now    int
		visits []*visit
		wg     sync.WaitGroup
	)
	tick := func() int {
		mu.Lock()
		defer mu.Unlock()
		now++
		return now
	}
	for i := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range budget(12) {
				v, err := n.visit(i%2 == 0, tick)
				if err != nil {
					t.Errorf("ours %v, asked for %v: %v", v.ours, v.numbers, err)
				}
				mu.Lock()
				visits = append(visits, v)
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	n.quiet()
	quiet(t, n.there)
	n.checkVisits(visits)
	// Nobody is locked out, and afterwards nothing is set aside.
	n.succeed()
	n.lock()
	original := n.there.Login(n.a)
	n.logIn(original, original.Single())
	n.lock()
}

func (n *neighbours) visit(ours bool, tick func() int) (*visit, error) {
	v := &visit{ours: ours}
	sshd := n.there
	if ours {
		sshd = n.sshd
	}
	v.began = tick()
	l, err := sshd.NewLogin(n.a)
	if err != nil {
		return v, err
	}
	defer l.Close()
	if v.numbers, err = l.FindPrompt(); err != nil {
		return v, err
	}
	v.asked = tick()
	response := n.sheet.Response(v.numbers...)
	switch what := rand.N(10); {
	case what == 0:
		l.Type(response)
		l.Kill()
		return v, nil
	case what == 1:
		response += "x"
	default:
		v.right = true
	}
	v.pressed = tick()
	l.Enter(response)
	err = l.FindResult()
	v.over = tick()
	v.in = err == nil
	if errors.Is(err, world.ErrRefused) {
		err = nil
	}
	return v, err
}

// checkVisits checks what must not be, whatever the original does.
func (n *neighbours) checkVisits(visits []*visit) {
	n.t.Helper()
	again := 0
	for _, v := range visits {
		if v.in {
			n.usedUp(v.numbers...)
		}
		if v.in && !v.right {
			n.t.Errorf("ours %v: let in with a wrong answer to %v", v.ours, v.numbers)
		}
		shared := false
		for _, o := range visits {
			if o == v || !slices.ContainsFunc(v.numbers, func(number string) bool { return slices.Contains(o.numbers, number) }) {
				continue
			}
			shared = true
			switch {
			case v.in && o.in && v.ours && (o.ours || o.over < v.pressed):
				n.t.Errorf("ours accepted %v, after somebody (ours: %v) had accepted %v", v.numbers, o.ours, o.numbers)
			case v.in && o.in && v.ours:
				again++ // by the original
			}
			if v.ours && o.ours && v.began < o.began && len(v.numbers)+len(o.numbers) == 2 && !removesLock(visits, v.began, o.asked) {
				n.t.Errorf("ours asked for %v alone twice", v.numbers)
			}
		}
		if v.ours && v.right && !v.in && !shared {
			n.t.Errorf("ours refused a right answer to %v, which nobody else was asked for", v.numbers)
		}
	}
	n.t.Logf("%d logins; %d times the original accepted what ours had accepted", len(visits), again)
}

// removesLock: the original, when it gets its answer, removes the lock file, also
// when that has become ours meanwhile.
func removesLock(visits []*visit, from, to int) bool {
	return slices.ContainsFunc(visits, func(v *visit) bool {
		return !v.ours && len(v.numbers) == 1 && v.pressed < to && v.over > from
	})
}
