// SPDX-License-Identifier: MIT

package otp

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Dozens of processes challenge, answer, give up, are killed, revoke, unlock
// and replace at random, all with one list, and the power goes off now and then.
// What they are told must fit into a model of what may have been accepted and
// what may be asked for (model_check_test.go).
//
// OTPW_BUDGET multiplies the time of a minute. OTPW_SEED plays the games of one
// seed, as far as processes that run at the same time do the same twice.
func TestModel(t *testing.T) {
	flavours := map[string]flavour{
		"default": {options: fixed(Options{})},
		"reask":   {options: fixed(Options{Reask: true})},
		"nolock":  {options: fixed(Options{NoLock: true})},
		"legacy":  {options: fixed(Options{LegacyLock: true})},
		"stale":   {options: fixed(Options{LegacyLock: true, LockTimeout: 1})},
		"unlock":  {options: fixed(Options{}), unlock: true},
		"mixed":   {options: anyOptions},
	}
	formats := map[string]Header{"OTPW1": {Format: OTPW1}, "OTPW2": cheap}
	tests := len(flavours) * len(formats)
	atOnce := min(runtime.GOMAXPROCS(0), tests) // as many as go test runs in parallel
	each := time.Minute * time.Duration(fromEnv("OTPW_BUDGET", 1)*atOnce) / time.Duration(tests)
	if testing.Short() {
		each = 0
	}
	for name, flavour := range flavours {
		for format, header := range formats {
			t.Run(name+"/"+format, func(t *testing.T) {
				t.Parallel()
				cast := startActors(t)
				seed := fromEnv("OTPW_SEED", 0)
				next := rand.IntN(1 << 30)
				var games, attempts, accepted int
				for end := time.Now().Add(each); games == 0 || time.Now().Before(end) && !t.Failed(); games++ {
					next++
					g := play(t, cmp.Or(seed, next), flavour, header, cast)
					attempts += len(g.attempts)
					accepted += g.accepted()
				}
				t.Logf("%d games, the last one with OTPW_SEED=%d; %d attempts, %d accepted", games, cmp.Or(seed, next), attempts, accepted)
			})
		}
	}
}

// fromEnv is the number in an environment variable, or usual.
func fromEnv(variable string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return usual
}

// flavour is what all attempts of a game have in common.
type flavour struct {
	options func(*rand.Rand) Options
	unlock  bool // now and then somebody removes the lock file
}

func fixed(o Options) func(*rand.Rand) Options { return func(*rand.Rand) Options { return o } }

func anyOptions(r *rand.Rand) Options {
	return []Options{{}, {Reask: true}, {NoLock: true}, {LegacyLock: true}, {LegacyLock: true, LockTimeout: 1}}[r.IntN(5)]
}

// startActors returns the processes of a test's games.
func startActors(t *testing.T) []*actor {
	n := 32
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		n = 8
	}
	var cast []*actor
	for range n {
		a := &actor{}
		t.Cleanup(a.kill)
		cast = append(cast, a)
	}
	return cast
}

// A game is some hundred things that happen to one list, and what is known of them.
type game struct {
	flavour
	header     Header
	n          int // entries of each list
	path, disk string
	replaced   int // how often of 1000 times

	mu  sync.Mutex
	now int
	record
}

// numberOf is the number of entry i in a list, different in each list of a game.
func numberOf(list, i int) string { return fmt.Sprintf("%03d%02d", list, i) }

// listOf is the list that a number is from.
func listOf(number string) int {
	list, err := strconv.Atoi(number[:max(0, len(number)-2)])
	if err != nil {
		return -1
	}
	return list
}

// tick moves the clock on.
func (g *game) tick() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	return g.now
}

// play plays one game.
func play(t *testing.T, seed int, f flavour, header Header, cast []*actor) *game {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	dir := t.TempDir()
	g := &game{
		flavour:  f,
		header:   header,
		n:        10 + r.IntN(90),
		path:     filepath.Join(dir, "list"),
		disk:     filepath.Join(dir, "disk"),
		replaced: []int{0, 10, 60}[r.IntN(3)],
	}
	if err := os.Mkdir(g.disk, 0o700); err != nil {
		t.Fatal(err)
	}
	var players []*player
	for i := range 2 + r.IntN(len(cast)-1) {
		players = append(players, &player{game: g, actor: cast[i], r: rand.New(rand.NewPCG(uint64(seed), uint64(i+1)))})
	}
	first := players[0]
	for len(g.lists) < 50 && !slices.ContainsFunc(g.lists, (*generation).committed) {
		first.replace()
		first.publish("commit")
	}
	for range 2 {
		everybody(players, func(p *player) {
			for range max(6, 120/len(players)) {
				p.step()
			}
		})
		first.leave() // the others are still at their prompts
		first.look()
		everybody(players, (*player).leave)
		first.look()
		if r.IntN(2) == 0 {
			g.powerOff = append(g.powerOff, g.tick())
			if err := powerCut(g.path, g.disk); err != nil {
				t.Fatal(err)
			}
			first.look()
		}
		first.finish()
		first.look()
	}
	if faults := g.check(); len(faults) > 0 {
		t.Errorf("OTPW_SEED=%d: %d players, lists of %d entries\n%s\n\nwhat happened:\n%s",
			seed, len(players), g.n, strings.Join(faults[:min(len(faults), 10)], "\n"), g.String())
	}
	return g
}

func everybody(players []*player, do func(*player)) {
	var wg sync.WaitGroup
	for _, p := range players {
		wg.Add(1)
		go func() {
			defer wg.Done()
			do(p)
		}()
	}
	wg.Wait()
}

// A player does things at random, with a process that it may lose at any time.
type player struct {
	*game
	actor *actor
	r     *rand.Rand
	login *attempt    // at its prompt
	list  *generation // on its way
	empty bool        // the list seems to need replacing
}

