// SPDX-License-Identifier: MIT

package printsheet

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

var when = time.Date(2026, 11, 22, 23, 14, 59, 0, time.UTC)

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		name   string
		page   Page
		length int
		want   Layout
	}{
		{"defaults", Page{Height: 60, Width: 79, Pages: 1}, 9, Layout{Digits: 3, Columns: 5, Rows: 56, Pages: 1, Count: 280}},
		{"least", Page{Height: 5, Width: 64, Pages: 1}, 9, Layout{Digits: 3, Columns: 4, Rows: 1, Pages: 1, Count: 4}},
		{"bare", Page{Height: 1, Width: 1, Pages: 1, Bare: true}, 9, Layout{Digits: 3, Columns: 1, Rows: 1, Pages: 1, Count: 1}},
		{"one column short", Page{Height: 5, Width: 72, Pages: 1}, 9, Layout{Digits: 3, Columns: 4, Rows: 1, Pages: 1, Count: 4}},
		{"just that column", Page{Height: 5, Width: 73, Pages: 1}, 9, Layout{Digits: 3, Columns: 5, Rows: 1, Pages: 1, Count: 5}},
		{"wider than the page", Page{Height: 6, Width: 64, Pages: 1}, 500, Layout{Digits: 3, Columns: 1, Rows: 2, Pages: 1, Count: 2}},
		{"one page is cut at 1000", Page{Height: 300, Width: 79, Pages: 1}, 9, Layout{Digits: 3, Columns: 5, Rows: 200, Pages: 1, Count: 1000}},
		{"cut below 1000", Page{Height: 300, Width: 103, Pages: 1}, 9, Layout{Digits: 3, Columns: 7, Rows: 142, Pages: 1, Count: 994}},
		{"as wide as can be", Page{Height: 60, Width: 1 << 30, Pages: 1}, 9, Layout{Digits: 3, Columns: 1000, Rows: 1, Pages: 1, Count: 1000}},
		{"as high as can be", Page{Height: 1 << 30, Width: 79, Pages: 1}, 9, Layout{Digits: 3, Columns: 5, Rows: 200, Pages: 1, Count: 1000}},
		{"exactly 1000 on pages", Page{Height: 14, Width: 79, Pages: 20}, 9, Layout{Digits: 3, Columns: 5, Rows: 10, Pages: 20, Count: 1000}},
		{"four digits", Page{Height: 60, Width: 79, Pages: 4}, 9, Layout{Digits: 4, Columns: 5, Rows: 56, Pages: 4, Count: 1120}},
		{"four digits cost a column", Page{Height: 60, Width: 73, Pages: 4}, 9, Layout{Digits: 4, Columns: 4, Rows: 56, Pages: 4, Count: 896}},
		{"most", Page{Height: 103, Width: 64, Pages: 101}, 50, Layout{Digits: 4, Columns: 1, Rows: 99, Pages: 101, Count: 9999}},
		{"count, part of a page", Page{Height: 60, Width: 79, Pages: 1, Count: 12}, 9, Layout{Digits: 3, Columns: 4, Rows: 3, Pages: 1, Count: 12}},
		{"count, less than a row", Page{Height: 60, Width: 79, Pages: 1, Count: 3}, 9, Layout{Digits: 3, Columns: 3, Rows: 1, Pages: 1, Count: 3}},
		{"count, a page", Page{Height: 60, Width: 79, Pages: 1, Count: 280}, 9, Layout{Digits: 3, Columns: 5, Rows: 56, Pages: 1, Count: 280}},
		{"count, one more", Page{Height: 60, Width: 79, Pages: 1, Count: 281}, 9, Layout{Digits: 3, Columns: 5, Rows: 56, Pages: 2, Count: 281}},
		{"count, 1000", Page{Height: 60, Width: 79, Pages: 1, Count: 1000}, 9, Layout{Digits: 3, Columns: 5, Rows: 56, Pages: 4, Count: 1000}},
		{"count, 1001", Page{Height: 60, Width: 79, Pages: 1, Count: 1001}, 9, Layout{Digits: 4, Columns: 5, Rows: 56, Pages: 4, Count: 1001}},
		{"count, most", Page{Height: 1 << 30, Width: 1 << 30, Pages: 1, Count: 9999}, 9, Layout{Digits: 4, Columns: 9999, Rows: 1, Pages: 1, Count: 9999}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := New(c.page, c.length)
			if err != nil {
				t.Fatal(err)
			}
			c.want.bare, c.want.length = c.page.Bare, c.length
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestLayoutErrors(t *testing.T) {
	ok := Page{Height: 60, Width: 79, Pages: 1}
	for _, c := range []struct {
		name    string
		change  func(*Page)
		length  int
		tooMany bool
	}{
		{"height", func(p *Page) { p.Height = 4 }, 9, false},
		{"bare height", func(p *Page) { p.Height, p.Bare = 0, true }, 9, false},
		{"width", func(p *Page) { p.Width = 63 }, 9, false},
		{"bare width", func(p *Page) { p.Width, p.Bare = 0, true }, 9, false},
		{"pages", func(p *Page) { p.Pages = 0 }, 9, false},
		{"negative pages", func(p *Page) { p.Pages = -1 }, 9, false},
		{"negative count", func(p *Page) { p.Count = -1 }, 9, false},
		{"length", func(p *Page) {}, 0, false},
		{"huge length", func(p *Page) {}, 1 << 30, false},
		{"10000", func(p *Page) { p.Height, p.Width, p.Pages = 104, 64, 100 }, 50, true},
		{"many pages", func(p *Page) { p.Pages = 1 << 30 }, 9, true},
		{"all huge", func(p *Page) { p.Height, p.Width, p.Pages = 1<<30, 1<<30, 1<<30 }, 9, true},
		{"count", func(p *Page) { p.Count = 10000 }, 9, true},
		{"huge count", func(p *Page) { p.Count = 1 << 30 }, 9, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ok
			c.change(&p)
			_, err := New(p, c.length)
			if err == nil || errors.Is(err, ErrTooMany) != c.tooMany {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Every count fills its pages from the front, without an empty page or row.
func TestEveryCount(t *testing.T) {
	for count := 1; count <= 1300; count++ {
		l, err := New(Page{Height: 20, Width: 79, Pages: 1, Count: count}, 9)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteText(&b, l, Header{Time: when, Host: "h"}, passwords(l)); err != nil {
			t.Fatal(err)
		}
		cells := regexp.MustCompile(`(?m)(^| )([0-9]{3,4}) pass`).FindAllSubmatch(b.Bytes(), -1)
		var numbers []string
		for _, c := range cells {
			numbers = append(numbers, string(c[2]))
		}
		slices.Sort(numbers)
		if numbers = slices.Compact(numbers); len(numbers) != count || len(cells) != count {
			t.Fatalf("%d numbers for a count of %d", len(numbers), count)
		}
		if numbers[0] != l.Number(0) || numbers[count-1] != l.Number(count-1) {
			t.Fatalf("count %d: numbers from %s to %s", count, numbers[0], numbers[count-1])
		}
		for page := range strings.SplitSeq(b.String(), "\f\n") {
			if lines := strings.Count(page, "\n"); lines > 20 || lines < 4 {
				t.Fatalf("count %d: a page of %d lines", count, lines)
			}
			if strings.Contains(page, "\r\n\r\n\r\n") {
				t.Fatalf("count %d: empty row", count)
			}
		}
	}
}

// passwords are of length 9, recognisable, and all different.
func passwords(l Layout) []Numbered {
	ps := make([]Numbered, l.Count)
	for i := range ps {
		ps[i] = Numbered{l.Number(i), fmt.Appendf(nil, "pass %04d", i)}
	}
	return ps
}

func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name   string
		page   Page
		header Header
	}{
		{"one-page", Page{Height: 10, Width: 79, Pages: 1}, Header{Time: when, Host: "host"}},
		{"again", Page{Height: 10, Width: 79, Pages: 1}, Header{Time: when, Host: "host", Again: true}},
		{"two-pages", Page{Height: 7, Width: 64, Pages: 2}, Header{Time: when, Host: "host.example"}},
		{"two-pages-bare", Page{Height: 3, Width: 64, Pages: 2, Bare: true}, Header{}},
		{"count-13", Page{Height: 60, Width: 79, Pages: 1, Count: 13}, Header{Time: when, Host: "host"}},
		{"count-17-on-two-pages", Page{Height: 6, Width: 79, Pages: 1, Count: 17}, Header{Time: when, Host: "host"}},
		{"four-digits", Page{Height: 60, Width: 79, Pages: 4}, Header{Time: when, Host: "host"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := New(c.page, 9)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := WriteText(&got, l, c.header, passwords(l)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs:\n%s", file, got.Bytes())
			}
		})
	}
}

var (
	nameOption = regexp.MustCompile(`^([a-z])([0-9]*)$`)
	headerLine = regexp.MustCompile(`(?m)^OTPW list generated ([-0-9]+ [:0-9]+) on (\S+)\r\n`)
)

// The sheets of the original come out the same from their passwords.
func TestOriginalSheets(t *testing.T) {
	files, err := filepath.Glob("testdata/original/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no sheets", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			page, length := parseName(t, name)
			l, err := New(page, length)
			if err != nil {
				t.Fatal(err)
			}
			var h Header
			if m := headerLine.FindSubmatch(want); m != nil {
				h.Host = string(m[2])
				if h.Time, err = time.Parse(timeFormat, string(m[1])); err != nil {
					t.Fatal(err)
				}
			}
			var got bytes.Buffer
			if err := WriteText(&got, l, h, readSheet(want, length)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

// parseName reads the options in the name of an original sheet.
func parseName(t *testing.T, name string) (p Page, length int) {
	t.Helper()
	for f := range strings.SplitSeq(name, "-") {
		m := nameOption.FindStringSubmatch(f)
		if m == nil {
			t.Fatalf("name %q", name)
		}
		n, _ := strconv.Atoi(m[2])
		switch m[1] {
		case "h":
			p.Height = n
		case "w":
			p.Width = n
		case "s":
			p.Pages = n
		case "n":
			p.Bare = true
		case "l":
			length = n
		}
	}
	return p, length
}

// readSheet returns the passwords of a sheet in the order of their numbers.
func readSheet(sheet []byte, length int) (ps []Numbered) {
	for line := range bytes.Lines(sheet) {
		for len(line) > length+3 && '0' <= line[0] && line[0] <= '9' {
			ps = append(ps, Numbered{string(line[:3]), line[4 : 4+length]})
			line = line[min(4+length+len(gap), len(line)):]
		}
	}
	slices.SortFunc(ps, func(a, b Numbered) int { return strings.Compare(a.Number, b.Number) })
	return ps
}

func TestWriteErrors(t *testing.T) {
	l, err := New(Page{Height: 60, Width: 79, Pages: 2}, 9)
	if err != nil {
		t.Fatal(err)
	}
	ps := passwords(l)
	if err := WriteText(io.Discard, l, Header{}, ps[1:]); err == nil {
		t.Error("no error: one password missing")
	}
	short := slices.Clone(ps)
	short[3].Password = []byte("short")
	if err := WriteText(io.Discard, l, Header{}, short); err == nil {
		t.Error("no error: a short password")
	}
	full := errors.New("full")
	for _, room := range []int{0, 1, 4096, 8621} {
		if err := WriteText(&limited{room, full}, l, Header{Time: when, Host: "host"}, ps); !errors.Is(err, full) {
			t.Errorf("room for %d bytes: error %v", room, err)
		}
	}
}

// limited takes some bytes and then fails.
type limited struct {
	room int
	err  error
}

func (w *limited) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}
