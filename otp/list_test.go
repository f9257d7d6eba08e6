// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rows makes n entries, numbered from 0 with three digits.
func rows(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%03dABCDEFGHIJK%c\n", i, b64Alphabet[i%64])
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		line       int // of the error; 0: a list
		unused     int
	}{
		{"plain", "OTPW1\n2 3 12 8\n" + rows(2), 0, 2},
		{"used", "OTPW1\n2 3 12 8\n" + rows(1) + "---------------\n", 0, 1},
		{"comment", "OTPW1\n# made by hand\n2 3 12 8\n" + rows(2), 0, 2},
		{"empty comment", "OTPW1\n#\n2 3 12 8\n" + rows(2), 0, 2},
		{"comment of 79", "OTPW1\n#" + strings.Repeat("x", 78) + "\n2 3 12 8\n" + rows(2), 0, 2},
		{"comment of 80", "OTPW1\n#" + strings.Repeat("x", 79) + "\n2 3 12 8\n" + rows(2), 2, 0},
		{"two comments", "OTPW1\n#\n#\n2 3 12 8\n" + rows(2), 3, 0},
		{"text behind the numbers", "OTPW1\n2 3 12 8 made today\n" + rows(2), 0, 2},
		{"text touching the numbers", "OTPW1\n2 3 12 8;\n" + rows(2), 0, 2},
		{"blanks around the numbers", "OTPW1\n \t2  3\t12 8\n" + rows(2), 0, 2},
		{"fewer announced", "OTPW1\n1 3 12 8\n" + rows(2), 0, 1},
		{"text behind the entries", "OTPW1\n2 3 12 8\n" + rows(2) + "more", 0, 2},
		{"four-digit numbers", "OTPW1\n1 4 12 8\n1000ABCDEFGHIJKL\n", 0, 1},
		{"damaged hash", "OTPW1\n2 3 12 8\n000ABCDEFGHIJK-\n" + rows(1), 0, 1},
		{"damaged number", "OTPW1\n2 3 12 8\n0-0ABCDEFGHIJKL\n" + rows(1), 0, 1},
		{"lookalike in a hash", "OTPW1\n2 3 12 8\n000ABCDEFGHIJKl\n" + rows(1), 0, 1},
		{"zero bytes", "OTPW1\n2 3 12 8\n" + strings.Repeat("\x00", 15) + "\n" + rows(1), 0, 1},
		{"9999 entries", "OTPW1\n9999 3 12 8\n" + strings.Repeat(rows(1), 9999), 0, 9999},
		{"longest number", "OTPW1\n1 26 12 8\n" + strings.Repeat("7", 26) + "ABCDEFGHIJKL\n", 0, 1},
		{"longest password", "OTPW1\n1 3 12 999\n" + rows(1), 0, 1},
		{"shortest password", "OTPW1\n1 3 12 4\n" + rows(1), 0, 1},

		{"empty", "", 1, 0},
		{"other magic", "OTPW3\n2 3 12 8\n" + rows(2), 1, 0},
		{"blank behind the magic", "OTPW1 \n2 3 12 8\n" + rows(2), 1, 0},
		{"crlf", "OTPW1\r\n2 3 12 8\r\n" + rows(2), 1, 0},
		{"magic only", "OTPW1\n", 2, 0},
		{"no newline behind the numbers", "OTPW1\n2 3 12 8", 2, 0},
		{"endless comment", "OTPW1\n#" + strings.Repeat("x", 200), 2, 0},
		{"three numbers", "OTPW1\n2 3 12\n" + rows(2), 2, 0},
		{"no entries", "OTPW1\n0 3 12 8\n", 2, 0},
		{"10000 entries", "OTPW1\n10000 3 12 8\n" + rows(2), 2, 0},
		{"negative", "OTPW1\n-1 3 12 8\n" + rows(2), 2, 0},
		{"huge", "OTPW1\n99999999999999999999 3 12 8\n" + rows(2), 2, 0},
		{"wraps at 32 bits", "OTPW1\n4294967298 3 12 8\n" + rows(2), 2, 0},
		{"number of no digits", "OTPW1\n1 0 12 8\nABCDEFGHIJKL\n", 2, 0},
		{"number of 27 digits", "OTPW1\n1 27 12 8\n" + strings.Repeat("7", 27) + "ABCDEFGHIJKL\n", 2, 0},
		{"hash length", "OTPW1\n2 3 13 8\n" + rows(2), 2, 0},
		{"password too short", "OTPW1\n2 3 12 3\n" + rows(2), 2, 0},
		{"password too long", "OTPW1\n2 3 12 1000\n" + rows(2), 2, 0},
		{"more announced", "OTPW1\n3 3 12 8\n" + rows(2), 5, 0},
		{"more announced, comment", "OTPW1\n#\n3 3 12 8\n" + rows(2), 6, 0},
		{"no last newline", "OTPW1\n2 3 12 8\n" + rows(2)[:31], 4, 0},
		{"short line", "OTPW1\n2 3 12 8\n000ABCDEFGHIJK\n" + rows(2), 3, 0},
		{"two lines for one", "OTPW1\n1 3 12 8\n000ABCD\nFGHIJKL\n", 3, 0},
		{"long line", "OTPW1\n2 3 12 8\n000ABCDEFGHIJKLM\n" + rows(2), 3, 0},
		{"too large", "OTPW1\n2 3 12 8\n" + rows(2) + strings.Repeat("\n", MaxFileSize), 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Parse([]byte(tt.data))
			if tt.line == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if got := l.Remaining().Unused; got != tt.unused {
					t.Errorf("%d unused, want %d", got, tt.unused)
				}
				if string(l.Bytes()) != tt.data {
					t.Error("written back differently")
				}
				return
			}
			var fe *FormatError
			if !errors.As(err, &fe) || !errors.Is(err, ErrFormat) || fe.Line != tt.line {
				t.Errorf("error %v, want a FormatError of line %d", err, tt.line)
			}
		})
	}
}

