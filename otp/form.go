// SPDX-License-Identifier: MIT

package otp

import (
	"crypto/rand"
	_ "embed"
	"fmt"
)

// A Form is how a random bit string becomes a password that people can read
// and type. The numbers are those of the options -p and -P of OTPW 1.5.
type Form int

// The forms of OTPW 1.5. The alphabets leave out what is easily confused.
const (
	Base64 Form = 0 // letters, digits, : % = + /; 6 bits a character
	Words  Form = 1 // four-letter words, 11 bits each
	Base32 Form = 2 // small letters and digits, 5 bits a character
)

// Bounds for what passwords are made of, in bits.
const (
	// MinEntropy is the least that a one-time password may have.
	MinEntropy = 30
	// DefaultEntropy of a one-time password.
	DefaultEntropy = 48
)

// b32Alphabet has 32 characters for 5 bits each.
const b32Alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// wordList has 2048 sorted words of wordLen letters, one a line. It must never
// change: master keys make the same passwords only with the same words.
//
//go:embed words.txt
var wordList string

const (
	wordLen  = 4
	wordLine = wordLen + 1
	wordBits = 11
)

// bits and chars are what one unit of the form holds and takes.
func (f Form) unit() (bits, chars int) {
	switch f {
	case Base64:
		return 6, 1
	case Words:
		return wordBits, wordLen
	case Base32:
		return 5, 1
	}
	panic(fmt.Sprintf("otp: form %d", int(f)))
}

// Valid reports whether f is one of the forms above.
func (f Form) Valid() bool { return f == Base64 || f == Words || f == Base32 }

// Len returns the length in characters, blanks not counted, of a password with
// at least the given entropy in bits. It panics if f is not valid.
func (f Form) Len(entropy int) int {
	bits, chars := f.unit()
	return (entropy + bits - 1) / bits * chars
}

// MaxEntropy returns the largest entropy, in bits, that makes passwords of at
// most [MaxPasswordLen] characters, the most that a list may have. It panics if
// f is not valid.
func (f Form) MaxEntropy() int {
	bits, chars := f.unit()
	return MaxPasswordLen / chars * bits
}

// CheckEntropy returns an error unless one-time passwords of this form and
// entropy in bits may stand in a list: MinEntropy <= entropy <= MaxEntropy.
func (f Form) CheckEntropy(entropy int) error {
	if !f.Valid() {
		return fmt.Errorf("form %d, want 0 to 2", int(f))
	}
	if entropy < MinEntropy || entropy > f.MaxEntropy() {
		return fmt.Errorf("entropy of %d bits, want %d to %d", entropy, MinEntropy, f.MaxEntropy())
	}
	return nil
}

// NewPassword returns a random password with at least the given entropy in
// bits, without blanks. It panics if CheckEntropy has something against it; it
// cannot fail otherwise.
func NewPassword(f Form, entropy int) []byte {
	if err := f.CheckEntropy(entropy); err != nil {
		panic("otp: new password: " + err.Error())
	}
	return f.random(entropy)
}

// random is NewPassword without the lower bound.
func (f Form) random(entropy int) []byte {
	b := make([]byte, f.bytes(entropy))
	rand.Read(b) // never fails: crypto/rand ends the program instead
	defer clear(b)
	return f.encode(b, entropy)
}

// bytes returns how many random bytes encode needs for the entropy in bits.
func (f Form) bytes(entropy int) int {
	bits, chars := f.unit()
	return (f.Len(entropy)/chars*bits + 7) / 8
}

// encode makes a password of the first bits of b. Bits are taken most
// significant first, except for words (see wordIndex).
func (f Form) encode(b []byte, entropy int) []byte {
	bits, chars := f.unit()
	units := f.Len(entropy) / chars
	out := make([]byte, 0, units*chars)
	for i := range units {
		switch f {
		case Base64:
			out = append(out, b64Alphabet[bitsAt(b, i*bits, bits)])
		case Base32:
			out = append(out, b32Alphabet[bitsAt(b, i*bits, bits)])
		case Words:
			w := wordIndex(b, i*bits) * wordLine
			out = append(out, wordList[w:w+wordLen]...)
		}
	}
	return out
}

// bitsAt returns n bits of b from bit at on, most significant first in b and in
// the result.
func bitsAt(b []byte, at, n int) (v int) {
	for i := at; i < at+n; i++ {
		v = v<<1 | int(b[i/8]>>(7-i%8))&1
	}
	return v
}

// wordIndex returns 11 bits of b from bit at on. OTPW 1.5 counts the bits of a
// byte from the least significant here, but puts them together most significant
// first.
func wordIndex(b []byte, at int) (v int) {
	for i := at; i < at+wordBits; i++ {
		v = v<<1 | int(b[i/8]>>(i%8))&1
	}
	return v
}

// Printed returns a password or master key of this form as it is printed, with
// blanks to guide the eye: between words, or spread evenly, as OTPW 1.5 does, so
// that groups have at most four characters. A password of up to five characters
// has none.
func (f Form) Printed(password []byte) []byte {
	n := len(password)
	out := make([]byte, f.printedLen(n))
	if f == Words {
		for i, k := 0, 0; i < n; i, k = i+wordLen, k+wordLine {
			if k > 0 {
				out[k-1] = ' '
			}
			copy(out[k:], password[i:min(i+wordLen, n)])
		}
		return out
	}
	blanks := len(out) - n
	acc := blanks / 2
	k := len(out)
	for i := n - 1; i >= 0; i-- {
		k--
		out[k] = password[i]
		if acc += blanks + 1; acc >= n && k > 0 {
			k--
			out[k] = ' '
			acc -= n
		}
	}
	return out
}

// PrintedLen returns the length in characters of a printed password with at
// least the given entropy in bits. It panics if f is not valid.
func (f Form) PrintedLen(entropy int) int { return f.printedLen(f.Len(entropy)) }

// printedLen does the same for a password of n characters.
func (f Form) printedLen(n int) int {
	switch {
	case n == 0:
		return 0
	case f == Words:
		return n + (n-1)/wordLen
	case n > 5:
		return n + (n-1)/4
	}
	return n
}
