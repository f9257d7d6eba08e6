// SPDX-License-Identifier: MIT

package otp

import (
	"crypto/rand"
	"encoding/binary"
)

// randSource lets math/rand/v2 shuffle with the system's random numbers.
type randSource struct{}

func (randSource) Uint64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return binary.NativeEndian.Uint64(b[:])
}
