// SPDX-License-Identifier: MIT

package printsheet

import (
	"errors"
	"fmt"
	"math"
)

// A Paper is the size of the sheets in the printer.
type Paper string

// Sizes of paper.
const (
	A4     Paper = "a4"     // 210 x 297 mm
	Letter Paper = "letter" // 215.9 x 279.4 mm
)

// A Style is what a sheet is made for.
type Style string

const (
	// FullPage is for a desk or a folder: large type.
	FullPage Style = "page"
	// Wallet is one page that folds to the size of a credit card: panels in
	// two columns, the first of them a cover.
	Wallet Style = "wallet"
)

// ErrTooWide: the passwords are too long for the style and the paper.
var ErrTooWide = errors.New("passwords too wide")

// A PDFPage says what a PDF sheet may look like.
type PDFPage struct {
	Paper Paper
	Style Style
	Pages int // at least 1; without effect if there is a Count
	Count int // passwords, at most MaxPasswords: it decides how many pages there are; 0 fills Pages pages
}

// A PDFLayout says where the passwords of a PDF sheet go: down the columns of a
// panel, then on the next panel. A full page is one panel.
type PDFLayout struct {
	Digits  int // of a number: 3, or 4 if there are more than 1000 passwords
	Columns int // of a panel
	Rows    int // of a panel
	Panels  int // with passwords, on each page but the last
	Pages   int
	Count   int // passwords in all
	paper   Paper
	style   Style
	length  int // characters of a printed password
	grid    grid
}

// All measures are in points, from the upper left corner.
const (
	inch = 72.0
	mm   = inch / 25.4

	sideMargin   = 14 * mm // of a full page
	topMargin    = 10 * mm
	bottomMargin = 10 * mm
	headHeight   = 118.0 // host, label, how to log in
	footHeight   = 24.0

	panelWidth    = 85.6 * mm // a credit card
	panelHeight   = 54 * mm
	panelColumns  = 2
	panelPadding  = 3 * mm // keeps text off the folds
	captionHeight = 13.0

	groupRows = 5 // are followed by a gap, in which the eye finds hold
	groupGap  = 3.0
)

type rect struct{ x, y, w, h float64 }

// size returns the size of the paper, ok is false if there is none of that name.
func (p Paper) size() (w, h float64, ok bool) {
	switch p {
	case A4:
		return 210 * mm, 297 * mm, true
	case Letter:
		return 8.5 * inch, 11 * inch, true
	}
	return 0, 0, false
}

// panelRows is how many panels of a wallet sheet stand above each other, so that
// a printer's margins stay free.
func (p Paper) panelRows() int {
	_, h, _ := p.size()
	return int((h - 2*12*mm) / panelHeight)
}

// NewPDF computes the layout for printed passwords of the given length in
// characters, on blanks between groups of at most four. It finds out all that
// could hinder WritePDF, but for the ID, which may be missing in h yet. More
// than 1000 passwords have numbers of four digits, and the layout for those.
// Errors: a value that is none of those above or below its bound, [ErrTooMany],
// [ErrTooWide], [ErrText].
func NewPDF(p PDFPage, h Header, length int) (PDFLayout, error) {
	if err := p.check(length); err != nil {
		return PDFLayout{}, err
	}
	l, err := p.layout(length, 3)
	if err == nil && l.Count > smallCount {
		l, err = p.layout(length, 4)
	}
	switch {
	case err != nil:
		return PDFLayout{}, err
	case l.Count > MaxPasswords:
		return PDFLayout{}, fmt.Errorf("%w: more than %d", ErrTooMany, MaxPasswords)
	}
	_, err = l.newTitle(h)
	if err != nil {
		return PDFLayout{}, err
	}
	return l, nil
}

func (p PDFPage) check(length int) error {
	_, _, ok := p.Paper.size()
	switch {
	case !ok:
		return fmt.Errorf("paper %q, want %s or %s", p.Paper, A4, Letter)
	case p.Style != FullPage && p.Style != Wallet:
		return fmt.Errorf("layout %q, want %s or %s", p.Style, FullPage, Wallet)
	case p.Pages < 1:
		return fmt.Errorf("%d pages, want at least 1", p.Pages)
	case p.Count < 0:
		return fmt.Errorf("%d passwords, want at least 1", p.Count)
	case length < 1:
		return fmt.Errorf("passwords of %d characters, want at least 1", length)
	}
	return nil
}

// layout computes the layout for numbers of so many digits. A count above
// MaxPasswords may come out lower than it is, but never below MaxPasswords.
func (p PDFPage) layout(length, digits int) (PDFLayout, error) {
	spec := p.spec()
	g, ok := spec.grid(digits, length)
	if !ok {
		most := length - 1
		for _, fits := spec.grid(digits, most); !fits; _, fits = spec.grid(digits, most) {
			most = min(most-1, 1000) // far above what fits
		}
		return PDFLayout{}, fmt.Errorf("%w: %d characters with their blanks; the layout %q on %s paper takes at most %d. Less entropy or another form makes them shorter",
			ErrTooWide, length, p.Style, p.Paper, most)
	}
	l := PDFLayout{Digits: digits, Columns: g.columns, Rows: g.rows, Panels: p.panels(), Pages: p.Pages, paper: p.Paper, style: p.Style, length: length, grid: g}
	if p.Count > 0 {
		l.Count = p.Count
		l.Pages = ceil(min(p.Count, MaxPasswords+1), l.perPage())
	} else {
		l.Count = l.perPage() * min(p.Pages, MaxPasswords+1)
	}
	return l, nil
}

