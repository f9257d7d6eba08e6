// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Bounds of the OTPW1 format.
const (
	// MaxEntries is how many entries a list may hold.
	MaxEntries = 9999
	// MinPasswordLen and MaxPasswordLen bound the length of a one-time
	// password in characters, blanks not counted.
	MinPasswordLen = 4
	MaxPasswordLen = 999
	// MaxFileSize bounds a list file in bytes; the largest list without
	// trailing lines has less than half of it.
	MaxFileSize = 1 << 20

	maxNumberLen  = 26 // digits: (length+1)*3 <= 81, the room for a multi challenge
	maxCommentLen = 79 // characters
)

// FileName is the name of a user's list in the home folder.
const FileName = ".otpw"

const magic1 = "OTPW1\n"

// ErrFormat is what every FormatError is.
var ErrFormat = errors.New("not a valid OTPW list")

// A FormatError says where and why a list cannot be read. It quotes nothing
// from the list.
type FormatError struct {
	Line   int // counted from 1
	Reason string
}

func (e *FormatError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Is makes errors.Is(err, ErrFormat) true.
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// A List is a password list as it stands on file: numbered entries with the
// hashes of passwords, in the order of their use. docs/format.md has the format.
type List struct {
	data   []byte // the whole file
	start  int    // offset of the first entry
	n      int    // entries
	width  int    // digits of a number
	pwLen  int    // characters of a one-time password
	rec    int    // bytes of an entry with its newline
	header int    // lines before the first entry
}

// Parse reads a list. It keeps data, and checks every number before it is
// used. An entry that is neither unused nor overwritten with hyphens is damaged
// (by a torn write, say): it counts as used, and is no error. Everything else
// that is wrong gives a *FormatError.
func Parse(data []byte) (*List, error) {
	if len(data) > MaxFileSize {
		return nil, &FormatError{1, fmt.Sprintf("%d bytes, at most %d allowed", len(data), MaxFileSize)}
	}
	rest, ok := bytes.CutPrefix(data, []byte(magic1))
	if !ok {
		return nil, &FormatError{1, "does not begin with OTPW1"}
	}
	line, header := 2, 2
	if len(rest) > 0 && rest[0] == '#' {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 || end > maxCommentLen {
			return nil, &FormatError{line, fmt.Sprintf("comment longer than %d characters", maxCommentLen)}
		}
		rest = rest[end+1:]
		line, header = 3, 3
	}
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		return nil, &FormatError{line, "no line with the four numbers"}
	}
	l := &List{data: data, header: header}
	if err := l.parseNumbers(rest[:end]); err != nil {
		return nil, &FormatError{line, err.Error()}
	}
	l.start = len(data) - len(rest) + end + 1
	for i := range l.n {
		e := data[min(l.start+i*l.rec, len(data)):]
		if len(e) < l.rec {
			return nil, &FormatError{l.header + i + 1, fmt.Sprintf("the list ends here, %d entries announced", l.n)}
		}
		if bytes.IndexByte(e[:l.rec], '\n') != l.rec-1 {
			return nil, &FormatError{l.header + i + 1, fmt.Sprintf("length differs from %d", l.rec-1)}
		}
	}
	return l, nil
}

// parseNumbers reads the line `entries width hashlen pwlen`, and ignores what
// stands behind.
func (l *List) parseNumbers(line []byte) error {
	f := bytes.Fields(line)
	if len(f) < 4 {
		return errors.New("want four numbers")
	}
	if rest := bytes.TrimLeft(f[3], "0123456789"); len(rest) < len(f[3]) {
		f[3] = f[3][:len(f[3])-len(rest)] // what is ignored may touch the last one
	}
	var hash int
	for i, v := range []struct {
		what     string
		to       *int
		min, max int
	}{
		{"number of entries", &l.n, 1, MaxEntries},
		{"length of a number", &l.width, 1, maxNumberLen},
		{"length of a hash", &hash, hashLen, hashLen},
		{"length of a password", &l.pwLen, MinPasswordLen, MaxPasswordLen},
	} {
		// 16 bits hold every bound; longer numbers are errors, not wrapped
		n, err := strconv.ParseUint(string(f[i][:min(len(f[i]), 8)]), 10, 16)
		if err != nil || len(f[i]) > 8 || int(n) < v.min || int(n) > v.max {
			return fmt.Errorf("%s must be %d to %d", v.what, v.min, v.max)
		}
		*v.to = int(n)
	}
	l.rec = l.width + hashLen + 1
	return nil
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
		} else if !isB64(c) {
			return false
		}
	}
	return true
}

// isB64 reports whether c is in b64Alphabet.
func isB64(c byte) bool {
	return canonical(c) == c && c != 0
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
func (l *List) Remaining() Remaining { return Remaining{Unused: len(l.unused()), Total: l.n} }

// Remaining says how many one-time passwords a list still has.
type Remaining struct {
	Unused int // entries not used yet
	Total  int // entries the list was made with
}

// Low reports whether it is time to print a new list: fewer than half of the
// passwords are left, or fewer than 20.
func (r Remaining) Low() bool { return r.Unused < r.Total/2 || r.Unused < 20 }

// Numbered is a one-time password with its number on the sheet.
type Numbered struct {
	Number   string // digits, all numbers of a list equally long
	Password []byte // without blanks
}

// NewList makes an OTPW1 list of the passwords, hashed with the prefix. The
// entries stand, and will be asked for, in random order, or as given if ordered.
func NewList(prefix []byte, pws []Numbered, ordered bool) (*List, error) {
	if len(pws) < 1 || len(pws) > MaxEntries {
		return nil, fmt.Errorf("make list: %d passwords, want 1 to %d", len(pws), MaxEntries)
	}
	width, pwLen := len(pws[0].Number), len(Normalize(pws[0].Password))
	if pwLen < MinPasswordLen || pwLen > MaxPasswordLen {
		return nil, fmt.Errorf("make list: passwords of %d characters, want %d to %d", pwLen, MinPasswordLen, MaxPasswordLen)
	}
	if width < 1 || width > maxNumberLen {
		return nil, fmt.Errorf("make list: numbers of %d digits, want 1 to %d", width, maxNumberLen)
	}
	order := make([]int, len(pws))
	for i := range order {
		order[i] = i
	}
	if !ordered {
		shuffle(order)
	}
	data := fmt.Appendf(nil, "%s%d %d %d %d\n", magic1, len(pws), width, hashLen, pwLen)
	seen := make(map[string]bool, len(pws))
	for _, i := range order {
		p := pws[i]
		norm := Normalize(p.Password)
		if len(p.Number) != width || len(norm) != pwLen {
			return nil, errors.New("make list: numbers or passwords of different lengths")
		}
		if seen[p.Number] {
			return nil, fmt.Errorf("make list: number %s twice", p.Number)
		}
		seen[p.Number] = true
		h := hash1(prefix, norm)
		clear(norm)
		data = append(data, p.Number...)
		data = append(data, h[:]...)
		data = append(data, '\n')
	}
	l, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("make list: %w", err)
	}
	if l.Remaining().Unused != l.n {
		return nil, errors.New("make list: a number that is not made of digits")
	}
	return l, nil
}

// shuffle puts a into random order, each order as likely as any other.
func shuffle(a []int) {
	rand.New(randSource{}).Shuffle(len(a), func(i, j int) { a[i], a[j] = a[j], a[i] })
}
