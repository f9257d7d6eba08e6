// SPDX-License-Identifier: MIT

package otp

import "errors"

// What callers branch on. Every error of this package denies a login; only
// [Login.Verify] returning nil lets anyone in.
var (
	// ErrNoList: there is no list file.
	ErrNoList = errors.New("no list")
	// ErrUnreachable comes with ErrNoList: there may well be a list, but its
	// folder is not there, or a link that stands for it leads nowhere.
	ErrUnreachable = errors.New("its folder is not there, or a link leads nowhere")
	// ErrNotList: what stands in the place of the list is something else,
	// and must not be replaced.
	ErrNotList = errors.New("not an OTPW list")
	// ErrUnsafe: the list is not a regular file of the user's that nobody
	// else may touch, or is too large.
	ErrUnsafe = errors.New("unsafe list file")
	// ErrMode comes with ErrUnsafe: others may read or write the list.
	ErrMode = errors.New("mode")
	// ErrFolder comes with ErrUnsafe: others may put another file in the
	// place of the list, such as one with passwords that were used.
	ErrFolder = errors.New("folder")
	// ErrExhausted: no entry is left that could be asked for.
	ErrExhausted = errors.New("list exhausted")
	// ErrExpired: the list's time is over.
	ErrExpired = errors.New("list expired")
	// ErrCost: the list's KDF costs more than is allowed.
	ErrCost = errors.New("hash costs too much")
	// ErrTooFew: a multi challenge is due, but fewer than 10 entries are left.
	ErrTooFew = errors.New("too few passwords left to ask for three (a new list, or otpw-gen unlock, helps)")
	// ErrBusy: another process held the list lock until the deadline.
	ErrBusy = errors.New("locked by another process")
	// ErrWrong: prefix or one-time password are wrong, or too short.
	ErrWrong = errors.New("wrong password")
	// ErrUsed: an entry of the challenge was used or revoked meanwhile.
	ErrUsed = errors.New("password was used or revoked meanwhile")
	// ErrInPlace: the new list is in its place and works, but what comes
	// after that failed.
	ErrInPlace = errors.New("the new list is in its place, but")
	// ErrReplaced: the list was replaced while the response was awaited.
	ErrReplaced = errors.New("list was replaced meanwhile")
)
