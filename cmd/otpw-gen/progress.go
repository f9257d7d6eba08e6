// SPDX-License-Identifier: MIT

package main

import (
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	barWidth = 40 // at most
	barLeast = 5  // a narrower bar is none
)

// progress shows, where messages go to a terminal, how many of n passwords are
// hashed, on one line that is gone in the end. It returns nil, or what is to be
// told each number.
func (c *command) progress(n int) func(done int) {
	screen := c.screen
	if !term.IsTerminal(int(screen.Fd())) {
		return nil
	}
	const description = "Hashing"
	columns, _, err := term.GetSize(int(screen.Fd()))
	if err != nil || columns == 0 { // a terminal that does not say
		columns = 80
	}
	// beside the bar, and a column that stays empty, lest the line is broken
	around := len(description+" 100% [] (/)  ") + 2*len(strconv.Itoa(n))
	width := min(barWidth, columns-around)
	if width < barLeast {
		return nil
	}
	bar := progressbar.NewOptions(n,
		progressbar.OptionSetWriter(screen),
		progressbar.OptionSetDescription(description),
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetWidth(width),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish())
	return func(done int) {
		c.mu.Lock() // nothing more from it when a signal ends the program
		defer c.mu.Unlock()
		_ = bar.Set(done)
	}
}
