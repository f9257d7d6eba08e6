// SPDX-License-Identifier: MIT

package printsheet

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/language"
	"github.com/jung-kurt/gofpdf"
	"golang.org/x/text/unicode/norm"
)

// Scripts that must be there: those in use according to UAX 31, tables 5 and 7.
const scriptsInUse = `Adlm Arab Armn Bali Bamu Batk Beng Bopo Cakm Cans Cham Cher Cyrl Deva Ethi Geor Grek Gujr Guru Hang Hani Hebr Hira Hmnp Java
	Kali Kana Khmr Knda Lana Laoo Latn Lepc Limb Lisu Mand Mlym Mtei Mymr Newa Nkoo Olck Orya Osge Plrd Rohg Saur Sinh Sund Sylo Syrc Tale Talu Taml
	Tavt Telu Tfng Thaa Thai Tibt Vaii Wcho Yiii`

// Every script in use has a font, and that has more than a few of its letters.
func TestScripts(t *testing.T) {
	fonts := newFontSet()
	letters := make(map[string][]rune)
	for _, name := range fonts.names {
		f := fonts.face(name)
		for r := rune(0); r <= 0x1ffff; r++ {
			if _, ok := f.NominalGlyph(r); ok && unicode.IsLetter(r) {
				s := language.LookupScript(r).String()
				letters[s] = append(letters[s], r)
			}
		}
	}
	for _, script := range strings.Fields(scriptsInUse) {
		if len(letters[script]) < 20 {
			t.Errorf("%s: %d letters", script, len(letters[script]))
			continue
		}
		text, err := fonts.shape("label", string(letters[script][:20]), di.DirectionLTR)
		if err != nil {
			t.Error(script, err)
			continue
		}
		for _, run := range text.runs {
			for _, g := range run.Glyphs {
				if g.GlyphID == 0 {
					t.Errorf("%s: a box for %U", script, text.runes[g.TextIndex()])
				}
			}
		}
	}
}

// A font for a script is named rightly, and needed.
func TestFontNames(t *testing.T) {
	fonts := newFontSet()
	for _, name := range fonts.names {
		if name == commonFont {
			continue
		}
		f, n := fonts.face(name), 0
		for r := rune(0); r <= 0x1ffff; r++ {
			if _, ok := f.NominalGlyph(r); ok && language.LookupScript(r).String() == name {
				n++
			}
		}
		if n < 20 {
			t.Errorf("%s has %d characters of its script", name, n)
		}
	}
}

// The fonts for passwords and headings have all that is printed with them.
func TestPlainFonts(t *testing.T) {
	for _, f := range []typeface{mono, monoBold, sans, sansBold} {
		face := plainFont(t, f)
		for _, r := range plainCharacters() {
			if _, ok := face.NominalGlyph(r); !ok {
				t.Errorf("%s has no %q", f.file, r)
			}
		}
		if f.family == mono.family {
			for r := ' '; r <= '~'; r++ {
				id, _ := face.NominalGlyph(r)
				if got := float64(face.HorizontalAdvance(id)) / float64(face.Upem()); abs(got-advance) > 1e-6 {
					t.Errorf("%s: %q is %g wide, want %g", f.file, r, got, advance)
				}
			}
		}
	}
}

// plainCharacters are those of our own words and of passwords.
func plainCharacters() (rs []rune) {
	for r := ' '; r <= '~'; r++ {
		rs = append(rs, r)
	}
	return append(rs, '·', '–', '→', '↓')
}

