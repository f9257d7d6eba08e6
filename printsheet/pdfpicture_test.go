// SPDX-License-Identifier: MIT

package printsheet

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// A picture is a page as it is seen: greys, 255 is white.
type picture struct {
	width, height int
	scale         float64 // pixels of a point
	grey          []byte
}

// render has poppler draw the pages of a PDF.
func render(t *testing.T, pdf []byte, dpi int) (pages []picture) {
	t.Helper()
	out := bytes.NewBuffer(poppler(t, pdf, "pdftoppm", "-gray", "-r", fmt.Sprint(dpi), "-"))
	for out.Len() > 0 {
		p := picture{scale: float64(dpi) / inch}
		if _, err := fmt.Fscanf(out, "P5\n%d %d\n255\n", &p.width, &p.height); err != nil {
			t.Fatal(err)
		}
		p.grey = bytes.Clone(out.Next(p.width * p.height))
		pages = append(pages, p)
	}
	return pages
}

func (p picture) at(x, y int) byte { return p.grey[y*p.width+x] }

// darkest returns the darkest grey in a part of the page.
func (p picture) darkest(r rect) byte {
	x0, x1 := int(r.x*p.scale), int(math.Ceil((r.x+r.w)*p.scale))
	y0, y1 := int(r.y*p.scale), int(math.Ceil((r.y+r.h)*p.scale))
	darkest := byte(255)
	for y := y0; y < min(y1, p.height); y++ {
		darkest = min(darkest, slices.Min(p.grey[y*p.width+x0:y*p.width+min(x1, p.width)]))
	}
	return darkest
}

// inked reports whether there is anything but white in a part of the page.
func (p picture) inked(r rect) bool { return p.darkest(r) < 255 }

// bounds returns the smallest part of the page with all that is drawn.
func (p picture) bounds() rect {
	left, right, top, bottom := p.width, 0, p.height, 0
	for y := range p.height {
		for x := range p.width {
			if p.at(x, y) < 200 {
				left, right, top, bottom = min(left, x), max(right, x+1), min(top, y), max(bottom, y+1)
			}
		}
	}
	return rect{float64(left) / p.scale, float64(top) / p.scale, float64(right-left) / p.scale, float64(bottom-top) / p.scale}
}

// samples are names and labels in many scripts, as people write them.
var samples = []string{
	"Reise nach Süden", "Tiếng Việt", "Ελλάδα", "Україна", "Հայաստան", "საქართველო", "שלום עולם", "العربية ١٢٣", "فارسی", "اردو", "ދިވެހި",
	"हिन्दी क्षत्रिय", "বাংলা", "ਪੰਜਾਬੀ", "ગુજરાતી", "ଓଡ଼ିଆ", "தமிழ்நாடு", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "සිංහල", "ภาษาไทย", "ລາວ", "བོད་སྐད་",
	"မြန်မာ", "ភាសាខ្មែរ", "አማርኛ", "ᏣᎳᎩ", "ᐃᓄᒃᑎᑐᑦ", "ᠮᠣᠩᠭᠣᠯ", "中文", "日本語 ノート", "한국어", "ߒߞߏ", "ⵜⴰⵎⴰⵣⵉⵖⵜ", "𞤀𞤁𞤂𞤃", "★ ☎ → €",
	"abc עולם 123 العربية (xyz) 中文",
}

// Host and label come out as given, whole and in their place, in any script.
func TestPDFLabels(t *testing.T) {
	for i, s := range append(samples, strings.Join(samples[:9], " ")) {
		if raceDetector && i%8 != 0 {
			continue
		}
		for _, style := range []Style{FullPage, Wallet} {
			h := pdfHeader
			h.Label = s
			if i < len(samples) {
				h.Host = "host." + s
			}
			l, err := NewPDF(PDFPage{A4, style, 1, 10}, h, 9)
			if err != nil {
				t.Errorf("%q: %v", s, err)
				continue
			}
			pdf := writePDF(t, l, h, passwordsFor(l))
			page := readPDF(t, pdf)[0]
			checkWords(t, l, page)
			got := pdfText(page)
			if !strings.Contains(strings.ReplaceAll(got, " ", ""), strings.ReplaceAll(h.Host+h.Label, " ", "")) {
				t.Errorf("no %q and %q in %q", h.Host, h.Label, got)
			}
			checkInk(t, l, render(t, pdf, 100)[0], s)
		}
	}
}

