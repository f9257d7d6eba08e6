// SPDX-License-Identifier: MIT

package printsheet

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-text/typesetting/di"
	"github.com/jung-kurt/gofpdf"
)

// A typeface is one of the fonts that come with the program.
type typeface struct{ family, style, file string }

var (
	mono     = typeface{"mono", "", "DejaVuSansMono"}
	monoBold = typeface{"mono", "B", "DejaVuSansMono-Bold"}
	sans     = typeface{"sans", "", "DejaVuSans"}
	sansBold = typeface{"sans", "B", "DejaVuSans-Bold"}
)

func setFont(pdf *gofpdf.Fpdf, f typeface, size float64) { pdf.SetFont(f.family, f.style, size) }

// The longest ID and LastDay, in characters, for which there is room.
const (
	maxID      = 12
	maxLastDay = 20
)

// A title is what a sheet says about its list.
type title struct {
	host, label block
}

// newTitle shapes host and label. Its errors are [ErrText]. The host may take half
// of the room when there is a label, too.
func (l PDFLayout) newTitle(h Header) (title, error) {
	const smallest = 7
	room, hostLargest, labelLargest := l.titleRoom(), 15.0, 12.0
	if l.style == Wallet {
		hostLargest, labelLargest = 11, 9
	}
	if len(h.ID) > maxID || !isASCII(h.ID) {
		return title{}, fmt.Errorf("%w: the id %q", ErrText, h.ID)
	}
	if len(h.LastDay) > maxLastDay || !isASCII(h.LastDay) {
		return title{}, fmt.Errorf("%w: the last day %q", ErrText, h.LastDay)
	}
	var t title
	var err error
	fonts := newFontSet()
	half := room
	if h.Label != "" {
		half.h /= 2
	}
	// a host name is read from left to right, whatever its first letter is
	if t.host, err = fonts.fit("host", h.Host, di.DirectionLTR, half, hostLargest, smallest); err != nil {
		return title{}, err
	}
	room.h -= t.host.height()
	if t.label, err = fonts.fit("label", h.Label, direction(h.Label), room, labelLargest, smallest); err != nil {
		return title{}, err
	}
	return t, nil
}

// titleRoom returns where host and label stand.
func (l PDFLayout) titleRoom() rect {
	if l.style == Wallet {
		r := l.paper.card(0).inset(panelPadding)
		r.h = 44
		return r
	}
	const pageNumber = 90 // stands beside it
	a := l.area(0)
	return rect{a.x, topMargin, a.w - pageNumber, 49}
}

// fit shapes a text and breaks it into lines that fit into the room.
func (s *fontSet) fit(what, str string, dir di.Direction, room rect, largest, smallest float64) (block, error) {
	t, err := s.shape(what, str, dir)
	if err != nil {
		return block{}, err
	}
	b, ok := t.fit(room.w, room.h, largest, smallest)
	if !ok {
		return block{}, fmt.Errorf("%w: the %s is too long for its place on the sheet (%d characters)", ErrText, what, len(t.runes))
	}
	return b, nil
}

// WritePDF writes the sheet as PDF. There must be l.Count passwords, in the order
// of their numbers. The same arguments make the same bytes. It returns the first
// error of w, or one about the passwords or the header. What the PDF library
// keeps of the passwords cannot be overwritten: it is garbage when this returns.
func WritePDF(w io.Writer, l PDFLayout, h Header, passwords []Numbered) error {
	if err := checkPasswords(passwords, l.Count, l.Digits, l.length); err != nil {
		return err
	}
	for _, p := range passwords {
		if !isASCII(p.Number) || !isASCII(p.Password) {
			return fmt.Errorf("print sheet: password %q: a character that is not printable ASCII", p.Number)
		}
	}
	t, err := l.newTitle(h)
	if err != nil {
		return fmt.Errorf("print sheet: %w", err)
	}
	s := &sheet{newDocument(l.paper, h.Time), l, h, t, passwords}
	for page := range l.Pages {
		s.pdf.AddPage()
		if l.style == FullPage {
			s.drawPage(page)
		} else {
			s.drawWallet(page)
		}
	}
	if err := s.pdf.Output(w); err != nil {
		return fmt.Errorf("print sheet: %w", err)
	}
	return nil
}

