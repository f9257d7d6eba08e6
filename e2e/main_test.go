// SPDX-License-Identifier: MIT

// Package e2e tests the suite with real parts: sshd, ssh, su, login, sudo and
// libpam of this system in a private world (see package world), and Debian's
// OTPW 1.5 as the oracle.
//
// It needs root, what make has built ($OTPW_BUILD, by default build in the
// source tree) and what scripts/original and scripts/need bring. Without root
// its tests are skipped. OTPW_BUDGET multiplies the rounds of the long ones.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otpw-go/otpw/e2e/world"
)

var (
	theWorld *world.World
	noWorld  error
	skipped  atomic.Int32
)

func TestMain(m *testing.M) {
	theWorld, noWorld = world.Enter()
	if noWorld != nil && !errors.Is(noWorld, world.ErrNotRoot) && os.Getenv("CI") != "" {
		fmt.Fprintln(os.Stderr, "e2e: root, but no private world:", noWorld)
		os.Exit(1)
	}
	// Logins mostly wait: for each other, and for the delay after a wrong password.
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8")
	}
	status := m.Run()
	if n := skipped.Load(); n > 0 {
		fmt.Printf("e2e: %d tests skipped: %v\n", n, noWorld)
	}
	os.Exit(status)
}

// begin is the first line of each test: it returns the world, or skips the
// test where there is none.
func begin(t *testing.T) *world.World {
	t.Helper()
	needWorld(t)
	theWorld.Watch(t, time.Duration(budget(1))*3*time.Minute)
	return theWorld
}

// needWorld is begin for a test that only waits for its parts, each of which has
// a begin of its own.
func needWorld(t *testing.T) {
	t.Helper()
	if noWorld != nil {
		skipped.Add(1)
		t.Skip(noWorld)
	}
}

// budget scales a number of rounds by $OTPW_BUDGET.
func budget(n int) int {
	if factor, err := strconv.Atoi(os.Getenv("OTPW_BUDGET")); err == nil && factor > 0 {
		return n * factor
	}
	return n
}