// The letters behind a host, for copying it, are not seen.
func TestInvisibleLetters(t *testing.T) {
	h := Header{Time: when, Host: "........"}
	l, err := NewPDF(PDFPage{A4, FullPage, 1, 1}, h, 9)
	if err != nil {
		t.Fatal(err)
	}
	p, room := render(t, writePDF(t, l, h, passwordsFor(l)), 100)[0], l.titleRoom()
	const size, dot = 15, 0.2 // points, in parts of the size
	if p.inked(rect{room.x, room.y, room.w, size * (0.9 - dot)}) {
		t.Error("more than dots")
	}
	if !p.inked(rect{room.x, room.y + size*(0.9-dot), room.w, size * dot}) {
		t.Error("no dots")
	}
}

// checkInk: what is seen of host and label stays in its room, and nothing lies
// across the edges of the paper or the panels.
func checkInk(t *testing.T, l PDFLayout, p picture, name string) {
	t.Helper()
	room := l.titleRoom()
	if !p.inked(room) {
		t.Errorf("%s: neither host nor label is seen", name)
	}
	strips := []rect{ // around the room
		{room.x - 4, room.y - 4, 3, room.h}, {room.x - 4, room.y - 4, room.w, 2.9},
		{room.x + room.w + 1, room.y, 3, room.h}, {room.x, room.y + room.h + 0.2, room.w, 0.7},
	}
	w, h, _ := l.paper.size()
	strips = append(strips, rect{0, 0, w, printerMargin}, rect{0, h - printerMargin, w, printerMargin},
		rect{0, 0, printerMargin, h}, rect{w - printerMargin, 0, printerMargin, h})
	if l.style == Wallet {
		for i := range l.Panels + 1 {
			c := l.paper.card(i).inset(1 * mm) // off the fold
			const strip = 1.2 * mm
			strips = append(strips, rect{c.x, c.y, c.w, strip}, rect{c.x, c.y, strip, c.h},
				rect{c.x, c.y + c.h - strip, c.w, strip}, rect{c.x + c.w - strip, c.y, strip, c.h})
		}
	}
	for _, s := range strips {
		if p.inked(s) {
			t.Errorf("%s: ink in %+v", name, s)
		}
	}
}

// share returns how much of a line, across or down, is drawn.
func (p picture) share(r rect) float64 {
	const step = 0.5 // points
	drawn, all := 0, 0
	for d := 0.0; d < max(r.w, r.h)-step; d += step {
		part := rect{r.x + d, r.y, step, r.h}
		if r.h > r.w {
			part = rect{r.x, r.y + d, r.w, step}
		}
		if p.darkest(part) < 200 {
			drawn++
		}
		all++
	}
	return float64(drawn) / float64(all)
}

// Every page for the wallet says where to cut, where to fold, and which way.
func TestFoldMarks(t *testing.T) {
	for paper, folds := range map[Paper]string{
		A4:     "2 back fold 3 forward fold 4 back fold 5 forward ",
		Letter: "2 back fold 3 forward fold 4 back ",
	} {
		l, err := NewPDF(PDFPage{paper, Wallet, 2, 0}, pdfHeader, 9)
		if err != nil {
			t.Fatal(err)
		}
		pdf := writePDF(t, l, pdfHeader, passwordsFor(l))
		pages, pictures := readPDF(t, pdf), render(t, pdf, 200)
		rows := strings.Count(folds, "fold") + 2
		w, h, _ := paper.size()
		left, top := (w-2*85.6*mm)/2, (h-float64(rows)*54*mm)/2
		for i, page := range pages {
			text := pdfText(page)
			for _, want := range []string{"Print at 100 %. Cut out along the frame.", "fold 1 back", fmt.Sprintf("then 2 to %d in turn back and forward.", rows), "fold " + folds} {
				if !strings.Contains(text, want) {
					t.Errorf("%s: no %q in %q", paper, want, text)
				}
			}
			// one point wide, without what crosses their ends
			across := func(y float64) rect { return rect{left + 1, y - 0.5, w - 2*left - 2, 1} }
			down := func(x float64) rect { return rect{x - 0.5, top + 1, 1, h - 2*top - 2} }
			for _, frame := range []rect{across(top), across(h - top), down(left), down(w - left)} {
				if got := pictures[i].share(frame); got < 1 {
					t.Errorf("%s: of the frame at %+v only %.0f %% is drawn", paper, frame, 100*got)
				}
			}
			lines := []rect{down(w / 2)}
			for row := 1; row < rows; row++ {
				lines = append(lines, across(top+float64(row)*54*mm))
			}
			for _, line := range lines {
				if got := pictures[i].share(line); got < 0.4 || got > 0.9 {
					t.Errorf("%s: of the dashed line at %+v %.0f %% is drawn", paper, line, 100*got)
				}
			}
		}
	}
}

