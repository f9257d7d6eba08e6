// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The OTPW2 format: the header is lines `name: value`, in this order, the last
// two of which may be missing, and an empty line.

const (
	magic2     = "OTPW2"
	hashBytes2 = 32
	hashLen2   = 43 // characters of a hash on file
	idLen      = 8  // characters of an id

	// MaxTextLen bounds host and label, in bytes.
	MaxTextLen = 255

	maxHeaderLine = 300 // bytes
)

// A Header is what a list says about itself. Of an OTPW1 list there is only the
// format.
type Header struct {
	Format  Format
	KDF     KDF
	ID      string    // tells lists apart: 8 characters
	Host    string    // where it was made
	Created time.Time // to the second
	Expires time.Time // to the second; zero: never
	Label   string    // may be empty
}

// Expired reports whether a login at the given time is too late.
func (h *Header) Expired(at time.Time) bool {
	return !h.Expires.IsZero() && !at.Before(h.Expires)
}

// Expiring reports whether a list is in the last tenth of its life, or beyond.
func (h *Header) Expiring(at time.Time) bool {
	return !h.Expires.IsZero() && at.After(h.Expires.Add(-h.Expires.Sub(h.Created)/10))
}

// LastDay says, in local time, on which day a list that expires then is good for the last time. The
// time of day comes with it if the list ends before the day does. It is empty for a list that never expires.
func LastDay(expires time.Time) string {
	end := expires.Local()
	switch {
	case expires.IsZero():
		return ""
	case end.Equal(time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, time.Local)):
		return end.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return end.Format("2006-01-02, to 15:04")
}

// prepare draws what is missing, and refuses what could not be read again.
func (h *Header) prepare() error {
	if h.Format == OTPW1 {
		*h = Header{Format: OTPW1}
		return nil
	}
	if h.Format != OTPW2 {
		return fmt.Errorf("format %d is unknown", h.Format)
	}
	if h.KDF.Salt == nil {
		h.KDF.Salt = make([]byte, saltLen)
		rand.Read(h.KDF.Salt) // never fails: crypto/rand ends the program instead
	}
	if h.ID == "" {
		h.ID = string(Base32.random(idLen * 5))
	}
	h.Created, h.Expires = h.Created.Truncate(time.Second), h.Expires.Truncate(time.Second)
	switch {
	case h.Created.IsZero():
		return errors.New("no creation time")
	case !h.Expires.IsZero() && !h.Expires.After(h.Created):
		return errors.New("expiry is not after creation")
	}
	if err := checkID(h.ID); err != nil {
		return err
	}
	if err := CheckText(h.Host); err != nil {
		return fmt.Errorf("host %w", err)
	}
	if h.Label != "" {
		if err := CheckText(h.Label); err != nil {
			return fmt.Errorf("label %w", err)
		}
	}
	return h.KDF.check()
}

func checkID(id string) error {
	if len(id) != idLen || strings.Trim(id, b32Alphabet) != "" {
		return fmt.Errorf("id is not %d small letters and digits", idLen)
	}
	return nil
}

// CheckText returns an error unless s may be a host or a label: 1 to
// [MaxTextLen] bytes of UTF-8, characters that can be printed, no blank at either
// end. So it can be shown anywhere.
func CheckText(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > MaxTextLen:
		return fmt.Errorf("is longer than %d bytes", MaxTextLen)
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with a blank")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("has the character U+%04X, which cannot be printed", r)
		}
	}
	return nil
}

// appendHeader writes the header of a list.
func (h *Header) appendHeader(b []byte, n, width, pwLen int) []byte {
	if h.Format == OTPW1 {
		return fmt.Appendf(b, "%s\n%d %d %d %d\n", magic1, n, width, hashLen1, pwLen)
	}
	b = fmt.Appendf(b, "%s\nkdf: %s\nentries: %d\ndigits: %d\npassword: %d\nid: %s\nhost: %s\ncreated: %s\n",
		magic2, h.KDF, n, width, pwLen, h.ID, h.Host, h.Created.UTC().Format(time.RFC3339))
	if !h.Expires.IsZero() {
		b = fmt.Appendf(b, "expires: %s\n", h.Expires.UTC().Format(time.RFC3339))
	}
	if h.Label != "" {
		b = fmt.Appendf(b, "label: %s\n", h.Label)
	}
	return append(b, '\n')
}

// parseHeader2 reads the header up to the empty line.
func (l *List) parseHeader2() error {
	l.Format = OTPW2
	l.line() // magic
	number := func(to *int, what string, most int) func(string) error {
		least := 1
		if to == &l.pwLen {
			least = MinPasswordLen
		}
		return func(s string) (err error) {
			if *to, err = parseNumber(s, what, least, most); err == nil && strconv.Itoa(*to) != s {
				err = fmt.Errorf("%s is not in its shortest form", what)
			}
			return err
		}
	}
	text := func(to *string, what string) func(string) error {
		return func(s string) error {
			if err := CheckText(s); err != nil {
				return fmt.Errorf("%s %w", what, err)
			}
			*to = s
			return nil
		}
	}
	for _, f := range []struct {
		name     string
		optional bool
		set      func(string) error
	}{
		{"kdf", false, func(s string) (err error) { l.KDF, err = parseKDF(s); return err }},
		{"entries", false, number(&l.n, "number of entries", MaxEntries)},
		{"digits", false, number(&l.width, "length of a number", maxNumberLen)},
		{"password", false, number(&l.pwLen, "length of a password", MaxPasswordLen)},
		{"id", false, func(s string) error { l.ID = s; return checkID(s) }},
		{"host", false, text(&l.Host, "host")},
		{"created", false, func(s string) (err error) { l.Created, err = parseTime(s, "creation time"); return err }},
		{"expires", true, func(s string) (err error) { l.Expires, err = parseTime(s, "expiry"); return err }},
		{"label", true, text(&l.Label, "label")},
	} {
		if err := l.field(f.name, f.optional, f.set); err != nil {
			return err
		}
	}
	if rest, ok := l.line(); !ok || len(rest) > 0 {
		return errors.New("unknown or misplaced field")
	}
	if !l.Expires.IsZero() && !l.Expires.After(l.Created) {
		return errors.New("expiry is not after creation")
	}
	return nil
}

// field reads one line of the header, if it has the name.
func (l *List) field(name string, optional bool, set func(string) error) error {
	rest := l.data[l.start:]
	if !bytes.HasPrefix(rest, []byte(name+": ")) {
		if optional {
			return nil
		}
		l.lines++
		return fmt.Errorf("field %s is missing", name)
	}
	line, ok := l.line()
	if !ok || len(line) > maxHeaderLine {
		return fmt.Errorf("field %s is longer than %d bytes", name, maxHeaderLine)
	}
	return set(string(line[len(name)+2:]))
}

// parseTime reads a time as it is written: UTC, to the second.
func parseTime(s, what string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UTC().Format(time.RFC3339) != s || t.IsZero() {
		return time.Time{}, fmt.Errorf("%s is not like 2006-01-02T15:04:05Z", what)
	}
	return t, nil
}

// isBase64 reports whether c is in the alphabet of RFC 4648, section 4.
func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}
