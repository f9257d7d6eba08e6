// SPDX-License-Identifier: MIT

package otp

import "errors"

// Revoke invalidates the unused entries of the list at path whose number which
// returns true for, and returns how many those were. It waits for nobody's
// prompt: a login that is being asked for one of them will be refused. After an
// error some entries may be invalidated, and others not.
func Revoke(path string, which func(number string) bool) (int, error) {
	f, err := openLocked(path)
	if err != nil {
		return 0, err
	}
	defer f.close()
	l, err := f.read()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, i := range l.unused() {
		if !which(l.Number(i)) {
			continue
		}
		if err := f.overwrite(l, i); err != nil {
			return n, errors.Join(err, f.sync())
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	return n, f.sync()
}
