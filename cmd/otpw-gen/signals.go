// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// watchSignals cleans up before a signal ends the program, and keeps the
// terminal sane when one suspends it. What the caller ignores stays ignored
// (nohup, say). The function it returns ends the watch.
func (c *command) watchSignals() (stop func()) {
	ch := make(chan os.Signal, 4)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP} {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	go func() {
		for s := range ch {
			if s == syscall.SIGTSTP {
				c.in.suspend()
				continue
			}
			c.mu.Lock() // not in the middle of writing or replacing
			c.cleanUpLocked()
			fmt.Fprintln(c.msg, "\notpw-gen: broken off, "+c.state())
			os.Exit(128 + int(s.(syscall.Signal)))
		}
	}()
	return func() { signal.Stop(ch) }
}

// cleanUp leaves nothing behind: the terminal as it was, no new list that is
// not in its place. It may be called at any time.
func (c *command) cleanUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleanUpLocked()
}

func (c *command) cleanUpLocked() {
	c.in.end()
	if c.pending != nil {
		if err := c.ids.asKeeper(c.pending.Abort); err != nil {
			fmt.Fprintf(c.msg, "otpw-gen: %v\n", err)
		}
		c.pending = nil
	}
	if c.to != nil {
		if err := c.to.settle(false); err != nil {
			fmt.Fprintf(c.msg, "otpw-gen: %v\n", err)
		}
	}
}
