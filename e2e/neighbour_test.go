// SPDX-License-Identifier: MIT

package e2e

import (
	"slices"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// Two machines share homes. What holds on one holds on both.

// neighbours is a scene with a second server, on a machine of its own.
type neighbours struct {
	*scene
	there *world.Sshd
}

// setUpNeighbours installs the module on both.
func setUpNeighbours(t *testing.T, arguments ...string) *neighbours {
	t.Helper()
	s := setUp(t, arguments...)
	return &neighbours{s, s.Neighbour(t).Sshd(t, pamLines(s.Install(t), arguments...))}
}

// eachWay runs a test with either server as the first one.
func eachWay(t *testing.T, test func(t *testing.T, n *neighbours), arguments ...string) {
	t.Run("here first", func(t *testing.T) {
		t.Parallel()
		test(t, setUpNeighbours(t, arguments...))
	})
	t.Run("there first", func(t *testing.T) {
		t.Parallel()
		n := setUpNeighbours(t, arguments...)
		n.sshd, n.there = n.there, n.sshd
		test(t, n)
	})
}

// While one machine asks for a number alone, the other asks for three others;
// what was cut on one is set aside on both.
func TestNeighboursAsk(t *testing.T) {
	eachWay(t, func(t *testing.T, n *neighbours) {
		one := n.sshd.Login(n.a)
		number := one.Single()
		other := n.there.Login(n.a)
		three := other.Triple()
		if slices.Contains(three, number) {
			t.Errorf("asked for %v while the neighbour asks for %s", three, number)
		}
		other.Enter(n.sheet.Response(three...))
		other.Accepted()
		n.lock(number)
		one.Kill()
		n.quiet()
		n.lock(number)
		other = n.there.Login(n.a)
		next := other.Single()
		n.lock(number, next)
		other.Enter(n.sheet.Response(next))
		other.Accepted()
		n.lock()
		n.lostOnly(append(three, number, next)...)
	})
}

// A list that is replaced while both machines ask for passwords of the old one.
func TestNeighboursReplace(t *testing.T) {
	eachWay(t, func(t *testing.T, n *neighbours) {
		one := n.sshd.Login(n.a)
		number := one.Single()
		other := n.there.Login(n.a)
		three := other.Triple()
		old := n.sheet
		n.newList("-h", "20")
		n.lock()
		now := n.there.Login(n.a)
		next := now.Single()
		one.Enter(old.Response(number))
		other.Enter(old.Response(three...))
		one.Refused()
		other.Refused()
		n.lostOnly()
		n.lock(next)
		now.Enter(n.sheet.Response(next))
		now.Accepted()
		n.lostOnly(next)
		n.lock()
	})
}

// With nolock both machines ask for the same number. One lets in.
func TestNeighboursNolock(t *testing.T) {
	t.Parallel()
	n := setUpNeighbours(t, "nolock")
	for range budget(4) {
		one, other := n.sshd.Login(n.a), n.there.Login(n.a)
		number := one.Single()
		if got := other.Single(); got != number {
			t.Fatalf("asked for %s and %s", number, got)
		}
		response := n.sheet.Response(number)
		one.Type(response)
		other.Type(response)
		if a, b := enterBoth(t, one, other); a == b {
			t.Errorf("let in with %s: here %v, there %v", number, a, b)
		}
		n.usedUp(number)
	}
}

func TestNeighboursManyLogins(t *testing.T) {
	t.Parallel()
	n := setUpNeighbours(t)
	n.manyLogins(budget(60), 12, n.sshd, n.there)
}