func plainFont(t *testing.T, f typeface) *font.Face {
	t.Helper()
	data, err := fontFiles.ReadFile("fonts/" + f.file + ".ttf")
	if err != nil {
		t.Fatal(err)
	}
	face, err := font.ParseTTF(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return face
}

// What is seen is what was meant: each character of the fonts that the PDF library
// embeds is drawn like its outline in the font file.
func TestPlainFontsAreSeen(t *testing.T) {
	const cell, size, columns, zoom = 30.0, 20.0, 12, 6
	draw := func(each func(pdf *gofpdf.Fpdf, f typeface, r rune, x, y float64)) []picture {
		pdf := newDocument(A4, when)
		for _, f := range []typeface{mono, monoBold, sans, sansBold} {
			pdf.AddPage()
			for i, r := range plainCharacters() {
				each(pdf, f, r, cell*float64(1+i%columns), cell*float64(2+i/columns))
			}
		}
		var b bytes.Buffer
		if err := pdf.Output(&b); err != nil {
			t.Fatal(err)
		}
		return render(t, b.Bytes(), zoom*inch)
	}
	embedded := draw(func(pdf *gofpdf.Fpdf, f typeface, r rune, x, y float64) {
		setFont(pdf, f, size)
		pdf.Text(x, y, string(r))
	})
	faces := make(map[typeface]*font.Face)
	outlines := draw(func(pdf *gofpdf.Fpdf, f typeface, r rune, x, y float64) {
		if faces[f] == nil {
			faces[f] = plainFont(t, f)
		}
		id, _ := faces[f].NominalGlyph(r)
		drawGlyph(pdf, faces[f], id, x, y, size)
	})
	characters := plainCharacters()
	for page := range embedded {
		for i, r := range characters {
			x, y := int(cell)*(1+i%columns), int(cell)*(1+i/columns)+6 // letters go below their line
			var ink, differ int
			for py := zoom * y; py < zoom*(y+int(cell)); py++ {
				for px := zoom * (x - 4); px < zoom*(x-4+int(cell)); px++ {
					a, b := int(embedded[page].at(px, py)), int(outlines[page].at(px, py))
					ink += 255 - a
					differ += max(a-b, b-a)
				}
			}
			limit := 6 // thin strokes may begin a pixel earlier
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				limit = 14
			}
			if r != ' ' && ink < 255 || differ*limit > ink {
				t.Errorf("page %d, %q: ink %d, difference %d", page, r, ink, differ)
			}
		}
	}
}

// glyphs shapes a text and returns its glyphs from left to right.
func glyphs(t *testing.T, s string) (ids []font.GID, clusters []int) {
	t.Helper()
	text, err := newFontSet().shape("label", s, direction(s))
	if err != nil {
		t.Fatal(err)
	}
	b, ok := text.fit(10000, 100, 10, 10)
	if !ok || len(b.lines) != 1 {
		t.Fatalf("%q: lines %+v", s, b.lines)
	}
	for _, run := range b.lines[0].runs {
		for _, g := range run.Glyphs {
			ids, clusters = append(ids, g.GlyphID), append(clusters, g.TextIndex())
		}
	}
	return ids, clusters
}

