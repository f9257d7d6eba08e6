// SPDX-License-Identifier: MIT

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// TestManyLogins lets one user log in 200 times, 20 at a time, most of them rightly.
func TestManyLogins(t *testing.T) {
	for round := range budget(1) {
		t.Run(fmt.Sprint(round+1), func(t *testing.T) {
			s := setUp(t)
			s.manyLogins(200, 20, s.sshd)
		})
	}
}

// manyLogins spreads the logins over the servers.
func (s *scene) manyLogins(logins, atOnce int, servers ...*world.Sshd) {
	t := s.t
	s.newList("-h", "300") // 1000 passwords
	total := len(s.a.Unused(t))

	var (
		mu       sync.Mutex
		accepted = map[string]int{}
		alone    = map[string]int{} // how often a number was asked for alone
		late     [][]string         // answered rightly, and refused
		wg       sync.WaitGroup
		work     = make(chan int)
	)
	for range atOnce {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range work {
				numbers, in, err := s.oneOfMany(servers[i%len(servers)])
				mu.Lock()
				if errors.Is(err, world.ErrRefused) {
					late = append(late, numbers)
				} else if err != nil {
					t.Errorf("login %d, asked for %v: %v", i, numbers, err)
				}
				if len(numbers) == 1 {
					alone[numbers[0]]++
				}
				if in {
					for _, n := range numbers {
						accepted[n]++
					}
				}
				mu.Unlock()
			}
		}()
	}
	for i := range logins {
		work <- i
	}
	close(work)
	wg.Wait()
	for _, sshd := range servers {
		quiet(t, sshd)
	}
	// The last success takes all with it that is set aside.
	last := s.succeed()
	if len(last) == 1 {
		alone[last[0]]++
	}
	for _, n := range last {
		accepted[n]++
	}

	for n, times := range accepted {
		if times > 1 {
			t.Errorf("password %s was accepted %d times", n, times)
		}
	}
	// A number may be in two challenges if one has three: who answers second is refused.
	for _, numbers := range late {
		if !slices.ContainsFunc(numbers, func(n string) bool { return accepted[n] > 0 }) {
			t.Errorf("a right answer to %v was refused", numbers)
		}
	}
	if len(late) > logins/10 {
		t.Errorf("%d of %d right answers came after another with the same password", len(late), logins)
	}
	spent := map[string]bool{}
	for n := range accepted {
		spent[n] = true
	}
	for n, times := range alone {
		if times > 1 {
			t.Errorf("%s was asked for alone %d times", n, times)
		}
		spent[n] = true // accepted, or set aside until a success
	}
	unused := s.a.Unused(t)
	for n := range spent {
		if slices.Contains(unused, n) {
			t.Errorf("%s is not used up", n)
		}
	}
	if len(unused)+len(spent) != total {
		t.Errorf("of %d entries %d are unused, %d should be", total, len(unused), total-len(spent))
	}
	s.lock()
	t.Logf("%d logins: %d passwords accepted, %d numbers asked for alone, %d too late", logins+1, len(accepted), len(alone), len(late))
}

// oneOfMany is one login: two of ten answer wrongly, are interrupted or cut.
// A right answer that does not let the user in is ErrRefused.
func (s *scene) oneOfMany(sshd *world.Sshd) (numbers []string, in bool, err error) {
	l, err := sshd.NewLogin(s.a)
	if err != nil {
		return nil, false, err
	}
	defer l.Close()
	if numbers, err = l.FindPrompt(); err != nil {
		return nil, false, fmt.Errorf("%w\n%s", err, l.Output())
	}
	response := s.sheet.Response(numbers...)
	switch rand.N(10) {
	case 0:
		l.Type(response)
		l.Kill()
		return numbers, false, nil
	case 1:
		l.Enter(strings.ToLower(response) + "x")
		if err := l.FindResult(); err == nil {
			return numbers, true, fmt.Errorf("let in with a wrong answer")
		}
		return numbers, false, nil
	}
	l.Enter(response)
	if err := l.FindResult(); err != nil {
		return numbers, false, err
	}
	return numbers, true, nil
}
