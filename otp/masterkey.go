// SPDX-License-Identifier: MIT

package otp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds for master keys, in bits.
const (
	// MinKeyEntropy is the least that a master key may have.
	MinKeyEntropy = 60
	// DefaultKeyEntropy of a master key.
	DefaultKeyEntropy = 76

	keyCheckBits = 4 // come on top
)

// minKeyLen is the length of the shortest master key that is ever made: 64
// bits in Base64.
const minKeyLen = (MinKeyEntropy + keyCheckBits + 5) / 6

// ErrMasterKey: the check bits of a master key are wrong, so it was mistyped.
var ErrMasterKey = errors.New("not a master key")

// A MasterKey makes all passwords of a sheet, so that the sheet can be printed
// again. It works with OTPW 1.5, except that passwords made of words differ,
// because the words do.
type MasterKey struct {
	norm []byte // as typed, normalised
}

// CheckKeyEntropy returns an error unless a master key of this form may have
// this entropy in bits: [MinKeyEntropy] at least, and at most [MaxPasswordLen]
// characters with its four check bits.
func (f Form) CheckKeyEntropy(entropy int) error {
	if !f.Valid() {
		return fmt.Errorf("form %d, want 0 to 2", int(f))
	}
	if limit := f.MaxEntropy() - keyCheckBits; entropy < MinKeyEntropy || entropy > limit {
		return fmt.Errorf("master key of %d bits, want %d to %d", entropy, MinKeyEntropy, limit)
	}
	return nil
}

// NewMasterKey draws a master key with the given entropy in bits and four check
// bits. It returns the key's text too, without blanks, for [Form.Printed]. It
// panics if CheckKeyEntropy has something against it.
func NewMasterKey(f Form, entropy int) (key *MasterKey, text []byte) {
	if err := f.CheckKeyEntropy(entropy); err != nil {
		panic("otp: new master key: " + err.Error())
	}
	for { // 16 times on average
		text = f.random(entropy + keyCheckBits)
		if key, err := ParseMasterKey(text); err == nil {
			return key, text
		}
		clear(text)
	}
}

// ParseMasterKey reads a master key as somebody typed it, with or without
// blanks. One of 16 wrong keys passes the check; the others, and what is shorter
// than any key, give [ErrMasterKey].
func ParseMasterKey(typed []byte) (*MasterKey, error) {
	norm := Normalize(typed)
	h := ripemd(norm)
	if len(norm) < minKeyLen || h[0]>>(8-keyCheckBits) != 0 {
		clear(norm)
		return nil, ErrMasterKey
	}
	return &MasterKey{norm}, nil
}

// Password derives the password with the given number ("000", "001", ...). It
// panics if f.CheckEntropy has something against the entropy, in bits.
func (k *MasterKey) Password(f Form, entropy int, number string) []byte {
	if err := f.CheckEntropy(entropy); err != nil {
		panic("otp: derive password: " + err.Error())
	}
	seed := ripemd(k.norm, []byte(number))
	b := stream(seed, f.bytes(entropy))
	defer clear(b)
	defer clear(seed[:])
	return f.encode(b, entropy)
}

// Wipe overwrites the key. It is of no use afterwards.
func (k *MasterKey) Wipe() { clear(k.norm) }

// stream returns the first n bytes of the generator of OTPW 1.5: of a chain of
// hashes, each over a counter, the hash before and the seed, it puts out the
// first byte.
func stream(seed digest, n int) []byte {
	out := make([]byte, n)
	r := ripemd(seed[:])
	var counter [4]byte
	for i := range out {
		out[i] = r[0]
		binary.BigEndian.PutUint32(counter[:], uint32(i))
		r = ripemd(counter[:], r[:], seed[:])
	}
	clear(r[:])
	return out
}