// A torn overwrite may cost its entry, and nothing else: any run of bytes, from
// the start, to the end or between, is hyphens already, or what a disk makes of
// them, and the rest is as it was.
func TestTornOverwrite(t *testing.T) {
	for name, list := range map[string]struct{ head, rows string }{
		"otpw1": {"OTPW1\n3 3 12 8\n", rows(3)},
		"otpw2": {strings.Replace(header2, "entries: 2", "entries: 3", 1), rows2(3)},
	} {
		t.Run(name, func(t *testing.T) {
			rec := len(list.rows) / 3
			at := len(list.head) + rec // the second entry
			for _, with := range []byte{'-', 0} {
				for from := range rec - 1 {
					for to := from + 1; to < rec; to++ {
						torn := []byte(list.head + list.rows)
						for i := from; i < to; i++ {
							torn[at+i] = with
						}
						l, err := Parse(torn)
						if err != nil {
							t.Fatalf("bytes %d to %d: %v", from, to, err)
						}
						if l.Unused(1) || !l.Unused(0) || !l.Unused(2) || l.Number(1) != "" || l.Remaining().Unused != 2 {
							t.Errorf("bytes %d to %d: unused %v %v %v", from, to, l.Unused(0), l.Unused(1), l.Unused(2))
						}
					}
				}
			}
		})
	}
}

// passwords reads the numbered passwords off a sheet, blanks left out.
func passwords(t testing.TB, sheet []byte, groups int) map[string]string {
	t.Helper()
	pws := map[string]string{}
	re := regexp.MustCompile(fmt.Sprintf(`(\d{3,4}) ((?:[^ \r\n]+ ?){%d})(?: |\r|$)`, groups))
	for _, m := range re.FindAllSubmatch(sheet, -1) {
		pws[string(m[1])] = strings.ReplaceAll(string(m[2]), " ", "")
	}
	return pws
}

// Lists and sheets that the original made (testdata/original/make.sh).
func TestOriginalLists(t *testing.T) {
	prefix, err := os.ReadFile("testdata/original/prefix")
	if err != nil {
		t.Fatal(err)
	}
	lists, _ := filepath.Glob("testdata/original/*.list")
	if len(lists) != 5 {
		t.Fatalf("%d lists, want 5", len(lists))
	}
	for _, name := range lists {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sheet, err := os.ReadFile(strings.TrimSuffix(name, ".list") + ".sheet")
			if err != nil {
				t.Fatal(err)
			}
			l, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(l.Bytes(), data) {
				t.Error("written back differently")
			}
			pws := passwords(t, sheet, 1+(l.PasswordLen()-1)/4)
			if len(pws) != l.Len() {
				t.Fatalf("%d passwords on the sheet, %d in the list", len(pws), l.Len())
			}
			var numbered []Numbered
			for i := range l.Len() {
				pw := []byte(pws[l.Number(i)])
				numbered = append(numbered, Numbered{l.Number(i), pw})
				if h := appendHash1(nil, prefix, Normalize(pw)); !bytes.Equal(h, l.hash(i)) {
					t.Errorf("number %s: hash %s, want %s", l.Number(i), h, l.hash(i))
				}
			}
			ours, err := Recipe{Header: Header{Format: OTPW1}, Ordered: true}.Make(t.Context(), prefix, numbered)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ours.Bytes(), data) {
				t.Errorf("our list of the same passwords:\n%s\nwant\n%s", ours.Bytes(), data)
			}
		})
	}
}

