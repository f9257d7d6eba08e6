// SPDX-License-Identifier: MIT

package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// keyboard is a hostile one: every byte that the victim types it types into a
// connection of the attacker's, too, and with the victim's it does what it likes.
type keyboard struct {
	*scene
	victim           *world.Login
	asked            []string      // of the victim
	net              world.Process // of sshd, for the victim's connection
	response, copied string
	attacker         *try
	tries            []*try
	successes        int // of the victim
}

// A try is a login of the attacker's.
type try struct {
	*world.Login
	asked []string
}

// meetings are how the two prompts come about.
var meetings = map[string]func(k *keyboard){
	"one number": func(k *keyboard) {
		k.victimAsked(1)
		k.attackerAsked(3)
	},
	"three numbers": func(k *keyboard) {
		k.attackerAsked(1)
		k.victimAsked(3)
	},
	"three set aside": func(k *keyboard) {
		k.setAside(3)
		k.victimAsked(3)
		k.attackerAsked(3)
	},
	"three set aside, attacker first": func(k *keyboard) {
		k.setAside(3)
		k.attackerAsked(3)
		k.victimAsked(3)
	},
}

func (k *keyboard) victimAsked(want int) {
	k.t.Helper()
	before := k.connections()
	k.victim = k.sshd.Login(k.a)
	if k.asked = k.victim.Prompt(); len(k.asked) != want {
		k.t.Fatalf("victim asked for %v, want %d numbers", k.asked, want)
	}
	k.response = k.sheet.Response(k.asked...)
	for _, p := range k.connections() {
		if !slices.ContainsFunc(before, func(b world.Process) bool { return b.PID == p.PID }) {
			k.net = p
		}
	}
}

func (k *keyboard) attackerAsked(want int) {
	k.t.Helper()
	if k.attacker = k.try(); len(k.attacker.asked) != want {
		k.t.Fatalf("attacker asked for %v, want %d numbers", k.attacker.asked, want)
	}
}

func (k *keyboard) try() *try {
	k.t.Helper()
	l := k.sshd.Login(k.a)
	k.tries = append(k.tries, &try{l, l.Prompt()})
	return k.tries[len(k.tries)-1]
}

// connections are sshd's processes that speak to the network.
func (k *keyboard) connections() []world.Process {
	return slices.DeleteFunc(k.sshd.Family(), func(p world.Process) bool { return !strings.Contains(p.Title, "[net]") })
}

// setAside sets the next n numbers aside.
func (s *scene) setAside(n int) {
	s.t.Helper()
	lock := s.a.Path(".otpw.lock")
	do(s.t, os.Symlink(strings.Join(s.a.Unused(s.t)[:n], ","), lock))
	do(s.t, os.Lchown(lock, s.a.UID, s.a.UID))
}

// types has the victim type n bytes of the response, and copies each as it is typed.
func (k *keyboard) types(n int) {
	for _, b := range []byte(k.response[:n]) {
		k.victim.Type(string(b))
		k.attacker.Type(string(b))
	}
	k.copied = k.response[:n]
}

// steal has the attacker press Enter, and try the copy in two more connections
// at the same time.
func (k *keyboard) steal() {
	k.t.Helper()
	k.attacker.Enter("")
	k.reconnect()
	k.reconnect()
	k.refused()
}

// reconnect tries the copy in another connection. (Who has copied an answer to
// three numbers, and is later asked for one of them alone, may have more luck with
// a part of it: docs/threat-model.md.)
func (k *keyboard) reconnect() {
	k.t.Helper()
	try := k.try()
	if slices.Equal(try.asked, k.asked) || len(k.asked) == 1 && slices.Contains(try.asked, k.asked[0]) {
		k.t.Errorf("attacker asked for %v, victim for %v", try.asked, k.asked)
	}
	try.Enter(k.copied)
}

// refused waits until all that the attacker has tried is refused. The log says
// so before the delay that follows.
func (k *keyboard) refused() {
	k.t.Helper()
	for _, try := range k.tries {
		k.Log.Await(k.t, k.mark, `user=`+k.a.Name+` \S+ result=refused challenge=`+strings.Join(try.asked, "/")+` `)
		try.Close()
	}
}

