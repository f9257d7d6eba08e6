// SPDX-License-Identifier: MIT

package printsheet

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"github.com/jung-kurt/gofpdf"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/norm"
)

// Hosts and labels come in any script. They are shaped as HarfBuzz does it, which
// takes care of joining, conjuncts, marks and direction, and drawn as outlines:
// the PDF library itself can only put one character's glyph behind the other.

// ErrText: a host or a label cannot be printed.
var ErrText = errors.New("text cannot be printed")

//go:embed fonts/*.ttf fonts/*.ttf.gz
var fontFiles embed.FS

// Fonts for text are named by the script (ISO 15924) that they are for.
const (
	commonFont = "Zyyy" // Latin, Greek, Cyrillic, Hebrew, Armenian, Georgian, symbols
	hanFont    = "Hani" // Chinese, Japanese, Korean

	packedFont = ".ttf.gz"

	perEm = 1000 // text is shaped at this size, and scaled when it is drawn
)

// unpacked are the fonts that were needed so far.
var unpacked struct {
	sync.Mutex
	fonts map[string]*font.Font
}

// unpack returns the font with this name. The files are part of the program: what
// is wrong with them is a mistake in it.
func unpack(name string) *font.Font {
	unpacked.Lock()
	defer unpacked.Unlock()
	f := unpacked.fonts[name]
	if f == nil {
		var err error
		if f, err = parseFont(name); err != nil {
			panic(fmt.Sprintf("font %s: %v", name, err))
		}
		if unpacked.fonts == nil {
			unpacked.fonts = make(map[string]*font.Font)
		}
		unpacked.fonts[name] = f
	}
	return f
}

func parseFont(name string) (*font.Font, error) {
	packed, err := fontFiles.Open("fonts/" + name + packedFont)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	face, err := font.ParseTTF(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return face.Font, nil
}

// A fontSet finds the font for a character.
type fontSet struct {
	names   []string // of all fonts
	faces   map[string]*font.Face
	script  string // of the run that is being looked at
	missing rune   // the first character that no font has
}

func newFontSet() *fontSet {
	files, err := fontFiles.ReadDir("fonts")
	if err != nil {
		panic(err) // embedded
	}
	s := &fontSet{faces: make(map[string]*font.Face)}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), packedFont); ok {
			s.names = append(s.names, name)
		}
	}
	return s
}

func (s *fontSet) face(name string) *font.Face {
	f := s.faces[name]
	if f == nil {
		f = font.NewFace(unpack(name))
		s.faces[name] = f
	}
	return f
}

// SetScript is called with the script of a run before ResolveFace is with its
// characters.
func (s *fontSet) SetScript(script language.Script) {
	switch script {
	case language.Han, language.Hangul, language.Hiragana, language.Katakana, language.Bopomofo:
		s.script = hanFont
	default:
		s.script = script.String()
	}
}

// ResolveFace returns the font for a character: that of its script if it has it,
// so that marks and digits stay with the letters.
func (s *fontSet) ResolveFace(r rune) *font.Face {
	first := []string{commonFont, hanFont}
	if slices.Contains(s.names, s.script) {
		first = append([]string{s.script}, first...)
	}
	for _, name := range append(first, s.names...) {
		f := s.face(name)
		if _, ok := f.NominalGlyph(r); ok {
			return f
		}
	}
	if s.missing == 0 {
		s.missing = r
	}
	return s.face(commonFont)
}

// A text is a host or a label, shaped.
type text struct {
	runes     []rune
	direction di.Direction
	runs      []shaping.Output
}

// shape shapes a text of this direction as a whole. Its errors are [ErrText].
func (s *fontSet) shape(what, str string, dir di.Direction) (t *text, err error) {
	if !utf8.ValidString(str) {
		return nil, fmt.Errorf("%w: the %s is not UTF-8", ErrText, what)
	}
	// composed, for not every font has the parts of what it has as a whole
	t = &text{runes: []rune(norm.NFC.String(str)), direction: dir}
	if str == "" {
		return t, nil
	}
	for _, r := range t.runes {
		if !unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) { // Cf: joiners and the like
			return nil, fmt.Errorf("%w: the %s has the character U+%04X", ErrText, what, r)
		}
	}
	defer func() { // go-text 0.3.5 panics for some syllables that no language has
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: the letters of the %s do not go together", ErrText, what)
		}
	}()
	s.missing = 0
	in := shaping.Input{Text: t.runes, RunEnd: len(t.runes), Direction: t.direction, Size: fixed.I(perEm), Language: language.NewLanguage("en")}
	var segmenter shaping.Segmenter
	var shaper shaping.HarfbuzzShaper
	for _, run := range segmenter.Split(in, s) {
		t.runs = append(t.runs, shaper.Shape(run))
	}
	if s.missing != 0 {
		return nil, fmt.Errorf("%w: no font has the character %q (U+%04X) of the %s", ErrText, s.missing, s.missing, what)
	}
	return t, nil
}

// direction is that of the first letter that has one.
func direction(s string) di.Direction {
	for _, r := range s {
		switch script := language.LookupScript(r); {
		case !unicode.IsLetter(r) || !script.Strong():
		case isRightToLeft(script):
			return di.DirectionRTL
		default:
			return di.DirectionLTR
		}
	}
	return di.DirectionLTR
}

func isRightToLeft(s language.Script) bool {
	switch s {
	case language.Adlam, language.Arabic, language.Hanifi_Rohingya, language.Hebrew, language.Mandaic, language.Nko, language.Syriac, language.Thaana:
		return true
	}
	return false
}

