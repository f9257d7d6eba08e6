// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Existing reports whether there is a list at path. It returns an error when
// what is there must not be replaced: not a regular file, another user's, or a
// file that is not an OTPW list ([ErrNotList]). An empty file, and a list that
// is damaged behind its first line, may be replaced.
func Existing(path string) (bool, error) {
	real, err := resolveList(path)
	if err != nil {
		return false, fmt.Errorf("list %s: %w", path, err)
	}
	fd, err := openPlain(real, unix.O_RDONLY, 0)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open list %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), real)
	defer f.Close()
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return false, fmt.Errorf("list %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false, fmt.Errorf("%s: %w: not a regular file", path, ErrNotList)
	}
	if st.Uid != uint32(os.Geteuid()) {
		return false, fmt.Errorf("%s: %w: owned by uid %d, not by you (uid %d)", path, ErrNotList, st.Uid, os.Geteuid())
	}
	head := make([]byte, len(magicAny))
	n, err := f.Read(head)
	if n > 0 && !bytes.Equal(head[:n], []byte(magicAny)) {
		return false, fmt.Errorf("%s: %w: it does not begin with %s", path, ErrNotList, magicAny)
	}
	if n == 0 && st.Size > 0 {
		return false, fmt.Errorf("read list %s: %w", path, bare(err))
	}
	return true, nil
}

// magicAny begins every list, of whatever version.
const magicAny = "OTPW"

// bare returns the cause of err without the operation and path of an os error.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// CheckFolder reports whether a file could be written at path: its folder is
// there and writable, by the effective ids.
func CheckFolder(path string) error {
	real, err := Resolve(path)
	if err == nil {
		err = noIntr(func() error {
			return unix.Faccessat(unix.AT_FDCWD, filepath.Dir(real), unix.W_OK|unix.X_OK, unix.AT_EACCESS)
		})
	}
	if err != nil {
		return fmt.Errorf("folder of %s: %w", path, err)
	}
	return nil
}

// A Replacement is a new list on its way: it stands beside the old one, as
// <list>.tmp, until Commit puts it in its place. A process that dies before
// that leaves the old list as it was, and a file that the next Replace removes.
type Replacement struct {
	name string // as given
	tmp  string
	f    *file // the new list; nil when done
}

// Replace starts to write a new list for path. [ErrBusy] means that somebody
// else is doing that right now.
func Replace(path string) (*Replacement, error) {
	real, err := resolveList(path)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", path, err)
	}
	tmp := real + ".tmp"
	for range 10 { // a file that another run takes for a leftover is made anew
		fd, err := openPlain(tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
		if err == unix.EEXIST {
			if err := removeLeftover(tmp); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("create %s: %w", tmp, err)
		}
		r := &Replacement{path, tmp, &file{tmp, tmp, fd}}
		ok, err := r.f.tryLock(listLock)
		if err == nil && ok {
			if ok, err = r.f.same(); ok {
				err = noIntr(func() error { return unix.Fchmod(fd, 0o600) }) // whatever the umask left of it
			}
		}
		switch {
		case err != nil:
			return nil, errors.Join(fmt.Errorf("create %s: %w", tmp, err), r.Abort())
		case ok:
			return r, nil
		}
		r.f.close()
	}
	return nil, fmt.Errorf("create %s: %w", tmp, ErrBusy)
}

// removeLeftover removes the file of a run that died. One whose list lock is
// held is somebody's who is alive.
func removeLeftover(tmp string) error {
	fd, err := openPlain(tmp, unix.O_RDWR, 0)
	switch err {
	case nil:
	case unix.ENOENT:
		return nil
	case unix.ELOOP: // a link: never ours
		return unlinkLeftover(tmp)
	default:
		return fmt.Errorf("left-over %s: %w", tmp, err)
	}
	f := &file{tmp, tmp, fd}
	defer f.close()
	if ok, err := f.tryLock(listLock); err != nil {
		return err
	} else if !ok {
		return fmt.Errorf("%s is being written: %w", tmp, ErrBusy)
	}
	if same, err := f.same(); err != nil {
		return fmt.Errorf("left-over %s: %w", tmp, err)
	} else if !same {
		return nil
	}
	head := make([]byte, len(magicAny))
	n, err := pread(fd, head, 0)
	if err != nil {
		return fmt.Errorf("left-over %s: %w", tmp, err)
	}
	if !bytes.Equal(head[:n], []byte(magicAny)[:n]) {
		return fmt.Errorf("%s is in the way: %w: it does not begin with %s", tmp, ErrNotList, magicAny)
	}
	return unlinkLeftover(tmp)
}

