// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/otpw-go/otpw/printsheet"
)

func beginDecoy(t *testing.T, d *Decoy, o Options) *Login {
	t.Helper()
	l, err := BeginDecoy(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// countKDF replaces Argon2 by something quick, and returns what it would have cost since the last call.
func countKDF(t *testing.T) func() []string {
	t.Helper()
	var mu sync.Mutex // a list is made on all cores
	var costs []string
	before := idKey
	idKey = func(secret, salt []byte, passes, memory uint32, lanes uint8, n uint32) []byte {
		mu.Lock()
		defer mu.Unlock()
		costs = append(costs, fmt.Sprint(passes, memory, lanes, n, len(salt)))
		sum := sha256.Sum256(append(secret, salt...))
		return sum[:]
	}
	t.Cleanup(func() { idKey = before })
	return func() []string {
		defer func() { costs = nil }()
		return costs
	}
}

// Whoever is refused, for whatever reason: the same hashes are computed, and the same error comes back.
func TestSameWork(t *testing.T) {
	cost := countKDF(t)
	defer func(h Header) { testFormat = h }(testFormat)
	testFormat = cheap
	testFormat.KDF = KDF{Memory: DefaultKDFMemory, Passes: DefaultKDFPasses}
	dir := t.TempDir()
	path := filepath.Join(dir, ".otpw")
	pws := make([]Numbered, 30)
	for i := range pws {
		n := fmt.Sprintf("%03d", i)
		pws[i] = Numbered{n, []byte(password(n))}
	}
	l, err := Recipe{Header: testFormat}.Make(t.Context(), []byte(prefix), pws)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, l.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	real := func() *Login { return begin(t, path, Options{}) }
	decoy := func(asked int) func() *Login {
		return func() *Login { return beginDecoy(t, &Decoy{Asked: asked}, Options{}) }
	}
	cost()
	for _, numbers := range []int{1, 3} {
		want := slices.Repeat([]string{"2 19456 1 32 19"}, numbers)
		if numbers == 3 {
			for len(readLock(t, path)) < maxAside { // set three aside
				real().Close()
			}
		}
		for name, tt := range map[string]struct {
			begin  func() *Login
			answer func(challenge string) []byte
		}{
			"wrong prefix":   {real, func(c string) []byte { return append([]byte("x"), right(c)...) }},
			"wrong password": {real, func(c string) []byte { return append(right(c)[:len(right(c))-1], 'x') }},
			"too short":      {real, func(c string) []byte { return []byte("x") }},
			"empty":          {real, func(string) []byte { return nil }},
			"too long":       {real, func(c string) []byte { return slices.Repeat([]byte("long"), 500) }},
			"decoy":          {decoy(numbers), right},
			"decoy, empty":   {decoy(numbers), func(string) []byte { return nil }},
		} {
			if numbers == 1 {
				Unlock(path)
			}
			l := tt.begin()
			if got := strings.Count(l.Challenge(), "/") + 1; got != numbers {
				t.Fatalf("%s: asked for %s, want %d numbers", name, l.Challenge(), numbers)
			}
			if len(l.Prompt("Password")) != len("Password : ")+4*numbers-1 {
				t.Errorf("%s: prompt %q", name, l.Prompt("Password"))
			}
			refuses(t, l, tt.answer(l.Challenge()), ErrWrong)
			if got := cost(); !slices.Equal(got, want) {
				t.Errorf("%s: hashes %q, want %q", name, got, want)
			}
		}
	}
}

func readLock(t *testing.T, path string) []string {
	t.Helper()
	target, err := os.Readlink(path + ".lock")
	if err != nil {
		return nil
	}
	return strings.Split(target, ",")
}

// The list behind a decoy is like one that otpw-gen makes when it is told nothing but
// where the sheet goes.
func TestDecoyLikeDefault(t *testing.T) {
	length := Base64.PrintedLen(DefaultEntropy)
	text, err := printsheet.New(printsheet.Page{Height: printsheet.DefaultHeight, Width: printsheet.DefaultWidth, Pages: 1}, length)
	sizes := map[int]bool{text.Count: true}
	for _, style := range []printsheet.Style{printsheet.FullPage, printsheet.Wallet} {
		l, perr := printsheet.NewPDF(printsheet.PDFPage{Paper: printsheet.A4, Style: style, Pages: 1}, printsheet.Header{Host: "host"}, length)
		sizes[l.Count], err = true, errors.Join(err, perr)
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for token := range uint64(100) {
		got, err := Parse(decoyList(token))
		if err != nil {
			t.Fatal(err)
		}
		seen[got.Len()] = true
		if got.width != text.Digits || got.PasswordLen() != Base64.Len(DefaultEntropy) {
			t.Errorf("%d digits, %d characters", got.width, got.PasswordLen())
		}
	}
	if !maps.Equal(seen, sizes) {
		t.Errorf("sizes %v, want %v", seen, sizes)
	}
	got, err := Parse(decoyList(1))
	if err != nil {
		t.Fatal(err)
	}
	last := got.Len() - 1 // unused, as those before it may not be
	if other, err := Parse(decoyList(1)); err != nil || bytes.Equal(got.KDF.Salt, other.KDF.Salt) ||
		bytes.Equal(got.hash(last), other.hash(last)) || bytes.Equal(got.hash(last), got.hash(last-1)) {
		t.Errorf("salt or hashes can be foreseen, %v", err)
	}
}

func TestDecoyNumbers(t *testing.T) {
	countKDF(t)
	var seen []string
	for asked := range maxAside {
		d := &Decoy{Token: 7, Asked: asked}
		c := beginDecoy(t, d, Options{}).Challenge()
		if strings.Contains(c, "/") || slices.Contains(seen, c) || d.Asked != asked+1 {
			t.Errorf("asked for %s after %v, then %d", c, seen, d.Asked)
		}
		seen = append(seen, c)
	}
	multi := func(d Decoy, o Options, not ...string) {
		t.Helper()
		before := d.Asked
		for range 50 {
			c := beginDecoy(t, &d, o).Challenge()
			if strings.Count(c, "/") != 2 || d.Asked != before {
				t.Fatalf("asked for %s, then %d", c, d.Asked)
			}
			for _, n := range not {
				if strings.Contains(c, n) {
					t.Fatalf("asked for %s, with %s set aside", c, n)
				}
			}
		}
	}
	multi(Decoy{Token: 7, Asked: 3}, Options{}, seen...)
	multi(Decoy{Token: 7, Asked: 255}, Options{}, seen...)
	multi(Decoy{Token: 7, Asked: 1, Busy: true}, Options{}, seen[0])
	multi(Decoy{Token: 7, Asked: 1}, Options{LegacyLock: true}, seen[0])

	// nolock asks for what is set aside by others no more than it does with a list.
	for _, d := range []Decoy{{Token: 7}, {Token: 7, Asked: 2}, {Token: 7, Busy: true}} {
		before := d.Asked
		if c := beginDecoy(t, &d, Options{NoLock: true}).Challenge(); c != seen[before] || d.Asked != before {
			t.Errorf("nolock: asked for %s, then %d", c, d.Asked)
		}
	}
	// Like lists in use, decoys have numbers that never come up, some more, some fewer.
	least, most := MaxEntries, 0
	for token := range uint64(200) {
		l := beginDecoy(t, &Decoy{Token: token}, Options{})
		n := len(l.list.unused())
		least, most = min(least, n), max(most, n)
	}
	if least < decoyLeast || least > 70 || most < 250 {
		t.Errorf("200 decoys have %d to %d unused numbers", least, most)
	}
	// Names differ in their first number as numbers on sheets do.
	first := map[string]int{}
	for token := range uint64(2000) {
		first[beginDecoy(t, &Decoy{Token: token}, Options{}).Challenge()]++
	}
	if len(first) < 250 || len(first) > slices.Max(decoySizes) {
		t.Errorf("2000 names: %d different numbers", len(first))
	}
}

// With decoys beside it, a list's multi challenge takes no heed of others', which
// those of decoys cannot.
func TestDecoysBeside(t *testing.T) {
	path := makeList(t, 13)
	hold := begin(t, path, Options{}) // so that there are multi challenges
	met := false
	for range 200 {
		a, b := begin(t, path, Options{Decoys: true}), begin(t, path, Options{Decoys: true})
		for n := range strings.SplitSeq(a.Challenge(), "/") {
			met = met || strings.Contains(b.Challenge(), n)
		}
		a.Close()
		b.Close()
	}
	if !met {
		t.Error("of 200 pairs of challenges no two overlap")
	}
	hold.Close()
}