// A block is a text that has been broken into lines of one size.
type block struct {
	lines []line
	size  float64 // points
}

type line struct {
	text            string
	runs            []shaping.Output // from left to right
	ascent, descent float64          // points, both positive
	width           float64          // points
}

// fit breaks the text into lines no longer than width, at the largest size, in
// steps of half a point, at which they are no higher than height. Words are cut
// only when there is no other way. All measures are in points. ok is false when
// even the smallest size is too large.
func (t *text) fit(width, height, largest, smallest float64) (b block, ok bool) {
	for _, policy := range []shaping.LineBreakPolicy{shaping.Never, shaping.WhenNecessary} {
		for size := largest; size >= smallest; size -= 0.5 {
			if b = t.wrap(width, size, policy); b.height() <= height && b.width() <= width {
				return b, true
			}
		}
	}
	return block{}, false
}

func (t *text) wrap(width, size float64, policy shaping.LineBreakPolicy) block {
	if len(t.runes) == 0 {
		return block{}
	}
	var w shaping.LineWrapper
	limit := fixed.Int26_6(width / size * perEm * 64)
	// the wrapper changes what it is given
	runs := slices.Clone(t.runs)
	for i := range runs {
		runs[i].Glyphs = slices.Clone(runs[i].Glyphs)
	}
	lines, _ := w.WrapParagraphF(shaping.WrapConfig{Direction: t.direction, BreakPolicy: policy}, limit, t.runes, shaping.NewSliceIterator(runs))
	b := block{size: size}
	for _, l := range lines {
		b.lines = append(b.lines, t.line(l, size))
	}
	return b
}

// line puts the runs of a line into the order in which they are seen.
func (t *text) line(runs shaping.Line, size float64) line {
	points := func(v fixed.Int26_6) float64 { return float64(v) / 64 * size / perEm }
	l := line{runs: slices.Clone(runs), ascent: 0.9 * size, descent: 0.3 * size} // at least
	for _, r := range runs {                                                     // still in the order in which they are read
		l.text += string(t.runes[r.Runes.Offset : r.Runes.Offset+r.Runes.Count])
		l.ascent = max(l.ascent, points(r.GlyphBounds.Ascent))
		l.descent = max(l.descent, -points(r.GlyphBounds.Descent))
		l.width += points(r.Advance)
	}
	slices.SortFunc(l.runs, func(a, b shaping.Output) int { return cmp.Compare(a.VisualIndex, b.VisualIndex) })
	return l
}

func (b block) height() (h float64) {
	for _, l := range b.lines {
		h += l.ascent + l.descent
	}
	return h
}

func (b block) width() (w float64) {
	for _, l := range b.lines {
		w = max(w, l.width)
	}
	return w
}

// draw draws the block with its upper left corner at x, y.
func (b block) draw(pdf *gofpdf.Fpdf, x, y float64) {
	for _, l := range b.lines {
		y += l.ascent
		l.draw(pdf, x, y, b.size)
		y += l.descent
	}
}

// draw draws the line with its baseline at y. Behind it lie two invisible letters
// that say to who searches or copies the text what it is, and where.
func (l line) draw(pdf *gofpdf.Fpdf, x, y, size float64) {
	pdf.RawWriteStr("/Span <</ActualText <" + utf16Hex(l.text) + ">>> BDC")
	setFont(pdf, sans, size)
	pdf.SetTextRenderingMode(3)
	pdf.Text(x, y, "x")
	pdf.Text(x+l.width-pdf.GetStringWidth("x"), y, "x")
	pdf.SetTextRenderingMode(0)
	for _, r := range l.runs {
		for _, g := range r.Glyphs {
			scale := size / perEm / 64
			drawGlyph(pdf, r.Face, g.GlyphID, x+float64(g.XOffset)*scale, y-float64(g.YOffset)*scale, size)
			x += float64(g.Advance) * scale
		}
	}
	pdf.RawWriteStr("EMC")
}

// drawGlyph draws the outline of a glyph with its origin at x, y.
func drawGlyph(pdf *gofpdf.Fpdf, f *font.Face, id font.GID, x, y, size float64) {
	outline, _ := f.GlyphDataOutline(id)
	if len(outline.Segments) == 0 { // a blank
		return
	}
	scale := size / float64(f.Upem())
	var px, py float64 // where the pen is
	for i, s := range outline.Segments {
		var ax, ay [3]float64
		for j, a := range s.ArgsSlice() {
			ax[j], ay[j] = x+float64(a.X)*scale, y-float64(a.Y)*scale
		}
		last := len(s.ArgsSlice()) - 1
		switch s.Op {
		case opentype.SegmentOpMoveTo:
			if i > 0 {
				pdf.ClosePath()
			}
			pdf.MoveTo(ax[0], ay[0])
		case opentype.SegmentOpLineTo:
			pdf.LineTo(ax[0], ay[0])
		case opentype.SegmentOpQuadTo: // PDF has cubic curves only
			pdf.CurveBezierCubicTo(px+(ax[0]-px)*2/3, py+(ay[0]-py)*2/3, ax[1]+(ax[0]-ax[1])*2/3, ay[1]+(ay[0]-ay[1])*2/3, ax[1], ay[1])
		case opentype.SegmentOpCubeTo:
			pdf.CurveBezierCubicTo(ax[0], ay[0], ax[1], ay[1], ax[2], ay[2])
		}
		px, py = ax[last], ay[last]
	}
	pdf.ClosePath()
	pdf.DrawPath("F")
}
