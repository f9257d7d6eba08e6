// SPDX-License-Identifier: MIT

package otp

import (
	//lint:ignore SA1019 the OTPW1 format and its master keys are defined with it
	"golang.org/x/crypto/ripemd160"
)

type digest = [ripemd160.Size]byte

// ripemd is the RIPEMD-160 of the parts, one after the other.
func ripemd(parts ...[]byte) (sum digest) {
	d := ripemd160.New()
	for _, p := range parts {
		d.Write(p)
	}
	d.Sum(sum[:0])
	return sum
}

// canonical maps a typed byte to the character that counts in a password, or
// to 0 when it does not count (blanks, for one). Lookalikes fall together:
// l, 1 and | are I, 0 is O, \ is /.
func canonical(c byte) byte {
	switch {
	case c == 'l' || c == '1' || c == '|':
		return 'I'
	case c == '0':
		return 'O'
	case c == '\\':
		return '/'
	case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '2' <= c && c <= '9',
		c == ':', c == '%', c == '=', c == '+', c == '/':
		return c
	}
	return 0
}

// Normalize returns the characters of b that count in a one-time password or
// a master key, lookalikes made one. It never returns more bytes than it was
// given, and leaves b alone.
func Normalize(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c = canonical(c); c != 0 {
			out = append(out, c)
		}
	}
	return out
}

// normalizedLen is the length of what Normalize returns.
func normalizedLen(b []byte) (n int) {
	for _, c := range b {
		if canonical(c) != 0 {
			n++
		}
	}
	return n
}

const (
	backspace = 8
	del       = 127
)

// splitResponse takes a response apart: it reads backwards until it has n
// characters that count, and returns them, normalised, with what is left at
// the front: the prefix, byte for byte, a slice of response. Backspace and DEL
// erase the byte before them, whatever it is, but not in the prefix, where they
// count as typed. ok is false when there are fewer than n characters.
func splitResponse(response []byte, n int) (prefix, password []byte, ok bool) {
	if n > len(response) {
		return nil, nil, false
	}
	password = make([]byte, n)
	erase := 0
	i := len(response)
	for n > 0 {
		if i == 0 {
			clear(password)
			return nil, nil, false
		}
		i--
		switch c := response[i]; {
		case c == backspace || c == del:
			erase++
		case erase > 0:
			erase--
		default:
			if c = canonical(c); c != 0 {
				n--
				password[n] = c
			}
		}
	}
	return response[:i], password, true
}
