// SPDX-License-Identifier: MIT

package otp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxAside is how many numbers may be set aside before only multi challenges
// are given.
const maxAside = 3

// A lockFile is what stands beside the list as <list>.lock: a symbolic link
// whose target names the numbers that are set aside or being asked for alone.
type lockFile struct {
	present bool
	forged  bool     // present, but nothing that this package or the original wrote
	names   []string // numbers, all of the list's width
	mtime   time.Time
}

func (f *file) lockPath() string { return f.path + ".lock" }

// readLock reads the lock file; numbers have the given width in digits.
func (f *file) readLock(width int) (lockFile, error) {
	var st unix.Stat_t
	if err := lstat(f.lockPath(), &st); err == unix.ENOENT {
		return lockFile{}, nil
	} else if err != nil {
		return lockFile{}, fmt.Errorf("lock file %s: %w", f.lockPath(), err)
	}
	lf := lockFile{present: true, forged: true, mtime: time.Unix(st.Mtim.Unix())}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return lf, nil
	}
	buf := make([]byte, maxAside*(maxNumberLen+1)+1) // one byte more than the longest
	n, err := readlink(f.lockPath(), buf)
	if err == unix.ENOENT { // who does not hold the list lock may see it go
		return lockFile{}, nil
	}
	if err != nil {
		return lockFile{}, fmt.Errorf("lock file %s: %w", f.lockPath(), err)
	}
	if names, ok := parseLock(string(buf[:n]), width); ok {
		lf.names, lf.forged = names, false
	}
	return lf, nil
}

// parseLock takes the target of a lock file apart: one to three different
// numbers of the given width, with commas between them.
func parseLock(target string, width int) ([]string, bool) {
	names := strings.Split(target, ",")
	if len(names) > maxAside {
		return nil, false
	}
	for i, name := range names {
		if len(name) != width || strings.Trim(name, "0123456789") != "" || slices.Contains(names[:i], name) {
			return nil, false
		}
	}
	return names, true
}

// writeLock replaces the lock file by one that holds names, or removes it when
// there are none. Call it with the list lock held.
func (f *file) writeLock(names []string) error {
	if len(names) == 0 {
		return f.removeLock()
	}
	tmp := f.lockPath() + ".tmp"
	// nobody else writes it now: a leftover is of a process that was killed
	if err := unlinkLeftover(tmp); err != nil {
		return err
	}
	if err := symlink(strings.Join(names, ","), tmp); err != nil {
		return fmt.Errorf("write lock file %s: %w", tmp, err)
	}
	if err := rename(tmp, f.lockPath()); err != nil {
		return errors.Join(fmt.Errorf("replace lock file %s: %w", f.lockPath(), err), unlink(tmp))
	}
	return nil
}

// createLock makes the lock file as the original does: false when there is one
// already, for a host that runs the original takes no list lock.
func (f *file) createLock(name string) (bool, error) {
	switch err := symlink(name, f.lockPath()); err {
	case nil:
		return true, nil
	case unix.EEXIST:
		return false, nil
	default:
		return false, fmt.Errorf("write lock file %s: %w", f.lockPath(), err)
	}
}

func (f *file) removeLock() error {
	if err := unlink(f.lockPath()); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove lock file %s: %w", f.lockPath(), err)
	}
	return nil
}