func TestNewList(t *testing.T) {
	var pws []Numbered
	for i := range 1200 {
		pws = append(pws, Numbered{fmt.Sprintf("%04d", i), fmt.Appendf(nil, "abcd %04d", i)})
	}
	h := testFormat
	h.ID, h.KDF.Salt = "k7mw3xqp", []byte("0123456789abcdef")
	ordered, err := Recipe{Header: h, Ordered: true}.Make(t.Context(), []byte("p"), pws)
	if err != nil {
		t.Fatal(err)
	}
	random, err := Recipe{Header: h}.Make(t.Context(), []byte("p"), pws)
	if err != nil {
		t.Fatal(err)
	}
	if ordered.Number(0) != "0000" || ordered.Number(1199) != "1199" {
		t.Error("ordered list is not in order")
	}
	if bytes.Equal(ordered.Bytes(), random.Bytes()) {
		t.Error("list is in the order of the sheet")
	}
	a, b := strings.Fields(string(ordered.Bytes())), strings.Fields(string(random.Bytes()))
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) {
		t.Error("random order changes more than the order")
	}

	firsts := map[string]bool{} // 2^-99 that one never is
	for range 100 {
		l, err := Recipe{Header: testFormat, Ordered: false}.Make(t.Context(), nil, pws[:2])
		if err != nil {
			t.Fatal(err)
		}
		firsts[l.Number(0)] = true
	}
	if len(firsts) != 2 {
		t.Errorf("of two entries only %v come first", firsts)
	}

	pw := []byte("abcdefgh")
	for name, bad := range map[string][]Numbered{
		"none":              nil,
		"too many":          make([]Numbered, MaxEntries+1),
		"number twice":      {{"000", pw}, {"000", pw}},
		"other width":       {{"000", pw}, {"0001", pw}},
		"other length":      {{"000", pw}, {"001", pw[1:]}},
		"no number":         {{"", pw}},
		"not a number":      {{"a00", pw}},
		"password too long": {{"000", bytes.Repeat(pw, 125)}},
		"password of noise": {{"000", []byte("a-b-c")}},
	} {
		if _, err := (Recipe{Header: testFormat}).Make(t.Context(), nil, bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSplitResponse(t *testing.T) {
	const n = 4
	for _, tt := range []struct {
		name, response   string
		prefix, password string
		ok               bool
	}{
		{"plain", "preabcd", "pre", "abcd", true},
		{"no prefix", "abcd", "", "abcd", true},
		{"too short", "abc", "", "", false},
		{"empty", "", "", "", false},
		{"blanks", "pre ab cd ", "pre ", "abcd", true},
		{"prefix byte for byte", "l1|0\\ \x08pre-abcd", "l1|0\\ \x08pre-", "abcd", true},
		{"lookalikes", "prel1|0", "pre", "IIIO", true},
		{"more lookalikes", "pre\\Ol/", "pre", "/OI/", true},
		{"noise", "pre-_a\xff\x80b\tc\x15d!", "pre-_", "abcd", true},
		{"backspace", "preabX\x08cd", "pre", "abcd", true},
		{"del", "preabX\x7fcd", "pre", "abcd", true},
		{"two backspaces", "preabXY\x08\x08cd", "pre", "abcd", true},
		{"two corrections", "preabX\x08 Y\x08cd", "pre", "abcd", true},
		{"backspace erases a blank", "preabX \x08cd", "prea", "bXcd", true},
		{"backspace erases one byte of a character", "preabX\xc3\xa9\x08\x08cd", "prea", "bXcd", true},
		{"backspace at the end", "preabcdX\x08", "pre", "abcd", true},
		{"backspace after the last one", "preabcd\x08", "pr", "eabc", true},
		{"backspace before the password", "preX\x08abcd", "preX\x08", "abcd", true},
		{"only backspaces", "\x08\x08\x08\x08\x08\x08", "", "", false},
		{"erased to too few", "abcd\x08", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prefix, password, ok := splitResponse([]byte(tt.response), n)
			if ok != tt.ok || string(prefix) != tt.prefix || string(password) != tt.password {
				t.Errorf("%q, %q, %v; want %q, %q, %v", prefix, password, ok, tt.prefix, tt.password, tt.ok)
			}
		})
	}
}

func TestRemaining(t *testing.T) {
	for _, tt := range []struct {
		unused, total int
		low           bool
	}{
		{280, 280, false}, {140, 280, false}, {139, 280, true}, {40, 81, false}, {39, 81, true},
		{20, 20, false}, {19, 20, true}, {19, 30, true}, {20, 30, false},
	} {
		if r := (Remaining{Unused: tt.unused, Total: tt.total}); r.Low() != tt.low {
			t.Errorf("%d of %d: low %v, want %v", tt.unused, tt.total, r.Low(), tt.low)
		}
	}
}
