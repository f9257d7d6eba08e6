// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func TestWordList(t *testing.T) {
	words := strings.Split(strings.TrimSuffix(wordList, "\n"), "\n")
	if len(words) != 1<<wordBits || len(wordList) != len(words)*wordLine {
		t.Fatalf("%d words in %d bytes", len(words), len(wordList))
	}
	seen := map[string]bool{}
	for _, w := range words {
		if len(w) != wordLen || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is not a four-letter word", w)
		}
		n := string(Normalize([]byte(w)))
		if seen[n] {
			t.Errorf("%q is there twice", w)
		}
		if seen[n] = true; len(n) != wordLen {
			t.Errorf("%q is %q when normalised", w, n)
		}
	}
	if !slices.IsSorted(words) {
		t.Error("not sorted")
	}
}

// The list is frozen: a change would make other passwords of old master keys.
func TestWordListFrozen(t *testing.T) {
	h := ripemd([]byte(wordList))
	if got, want := hex.EncodeToString(h[:]), "3f3d6867201a30f8b71eac5e0a42fe147d5f0c42"; got != want {
		t.Errorf("RIPEMD-160 of words.txt is %s, want %s", got, want)
	}
}

func TestLen(t *testing.T) {
	for _, c := range []struct {
		name         string
		f            Form
		entropy      int
		len, printed int
	}{
		{"base64, least", Base64, 30, 5, 5},
		{"base64, one more", Base64, 31, 6, 7},
		{"base64, default", Base64, 48, 8, 9},
		{"base64, not a multiple", Base64, 49, 9, 11},
		{"base64, most", Base64, 5994, 999, 1248},
		{"words, least", Words, 30, 12, 14},
		{"words, default", Words, 48, 20, 24},
		{"words, most", Words, 2739, 996, 1244},
		{"base32, least", Base32, 30, 6, 7},
		{"base32, default", Base32, 48, 10, 12},
		{"base32, most", Base32, 4995, 999, 1248},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.f.CheckEntropy(c.entropy); err != nil {
				t.Error(err)
			}
			p := NewPassword(c.f, c.entropy)
			if c.f.Len(c.entropy) != c.len || len(p) != c.len {
				t.Errorf("length %d and %d, want %d", c.f.Len(c.entropy), len(p), c.len)
			}
			printed := c.f.Printed(p)
			if c.f.PrintedLen(c.entropy) != c.printed || len(printed) != c.printed {
				t.Errorf("printed length %d and %d, want %d", c.f.PrintedLen(c.entropy), len(printed), c.printed)
			}
			if !bytes.Equal(Normalize(printed), Normalize(p)) {
				t.Errorf("%q is printed as %q", p, printed)
			}
		})
	}
}

func TestCheckEntropy(t *testing.T) {
	for _, c := range []struct {
		name    string
		f       Form
		entropy int
		ok      bool
	}{
		{"too little", Base64, 29, false},
		{"negative", Base64, -1, false},
		{"base64, most", Base64, 5994, true},
		{"base64, too much", Base64, 5995, false},
		{"words, most", Words, 2739, true},
		{"words, too much", Words, 2740, false},
		{"base32, most", Base32, 4995, true},
		{"base32, too much", Base32, 4996, false},
		{"no form", Form(3), 48, false},
		{"negative form", Form(-1), 48, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.f.CheckEntropy(c.entropy); (err == nil) != c.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestPrinted(t *testing.T) {
	for _, c := range []struct {
		name     string
		f        Form
		password string
		want     string
	}{
		// lengths and places of the blanks as OTPW 1.5 has them
		{"nothing", Base64, "", ""},
		{"five", Base64, "abcde", "abcde"},
		{"six", Base64, "abcdef", "abc def"},
		{"eight", Base64, "abcdefgh", "abcd efgh"},
		{"ten", Base32, "uij97zpncs", "uij 97zp ncs"},
		{"sixteen", Base32, "d2fib2nhc9zfzurj", "d2fi b2nh c9zf zurj"},
		{"thirty-four", Base64, "Lq7EyOZjBequ/rrfhg/uMN7pdTzCRFORYs", "Lq7E yOZj Beq u/rr fhg/ uMN7 pdT zCRF ORYs"},
		{"one word", Words, "able", "able"},
		{"three words", Words, "ableacidzoom", "able acid zoom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.f.Printed([]byte(c.password)); string(got) != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Which bits make which character: one unit with one bit set, and a few more.
func TestEncode(t *testing.T) {
	word := func(i int) string { return wordList[i*wordLine : i*wordLine+wordLen] }
	for _, c := range []struct {
		name    string
		f       Form
		bits    []byte
		entropy int
		want    string
	}{
		{"base64, first bit", Base64, []byte{0x80}, 6, "g"},
		{"base64, sixth bit", Base64, []byte{0x04}, 6, "B"},
		{"base64, over the byte", Base64, []byte{0x01, 0x80}, 12, "AY"},
		{"base32, first bit", Base32, []byte{0x80}, 5, "s"},
		{"base32, fifth bit", Base32, []byte{0x08}, 5, "b"},
		{"base32, over the byte", Base32, []byte{0x01, 0x80}, 10, "ag"},
		{"words, bit 0 is the most significant", Words, []byte{0x01, 0}, 11, word(1 << 10)},
		{"words, bit 7", Words, []byte{0x80, 0}, 11, word(1 << 3)},
		{"words, bit 8", Words, []byte{0, 0x01}, 11, word(1 << 2)},
		{"words, bit 10 is the least significant", Words, []byte{0, 0x04}, 11, word(1)},
		{"words, bit 11 is the next word's", Words, []byte{0, 0x08, 0}, 22, word(0) + word(1<<10)},
		{"words, the last", Words, []byte{0xff, 0x07}, 11, word(2047)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.f.encode(c.bits, c.entropy); string(got) != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Every unit turns up, about as often as any other.
func TestNewPasswordSpread(t *testing.T) {
	for f, units := range map[Form]int{Base64: 64, Words: 2048, Base32: 32} {
		count := map[string]int{}
		_, chars := f.unit()
		draws := 0
		for draws < 100*units {
			p := NewPassword(f, 990)
			for ; len(p) > 0; p = p[chars:] {
				count[string(p[:chars])]++
				draws++
			}
		}
		if len(count) != units {
			t.Errorf("form %d: %d units of %d", f, len(count), units)
		}
		for u, n := range count {
			if n < 40 || n > 180 { // mean 100, deviation 10
				t.Errorf("form %d: %q %d times in %d", f, u, n, draws)
			}
		}
	}
}

func TestNewPasswordPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewPassword(Base64, MinEntropy-1)
}