// Characters stand in the order in which they are read in their script.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []int // places of the characters in the text, from left to right
	}{
		{"Latin", "abc", []int{0, 1, 2}},
		{"Hebrew", "שלום", []int{3, 2, 1, 0}},
		{"Hebrew, then digits", "של 12", []int{3, 4, 2, 1, 0}},
		{"Latin, then Hebrew", "ab של", []int{0, 1, 2, 4, 3}},
		{"Hebrew, then Latin", "של ab", []int{3, 4, 2, 1, 0}},
		{"parentheses in Hebrew", "ש(ל)", []int{3, 2, 1, 0}},
		{"Arabic", "سرد", []int{2, 1, 0}},
		{"Devanagari, a vowel before its consonant", "कि", []int{0, 0}},
		{"Thai", "กข", []int{0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := glyphs(t, c.text); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// Letters join, marks find their letters.
func TestShapes(t *testing.T) {
	one := func(s string) font.GID {
		ids, _ := glyphs(t, s)
		if len(ids) != 1 {
			t.Fatalf("%q: %d glyphs", s, len(ids))
		}
		return ids[0]
	}
	alone := one("ب")
	pair, _ := glyphs(t, "بب")
	if len(pair) < 2 || pair[0] == alone || slices.Max(pair) == slices.Min(pair) {
		t.Errorf("Arabic letters do not join: %v, alone %d", pair, alone)
	}
	ksha, _ := glyphs(t, "क्ष")
	if len(ksha) != 1 {
		t.Errorf("a Devanagari conjunct of %d glyphs", len(ksha))
	}
	if one("e\u0301") != one("é") {
		t.Error("e and its accent stay apart")
	}
	if one("\u1112\u1161\u11ab") != one("한") {
		t.Error("a Korean syllable stays in parts")
	}
	vowel, _ := glyphs(t, "कि")
	if vowel[0] == one("क") {
		t.Error("a Devanagari vowel stands behind its consonant")
	}
}

// Marks and letters are drawn where the shaping has put them: what is inked reaches
// as far as the outlines do, to each side.
func TestGlyphsAreInPlace(t *testing.T) {
	const x0, y0, size, close = 40.0, 100.0, 20.0, 0.7 // points
	texts := append([]string{"กี่", "ཀྵྲཱི", "e\u0302\u0304\u0301", "क्षिं", "ش\u0651\u064e", "x\u0323\u0324"}, samples...)
	for _, s := range texts {
		text, err := newFontSet().shape("label", s, direction(s))
		if err != nil {
			t.Fatal(err)
		}
		b, ok := text.fit(500, 100, size, size)
		if !ok || len(b.lines) != 1 {
			t.Fatalf("%q: lines %+v", s, b.lines)
		}
		left, right, top, bottom := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
		x, y := x0, y0+b.lines[0].ascent
		for _, r := range b.lines[0].runs {
			unit, shaped := size/float64(r.Face.Upem()), size/perEm/64
			for _, g := range r.Glyphs {
				if e, ok := r.Face.GlyphExtents(g.GlyphID); ok && e.Width > 0 {
					gx, gy := x+float64(g.XOffset)*shaped+float64(e.XBearing)*unit, y-float64(g.YOffset)*shaped-float64(e.YBearing)*unit
					left, right = min(left, gx), max(right, gx+float64(e.Width)*unit)
					top, bottom = min(top, gy), max(bottom, gy-float64(e.Height)*unit)
				}
				x += float64(g.Advance) * shaped
			}
		}
		pdf := newDocument(A4, when)
		pdf.AddPage()
		b.draw(pdf, x0, y0)
		var out bytes.Buffer
		if err := pdf.Output(&out); err != nil {
			t.Fatal(err)
		}
		got := render(t, out.Bytes(), 200)[0].bounds()
		if abs(got.x-left) > close || abs(got.x+got.w-right) > close || abs(got.y-top) > close || abs(got.y+got.h-bottom) > close {
			t.Errorf("%q: ink in %+v, want %+v", s, got, rect{left, top, right - left, bottom - top})
		}
	}
}

// A mark takes its font from the text around it, not from the first font that has it.
func TestFontsOfMarks(t *testing.T) {
	for _, s := range []string{"क।", "ก้", "ש\u05b8", "a\u0301", "한。", "ab 12"} {
		text, err := newFontSet().shape("label", s, di.DirectionLTR)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range text.runs {
			if run.Face != text.runs[0].Face {
				t.Errorf("%q in two fonts", s)
			}
		}
	}
}

func TestDirection(t *testing.T) {
	for s, want := range map[string]di.Direction{
		"": di.DirectionLTR, "abc": di.DirectionLTR, "12 עולם": di.DirectionRTL, "(ab) עולם": di.DirectionLTR,
		"ދިވެހި": di.DirectionRTL, "ߒߞߏ": di.DirectionRTL, "العربية": di.DirectionRTL, "한국": di.DirectionLTR, "123": di.DirectionLTR,
	} {
		if got := direction(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// A host is read from left to right, a label as its first letter says.
func TestHostDirection(t *testing.T) {
	l, err := NewPDF(PDFPage{A4, FullPage, 1, 0}, pdfHeader, 9)
	if err != nil {
		t.Fatal(err)
	}
	title, err := l.newTitle(Header{Host: "של.example", Label: "של.example"})
	if err != nil {
		t.Fatal(err)
	}
	if first := title.host.lines[0].runs[0].Runes.Offset; first != 0 {
		t.Errorf("the host begins with its character %d", first)
	}
	if first := title.label.lines[0].runs[0].Runes.Offset; first == 0 {
		t.Error("the label begins with its first character")
	}
}

// A text takes lines as large as there is room for.
func TestFit(t *testing.T) {
	long := strings.Repeat("word ", 20) + "word"
	for _, c := range []struct {
		name, text    string
		width, height float64
		lines         int // 0: it does not fit
		size          float64
	}{
		{"nothing", "", 100, 20, 0, 0},
		{"short", "word", 100, 20, 1, 12},
		{"smaller", "wordword", 45, 14, 1, 9},
		{"two lines", "word word", 45, 30, 2, 12},
		{"many lines", long, 100, 100, 7, 11.5},
		{"a word is cut", "wordwordwordword", 30, 40, 3, 8.5},
		{"too wide", "word", 5, 20, 0, 0},
		{"too high", long, 100, 20, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := newFontSet().shape("label", c.text, di.DirectionLTR)
			if err != nil {
				t.Fatal(err)
			}
			b, ok := text.fit(c.width, c.height, 12, 7)
			if c.text == "" {
				if !ok || b.height() != 0 {
					t.Errorf("%v, %+v", ok, b)
				}
				return
			}
			if ok != (c.lines > 0) || len(b.lines) != c.lines || b.size != c.size {
				t.Errorf("%v, %d lines of %g points, want %d of %g", ok, len(b.lines), b.size, c.lines, c.size)
			}
			var all string
			for _, l := range b.lines {
				all += l.text
				if l.width > c.width {
					t.Errorf("%q is %g wide", l.text, l.width)
				}
			}
			if ok && all != c.text {
				t.Errorf("lines %q", all)
			}
			if b.height() > c.height {
				t.Errorf("%g high", b.height())
			}
		})
	}
}

// Any label is either refused or laid out in its room, in full.
func FuzzLabel(f *testing.F) {
	for _, s := range append(samples, "", " ", "\x80", "a\nb", "\u202eabc", "\u200d\u200d", "e"+strings.Repeat("\u0301", 30), "\U0001f511") {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, label string, wallet bool) {
		style := FullPage
		if wallet {
			style = Wallet
		}
		h := Header{Time: when, Host: "host", Label: label}
		l, err := NewPDF(PDFPage{A4, style, 1, 1}, h, 9)
		if err != nil {
			if !errors.Is(err, ErrText) {
				t.Fatal(err)
			}
			return
		}
		title, err := l.newTitle(h)
		if err != nil {
			t.Fatal(err)
		}
		var all string
		for _, line := range title.label.lines {
			all += line.text
		}
		room := l.titleRoom()
		if all != norm.NFC.String(label) || title.label.width() > room.w || title.host.height()+title.label.height() > room.h {
			t.Errorf("lines %q in %g x %g", all, title.label.width(), title.label.height())
		}
	})
}

// What the shaping library panics for is an error.
func TestDanglingVowels(t *testing.T) {
	caught := 0
	for _, s := range []string{"િ િિ", "\u0b48 \u0b48\u0b48", "\u0bc8 \u0bc8\u0bc8", "\u0d4c \u0d4c\u0d4c"} {
		for _, h := range []Header{{Time: when, Host: "host", Label: s}, {Time: when, Host: s}} {
			switch _, err := NewPDF(PDFPage{A4, FullPage, 1, 0}, h, 9); {
			case errors.Is(err, ErrText):
				caught++
			case err != nil:
				t.Errorf("%q: %v", s, err)
			}
		}
	}
	if caught == 0 {
		t.Error("the library does not panic any more, and need not be caught")
	}
}
