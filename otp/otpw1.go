// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// The OTPW1 format, that of OTPW 1.5.

const (
	magic1        = "OTPW1"
	hashLen1      = 12 // characters of a hash on file, 6 bits each
	hashBytes1    = 9  // of the 20 that RIPEMD-160 gives
	maxCommentLen = 79 // characters
)

// b64Alphabet has 64 characters for 6 bits each; it leaves out l, 0 and 1,
// which are easily taken for I and O.
const b64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijk%mnopqrstuvwxyz:=23456789+/"

var b64 = base64.NewEncoding(b64Alphabet).WithPadding(base64.NoPadding)

// appendHash1 appends the OTPW1 hash of a prefix password and a normalised
// one-time password: the first 72 bits of RIPEMD-160 over both.
func appendHash1(b, prefix, password []byte) []byte {
	sum := ripemd(prefix, password)
	defer clear(sum[:])
	return b64.AppendEncode(b, sum[:hashBytes1])
}

// parseHeader1 reads magic line, comment and numbers.
func (l *List) parseHeader1() error {
	l.Format = OTPW1
	l.line() // magic
	line, ok := l.line()
	if bytes.HasPrefix(line, []byte("#")) {
		if !ok || len(line) > maxCommentLen {
			return fmt.Errorf("comment longer than %d characters", maxCommentLen)
		}
		line, ok = l.line()
	}
	if !ok {
		return errors.New("no line with the four numbers")
	}
	return l.parseNumbers1(line)
}

// parseNumbers1 reads `entries width hashlen pwlen`, and ignores what stands behind.
func (l *List) parseNumbers1(line []byte) error {
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
		{"length of a hash", &hash, hashLen1, hashLen1},
		{"length of a password", &l.pwLen, MinPasswordLen, MaxPasswordLen},
	} {
		n, err := parseNumber(string(f[i]), v.what, v.min, v.max)
		if err != nil {
			return err
		}
		*v.to = n
	}
	return nil
}
