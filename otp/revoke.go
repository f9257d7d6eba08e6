// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
)

// Revoke invalidates the unused entries of the list at path whose number which
// returns true for, and returns how many those were. It waits for nobody's
// prompt: a login that is being asked for one of them will be refused. After an
// error some entries may be invalidated, and others not.
func Revoke(path string, which func(number string) bool) (int, error) {
	return (*List)(nil).Revoke(path, which)
}

// Revoke is [Revoke] for the list l, as it was read from path before. If another one
// stands there by now, nothing is revoked: [ErrReplaced].
func (l *List) Revoke(path string, which func(number string) bool) (int, error) {
	f, err := openLocked(path)
	if err != nil {
		return 0, err
	}
	defer f.close()
	now, err := f.read()
	if err != nil {
		return 0, err
	}
	if l != nil && !now.continues(l) {
		return 0, fmt.Errorf("list %s: %w", path, ErrReplaced)
	}
	n := 0
	for _, i := range now.unused() {
		if !which(now.Number(i)) {
			continue
		}
		if err := f.overwrite(now, i); err != nil {
			return n, errors.Join(err, f.sync())
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	return n, f.sync()
}

// continues reports whether l is old, from which entries may be gone by now.
func (l *List) continues(old *List) bool {
	if !bytes.Equal(l.head(), old.head()) {
		return false
	}
	for i := range l.n {
		if l.Unused(i) && !bytes.Equal(l.entry(i), old.entry(i)) {
			return false
		}
	}
	return true
}
