// SPDX-License-Identifier: MIT

package otp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// A KDF is the cost and the salt of the Argon2id (RFC 9106) that makes OTPW2
// hashes. There is one lane.
type KDF struct {
	Memory int    // KiB
	Passes int    // over the memory
	Salt   []byte // of the list; each entry adds its number
}

// Bounds and defaults of a KDF. The defaults are the least that OWASP's Password
// Storage Cheat Sheet recommends.
const (
	DefaultKDFMemory = 19 * 1024 // KiB
	DefaultKDFPasses = 2
	MinKDFMemory     = 8       // KiB, Argon2's own
	MaxKDFMemory     = 4 << 20 // KiB
	MaxKDFPasses     = 1000

	saltLen = 16 // bytes, as RFC 9106 recommends
)

const (
	phcHead = "$argon2id$v=19$"
	phcTail = ",p=1$"
)

var phcBase64 = base64.RawStdEncoding.Strict()

// String returns the KDF as a PHC string.
func (k KDF) String() string {
	return fmt.Sprintf("%sm=%d,t=%d%s%s", phcHead, k.Memory, k.Passes, phcTail, phcBase64.EncodeToString(k.Salt))
}

// parseKDF reads a PHC string as String writes it.
func parseKDF(s string) (k KDF, err error) {
	rest, ok := strings.CutPrefix(s, phcHead)
	if !ok {
		return k, errors.New("kdf is not " + phcHead)
	}
	cost, salt, ok := strings.Cut(rest, phcTail)
	if !ok {
		return k, errors.New("kdf does not have one lane (p=1)")
	}
	memory, passes, ok := strings.Cut(cost, ",")
	memory, okM := strings.CutPrefix(memory, "m=")
	passes, okT := strings.CutPrefix(passes, "t=")
	if !ok || !okM || !okT {
		return k, errors.New("kdf has other parameters than m, t and p")
	}
	if k.Memory, err = parseNumber(memory, "memory of the kdf", MinKDFMemory, MaxKDFMemory); err != nil {
		return k, err
	}
	if k.Passes, err = parseNumber(passes, "passes of the kdf", 1, MaxKDFPasses); err != nil {
		return k, err
	}
	if len(salt) > 2*saltLen {
		return k, errors.New("salt of the kdf is too long")
	}
	if k.Salt, err = phcBase64.DecodeString(salt); err != nil || len(k.Salt) != saltLen {
		return k, fmt.Errorf("salt of the kdf is not base64 of %d bytes", saltLen)
	}
	if k.String() != s {
		return k, errors.New("kdf is not in its shortest form")
	}
	return k, nil
}

// check refuses what parseKDF would.
func (k KDF) check() error {
	_, err := parseKDF(k.String())
	return err
}

var idKey = argon2.IDKey // a variable for the tests, which look at what it costs

// appendHash2 appends the OTPW2 hash of a prefix password and a normalised
// one-time password: 32 bytes of Argon2id, salted with the list's salt and the
// number, in base64 (RFC 4648) without padding. The secret that it leaves in
// memory is a block of BLAKE2b's that x/crypto/argon2 does not give us to wipe.
func appendHash2(b []byte, k *KDF, prefix, password []byte, number string) []byte {
	secret := join(prefix, password)
	defer clear(secret)
	salt := join(k.Salt, []byte(number))
	sum := idKey(secret, salt, uint32(k.Passes), uint32(k.Memory), 1, hashBytes2)
	defer clear(sum)
	return phcBase64.AppendEncode(b, sum)
}

// join returns a followed by b, on the heap: the stack moves when garbage is
// collected, and leaves copies where it was.
//
//go:noinline
func join(a, b []byte) []byte {
	return append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
}
