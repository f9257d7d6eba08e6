// SPDX-License-Identifier: MIT

package otp

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long the list lock is tried for; a variable for the tests.
var lockWait = 5 * time.Second

const lockRetry = 10 * time.Millisecond // pause between two tries

// Where the locks lie: behind every byte that a list may have, so that they
// stay clear of its data even where locks are mandatory (CIFS), and one query
// covers all locks of a kind. Below 2^31 for old NFS servers.
const (
	listLock  = 1 << 30
	entryLock = listLock + 1<<16 // + index: this entry is being asked for alone
	hintLock  = listLock + 2<<16 // + index: this entry is part of a multi challenge
)

// file is an open list file. Its one descriptor reads, locks and writes; the
// locks (open file description locks) end with it, or with the process.
type file struct {
	name string // as given; links are allowed on the way
	path string // without links; the names beside the list derive from it
	fd   int
}

// openFile opens the list for reading and writing, if it is safe to use.
func openFile(name string) (*file, error) { return openFor(unix.O_RDWR, name) }

// openFor opens the list for reading only (O_RDONLY) or also for writing
// (O_RDWR), if it is safe to use.
func openFor(access int, name string) (*file, error) {
	path, err := resolveList(name)
	if err != nil {
		return nil, openError(name, err)
	}
	fd, err := openPlain(path, access, 0)
	if err == unix.ENOENT && !isLink(name) {
		return nil, fmt.Errorf("list %s: %w", name, ErrNoList)
	}
	if err != nil {
		var st unix.Stat_t
		if lstat(path, &st) == nil { // what it is may be why
			err = cmp.Or(checkStat(&st), err)
		}
		return nil, openError(name, err)
	}
	f := &file{name, path, fd}
	if err := f.checkSafe(); err != nil {
		f.close()
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	return f, nil
}

// openPlain opens what should be a regular file. NONBLOCK for what is not: it is
// refused, but must not hang.
func openPlain(path string, flags int, mode uint32) (int, error) {
	return open(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, mode)
}

func isLink(name string) bool {
	var st unix.Stat_t
	return lstat(name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK
}

func openError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("list %s: %w: %w", name, ErrNoList, ErrUnreachable)
	}
	if errors.Is(err, ErrUnsafe) {
		return fmt.Errorf("list %s: %w", name, err)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("open list %s: %w", name, err)
}

// Resolve follows the links on the way to name, which itself need not exist,
// so that a new list can be made behind a link. A link that stands for the list
// must be of this process's user or of root: in a folder that others may write
// to, it would else be them who say which file is replaced.
func Resolve(name string) (string, error) {
	return resolve(name, func(string, *unix.Stat_t) error { return nil })
}

// resolveList is Resolve for a list, whose folders must be safe.
func resolveList(name string) (string, error) { return resolve(name, checkFolder) }

func resolve(name string, check func(dir string, st *unix.Stat_t) error) (string, error) {
	for range 40 { // as many links as the kernel follows
		var st unix.Stat_t
		if err := stat(filepath.Dir(name), &st); err != nil { // by the kernel's rules
			return "", err
		}
		if err := check(filepath.Dir(name), &st); err != nil {
			return "", err
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(name))
		if err != nil {
			return "", bare(err)
		}
		path := filepath.Join(dir, filepath.Base(name))
		if err := lstat(path, &st); err == unix.ENOENT || err == nil && st.Mode&unix.S_IFMT != unix.S_IFLNK {
			return path, nil
		} else if err != nil {
			return "", err
		}
		if st.Uid != 0 && st.Uid != uint32(os.Geteuid()) {
			return "", fmt.Errorf("%w: a link, owned by uid %d", ErrUnsafe, st.Uid)
		}
		if name, err = os.Readlink(path); err != nil {
			return "", bare(err)
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
	}
	return "", unix.ELOOP
}

// checkFolder refuses a folder in which others may rename the list, or remove it.
// Where the sticky bit is set they may not.
func checkFolder(name string, st *unix.Stat_t) error {
	switch {
	case st.Uid != 0 && st.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("%w: %w %s is owned by uid %d, want %d", ErrUnsafe, ErrFolder, name, st.Uid, os.Geteuid())
	case st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0:
		return fmt.Errorf("%w: %w %s has mode %04o, others may write", ErrUnsafe, ErrFolder, name, st.Mode&0o7777)
	}
	return nil
}

func (f *file) close() { unix.Close(f.fd) }

// checkSafe refuses what is not a private regular file of this process's user.
// A reader could hold a lock, a writer could put its own hashes in.
func (f *file) checkSafe() error {
	var st unix.Stat_t
	if err := fstat(f.fd, &st); err != nil {
		return err
	}
	return checkStat(&st)
}

func checkStat(st *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%w: not a regular file", ErrUnsafe)
	case st.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("%w: owned by uid %d, want %d", ErrUnsafe, st.Uid, os.Geteuid())
	case st.Mode&0o077 != 0:
		return fmt.Errorf("%w: %w %04o, want 0600", ErrUnsafe, ErrMode, st.Mode&0o7777)
	case st.Size > MaxFileSize:
		return fmt.Errorf("%w: %d bytes, at most %d allowed", ErrUnsafe, st.Size, MaxFileSize)
	}
	return nil
}

// same reports whether the path still leads to this file.
func (f *file) same() (bool, error) {
	var here, there unix.Stat_t
	if err := fstat(f.fd, &here); err != nil {
		return false, err
	}
	switch err := stat(f.name, &there); err {
	case nil:
		return here.Dev == there.Dev && here.Ino == there.Ino, nil
	case unix.ENOENT, unix.ENOTDIR:
		return false, nil
	default:
		return false, err
	}
}

// read reads and parses the list. Its size is bounded before memory is taken.
func (f *file) read() (*List, error) {
	if err := f.checkSafe(); err != nil {
		return nil, fmt.Errorf("list %s: %w", f.name, err)
	}
	var data []byte
	buf := make([]byte, 16<<10)
	for len(data) <= MaxFileSize {
		n, err := pread(f.fd, buf, int64(len(data)))
		if err != nil {
			return nil, fmt.Errorf("read list %s: %w", f.name, err)
		}
		if n == 0 {
			break
		}
		data = append(data, buf[:n]...)
	}
	l, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", f.name, err)
	}
	return l, nil
}

