// SPDX-License-Identifier: MIT

package otp

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Status is what can be said about a list without a password.
type Status struct {
	Header
	Left Remaining
	// Next is what the next login is asked for, or "" when that is three
	// numbers, or nothing. Logins with other [Options] may be asked for others.
	Next string
	// Aside are the numbers that are set aside: asked for alone, not accepted,
	// and gone at the next success.
	Aside []string
	// Open reports whether somebody is being asked right now.
	Open bool
	// Remote reports whether the list lies on a file system of another host, whose
	// locks between hosts cannot be relied on.
	Remote bool
	// Err says why no login is possible now, or is nil: [ErrExpired],
	// [ErrExhausted], [ErrTooFew], [ErrCost].
	Err error
}

// Inspect reads the status of the list at path. It waits for nobody and changes
// nothing: beside a login that is at work, what it says may be over already.
func Inspect(path string) (Status, error) {
	f, err := openFor(unix.O_RDONLY, path)
	if err != nil {
		return Status{}, err
	}
	l := &Login{f: f}
	defer l.Close()
	if l.list, err = f.read(); err != nil {
		return Status{}, err
	}
	s := Status{Header: l.list.Header, Left: l.list.Remaining()}
	lock, err := f.readLock(l.list.width)
	if err != nil {
		return Status{}, err
	}
	alone, err := f.held(entryLock, l.list.n)
	if err != nil {
		return Status{}, err
	}
	hinted, err := f.held(hintLock, l.list.n)
	if err != nil {
		return Status{}, err
	}
	s.Open = alone || hinted
	if s.Remote, err = f.remote(); err != nil {
		return Status{}, err
	}
	unused := l.list.unused()
	for _, i := range unused {
		if n := l.list.Number(i); slices.Contains(lock.names, n) {
			if asked, err := f.held(entryLock+i, 1); err != nil {
				return Status{}, err
			} else if !asked {
				s.Aside = append(s.Aside, n)
			}
		}
	}
	switch { // as Login.choose
	case s.KDF.Memory > DefaultKDFMaxMemory || s.KDF.Passes > DefaultKDFMaxPasses:
		s.Err = ErrCost
	case s.Expired(time.Now()):
		s.Err = ErrExpired
	case len(unused) == 0:
		s.Err = ErrExhausted
	case alone || lock.forged || len(l.live(lock.names, unused)) >= maxAside:
		if len(unused) < minMulti {
			s.Err = ErrTooFew
		}
	case l.chooseNext(unused, lock) != nil:
		s.Err = ErrExhausted
	default:
		s.Next = l.Challenge()
	}
	return s, nil
}