// Whatever becomes of the victim's login, the attacker never gets in with what
// he has copied, and the victim is not locked out.
func TestKeystrokes(t *testing.T) {
	ends := map[string]func(k *keyboard){
		"Enter held back": func(k *keyboard) {
			k.types(len(k.response))
			k.steal()
			k.victim.Enter("")
			k.victim.Accepted()
			k.successes++
			k.victim.Leave()
		},
		"spoilt": func(k *keyboard) {
			k.types(len(k.response))
			k.victim.Enter("x")
			k.steal()
		},
		"spoilt, then tried": func(k *keyboard) {
			k.types(len(k.response))
			k.victim.Enter("x")
			k.victim.Refused()
			k.steal()
		},
	}
	for where, bytes := range map[string]func(n int) int{
		"the first byte": func(int) int { return 0 },
		"the middle":     func(n int) int { return n / 2 },
		"the last byte":  func(n int) int { return n - 1 },
		"Enter":          func(n int) int { return n },
	} {
		ends["client killed before "+where] = func(k *keyboard) {
			k.types(bytes(len(k.response)))
			k.victim.Kill()
			k.steal()
		}
		ends["connection cut before "+where] = func(k *keyboard) {
			k.types(bytes(len(k.response)))
			kill(k.t, k.net)
			k.steal()
		}
	}
	for name, meet := range meetings {
		for how, end := range ends {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				k := &keyboard{scene: setUp(t)}
				meet(k)
				end(k)
				k.succeed()
				k.reconnect()
				k.refused()
				k.quiet()
				if n := len(k.Log.Find(k.mark, `^Accepted keyboard-interactive/pam for `+k.a.Name+` `)); n != k.successes+1 {
					t.Errorf("%d logins succeeded, %d of them the victim's", n, k.successes+1)
				}
				if len(k.asked) == 1 {
					k.usedUp(k.asked...)
				}
			})
		}
	}
}

// Victim and attacker press Enter at the same time, with the same response:
// nobody but who was asked for it gets in with it, and of two who were asked for
// the same number (nolock) one.
func TestEnterRace(t *testing.T) {
	for name, tt := range map[string]struct {
		argument string
		meet     func(k *keyboard)
	}{
		"one number":      {"", meetings["one number"]},
		"three numbers":   {"", meetings["three numbers"]},
		"three set aside": {"", meetings["three set aside"]},
		"nolock": {"nolock", func(k *keyboard) {
			k.victimAsked(1)
			k.attackerAsked(1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			m := w.Install(t)
			sshd := w.Sshd(t, pamLines(m, tt.argument))
			for round := range budget(8) {
				t.Run(fmt.Sprint(round), func(t *testing.T) {
					t.Parallel()
					k := &keyboard{scene: setUpSshd(t, m, sshd)}
					tt.meet(k)
					k.types(len(k.response))
					victim, attacker := enterBoth(t, k.victim, k.attacker.Login)
					if tt.argument == "nolock" {
						if victim == attacker {
							t.Errorf("victim in: %v, attacker in: %v", victim, attacker)
						}
					} else if !victim || attacker {
						t.Errorf("victim in: %v, attacker in: %v, asked for %v", victim, attacker, k.asked)
					}
					k.usedUp(k.asked...)
				})
			}
		})
	}
}

// enterBoth presses Enter in two logins at the same time, and says who gets in.
func enterBoth(t *testing.T, a, b *world.Login) (aIn, bIn bool) {
	t.Helper()
	var wg sync.WaitGroup
	now := make(chan struct{})
	for l, in := range map[*world.Login]*bool{a: &aIn, b: &bIn} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-now
			l.Enter("")
			err := l.FindResult()
			if *in = err == nil; err != nil && !errors.Is(err, world.ErrRefused) {
				t.Error(err)
			}
		}()
	}
	close(now)
	wg.Wait()
	return aIn, bIn
}
