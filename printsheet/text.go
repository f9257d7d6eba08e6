// SPDX-License-Identifier: MIT

package printsheet

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// A Header is what the first line of each page says.
type Header struct {
	Time    time.Time
	Host    string
	Again   bool   // the sheet is a further copy
	Label   string // may be empty
	LastDay string // on which the list is good, ASCII, at most 20 characters; may be empty

	// The text sheet says nothing of these.
	ID      string // of the list, ASCII; may be empty
	Ordered bool   // passwords are asked for in the order of their numbers
}

// A Numbered password stands in one cell of the sheet.
type Numbered struct {
	Number   string // as Layout.Number gives it
	Password []byte // as printed
}

const (
	headerText = "OTPW list %s %s on %s"
	footerText = "!!! REMEMBER: Enter the PREFIX PASSWORD first !!!"
	timeFormat = "2006-01-02 15:04"
	newline    = "\r\n"
	formFeed   = "\f\n" // instead of the newline that ends a page
	gap        = "  "   // between cells
)

// WriteText writes the sheet as text: lines end in CR LF, and pages are
// separated by a form feed. There must be l.Count passwords, in the order of
// their numbers. It returns the first error of w, or one about the passwords.
func WriteText(w io.Writer, l Layout, h Header, passwords []Numbered) error {
	if err := checkPasswords(passwords, l.Count, l.Digits, l.length); err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	for page := range l.Pages {
		if page > 0 {
			b.WriteString(formFeed)
		}
		if !l.bare {
			b.WriteString(h.text() + newline + newline)
		}
		writeRows(b, l, page, passwords)
		if !l.bare {
			fmt.Fprintf(b, newline+newline+"%*s", l.footerWidth(), footerText)
		}
	}
	b.WriteString(newline)
	if err := b.Flush(); err != nil { // holds the first error of all
		return fmt.Errorf("print sheet: %w", err)
	}
	return nil
}

// writeRows writes the rows of a page, with newlines between them.
func writeRows(b *bufio.Writer, l Layout, page int, passwords []Numbered) {
	rows := l.rows(page)
	passwords = passwords[page*l.Rows*l.Columns:]
	for i := range rows {
		if i > 0 {
			b.WriteString(newline)
		}
		for j := 0; j < l.Columns && j*rows+i < len(passwords); j++ {
			if j > 0 {
				b.WriteString(gap)
			}
			p := passwords[j*rows+i]
			b.WriteString(p.Number)
			b.WriteByte(' ')
			b.Write(p.Password)
		}
	}
}

// footerWidth returns the width in characters of the field in which the footer
// stands right-aligned: about in the middle of the columns.
func (l Layout) footerWidth() int {
	return (l.Columns*(l.Digits+1+l.length+len(gap))-len(gap))/2 + 25
}

func (h Header) text() string {
	verb := "generated"
	if h.Again {
		verb = "regenerated"
	}
	text := fmt.Sprintf(headerText, verb, h.Time.Format(timeFormat), h.Host)
	if h.Label != "" {
		text += ": " + h.Label
	}
	if h.LastDay != "" {
		text += ", last day " + h.LastDay
	}
	return text
}
