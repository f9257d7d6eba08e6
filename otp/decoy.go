// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	mrand "math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The list behind a decoy is like those that otpw-gen makes when it is told
// nothing but where the sheet goes, and partly used up.
const (
	decoyWidth = 3
	decoyLeast = 50 // unused
)

// decoySizes are those of a page (twice, as it is what most people print), of a
// sheet of text and of one for a wallet.
var decoySizes = []int{160, 160, 280, 270}

// A Decoy says what somebody is to be asked for who cannot log in.
type Decoy struct {
	// Token is a secret of the name: the same numbers for the same token.
	Token uint64
	// Asked is how many numbers have been asked for alone with this token.
	Asked int
	// Busy: another prompt with this token is open.
	Busy bool
}

// BeginDecoy starts a login that nobody can pass: on a list of random hashes that
// only this process knows, with the default KDF. Otherwise it is like one that
// [Begin] returns, and takes as long. It raises d.Asked when a number is asked for
// alone that will not be asked for alone again.
func BeginDecoy(d *Decoy, o Options) (*Login, error) {
	data := decoyList(d.Token)
	fd, err := unix.MemfdCreate("otpw-decoy", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make decoy: %w", err)
	}
	name := "/proc/self/fd/" + strconv.Itoa(fd)
	l := &Login{o: o, f: &file{name, name, fd}}
	if err := l.chooseDecoy(d, data); err != nil {
		l.Close()
		return nil, fmt.Errorf("make decoy: %w", err)
	}
	return l, nil
}

// chooseDecoy does what choose does for lists.
func (l *Login) chooseDecoy(d *Decoy, data []byte) error {
	if _, err := unix.Pwrite(l.f.fd, data, 0); err != nil {
		return err
	}
	if err := unix.Fchmod(l.f.fd, 0o600); err != nil {
		return err
	}
	var err error
	if l.list, err = l.f.read(); err != nil {
		return err
	}
	unused := l.list.unused()
	most := maxAside // numbers that may have been asked for alone
	if l.o.LegacyLock {
		most = 1
	}
	var lock lockFile
	for _, i := range unused[:min(d.Asked, most)] {
		lock.names = append(lock.names, l.list.Number(i))
	}
	switch {
	case l.o.NoLock:
		return l.chooseNext(unused, lock)
	case d.Busy || d.Asked >= most:
		return l.chooseMulti(unused, lock)
	}
	d.Asked++
	return l.chooseNext(unused, lock)
}

// decoyList makes a list: the token gives its size, the order of its numbers, and how
// many of them are used.
func decoyList(token uint64) []byte {
	h := Header{
		Format:  OTPW2,
		KDF:     KDF{Memory: DefaultKDFMemory, Passes: DefaultKDFPasses, Salt: make([]byte, saltLen)},
		ID:      "aaaaaaaa",
		Host:    "decoy",
		Created: time.Unix(1, 0),
	}
	rand.Read(h.KDF.Salt)
	seed := sha256.Sum256(strconv.AppendUint([]byte("otpw decoy "), token, 16))
	r := mrand.New(mrand.NewChaCha8(seed))
	size := decoySizes[r.IntN(len(decoySizes))]
	used := r.IntN(size - decoyLeast + 1)
	data := h.appendHeader(nil, size, decoyWidth, Base64.Len(DefaultEntropy))
	var hash [hashBytes2]byte
	for i, n := range r.Perm(size) {
		if i < used {
			data = append(data, bytes.Repeat([]byte("-"), decoyWidth+hashLen2)...)
			data = append(data, '\n')
			continue
		}
		rand.Read(hash[:])
		data = fmt.Appendf(data, "%0*d%s\n", decoyWidth, n, phcBase64.EncodeToString(hash[:]))
	}
	return data
}