// newDocument begins a document that says nothing about itself but when the list
// was made.
func newDocument(p Paper, when time.Time) *gofpdf.Fpdf {
	w, h, _ := p.size()
	pdf := gofpdf.NewCustom(&gofpdf.InitType{UnitStr: "pt", Size: gofpdf.SizeType{Wd: w, Ht: h}})
	pdf.SetCatalogSort(true)
	if when.IsZero() {
		when = time.Unix(0, 0).UTC() // the library would take the present time
	}
	when = when.Truncate(time.Minute) // as the sheet says it
	pdf.SetCreationDate(when)
	pdf.SetModificationDate(when)
	pdf.SetProducer("OTPW", false)
	pdf.SetMargins(0, 0, 0)
	pdf.SetAutoPageBreak(false, 0)
	for _, f := range []typeface{mono, monoBold, sans, sansBold} {
		data, err := fontFiles.ReadFile("fonts/" + f.file + ".ttf")
		if err != nil {
			panic(err) // embedded
		}
		pdf.AddUTF8FontFromBytes(f.family, f.style, data)
	}
	return pdf
}

// A sheet is being drawn.
type sheet struct {
	pdf       *gofpdf.Fpdf
	l         PDFLayout
	h         Header
	title     title
	passwords []Numbered
}

// bandGrey is light enough for the dots that black-and-white printers make of it to
// leave the type alone.
const bandGrey = 240

// text writes a string with its baseline at y, and returns where it ends.
func (s *sheet) text(f typeface, size, x, y float64, str string) float64 {
	setFont(s.pdf, f, size)
	s.pdf.Text(x, y, str)
	return x + s.pdf.GetStringWidth(str)
}

func (s *sheet) textWidth(f typeface, size float64, str string) float64 {
	setFont(s.pdf, f, size)
	return s.pdf.GetStringWidth(str)
}

func (s *sheet) textRight(f typeface, size, right, y float64, str string) {
	s.text(f, size, right-s.textWidth(f, size, str), y, str)
}

func (s *sheet) textCentred(f typeface, size, x, y float64, str string) {
	s.text(f, size, x-s.textWidth(f, size, str)/2, y, str)
}

func (s *sheet) drawTitle() {
	r := s.l.titleRoom()
	s.title.host.draw(s.pdf, r.x, r.y)
	s.title.label.draw(s.pdf, r.x, r.y+s.title.host.height())
}

// drawPage draws a full page.
func (s *sheet) drawPage(page int) {
	from, to, rows := s.l.panel(page, 0)
	area := s.l.area(0)
	right, bottom := area.x+area.w, area.y+area.h

	s.drawTitle()
	s.textRight(sansBold, 10, right, topMargin+11, s.pageNumber(page))
	s.textRight(sansBold, 13, right, topMargin+30, s.numbers(from, to))
	y := area.y - 60.0
	s.text(sans, 9, area.x, y, strings.Join(append(s.facts(), s.count()), dot))
	s.rule(area.x, y+5, area.w)
	s.drawExample(area.x, y+19, 9.5)
	s.text(sans, 9.5, area.x, y+49, s.order())

	s.drawCells(0, from, to, rows)

	s.text(sans, 9, area.x, bottom+footHeight, s.listName())
	s.textCentred(sansBold, 11, area.x+area.w/2, bottom+footHeight, reminder)
	s.textRight(sans, 9, right, bottom+footHeight, s.pageNumber(page))
}

func (s *sheet) count() string {
	if s.l.Count == 1 {
		return "1 password"
	}
	return fmt.Sprintf("%d passwords", s.l.Count)
}

// numbers names the passwords from <= i < to.
func (s *sheet) numbers(from, to int) string {
	return s.l.Number(from) + "–" + s.l.Number(to-1)
}

const (
	reminder = "Type your PREFIX PASSWORD first!"
	dot      = "  ·  " // between facts
)

func (s *sheet) pageNumber(page int) string { return fmt.Sprintf("page %d of %d", page+1, s.l.Pages) }

func (s *sheet) listName() string {
	if s.h.ID == "" {
		return "OTPW list"
	}
	return "OTPW list " + s.h.ID
}

// facts are what is known about the list.
func (s *sheet) facts() []string {
	verb := "made "
	if s.h.Again {
		verb = "copy made "
	}
	f := []string{s.listName(), verb + s.h.Time.Format(timeFormat)}
	if s.h.LastDay != "" {
		f = append(f, "last day "+s.h.LastDay)
	}
	return f
}

