// SPDX-License-Identifier: MIT

package printsheet

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otpw-go/otpw/otp"
)

var pdfHeader = Header{
	Time:    when,
	Host:    "host.example",
	Label:   "Reise",
	ID:      "k3m9x2pq",
	LastDay: "2027-02-20",
}

// What a PDF sheet holds.
func TestPDFLayout(t *testing.T) {
	for _, c := range []struct {
		name   string
		page   PDFPage
		length int
		want   string
	}{
		{"page", PDFPage{A4, FullPage, 1, 0}, 9, "3 digits, 4x40 on 1 panel, 160 on 1 page"},
		{"page, letter", PDFPage{Letter, FullPage, 1, 0}, 9, "3 digits, 4x40 on 1 panel, 160 on 1 page"},
		{"page, small letters", PDFPage{A4, FullPage, 1, 0}, 12, "3 digits, 3x40 on 1 panel, 120 on 1 page"},
		{"page, words", PDFPage{A4, FullPage, 1, 0}, 24, "3 digits, 2x40 on 1 panel, 80 on 1 page"},
		{"page, 11 words", PDFPage{A4, FullPage, 1, 0}, 54, "3 digits, 1x40 on 1 panel, 40 on 1 page"},
		{"page, two lines", PDFPage{A4, FullPage, 1, 0}, 120, "3 digits, 1x20 on 1 panel, 20 on 1 page"},
		{"page, least entropy", PDFPage{A4, FullPage, 1, 0}, 5, "3 digits, 6x40 on 1 panel, 240 on 1 page"},
		{"wallet", PDFPage{A4, Wallet, 1, 0}, 9, "3 digits, 3x10 on 9 panels, 270 on 1 page"},
		{"wallet, letter", PDFPage{Letter, Wallet, 1, 0}, 9, "3 digits, 3x10 on 7 panels, 210 on 1 page"},
		{"wallet, small letters", PDFPage{A4, Wallet, 1, 0}, 12, "3 digits, 2x10 on 9 panels, 180 on 1 page"},
		{"wallet, words", PDFPage{A4, Wallet, 1, 0}, 24, "3 digits, 1x10 on 9 panels, 90 on 1 page"},
		{"wallet, 11 words", PDFPage{A4, Wallet, 1, 0}, 54, "3 digits, 1x5 on 9 panels, 45 on 1 page"},
		{"wallet, least entropy", PDFPage{A4, Wallet, 1, 0}, 5, "3 digits, 4x10 on 9 panels, 360 on 1 page"},
		{"pages", PDFPage{A4, FullPage, 6, 0}, 9, "3 digits, 4x40 on 1 panel, 960 on 6 pages"},
		{"four digits", PDFPage{A4, FullPage, 7, 0}, 9, "4 digits, 4x40 on 1 panel, 1120 on 7 pages"},
		{"four digits cost a column", PDFPage{A4, FullPage, 5, 0}, 5, "4 digits, 5x40 on 1 panel, 1000 on 5 pages"},
		{"count", PDFPage{A4, FullPage, 9, 13}, 9, "3 digits, 4x40 on 1 panel, 13 on 1 page"},
		{"count, a page", PDFPage{A4, FullPage, 1, 160}, 9, "3 digits, 4x40 on 1 panel, 160 on 1 page"},
		{"count, one more", PDFPage{A4, FullPage, 1, 161}, 9, "3 digits, 4x40 on 1 panel, 161 on 2 pages"},
		{"count, 1000", PDFPage{A4, Wallet, 1, 1000}, 9, "3 digits, 3x10 on 9 panels, 1000 on 4 pages"},
		{"count, 1001", PDFPage{A4, Wallet, 1, 1001}, 9, "4 digits, 3x10 on 9 panels, 1001 on 4 pages"},
		{"most", PDFPage{Letter, Wallet, 1, 9999}, 54, "4 digits, 1x5 on 7 panels, 9999 on 286 pages"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := NewPDF(c.page, pdfHeader, c.length)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%d digits, %dx%d on %s, %d on %s", l.Digits, l.Columns, l.Rows, plural(l.Panels, "panel"), l.Count, plural(l.Pages, "page"))
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

func TestPDFErrors(t *testing.T) {
	anyError := errors.New("any")
	for _, c := range []struct {
		name   string
		page   PDFPage
		change func(*Header)
		length int
		want   error
	}{
		{"no paper", PDFPage{"", FullPage, 1, 0}, nil, 9, anyError},
		{"unknown paper", PDFPage{"a3", FullPage, 1, 0}, nil, 9, anyError},
		{"no style", PDFPage{A4, "", 1, 0}, nil, 9, anyError},
		{"unknown style", PDFPage{A4, "poster", 1, 0}, nil, 9, anyError},
		{"no pages", PDFPage{A4, FullPage, 0, 0}, nil, 9, anyError},
		{"negative count", PDFPage{A4, FullPage, 1, -1}, nil, 9, anyError},
		{"no length", PDFPage{A4, FullPage, 1, 0}, nil, 0, anyError},
		{"too wide for a page", PDFPage{A4, FullPage, 1, 0}, nil, 144, ErrTooWide},
		{"too wide for letter", PDFPage{Letter, FullPage, 1, 0}, nil, 150, ErrTooWide},
		{"too wide for a wallet", PDFPage{A4, Wallet, 1, 0}, nil, 93, ErrTooWide},
		{"just too wide with four digits", PDFPage{A4, Wallet, 1, 1001}, nil, 92, ErrTooWide},
		{"huge length", PDFPage{A4, Wallet, 1, 0}, nil, 1 << 40, ErrTooWide},
		{"10000", PDFPage{A4, FullPage, 1, 10000}, nil, 9, ErrTooMany},
		{"huge count", PDFPage{A4, FullPage, 1, 1 << 40}, nil, 9, ErrTooMany},
		{"many pages", PDFPage{A4, FullPage, 1 << 40, 0}, nil, 9, ErrTooMany},
		{"long label", PDFPage{A4, FullPage, 1, 0}, func(h *Header) { h.Label = strings.Repeat("wide ", 400) }, 9, ErrText},
		{"long label on a cover", PDFPage{A4, Wallet, 1, 0}, func(h *Header) { h.Label = strings.Repeat("wide ", 51) }, 9, ErrText},
		{"long host", PDFPage{A4, Wallet, 1, 0}, func(h *Header) { h.Host = strings.Repeat("wide.", 51) }, 9, ErrText},
		{"label not UTF-8", PDFPage{A4, FullPage, 1, 0}, func(h *Header) { h.Label = "S\xfcden" }, 9, ErrText},
		{"host not UTF-8", PDFPage{A4, FullPage, 1, 0}, func(h *Header) { h.Host = "\xff" }, 9, ErrText},
		{"newline", PDFPage{A4, FullPage, 1, 0}, func(h *Header) { h.Label = "a\nb" }, 9, ErrText},
		{"no character", PDFPage{A4, FullPage, 1, 0}, func(h *Header) { h.Label = "a\U0003ffff" }, 9, ErrText},
		{"no font", PDFPage{A4, FullPage, 1, 0}, func(h *Header) { h.Label = "key \U0001f511" }, 9, ErrText},
		{"no font for the host", PDFPage{A4, Wallet, 1, 0}, func(h *Header) { h.Host = "\U00012000" }, 9, ErrText},
		{"long id", PDFPage{A4, Wallet, 1, 0}, func(h *Header) { h.ID = strings.Repeat("a", maxID+1) }, 9, ErrText},
		{"long last day", PDFPage{A4, Wallet, 1, 0}, func(h *Header) { h.LastDay = strings.Repeat("a", maxLastDay+1) }, 9, ErrText},
		{"id", PDFPage{A4, Wallet, 1, 0}, func(h *Header) { h.ID = "ä" }, 9, ErrText},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := pdfHeader
			if c.change != nil {
				c.change(&h)
			}
			_, err := NewPDF(c.page, h, c.length)
			if err == nil || c.want != anyError && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// An error names what is wrong.
func TestPDFErrorNames(t *testing.T) {
	h := pdfHeader
	h.Label = "key \U0001f511"
	for _, c := range []struct {
		page   PDFPage
		length int
		want   string
	}{
		{PDFPage{A4, Wallet, 1, 0}, 100, `100 characters.*"wallet" on a4 .* 91\b`},
		{PDFPage{Letter, FullPage, 1, 0}, 200, `200 characters.*"page" on letter .* 145\b`},
		{PDFPage{A4, FullPage, 1, 0}, 9, `U\+1F511.* label`},
	} {
		if _, err := NewPDF(c.page, h, c.length); err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	for _, p := range []Paper{A4, Letter} { // what the message says is true
		for _, s := range []Style{FullPage, Wallet} {
			_, err := NewPDF(PDFPage{p, s, 1, 0}, pdfHeader, 1000)
			m := regexp.MustCompile(`at most ([0-9]+)`).FindStringSubmatch(fmt.Sprint(err))
			if m == nil {
				t.Fatal(err)
			}
			most, _ := strconv.Atoi(m[1])
			if _, err := NewPDF(PDFPage{p, s, 1, 0}, pdfHeader, most); err != nil {
				t.Error(err)
			}
			if _, err := NewPDF(PDFPage{p, s, 1, 0}, pdfHeader, most+1); !errors.Is(err, ErrTooWide) {
				t.Errorf("%s, %s: %d characters: error %v", p, s, most+1, err)
			}
		}
	}
}

// Each password has a place of its own, within the panel, whatever their number.
func TestPDFPlaces(t *testing.T) {
	for _, style := range []Style{FullPage, Wallet} {
		for count := 1; count <= 1300; count++ {
			l, err := NewPDF(PDFPage{A4, style, 1, count}, Header{}, 9)
			if err != nil {
				t.Fatal(err)
			}
			next := 0
			for page := range l.Pages {
				before := next
				for panel := range l.Panels {
					from, to, rows := l.panel(page, panel)
					if from >= l.Count {
						break
					}
					switch {
					case from != next || to <= from:
						t.Fatalf("count %d: panel %d.%d holds %d to %d, want from %d", count, page, panel, from, to, next)
					case rows > l.Rows || (to-from+rows-1)/rows > l.Columns || rows%groupRows != 0:
						t.Fatalf("count %d: panel %d.%d holds %d in %d rows", count, page, panel, to-from, rows)
					case style == FullPage && rows-groupRows >= ceil(to-from, l.Columns):
						t.Fatalf("count %d: %d of page %d in %d rows", count, to-from, page, rows)
					}
					next = to
				}
				if next == before {
					t.Fatalf("count %d: page %d is empty", count, page)
				}
			}
			if next != count {
				t.Fatalf("count %d: places for %d", count, next)
			}
		}
	}
}

// A wallet sheet is two columns of credit cards. The cover is the upper left one,
// and the panels go down the left column, then down the right one.
func TestCards(t *testing.T) {
	for paper, rows := range map[Paper]int{A4: 5, Letter: 4} {
		w, h, _ := paper.size()
		if got := paper.panelRows(); got != rows {
			t.Fatalf("%s: %d rows, want %d", paper, got, rows)
		}
		left, top := (w-2*85.6*mm)/2, (h-float64(rows)*54*mm)/2
		for i := range 2 * rows {
			want := rect{left + float64(i/rows)*85.6*mm, top + float64(i%rows)*54*mm, 85.6 * mm, 54 * mm}
			if got := paper.card(i); abs(got.x-want.x)+abs(got.y-want.y)+abs(got.w-want.w)+abs(got.h-want.h) > 0.01 {
				t.Errorf("%s: panel %d is %+v, want %+v", paper, i, got, want)
			}
		}
		if left < 12*mm || top < 12*mm {
			t.Errorf("%s: margins of %g and %g points", paper, left, top)
		}
	}
}

func TestSplitPassword(t *testing.T) {
	for _, c := range []struct {
		password string
		chars    int
		want     string
	}{
		{"abcd efgh", 9, "abcd efgh"},
		{"abcd efgh ijkl", 9, "abcd efgh|ijkl"},
		{"abcd efgh ijkl", 8, "abcd|efgh|ijkl"},
		{"abcd efgh ijkl", 10, "abcd efgh|ijkl"},
		{"abcd efgh ijkl", 13, "abcd efgh|ijkl"},
		{"abcdefghijkl", 5, "abcde|fghij|kl"},
		{"a", 1, "a"},
		{"ab c", 1, "a|b|c"},
	} {
		got := string(bytes.Join(splitPassword([]byte(c.password), c.chars), []byte("|")))
		if got != c.want {
			t.Errorf("%q in lines of %d: %q, want %q", c.password, c.chars, got, c.want)
		}
	}
}

// Every password with groups of at most four characters fits into the lines.
func TestLineChars(t *testing.T) {
	for length := 1; length <= 160; length++ {
		chars := lineChars(length, 2)
		for range 200 {
			p := bytes.Repeat([]byte("x"), length)
			for i := rand.IntN(4) + 1; i < length-1; i += 2 + rand.IntN(4) {
				p[i] = ' '
			}
			if lines := splitPassword(p, chars); len(lines) > 2 {
				t.Fatalf("%q: %q", p, lines)
			}
		}
	}
}

// Sheets of all forms and entropies are read back: what stands where.
func TestPDFForms(t *testing.T) {
	for form := otp.Base64; form <= otp.Base32; form++ {
		for entropy, length := otp.MinEntropy, 0; entropy <= 120; entropy++ {
			if form.PrintedLen(entropy) == length || raceDetector && entropy%10 != 0 {
				continue
			}
			length = form.PrintedLen(entropy)
			for _, p := range []PDFPage{{A4, FullPage, 1, 0}, {Letter, FullPage, 1, 0}, {A4, Wallet, 1, 0}, {Letter, Wallet, 1, 0}} {
				t.Run(fmt.Sprintf("p%d-e%d-%s-%s", form, entropy, p.Style, p.Paper), func(t *testing.T) {
					t.Parallel()
					checkSheet(t, p, pdfHeader, form, entropy)
				})
			}
		}
	}
}

// Sheets of many sizes are read back. The largest have numbers of four digits.
func TestPDFCounts(t *testing.T) {
	counts := []int{1, 2, 3, 5, 6, 9, 10, 11, 29, 30, 31, 159, 160, 161, 210, 211, 270, 271, 281, 999, 1000, 1001, 2000}
	if raceDetector {
		counts = counts[:10]
	}
	for range 10 {
		counts = append(counts, 1+rand.IntN(700))
	}
	for i, count := range counts {
		for _, style := range []Style{FullPage, Wallet} {
			p := PDFPage{[]Paper{A4, Letter}[i%2], style, 1, count}
			t.Run(fmt.Sprintf("%d-%s-%s", count, style, p.Paper), func(t *testing.T) {
				t.Parallel()
				h := pdfHeader
				h.Ordered = i%3 == 0
				checkSheet(t, p, h, otp.Form(i/2%3), otp.DefaultEntropy)
			})
		}
	}
	for form := otp.Base64; form <= otp.Base32; form++ { // wide, and four digits
		for _, style := range []Style{FullPage, Wallet} {
			t.Run(fmt.Sprintf("1001-p%d-e120-%s", form, style), func(t *testing.T) {
				t.Parallel()
				checkSheet(t, PDFPage{A4, style, 1, 1001}, pdfHeader, form, 120)
			})
		}
	}
}

// checkSheet makes a sheet of random passwords, reads it back, and checks that
// all stand on it, in order, inside the margins or the panels, in type that is
// large enough, and that nothing overlaps.
func checkSheet(t *testing.T, p PDFPage, h Header, form otp.Form, entropy int) {
	t.Helper()
	l, err := NewPDF(p, h, form.PrintedLen(entropy))
	if err != nil {
		t.Fatal(err)
	}
	ps := make([]Numbered, l.Count)
	for i := range ps {
		ps[i] = Numbered{l.Number(i), form.Printed(otp.NewPassword(form, entropy))}
	}
	pages := readPDF(t, writePDF(t, l, h, ps))
	if len(pages) != l.Pages {
		t.Fatalf("%d pages, want %d", len(pages), l.Pages)
	}
	for i, page := range pages {
		checkWords(t, l, page)
		words := page.Words
		for panel := range l.Panels {
			from, to, _ := l.panel(i, panel)
			if from < to {
				words = checkPanel(t, l, panel, words, ps[from:to])
			}
		}
		if l.style == Wallet && len(words) > 0 {
			t.Errorf("behind the last panel: %v", words)
		}
	}
}

// Pages are of the size that the paper is sold in.
func TestPaperSizes(t *testing.T) {
	for _, c := range []struct {
		paper         Paper
		width, height float64 // millimetres
	}{{A4, 210, 297}, {Letter, 215.9, 279.4}} {
		for _, style := range []Style{FullPage, Wallet} {
			l, err := NewPDF(PDFPage{c.paper, style, 1, 1}, pdfHeader, 9)
			if err != nil {
				t.Fatal(err)
			}
			page := readPDF(t, writePDF(t, l, pdfHeader, passwordsFor(l)))[0]
			if abs(page.Width-c.width*mm) > 0.1 || abs(page.Height-c.height*mm) > 0.1 {
				t.Errorf("%s, %s: %g x %g mm, want %g x %g", c.paper, style, page.Width/mm, page.Height/mm, c.width, c.height)
			}
		}
	}
}

// printerMargin is what many printers cannot print on.
const printerMargin = 12.0

// checkWords: all is inside the margins, large enough, and apart from each other.
func checkWords(t *testing.T, l PDFLayout, page pdfPage) {
	t.Helper()
	w, h, _ := l.paper.size()
	if abs(page.Width-w) > 0.1 || abs(page.Height-h) > 0.1 {
		t.Errorf("a page of %g x %g points", page.Width, page.Height)
	}
	for i, a := range page.Words {
		if a.X0 < printerMargin || a.Y0 < printerMargin || a.X1 > w-printerMargin || a.Y1 > h-printerMargin {
			t.Errorf("%v is outside of the margins", a)
		}
		if a.size() < 6.99 {
			t.Errorf("%v in %g points", a, a.size())
		}
		for _, b := range page.Words[:i] {
			if a.X0 < b.X1 && b.X0 < a.X1 && a.Y0 < b.Y1 && b.Y0 < a.Y1 {
				t.Errorf("%v overlaps %v", a, b)
			}
		}
	}
}

// checkPanel finds the passwords of a panel among the words, and returns the
// words behind them.
func checkPanel(t *testing.T, l PDFLayout, panel int, words []word, ps []Numbered) []word {
	t.Helper()
	room := l.area(panel)
	smallest := 11.0
	if l.style == Wallet {
		room, smallest = l.paper.card(panel+1).inset(2*mm), 7
	}
	var want []string
	for _, p := range ps {
		want = append(want, p.Number)
		want = append(want, strings.Fields(string(p.Password))...)
	}
	at := find(words, want)
	if at < 0 {
		t.Fatalf("panel %d: no %q", panel, want)
	}
	if numbers := ps[0].Number + "–" + ps[len(ps)-1].Number; find(words[:at], []string{numbers}) < 0 {
		t.Errorf("panel %d: no %q above it", panel, numbers)
	}
	var number word
	for i, w := range words[at : at+len(want)] {
		if w.X0 < room.x-0.1 || w.Y0 < room.y-0.1 || w.X1 > room.x+room.w+0.1 || w.Y1 > room.y+room.h+0.1 {
			t.Errorf("%v is outside of panel %d, %+v", w, panel, room)
		}
		if w.size() < smallest-0.01 {
			t.Errorf("%v in %g points", w, w.size())
		}
		switch {
		case i%(len(want)/len(ps)) == 0:
			number = w
		case w.X0 <= number.X1 || w.Y0 < number.Y0-0.1 || w.Y0 > number.Y0+2*w.size():
			t.Errorf("%v does not stand behind %v", w, number)
		}
	}
	checkBoxes(t, l, words[at:at+len(want)], len(want)/len(ps))
	return words[at+len(want):]
}

// checkBoxes: the boxes before the numbers stand apart from the passwords to the left
// of them. A cell has so many words, the first of them its number.
func checkBoxes(t *testing.T, l PDFLayout, words []word, cell int) {
	t.Helper()
	const apart = 6.9 // points
	for i := 0; i < len(words); i += cell {
		number := words[i]
		box := number.X0 - (boxGap+boxSide)*l.grid.size
		for _, w := range words {
			if w.X0 < number.X0 && w.X1 > box-apart && w.Y0 < number.Y1 && number.Y0 < w.Y1 {
				t.Errorf("the box of %v is too near to %v", number, w)
			}
		}
	}
}

// find returns where the words say this, or -1.
func find(words []word, want []string) int {
	for at := range len(words) - len(want) + 1 {
		if slices.EqualFunc(words[at:at+len(want)], want, func(w word, s string) bool { return w.Text == s }) {
			return at
		}
	}
	return -1
}

func abs(x float64) float64 { return max(x, -x) }

// A pdfPage is a page as poppler reads it.
type pdfPage struct {
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Words  []word  `xml:"word"`
}

type word struct {
	X0   float64 `xml:"xMin,attr"`
	Y0   float64 `xml:"yMin,attr"`
	X1   float64 `xml:"xMax,attr"`
	Y1   float64 `xml:"yMax,attr"`
	Text string  `xml:",chardata"`
}

func (w word) String() string {
	return fmt.Sprintf("%q (%.1f-%.1f, %.1f-%.1f)", w.Text, w.X0, w.X1, w.Y0, w.Y1)
}

// size returns the size of the type: the fonts for our own words have the same
// ascent and descent.
func (w word) size() float64 { return (w.Y1 - w.Y0) / 1.163 }

func writePDF(t *testing.T, l PDFLayout, h Header, ps []Numbered) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WritePDF(&b, l, h, ps); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readPDF reads the words of a PDF, in the order in which they were written.
func readPDF(t *testing.T, pdf []byte) []pdfPage {
	t.Helper()
	var doc struct {
		Pages []pdfPage `xml:"body>doc>page"`
	}
	d := xml.NewDecoder(bytes.NewReader(poppler(t, pdf, "pdftotext", "-raw", "-bbox", "-", "-")))
	d.Strict, d.Entity = false, xml.HTMLEntity
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc.Pages
}

// poppler runs one of poppler's programs.
func poppler(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && os.Getenv("CI") == "" {
		t.Skip("needs poppler-utils: ", err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(name, err)
	}
	return out
}

// pdfText returns what a page says, with single blanks.
func pdfText(page pdfPage) string {
	var b strings.Builder
	for _, w := range page.Words {
		b.WriteString(w.Text + " ")
	}
	return b.String()
}

// What a sheet says about its list.
func TestPDFHeader(t *testing.T) {
	plain := Header{Time: when, Host: "host.example"}
	with := func(change func(*Header)) Header {
		h := plain
		change(&h)
		return h
	}
	for _, c := range []struct {
		name      string
		header    Header
		want, not []string
	}{
		{"plain", plain, []string{"host.example", "made 2026-11-22 23:14", "OTPW list", "page 1 of 2", "PREFIX PASSWORD first!", "random order", "No blank behind the prefix",
			"Password 044: → prefix password 044", "Password 022/000/004: → prefix 022 000 004"}, []string{"last day", "copy", "in this order"}},
		{"again", with(func(h *Header) { h.Again = true }), []string{"copy made 2026-11-22 23:14"}, nil},
		{"label", with(func(h *Header) { h.Label = "Reise nach Süden" }), []string{"host.example Reise nach Süden"}, nil},
		{"expiry", with(func(h *Header) { h.LastDay = "2027-02-20" }), []string{"last day 2027-02-20"}, nil},
		{"id", with(func(h *Header) { h.ID = "k3m9x2pq" }), []string{"OTPW list k3m9x2pq"}, nil},
		{"order", with(func(h *Header) { h.Ordered = true }), []string{"in this order"}, []string{"random"}},
		{"all", Header{when, "host.example", true, "Reise nach Süden", "2027-03-01, to 01:00", strings.Repeat("w", maxID), true},
			[]string{strings.Repeat("w", maxID), "last day 2027-03-01, to 01:00"}, nil},
	} {
		for _, style := range []Style{FullPage, Wallet} {
			t.Run(c.name+", "+string(style), func(t *testing.T) {
				l, err := NewPDF(PDFPage{A4, style, 2, 0}, c.header, 9)
				if err != nil {
					t.Fatal(err)
				}
				pages := readPDF(t, writePDF(t, l, c.header, passwordsFor(l)))
				for _, p := range pages {
					checkWords(t, l, p)
				}
				got := pdfText(pages[0])
				for _, want := range c.want {
					if !strings.Contains(got, want) {
						t.Errorf("no %q in %q", want, got)
					}
				}
				for _, not := range c.not {
					if strings.Contains(got, not) {
						t.Errorf("%q in %q", not, got)
					}
				}
				second := []string{"page 2 of 2", "host.example", "passwords 270–539"}
				if style == FullPage {
					second = []string{"page 2 of 2", "host.example", "320 passwords", "160–319"}
				}
				for _, want := range second {
					if got := pdfText(pages[1]); !strings.Contains(got, want) {
						t.Errorf("second page: no %q in %q", want, got)
					}
				}
				if n := strings.Count(got, "in this order"); style == Wallet && c.header.Ordered && n != l.Panels+1 {
					t.Errorf("cover and panels speak of the order %d times", n)
				}
			})
		}
	}
}

// passwordsFor makes passwords of length 9, all different.
func passwordsFor(l PDFLayout) []Numbered {
	ps := make([]Numbered, l.Count)
	for i := range ps {
		ps[i] = Numbered{l.Number(i), fmt.Appendf(nil, "pass %04d", i)}
	}
	return ps
}

// A long host leaves room for the label.
func TestLongHostWithLabel(t *testing.T) {
	h := pdfHeader
	h.Host = strings.Repeat("host.", 20) + "example"
	for _, style := range []Style{FullPage, Wallet} {
		l, err := NewPDF(PDFPage{A4, style, 1, 1}, h, 9)
		if err != nil {
			t.Errorf("%s: %v", style, err)
			continue
		}
		page := readPDF(t, writePDF(t, l, h, passwordsFor(l)))[0]
		checkWords(t, l, page)
		if got := pdfText(page); !strings.Contains(strings.ReplaceAll(got, " ", ""), h.Host+h.Label) {
			t.Errorf("%s: no %s and %s in %q", style, h.Host, h.Label, got)
		}
	}
}

// Few passwords: nobody is asked for three, nor for a number that is not there.
func TestPDFExampleOfFew(t *testing.T) {
	for count, want := range map[int]string{1: "Password 000: → prefix password 000", 9: "Password 008: → prefix password 008"} {
		l, err := NewPDF(PDFPage{A4, Wallet, 1, count}, pdfHeader, 9)
		if err != nil {
			t.Fatal(err)
		}
		got := pdfText(readPDF(t, writePDF(t, l, pdfHeader, passwordsFor(l)))[0])
		if !strings.Contains(got, want) || strings.Contains(got, "/") {
			t.Errorf("%d: %q", count, got)
		}
	}
}

// A PDF says about itself what the sheet says, and no more.
func TestPDFInfo(t *testing.T) {
	for _, c := range []struct {
		name, want string
		time       time.Time
	}{
		{"time", "20261122231400", when}, // to the minute
		{"no time", "19700101000000", time.Time{}},
	} {
		h := Header{Time: c.time, Host: "h"}
		l, err := NewPDF(PDFPage{A4, FullPage, 1, 1}, h, 9)
		if err != nil {
			t.Fatal(err)
		}
		pdf := string(writePDF(t, l, h, passwordsFor(l)))
		want := "<<\n/Producer (OTPW)\n/CreationDate (D:" + c.want + ")\n/ModDate (D:" + c.want + ")\n>>"
		if !strings.Contains(pdf, want) || strings.Contains(pdf, "/Metadata") || strings.Contains(pdf, "/ID") {
			t.Errorf("%s: no %q, or more", c.name, want)
		}
	}
}

// The same sheet is the same file, byte for byte.
func TestPDFIsTheSame(t *testing.T) {
	h := pdfHeader
	h.Label = "旅行 עולם हिन्दी"
	for _, style := range []Style{FullPage, Wallet} {
		var first []byte
		for range 3 {
			l, err := NewPDF(PDFPage{A4, style, 2, 0}, h, 9)
			if err != nil {
				t.Fatal(err)
			}
			pdf := writePDF(t, l, h, passwordsFor(l))
			if first == nil {
				first = pdf
			}
			if !bytes.Equal(pdf, first) {
				t.Errorf("%s: two files differ", style)
			}
		}
	}
}

func TestWritePDFErrors(t *testing.T) {
	l, err := NewPDF(PDFPage{A4, Wallet, 1, 0}, pdfHeader, 9)
	if err != nil {
		t.Fatal(err)
	}
	ps := passwordsFor(l)
	for _, c := range []struct {
		name   string
		change func([]Numbered) []Numbered
	}{
		{"one missing", func(ps []Numbered) []Numbered { return ps[1:] }},
		{"short", func(ps []Numbered) []Numbered { ps[3].Password = []byte("short"); return ps }},
		{"number", func(ps []Numbered) []Numbered { ps[3].Number = "0003"; return ps }},
		{"not ASCII", func(ps []Numbered) []Numbered { ps[3].Password = []byte("pass \xc3\xa4bc"); return ps }},
		{"control", func(ps []Numbered) []Numbered { ps[3].Password = []byte("pass\tabcd"); return ps }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := WritePDF(&b, l, pdfHeader, c.change(slices.Clone(ps))); err == nil || b.Len() > 0 {
				t.Errorf("error %v, and %d bytes", err, b.Len())
			}
		})
	}
	other := pdfHeader
	other.Label = strings.Repeat("wide ", 400)
	if err := WritePDF(io.Discard, l, other, ps); !errors.Is(err, ErrText) {
		t.Errorf("another label: error %v", err)
	}
	full := errors.New("full")
	for _, room := range []int{0, 1, 4096} {
		if err := WritePDF(&limited{room, full}, l, pdfHeader, ps); !errors.Is(err, full) {
			t.Errorf("room for %d bytes: error %v", room, err)
		}
	}
}