func unlinkLeftover(path string) error {
	if err := unlink(path); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove left-over %s: %w", path, err)
	}
	return nil
}

// Write writes the list and brings it to the disk. The old list is still in
// place.
func (r *Replacement) Write(l *List) error {
	for data := l.Bytes(); len(data) > 0; {
		n, err := write(r.f.fd, data)
		if err != nil {
			return fmt.Errorf("write %s: %w", r.tmp, err)
		}
		data = data[n:]
	}
	if err := noIntr(func() error { return fsync(r.f.fd) }); err != nil {
		return fmt.Errorf("write %s: %w", r.tmp, err)
	}
	return nil
}

// Commit puts the new list in the place of the old one, and removes the lock
// file: what was set aside is gone with the old list. It holds the list locks of
// both, so that no login is in the middle of choosing or verifying. After an
// error other than [ErrInPlace] the old list is as it was, and the new one gone.
func (r *Replacement) Commit() error {
	old, err := openLocked(r.name)
	switch {
	case err == nil:
		defer old.close()
	case !noLoginTakes(err):
		return errors.Join(err, r.Abort())
	}
	path := r.tmp[:len(r.tmp)-len(".tmp")]
	if same, err := r.f.same(); err != nil || !same {
		r.f.close() // what stands there now is not ours
		r.f = nil
		return errors.Join(fmt.Errorf("replace %s: somebody has replaced %s", path, r.tmp), err)
	}
	if err := rename(r.tmp, path); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", path, err), r.Abort())
	}
	r.f.path = path
	err = r.f.removeOwnLock()
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	r.f.close()
	r.f = nil
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInPlace, err)
	}
	return nil
}

// removeOwnLock removes the lock file, unless it is something that OTPW does not make:
// somebody may keep it there.
func (f *file) removeOwnLock() error {
	var st unix.Stat_t
	if err := lstat(f.lockPath(), &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return fmt.Errorf("lock file %s: not a link, so OTPW did not make it: move it away", f.lockPath())
	}
	return f.removeLock()
}

// noLoginTakes reports whether err, from opening a list, means that there is none
// that any login would take: there is nobody to lock out.
func noLoginTakes(err error) bool {
	return errors.Is(err, ErrNoList) || errors.Is(err, ErrUnsafe) || errors.Is(err, fs.ErrPermission)
}

func syncFolder(dir string) error {
	fd, err := open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	defer unix.Close(fd)
	if err := noIntr(func() error { return fsync(fd) }); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// Abort removes the new list. After Commit or Abort it does nothing.
func (r *Replacement) Abort() error {
	if r.f == nil {
		return nil
	}
	err := unlink(r.tmp)
	r.f.close()
	r.f = nil
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s: %w", r.tmp, err)
	}
	return nil
}

// Unlock removes the lock file of the list at path, and returns what it named:
// one to three numbers with commas between them, "damaged" if it was another
// link, "" if there was none. Anything but a link is left alone, with an error.
// Numbers that were set aside may then be asked for again, by whoever cut or
// spoiled their login.
func Unlock(path string) (names string, err error) {
	f, err := openLocked(path)
	switch {
	case err == nil:
		defer f.close()
	case noLoginTakes(err):
		real, err := resolveList(path)
		if err != nil {
			return "", fmt.Errorf("list %s: %w", path, err)
		}
		f = &file{name: path, path: real}
	default:
		return "", err
	}
	target, err := os.Readlink(f.lockPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, unix.EINVAL):
		return "", fmt.Errorf("lock file %s: not a link, so OTPW did not make it", f.lockPath())
	case err != nil:
		return "", fmt.Errorf("lock file %s: %w", f.lockPath(), bare(err))
	case !isLockTarget(target):
		target = "damaged"
	}
	return target, f.removeLock()
}

// isLockTarget reports whether target could name numbers of some list.
func isLockTarget(target string) bool {
	first, _, _ := strings.Cut(target, ",")
	_, ok := parseLock(target, len(first))
	return ok && first != ""
}