// panels is how many panels of a page hold passwords.
func (p PDFPage) panels() int {
	if p.Style == Wallet {
		return p.Paper.panelRows()*panelColumns - 1
	}
	return 1
}

func (l PDFLayout) perPanel() int { return l.Rows * l.Columns }
func (l PDFLayout) perPage() int  { return l.perPanel() * l.Panels }

// Number returns the number of password i (0 <= i < Count), with leading zeros.
func (l PDFLayout) Number(i int) string { return fmt.Sprintf("%0*d", l.Digits, i) }

// panel returns which passwords, from <= i < to, stand on a panel of a page (both
// from 0), and in how many rows. The columns of a full page that is not full are
// about equally long.
func (l PDFLayout) panel(page, panel int) (from, to, rows int) {
	from = page*l.perPage() + panel*l.perPanel()
	to = min(from+l.perPanel(), l.Count)
	if rows = l.Rows; l.style == FullPage {
		rows = min(rows, ceil(ceil(to-from, l.Columns), groupRows)*groupRows)
	}
	return from, to, rows
}

// area returns where the rows of a panel stand.
func (l PDFLayout) area(panel int) rect {
	w, h, _ := l.paper.size()
	if l.style == FullPage {
		return rect{sideMargin, topMargin + headHeight, w - 2*sideMargin, h - topMargin - headHeight - footHeight - bottomMargin}
	}
	r := l.paper.card(panel + 1).inset(panelPadding)
	r.y += captionHeight
	r.h -= captionHeight
	return r
}

func (r rect) inset(d float64) rect { return rect{r.x + d, r.y + d, r.w - 2*d, r.h - 2*d} }

// card returns panel i of a wallet sheet, the cover being 0: down the left column, then down the right one.
func (p Paper) card(i int) rect {
	all, rows := p.cards(), p.panelRows()
	return rect{all.x + float64(i/rows)*panelWidth, all.y + float64(i%rows)*panelHeight, panelWidth, panelHeight}
}

// cards returns what is cut out of a wallet sheet.
func (p Paper) cards() rect {
	w, h, _ := p.size()
	cw, ch := panelColumns*panelWidth, float64(p.panelRows())*panelHeight
	return rect{(w - cw) / 2, (h - ch) / 2, cw, ch}
}

// Parts of a cell, in units of the size of its type: the box to cross off, which is as high
// as a capital, the room behind it, and a character of the passwords' font.
const (
	boxSide = 0.73
	boxGap  = 0.42
	advance = 1233.0 / 2048

	lineHeight = 1.2
)

// A grid is how passwords stand in a panel.
type grid struct {
	columns, rows int
	lines         int // of a password
	chars         int // of a line, at most
	size          float64
	cell          float64 // width of a cell
	step          float64 // from one column to the next
	pitch         float64 // from one row to the next
}

// A gridSpec says what a grid may look like.
type gridSpec struct {
	area              rect
	rows              int     // of passwords that take one line
	smallest, largest float64 // size of type
	gap               float64 // between columns, at least
}

// spec: columns are 40 or 10 passwords long, so that the last digit of a number tells how far
// down to look.
func (p PDFPage) spec() gridSpec {
	area := PDFLayout{paper: p.Paper, style: p.Style}.area(0)
	if p.Style == Wallet {
		return gridSpec{area, 10, 7, 9, 7}
	}
	return gridSpec{area, 40, 11, 12, 14}
}

// grid finds the grid that takes most passwords of this length. A password may
// take two lines. ok is false when there is none.
func (s gridSpec) grid(digits, length int) (g grid, ok bool) {
	for lines := 1; lines <= 2; lines++ {
		try := s.try(digits, length, lines)
		if try.columns*try.rows > g.columns*g.rows {
			g = try
		}
	}
	return g, g.columns > 0
}

// try finds the grid for passwords of so many lines; its columns are 0 when there
// is none.
func (s gridSpec) try(digits, length, lines int) grid {
	g := grid{rows: s.rows / lines, lines: lines, chars: lineChars(length, lines)}
	em := boxSide + boxGap + advance*float64(digits+1+g.chars) // width of a cell
	g.columns = int((s.area.w + s.gap) / (s.smallest*em + s.gap))
	if g.columns == 0 {
		return grid{}
	}
	n := float64(g.columns)
	g.pitch = (s.area.h - groupGap*float64(g.rows/groupRows-1)) / float64(g.rows)
	g.size = min(s.largest, (s.area.w-s.gap*(n-1))/n/em, g.pitch/(lineHeight*float64(lines)+0.04))
	g.size = math.Floor(g.size*10) / 10
	if g.size < s.smallest {
		return grid{}
	}
	g.cell = g.size * em
	if g.columns > 1 {
		g.step = g.cell + (s.area.w-n*g.cell)/(n-1)
	}
	return g
}

// lineChars returns how many characters a line needs so that every password of
// the length fits into the lines, wherever its blanks are: a line is at most
// four characters short of that, and a blank at its end goes.
func lineChars(length, lines int) int {
	if lines == 1 {
		return length
	}
	return ceil(length+3*(lines-1), lines)
}

// splitPassword splits a password into lines of at most so many characters, at
// blanks if there are any near the end of the line.
func splitPassword(p []byte, chars int) (lines [][]byte) {
	for len(p) > chars {
		cut := chars
		for cut > chars-4 && cut > 1 && p[cut] != ' ' {
			cut--
		}
		if p[cut] != ' ' {
			cut = chars
			lines, p = append(lines, p[:cut]), p[cut:]
			continue
		}
		lines, p = append(lines, p[:cut]), p[cut+1:]
	}
	return append(lines, p)
}