// ink returns how black a part of the page is: 1 when all of it is.
func (p picture) ink(r rect) float64 {
	var sum, n int
	for y := int(r.y * p.scale); y < int((r.y+r.h)*p.scale); y++ {
		for x := int(r.x * p.scale); x < int((r.x+r.w)*p.scale); x++ {
			sum += 255 - int(p.at(x, y))
			n++
		}
	}
	return float64(sum) / 255 / float64(n)
}

func (w word) rect() rect { return rect{w.X0, w.Y0, w.X1 - w.X0, w.Y1 - w.Y0} }

// A number is blacker than a password of the same digits, and all that is written
// can be seen, the prefix in the example as white on black.
func TestPDFWeights(t *testing.T) {
	for _, style := range []Style{FullPage, Wallet} {
		l, err := NewPDF(PDFPage{A4, style, 1, 20}, pdfHeader, 3)
		if err != nil {
			t.Fatal(err)
		}
		ps := passwordsFor(l)
		for i := range ps {
			ps[i].Password = []byte(ps[i].Number)
		}
		pdf := writePDF(t, l, pdfHeader, ps)
		p, words := render(t, pdf, 300)[0], readPDF(t, pdf)[0].Words
		cells := find(words, []string{"000", "000", "001", "001"})
		if cells < 0 {
			t.Fatalf("%s: no passwords in %v", style, words)
		}
		for i := cells; i < cells+2*l.Count; i += 2 {
			if number, password := p.ink(words[i].rect()), p.ink(words[i+1].rect()); number < 1.15*password {
				t.Errorf("%s: ink of the number %s: %.3f, of its password %.3f", style, words[i].Text, number, password)
			}
		}
		for i, w := range words {
			ink := p.ink(w.rect())
			if ink < 0.01 || ink > 0.9 {
				t.Errorf("%s: %v cannot be seen: ink %.3f", style, w, ink)
			}
			if i > 0 && words[i-1].Text == "→" && (w.Text != "prefix" || ink < 0.4) {
				t.Errorf("%s: %v is not white on black: ink %.3f", style, w, ink)
			}
		}
	}
}

// Every number has a box before it, white inside, and every second row of five a
// light band.
func TestPDFBoxes(t *testing.T) {
	if bandGrey < 230 || bandGrey > 250 {
		t.Errorf("a grey of %d is not light, or not to be seen", bandGrey)
	}
	for _, style := range []Style{FullPage, Wallet} {
		for _, length := range []int{5, 9, 54} {
			h := pdfHeader
			l, err := NewPDF(PDFPage{Letter, style, 1, 0}, h, length)
			if err != nil {
				t.Fatal(err)
			}
			ps := passwordsFor(l)
			for i := range ps {
				ps[i].Password = bytes.Repeat([]byte("x"), length)
			}
			pdf := writePDF(t, l, h, ps)
			p, page := render(t, pdf, 200)[0], readPDF(t, pdf)[0]
			checkInk(t, l, p, string(style))
			words, size := page.Words, l.grid.size
			for panel := range l.Panels {
				from, to, rows := l.panel(0, panel)
				for i := from; i < to; i++ {
					at := slices.IndexFunc(words, func(w word) bool { return w.Text == l.Number(i) && abs(w.size()-size) < 0.1 })
					if at < 0 {
						t.Fatalf("no number %d", i)
					}
					n := words[at]
					middle := n.Y0 + (0.928-boxSide/2)*n.size() // of a capital
					box := rect{n.X0 - (boxGap+boxSide)*size, middle - boxSide/2*size, boxSide * size, boxSide * size}
					for _, edge := range []rect{
						{box.x - 0.5, box.y, 1, box.h}, {box.x + box.w - 0.5, box.y, 1, box.h},
						{box.x, box.y - 0.5, box.w, 1}, {box.x, box.y + box.h - 0.5, box.w, 1},
					} {
						if p.darkest(edge) > 120 {
							t.Fatalf("%v has no box", n)
						}
					}
					if p.darkest(box.inset(1)) < 255 {
						t.Errorf("%v: something in its box", n)
					}
					want := uint8(255)
					if (i-from)%rows%groupRows%2 == 0 {
						want = bandGrey
					}
					if got := p.darkest(rect{n.X0 - boxGap*size*0.7, middle, 0.1 * size, 0.1 * size}); got != want {
						t.Errorf("%v stands on grey %d, want %d", n, got, want)
					}
				}
			}
		}
	}
}
