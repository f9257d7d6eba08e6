// SPDX-License-Identifier: MIT

package otp

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Readers in the words of docs/format.md, slow and simple, that share nothing
// with those they are compared with.

// slowList is what one of them finds in a list.
type slowList struct {
	numbers []string // of the entries, "" when used
	pwLen   int
	kdf     []string // memory and passes
	text    []string // host and label
}

var (
	slowKDF = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]*),t=([1-9][0-9]*),p=1\$` +
		`[A-Za-z0-9+/]{21}[AQgw]$`) // 16 bytes
	slowNumbers = regexp.MustCompile(`^ *([0-9]+) +([0-9]+) +(0*12) +([0-9]+)`)
	slowHeader2 = regexp.MustCompile(`^OTPW2\nkdf: (.*)\n` +
		`entries: ([1-9][0-9]*)\ndigits: ([1-9][0-9]*)\npassword: ([1-9][0-9]*)\nid: [a-kmnp-z2-9]{8}\nhost: (.+)\n` +
		`created: (....-..-..T..:..:..Z)\n(?:expires: (....-..-..T..:..:..Z)\n)?(?:label: (.+)\n)?\n`)
)

// within reads a number of at most eight digits.
func within(s string, least, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && len(s) <= 8 && n >= least && n <= most
}

func readSlowly(data string) (r slowList, ok bool) {
	if len(data) > 1<<20 {
		return r, false
	}
	var counts []string // entries, digits, characters of a password
	chars, hash := "[A-Za-km-z2-9:%=+/]", 12
	if strings.HasPrefix(data, "OTPW1\n") {
		counts, data = r.header1(data)
	} else {
		counts, data = r.header2(data)
		chars, hash = "[A-Za-z0-9+/]", 43
	}
	if counts == nil {
		return r, false
	}
	n, okN := within(counts[0], 1, 9999)
	width, okW := within(counts[1], 1, 26)
	r.pwLen, ok = within(counts[2], 4, 999)
	lines := strings.Split(data, "\n")
	if !okN || !okW || !ok || len(lines) <= n { // the last one does not end
		return r, false
	}
	unused := regexp.MustCompile(fmt.Sprintf("^([0-9]{%d})%s{%d}$", width, chars, hash))
	for _, line := range lines[:n] {
		if len(line) != width+hash {
			return r, false
		}
		m := append(unused.FindStringSubmatch(line), "", "") // no match: ""
		r.numbers = append(r.numbers, m[1])
	}
	return r, true
}

// header1 returns the counts and what stands behind the header.
func (r *slowList) header1(data string) (counts []string, rest string) {
	data = strings.TrimPrefix(data, "OTPW1\n")
	if line, rest, ended := strings.Cut(data, "\n"); ended && strings.HasPrefix(line, "#") && len(line) <= 79 {
		data = rest
	}
	line, rest, ended := strings.Cut(data, "\n")
	if !ended {
		return nil, ""
	}
	m := slowNumbers.FindStringSubmatch(strings.Join(strings.FieldsFunc(line, unicode.IsSpace), " "))
	if m == nil || len(m[3]) > 8 {
		return nil, ""
	}
	return []string{m[1], m[2], m[4]}, rest
}

// header2 is the same for OTPW2.
func (r *slowList) header2(data string) (counts []string, rest string) {
	m := slowHeader2.FindStringSubmatch(data)
	if m == nil {
		return nil, ""
	}
	kdf, ok := readKDFSlowly(m[1])
	created, err1 := time.Parse("2006-01-02T15:04:05Z", m[6])
	expires, err2 := time.Parse("2006-01-02T15:04:05Z", m[7])
	if !ok || err1 != nil || created.IsZero() || m[7] != "" && (err2 != nil || !expires.After(created)) {
		return nil, ""
	}
	if !showable(m[5]) || m[8] != "" && !showable(m[8]) {
		return nil, ""
	}
	r.kdf, r.text = kdf, []string{m[5], m[8]}
	return m[2:5], data[len(m[0]):]
}

func readKDFSlowly(s string) (cost []string, ok bool) {
	m := slowKDF.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	_, okM := within(m[1], 8, 4194304)
	_, okT := within(m[2], 1, 1000)
	return m[1:], okM && okT
}

// showable reports whether a host or label can be shown anywhere.
func showable(s string) bool {
	for _, c := range s {
		if c != ' ' && !unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) {
			return false
		}
	}
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && s[0] != ' ' && s[len(s)-1] != ' '
}

var (
	lookalikes = strings.NewReplacer("l", "I", "1", "I", "|", "I", "0", "O", `\`, "/")
	noise      = regexp.MustCompile(`[^A-Za-z2-9:%=+/]`)
)

func normalizeSlowly(s string) string {
	return noise.ReplaceAllString(lookalikes.Replace(s), "")
}

// splitSlowly reads forwards, as a line editor would.
func splitSlowly(response []byte, n int) (prefix, password string, ok bool) {
	var kept []int // what nothing has erased
	for i, c := range response {
		if c != 8 && c != 127 {
			kept = append(kept, i)
		} else if len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
	}
	for _, i := range slices.Backward(kept) {
		if password = normalizeSlowly(string(response[i:i+1])) + password; len(password) == n {
			return string(response[:i]), password, true
		}
	}
	return "", "", false
}

var slowLock = regexp.MustCompile(`^[0-9]+(,[0-9]+){0,2}$`)

// isLockSlowly reports whether the target of a lock file names one to three
// different numbers of this width.
func isLockSlowly(target string, width int) bool {
	names := strings.Split(target, ",")
	for _, n := range names {
		if len(n) != width {
			return false
		}
	}
	slices.Sort(names)
	return slowLock.MatchString(target) && len(slices.Compact(names)) == 1+strings.Count(target, ",")
}