// order says which password comes next, and what goes wrong most.
func (s *sheet) order() string {
	if s.h.Ordered {
		return "Asked for in this order ↓: the next is the first not crossed off. No blank behind the prefix!"
	}
	if s.h.Again { // who prints a copy may not have said that the list is ordered
		return "Cross off what you used. No blank behind the prefix!"
	}
	return "Asked for in random order. Cross off what you used. No blank behind the prefix!"
}

func (s *sheet) rule(x, y, w float64) {
	s.pdf.SetLineWidth(0.7)
	s.pdf.Line(x, y, x+w, y)
}

// drawExample draws what a login asks for and what is typed, in two lines if
// there are enough passwords to be asked for three.
func (s *sheet) drawExample(x, y, size float64) {
	number := func(i int) string { return s.l.Number(min(i, s.l.Count-1)) }
	three := []string{number(22), number(0), number(4)}
	asked := "Password " + strings.Join(three, "/") + ":"
	tab := x + s.textWidth(monoBold, size, asked) + size/2
	s.text(monoBold, size, x, y, "Password "+number(44)+":")
	s.drawKeys(tab, y, size, "password "+number(44))
	if s.l.Count >= 10 { // with fewer, nobody is asked for three
		y += 1.6 * size
		s.text(monoBold, size, x, y, asked)
		s.drawKeys(tab, y, size, three...)
	}
}

// drawKeys draws what to type, each part in a frame, the prefix in black.
func (s *sheet) drawKeys(x, y, size float64, parts ...string) {
	x = s.text(sans, size, x, y, "→") + size/2
	frame := func(f typeface, str, style string) {
		w := s.textWidth(f, size-0.5, str) + 0.8*size
		s.pdf.SetLineWidth(0.6)
		s.pdf.Rect(x, y-size, w, 1.35*size, style)
		s.text(f, size-0.5, x+0.4*size, y, str)
		x += w
	}
	s.pdf.SetTextColor(255, 255, 255)
	frame(sansBold, "prefix", "FD")
	s.pdf.SetTextColor(0, 0, 0)
	for _, p := range parts {
		frame(sans, p, "D")
	}
}

// drawCells draws the passwords from <= i < to in a panel.
func (s *sheet) drawCells(panel, from, to, rows int) {
	g, area := s.l.grid, s.l.area(panel)
	for i := from; i < to; i++ {
		column, row := (i-from)/rows, (i-from)%rows
		x := area.x + float64(column)*g.step
		y := area.y + float64(row)*g.pitch + float64(row/groupRows)*groupGap
		s.drawCell(x, y, row%groupRows%2 == 0, s.passwords[i])
	}
}

// drawCell draws a box, a number and a password, with their upper left corner at x, y.
func (s *sheet) drawCell(x, y float64, band bool, p Numbered) {
	g, pdf := s.l.grid, s.pdf
	if band {
		pdf.SetFillColor(bandGrey, bandGrey, bandGrey)
		pdf.Rect(x-0.2*g.size, y, g.cell+0.4*g.size, g.pitch, "F")
		pdf.SetFillColor(0, 0, 0)
	}
	// the lines stand in the middle of the row
	y += (g.pitch-float64(g.lines-1)*lineHeight*g.size)/2 + boxSide/2*g.size
	pdf.SetFillColor(255, 255, 255)
	pdf.SetLineWidth(0.06 * g.size)
	pdf.Rect(x, y-boxSide*g.size, boxSide*g.size, boxSide*g.size, "FD")
	pdf.SetFillColor(0, 0, 0)
	x += (boxSide + boxGap) * g.size
	s.text(monoBold, g.size, x, y, p.Number)
	x += advance * g.size * float64(len(p.Number)+1)
	for _, line := range splitPassword(p.Password, g.chars) {
		s.text(mono, g.size, x, y, string(line))
		y += lineHeight * g.size
	}
}

// checkPasswords: the passwords must be those of the layout.
func checkPasswords(passwords []Numbered, count, digits, length int) error {
	if len(passwords) != count {
		return fmt.Errorf("print sheet: %d passwords, want %d", len(passwords), count)
	}
	for _, p := range passwords {
		if len(p.Number) != digits || len(p.Password) != length {
			return fmt.Errorf("print sheet: number or password of another length than the layout's (%d, %d)", digits, length)
		}
	}
	return nil
}

// isASCII reports whether there is nothing but printable ASCII, which is what the
// fonts for passwords have.
func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// utf16Hex returns a string as PDF takes it between < and >.
func utf16Hex(s string) string {
	var b strings.Builder
	b.WriteString("FEFF")
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, "%04X", u)
	}
	return b.String()
}