// overwrite puts hyphens over entry i of l, which is what the file holds.
func (f *file) overwrite(l *List, i int) error {
	line := make([]byte, len(l.entry(i)))
	for k := range line {
		line[k] = '-'
	}
	n, err := pwrite(f.fd, line, int64(l.offset(i)))
	switch {
	case err != nil:
		return fmt.Errorf("invalidate entry in %s: %w", f.name, err)
	case n != len(line):
		return fmt.Errorf("invalidate entry in %s: wrote %d of %d bytes", f.name, n, len(line))
	}
	copy(l.entry(i), line)
	return nil
}

// Variables for the tests, which look at what stands on file when they are
// called, and let them fail.
var (
	fdatasync = unix.Fdatasync
	fsync     = unix.Fsync
)

// sync brings what was overwritten to the disk.
func (f *file) sync() error {
	if err := noIntr(func() error { return fdatasync(f.fd) }); err != nil {
		return fmt.Errorf("sync list %s: %w", f.name, err)
	}
	return nil
}

// tryLock takes a write lock on one byte; false when another process has it.
func (f *file) tryLock(at int) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(at), Len: 1}
	switch err := fcntlLock(f.fd, unix.F_OFD_SETLK, &lk); err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EACCES:
		return false, nil
	default:
		return false, fmt.Errorf("lock list %s: %w", f.name, err)
	}
}

func (f *file) unlock(at int) error {
	lk := unix.Flock_t{Type: unix.F_UNLCK, Start: int64(at), Len: 1}
	if err := fcntlLock(f.fd, unix.F_OFD_SETLK, &lk); err != nil {
		return fmt.Errorf("unlock list %s: %w", f.name, err)
	}
	return nil
}

// held reports whether another process has a lock on any of n bytes.
func (f *file) held(at, n int) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(at), Len: int64(n)}
	if err := fcntlLock(f.fd, unix.F_OFD_GETLK, &lk); err != nil {
		return false, fmt.Errorf("query locks of list %s: %w", f.name, err)
	}
	return lk.Type != unix.F_UNLCK, nil
}

// lockList takes the list lock, trying until the deadline.
func (f *file) lockList() error {
	for deadline := time.Now().Add(lockWait); ; time.Sleep(lockRetry) {
		ok, err := f.tryLock(listLock)
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("list %s: %w", f.name, ErrBusy)
		}
	}
}

// openLocked opens the list and takes its list lock. A list that is replaced
// meanwhile is opened anew.
func openLocked(name string) (*file, error) {
	for range 10 {
		f, err := openFile(name)
		if err != nil {
			return nil, err
		}
		if err := f.lockList(); err != nil {
			f.close()
			return nil, err
		}
		same, err := f.same()
		if same {
			return f, nil
		}
		f.close()
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", name, err)
		}
	}
	return nil, fmt.Errorf("list %s: %w", name, ErrBusy)
}

// remoteTypes are the file systems of other hosts, as statfs(2) names them.
var remoteTypes = []uint32{
	unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC,
	unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CODA_SUPER_MAGIC,
}

// remote reports whether the list lies on a file system whose locks between
// hosts cannot be relied on.
func (f *file) remote() (bool, error) {
	var st unix.Statfs_t
	if err := noIntr(func() error { return unix.Fstatfs(f.fd, &st) }); err != nil {
		return false, fmt.Errorf("list %s: file system: %w", f.name, err)
	}
	return slices.Contains(remoteTypes, uint32(st.Type)), nil
}
