// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Bounds of a list, whatever its format.
const (
	// MaxEntries is how many entries a list may hold.
	MaxEntries = 9999
	// MinPasswordLen and MaxPasswordLen bound the length of a one-time
	// password in characters, blanks not counted.
	MinPasswordLen = 4
	MaxPasswordLen = 999
	// MaxFileSize bounds a list file in bytes; the largest list without
	// trailing lines has three quarters of it.
	MaxFileSize = 1 << 20

	maxNumberLen = 26 // digits: (length+1)*3 <= 81, the room for a multi challenge
)

// FileName is the name of a user's list in the home folder.
const FileName = ".otpw"

// A Format is a version of the list format; docs/format.md describes them.
type Format int

// The formats. The first is the original's: its hash is fast and has no salt, so
// who can read a list and knows the prefix can find passwords.
const (
	OTPW1 Format = 1
	OTPW2 Format = 2
)

// TrimPrefix returns the part of a prefix password that counts, a slice of it:
// blanks around it do not, in OTPW2.
func (f Format) TrimPrefix(prefix []byte) []byte {
	if f == OTPW1 {
		return prefix
	}
	return bytes.Trim(prefix, " \t")
}

// ErrFormat is what every FormatError is.
var ErrFormat = errors.New("not a valid OTPW list")

// A FormatError says where and why a list cannot be read. It quotes nothing
// from the list.
type FormatError struct {
	Line   int // counted from 1
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%v: line %d: %s", ErrFormat, e.Line, e.Reason)
}

// Is makes errors.Is(err, ErrFormat) true.
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// A List is a password list as it stands on file: numbered entries with the
// hashes of passwords, in the order of their use.
type List struct {
	Header
	data  []byte // the whole file
	lines int    // before the first entry
	start int    // offset of the first entry
	n     int    // entries
	width int    // digits of a number
	pwLen int    // characters of a one-time password
	rec   int    // bytes of an entry with its newline
}

// Parse reads a list of either format. It keeps data, and checks every number
// before it is used. An entry that is neither unused nor overwritten with hyphens
// is damaged (by a torn write, say): it counts as used, and is no error.
// Everything else that is wrong gives a *FormatError.
func Parse(data []byte) (*List, error) {
	if len(data) > MaxFileSize {
		return nil, &FormatError{1, fmt.Sprintf("%d bytes, at most %d allowed", len(data), MaxFileSize)}
	}
	if len(data) == 0 {
		return nil, &FormatError{1, "the file is empty"}
	}
	l := &List{data: data}
	magic, _, _ := bytes.Cut(data[:min(len(data), 80)], []byte("\n"))
	var err error
	switch string(magic) {
	case magic1:
		err = l.parseHeader1()
	case magic2:
		err = l.parseHeader2()
	default:
		err = errors.New("does not begin with " + magic1 + " or " + magic2)
		l.lines = 1
	}
	if err != nil {
		return nil, &FormatError{l.lines, err.Error()}
	}
	l.rec = l.width + l.hashLen() + 1
	for i := range l.n {
		e := data[min(l.offset(i), len(data)):]
		if len(e) < l.rec {
			return nil, &FormatError{l.lines + i + 1, fmt.Sprintf("the list ends here, %d entries announced", l.n)}
		}
		if bytes.IndexByte(e[:l.rec], '\n') != l.rec-1 {
			return nil, &FormatError{l.lines + i + 1, fmt.Sprintf("length differs from %d", l.rec-1)}
		}
	}
	return l, nil
}

// line returns the next line of the header, without its newline, and moves on.
// ok is false when there is none that ends.
func (l *List) line() (line []byte, ok bool) {
	line, _, ok = bytes.Cut(l.data[l.start:], []byte("\n"))
	l.lines++
	if ok {
		l.start += len(line) + 1
	}
	return line, ok
}

// parseNumber reads a decimal number of at most eight digits within bounds.
func parseNumber(s, what string, least, most int) (int, error) {
	n, err := strconv.ParseUint(s[:min(len(s), 9)], 10, 32)
	if err != nil || len(s) > 8 || int(n) < least || int(n) > most {
		return 0, fmt.Errorf("%s must be %d to %d", what, least, most)
	}
	return int(n), nil
}

// Bytes returns the list as it stands on file. The caller must not change it.
func (l *List) Bytes() []byte { return l.data }

// Len returns the number of entries, used ones included.
func (l *List) Len() int { return l.n }

// PasswordLen returns the length of a one-time password in characters, blanks
// not counted.
func (l *List) PasswordLen() int { return l.pwLen }

// head returns what stands before the first entry: all that is true of every
// entry.
func (l *List) head() []byte { return l.data[:l.start] }

// offset returns where entry i begins in the file.
func (l *List) offset(i int) int { return l.start + i*l.rec }

// entry returns the line of entry i without its newline.
func (l *List) entry(i int) []byte {
	return l.data[l.offset(i) : l.offset(i)+l.rec-1]
}

// Number returns the number of entry i (0 <= i < Len) as it is asked for, or ""
// when the entry is used.
func (l *List) Number(i int) string {
	if !l.Unused(i) {
		return ""
	}
	return string(l.entry(i)[:l.width])
}

// hash returns the hash characters of entry i.
func (l *List) hash(i int) []byte { return l.entry(i)[l.width:] }

// Unused reports whether entry i (0 <= i < Len) still has its password: digits
// and a hash, nothing else.
func (l *List) Unused(i int) bool {
	for k, c := range l.entry(i) {
		if k < l.width {
			if c < '0' || c > '9' {
				return false
			}
		} else if !l.isHashChar(c) {
			return false
		}
	}
	return true
}

// hashLen is the number of characters of a hash.
func (l *List) hashLen() int {
	if l.Format == OTPW1 {
		return hashLen1
	}
	return hashLen2
}

// isHashChar reports whether c may be part of a hash.
func (l *List) isHashChar(c byte) bool {
	if l.Format == OTPW1 {
		return c != 0 && canonical(c) == c
	}
	return isBase64(c)
}

// appendHash appends what the entry with this number holds if the prefix and the
// normalised password are right.
func (h *Header) appendHash(b, prefix, password []byte, number string) []byte {
	if h.Format == OTPW1 {
		return appendHash1(b, prefix, password)
	}
	return appendHash2(b, &h.KDF, prefix, password, number)
}

// unused returns the indices of all unused entries in the order of their use.
func (l *List) unused() []int {
	var u []int
	for i := range l.n {
		if l.Unused(i) {
			u = append(u, i)
		}
	}
	return u
}

// Remaining counts the entries.
func (l *List) Remaining() Remaining {
	return Remaining{len(l.unused()), l.n, l.Expires, l.Expiring(time.Now())}
}

// Remaining says how much of a list is left.
type Remaining struct {
	Unused   int       // entries not used yet
	Total    int       // entries the list was made with
	Expires  time.Time // zero: never
	Expiring bool      // in the last tenth of its life, or beyond
}

// Low reports whether it is time to print a new list: fewer than half of the
// passwords are left, or fewer than 20 (of a list that had fewer from the start:
// any is used), or the list is expiring.
func (r Remaining) Low() bool {
	return r.Unused < r.Total/2 || r.Unused < min(20, r.Total) || r.Expiring
}
