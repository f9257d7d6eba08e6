// SPDX-License-Identifier: MIT

package printsheet

import (
	"fmt"
	"slices"
	"strings"
)

// The sheet for a wallet is printed on one side. Cut out and folded lengthwise,
// print outside, it is a strip with panels on both sides; that is folded to and
// fro, so that the cover is outside and each opening shows two panels.

// drawWallet draws a sheet for a wallet.
func (s *sheet) drawWallet(page int) {
	s.drawMarks()
	s.drawCover(page)
	for i := range s.l.Panels {
		from, to, rows := s.l.panel(page, i)
		if from >= to {
			break
		}
		s.drawCaption(i, from, to)
		s.drawCells(i, from, to, rows)
	}
}

// drawCaption says which passwords stand on a panel, and of which list.
func (s *sheet) drawCaption(panel, from, to int) {
	area := s.l.area(panel)
	y := area.y - 4.5
	x := s.text(sansBold, 9, area.x, y, s.numbers(from, to))
	if s.h.Ordered {
		s.text(sans, 7.5, x, y, "  ↓ in this order")
	}
	s.textRight(sans, 7, area.x+area.w, y, s.listName())
}

// drawCover draws the panel that is outside when the sheet is folded.
func (s *sheet) drawCover(page int) {
	r := s.l.paper.card(0).inset(panelPadding)
	s.drawTitle()
	y := r.y + s.l.titleRoom().h + 8
	line := func(words ...string) {
		s.text(sans, 7.5, r.x, y, strings.Join(words, dot))
		y += 10
	}
	f := s.facts()
	line(f[:2]...)
	line(append(f[2:], s.pageNumber(page))...)
	first := page * s.l.perPage()
	line(slices.DeleteFunc([]string{"passwords " + s.numbers(first, min(first+s.l.perPage(), s.l.Count)), s.shortOrder()}, func(s string) bool { return s == "" })...)
	s.rule(r.x, y-6, r.w)
	s.text(sansBold, 9, r.x, y+6, reminder)
	s.drawExample(r.x, y+19, 7.5)
	s.text(sans, 7.5, r.x, r.y+r.h-1, "No blank behind the prefix. Cross off what you used.")
}

func (s *sheet) shortOrder() string {
	if s.h.Ordered {
		return "asked for in this order"
	}
	if s.h.Again {
		return ""
	}
	return "asked for in random order"
}

// drawMarks draws where to cut and to fold.
func (s *sheet) drawMarks() {
	pdf, all := s.pdf, s.l.paper.cards()
	right, bottom := all.x+all.w, all.y+all.h
	pdf.SetLineWidth(0.35) // thin, not grey: printers make dots of grey
	pdf.Rect(all.x, all.y, all.w, all.h, "D")
	pdf.SetDashPattern([]float64{4, 3}, 0)
	pdf.Line(all.x+panelWidth, all.y-8, all.x+panelWidth, bottom+8)
	for i := 1; i < s.l.paper.panelRows(); i++ {
		y := all.y + float64(i)*panelHeight
		pdf.Line(all.x-8, y, right+8, y)
	}
	pdf.SetDashPattern(nil, 0)
	s.drawInstructions(all)
}

// drawInstructions says in the margins how to cut and fold. The first fold is the one in the middle.
func (s *sheet) drawInstructions(all rect) {
	const size = 7.5
	middle, right := all.x+panelWidth, all.x+all.w
	rows := s.l.paper.panelRows()
	s.text(sans, size, all.x, all.y-12, "Print at 100 %. Cut out along the frame.")
	s.textCentred(sansBold, size, middle, all.y-12, "fold 1 back")
	s.textRight(sans, size, right, all.y-12, fmt.Sprintf("Fold 1 back, then 2 to %d in turn back and forward.", rows))
	for i := 1; i < rows; i++ {
		way := "back"
		if i%2 == 0 {
			way = "forward"
		}
		y := all.y + float64(i)*panelHeight
		s.textRight(sansBold, size, all.x-3, y-3, fmt.Sprintf("fold %d", i+1))
		s.textRight(sansBold, size, all.x-3, y+3+boxSide*size, way)
	}
}
