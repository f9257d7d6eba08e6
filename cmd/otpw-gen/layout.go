// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/otpw-go/otpw/printsheet"
)

// A layout is of a text sheet or of a PDF sheet.
type layout interface {
	fmt.Stringer
	count() int
	Number(i int) string
	write(w io.Writer, h printsheet.Header, cells []printsheet.Numbered) error
}

// layout computes where passwords of that printed length stand.
func (o *options) layout(h printsheet.Header, length int) (layout, error) {
	if !o.isPDF() {
		l, err := printsheet.New(o.page, length)
		return textLayout{l}, err
	}
	l, err := printsheet.NewPDF(printsheet.PDFPage{
		Paper: printsheet.Paper(strings.ToLower(string(o.paper))),
		Style: o.style,
		Pages: o.page.Pages,
		Count: o.page.Count,
	}, h, length)
	return pdfLayout{l}, err
}

type textLayout struct{ printsheet.Layout }

func (l textLayout) count() int { return l.Count }

func (l textLayout) String() string {
	return fmt.Sprintf("%d passwords in %d columns and %d rows on each of %d pages, numbers of %d digits", l.Count, l.Columns, l.Rows, l.Pages, l.Digits)
}

func (l textLayout) write(w io.Writer, h printsheet.Header, cells []printsheet.Numbered) error {
	return printsheet.WriteText(w, l.Layout, h, cells)
}

type pdfLayout struct{ printsheet.PDFLayout }

func (l pdfLayout) count() int { return l.Count }

func (l pdfLayout) String() string {
	return fmt.Sprintf("%d passwords in %d columns and %d rows in %d panels on each of %d pages, numbers of %d digits", l.Count, l.Columns, l.Rows, l.Panels, l.Pages, l.Digits)
}

func (l pdfLayout) write(w io.Writer, h printsheet.Header, cells []printsheet.Numbered) error {
	return printsheet.WritePDF(w, l.PDFLayout, h, cells)
}