// do has the player's process do something, and kills it now and then.
func (p *player) do(c command) (reply, span) {
	c.Path, c.Disk = p.path, p.disk
	c.Slow = time.Duration(p.r.IntN(500)) * time.Microsecond
	if p.r.IntN(30) == 0 {
		c.Slow = time.Duration(p.r.IntN(25)) * time.Millisecond // longer than others pause between two tries
	}
	kill := never
	switch p.r.IntN(24) {
	case 0:
		kill = time.Duration(p.r.IntN(1500)) * time.Microsecond
	case 1:
		kill = time.Duration(p.r.IntN(20)) * time.Millisecond // when many wait for the list lock
	case 2:
		c.Die = []string{"before", "after"}[p.r.IntN(2)]
	}
	at := span{start: p.tick()}
	r := p.actor.do(c, kill)
	at.end = p.tick()
	return r, at
}

// dead reports whether the player has lost its process, and with it what it had in hand.
func (p *player) dead(at span) bool {
	if p.actor.cmd != nil {
		return false
	}
	if p.login != nil && !p.login.ended() {
		p.login.over = at
	}
	if p.list != nil && !p.list.ended() {
		p.list.done = at
	}
	p.login, p.list = nil, nil
	return true
}

func (p *player) die() {
	at := span{start: p.tick()}
	p.actor.kill()
	at.end = p.tick()
	p.dead(at)
}

func (p *player) step() {
	what := p.r.IntN(100)
	switch {
	case p.login != nil:
		switch {
		case what < 30:
			time.Sleep(time.Duration(p.r.IntN(4000)) * time.Microsecond) // a person
		case what < 70:
			p.answer(true)
		case what < 82:
			p.answer(false)
		case what < 93:
			p.cut()
		default:
			p.die()
		}
	case p.list != nil:
		p.publish([]string{"commit", "commit", "commit", "abort"}[what%4])
	case p.r.IntN(1000) < p.replaced || p.empty && what < 20:
		p.replace()
	case what < 80:
		p.challenge()
	case what < 88:
		p.revoke()
	case what < 90 && p.unlock:
		p.remove()
	default:
		p.look()
	}
}

// leave ends what the player has in hand.
func (p *player) leave() {
	if p.login != nil {
		p.cut()
	}
	if p.list != nil {
		p.publish("commit")
	}
	if p.r.IntN(8) == 0 {
		p.die()
	}
}

// challenge begins a login.
func (p *player) challenge() {
	o := p.options(p.r)
	r, at := p.do(command{Do: "begin", Options: o})
	a := &attempt{o: o, begin: at, asked: r.Numbers, err: r.Err}
	p.note(func() { p.attempts = append(p.attempts, a) })
	if r.Err == "" {
		p.login = a
	} else {
		a.over = at
	}
	p.empty = r.Err == ErrExhausted.Error() || r.Err == ErrTooFew.Error()
	p.dead(at)
}

// answer answers it.
func (p *player) answer(rightly bool) {
	a := p.login
	response := right(strings.Join(a.asked, "/"))
	if !rightly {
		response[len(response)-1]++
	}
	r, at := p.do(command{Do: "verify", Response: response})
	a.over, a.answered, a.right, a.err, a.left = at, true, rightly, r.Err, r.Left
	p.login = nil
	p.dead(at)
}

// cut ends it without an answer.
func (p *player) cut() {
	r, at := p.do(command{Do: "close"})
	p.login.over, p.login.err = at, r.Err
	p.login = nil
	p.dead(at)
}

// finish logs in rightly.
func (p *player) finish() {
	if p.challenge(); p.login != nil {
		p.answer(true)
	}
}

// revoke revokes what somebody was asked for lately, or anything.
func (p *player) revoke() {
	var numbers []string
	p.note(func() {
		list := p.lists[p.r.IntN(len(p.lists))].id
		numbers = []string{numberOf(list, p.r.IntN(p.n))}
		if k := len(p.attempts); k > 0 {
			numbers = append(numbers, p.attempts[k-1-p.r.IntN(min(k, 8))].asked...)
		}
	})
	r, at := p.do(command{Do: "revoke", Revoke: numbers})
	p.note(func() { p.revocations = append(p.revocations, &revocation{at, numbers, r.Numbers, r.Err}) })
	p.dead(at)
}

// replace begins a new list and writes it.
func (p *player) replace() {
	l := &generation{}
	p.note(func() {
		l.id = len(p.lists)
		p.lists = append(p.lists, l)
	})
	r, at := p.do(command{Do: "replace"})
	l.create, l.err = at, r.Err
	if r.Err == "" {
		p.list = l
	}
	if p.dead(at) || r.Err != "" {
		l.done = at
		return
	}
	r, at = p.do(command{Do: "write", List: l.id, N: p.n, Header: p.header})
	l.writeErr = r.Err
	p.dead(at)
}

// publish puts it in the place of the old one, or not.
func (p *player) publish(how string) {
	if p.list == nil {
		return
	}
	r, at := p.do(command{Do: how})
	p.list.done, p.list.how, p.list.err = at, how, r.Err
	p.list = nil
	p.dead(at)
}

// remove removes the lock file.
func (p *player) remove() {
	r, at := p.do(command{Do: "unlock"})
	p.note(func() { p.unlocks = append(p.unlocks, &removal{at, r.Err}) })
	p.dead(at)
}

// look looks at list and lock file.
func (p *player) look() {
	r, at := p.do(command{Do: "look"})
	p.note(func() { p.views = append(p.views, &view{at, r.Numbers, r.Names, r.Err}) })
	p.dead(at)
}

func (p *player) note(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}
