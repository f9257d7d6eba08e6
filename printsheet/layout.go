// SPDX-License-Identifier: MIT

// Package printsheet puts numbered one-time passwords on paper. Its text sheet
// is, byte for byte, that of OTPW 1.5. Its PDF sheets are a full page, or one that
// folds into a wallet.
package printsheet

import (
	"errors"
	"fmt"
)

// Bounds and defaults of a sheet, those of OTPW 1.5.
const (
	DefaultHeight = 60 // lines
	DefaultWidth  = 79 // characters
	MinWidth      = 64 // characters, room for header and footer
	MinHeight     = 5  // lines: those around the rows, and one row

	// MaxPasswords is how many passwords fit in all: numbers have at most
	// four digits, and a list at most this many entries.
	MaxPasswords = 9999

	marginLines = 4    // header and footer, each with a blank line
	smallCount  = 1000 // up to this many passwords have three digits
	maxLength   = 9999 // characters of a printed password, far above what a list takes
)

// ErrTooMany: there would be more than [MaxPasswords] passwords.
var ErrTooMany = errors.New("too many passwords")

// A Page says what a sheet may look like.
type Page struct {
	Height int  // lines, at least MinHeight, or 1 if Bare
	Width  int  // characters, at least MinWidth, or 1 if Bare; a longer password makes longer lines
	Pages  int  // at least 1; without effect if there is a Count
	Count  int  // passwords, at most MaxPasswords: it decides how many pages there are; 0 fills Pages pages
	Bare   bool // no header and footer
}

// A Layout says where the passwords of a sheet go: down the columns, and then
// on the next page.
type Layout struct {
	Digits  int // of a number: 3, or 4 if there are more than 1000 passwords
	Columns int
	Rows    int // on every page but the last of a given count
	Pages   int
	Count   int // passwords in all
	bare    bool
	length  int // characters of a printed password
}

// New computes the layout for printed passwords of the given length in
// characters. One page that is to be filled has at most 1000 passwords, whatever
// its height. More than 1000 have numbers of four digits, and the layout for
// those. Errors: a value below its bound, or [ErrTooMany].
func New(p Page, length int) (Layout, error) {
	if err := p.check(length); err != nil {
		return Layout{}, err
	}
	l := p.layout(length, 3)
	if l.Count > smallCount {
		l = p.layout(length, 4)
	}
	if l.Count > MaxPasswords {
		return Layout{}, fmt.Errorf("%w: more than %d", ErrTooMany, MaxPasswords)
	}
	return l, nil
}

func (p Page) check(length int) error {
	minHeight, minWidth := MinHeight, MinWidth
	if p.Bare {
		minHeight, minWidth = 1, 1
	}
	switch {
	case p.Height < minHeight:
		return fmt.Errorf("height of %d lines, want at least %d", p.Height, minHeight)
	case p.Width < minWidth:
		return fmt.Errorf("width of %d characters, want at least %d", p.Width, minWidth)
	case p.Pages < 1:
		return fmt.Errorf("%d pages, want at least 1", p.Pages)
	case p.Count < 0:
		return fmt.Errorf("%d passwords, want at least 1", p.Count)
	case length < 1 || length > maxLength:
		return fmt.Errorf("passwords of %d characters, want 1 to %d", length, maxLength)
	}
	return nil
}

// layout computes the layout for numbers of so many digits. A count above
// MaxPasswords may come out lower than it is, but never below MaxPasswords.
func (p Page) layout(length, digits int) Layout {
	// a sheet of more columns or rows than there are passwords is none
	cell := digits + 1 + length + 2
	cols := max(1, (min(p.Width, MaxPasswords*cell)+2)/cell)
	rows := min(p.Height, MaxPasswords+marginLines)
	if !p.Bare {
		rows -= marginLines
	}
	l := Layout{Digits: digits, Columns: cols, Rows: rows, Pages: p.Pages, bare: p.Bare, length: length}
	switch {
	case p.Count > 0:
		l.fit(p.Count)
	case p.Pages == 1:
		l.Columns = min(cols, smallCount)
		l.Rows = min(rows, smallCount/l.Columns)
		l.Count = l.Rows * l.Columns
	default:
		l.Count = min(cols*rows, MaxPasswords+1) * min(p.Pages, MaxPasswords+1)
	}
	return l
}

// fit makes a layout for count passwords of one that fills its pages.
func (l *Layout) fit(count int) {
	l.Count = count
	if count <= l.Rows*l.Columns { // one page: no longer or wider than needed
		l.Rows = ceil(count, l.Columns)
		l.Columns = ceil(count, l.Rows)
	}
	l.Pages = ceil(count, l.Rows*l.Columns)
}

func ceil(a, b int) int { return (a + b - 1) / b }

// rows returns the rows of page p (from 0): the last one of a given count is
// cut so that its columns are about equally long.
func (l Layout) rows(p int) int {
	return min(l.Rows, ceil(l.Count-p*l.Rows*l.Columns, l.Columns))
}

// Number returns the number of password i (0 <= i < Count), with leading zeros.
func (l Layout) Number(i int) string { return fmt.Sprintf("%0*d", l.Digits, i) }
