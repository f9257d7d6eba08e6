// SPDX-License-Identifier: MIT

package otp

import "golang.org/x/sys/unix"

// System calls that a signal may interrupt, and Go sends itself some: file
// systems of others (FUSE, NFS) let it. They are made again; one that was carried
// out nevertheless may then fail, which denies a login like any other error.

func noIntr(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func noIntrInt(call func() (int, error)) (n int, err error) {
	err = noIntr(func() (err error) {
		n, err = call()
		return err
	})
	return n, err
}

func stat(path string, st *unix.Stat_t) error {
	return noIntr(func() error { return unix.Stat(path, st) })
}

func lstat(path string, st *unix.Stat_t) error {
	return noIntr(func() error { return unix.Lstat(path, st) })
}

func fstat(fd int, st *unix.Stat_t) error {
	return noIntr(func() error { return unix.Fstat(fd, st) })
}

func open(path string, flags int, mode uint32) (int, error) {
	return noIntrInt(func() (int, error) { return unix.Open(path, flags|unix.O_CLOEXEC, mode) })
}

func pread(fd int, b []byte, at int64) (int, error) {
	return noIntrInt(func() (int, error) { return unix.Pread(fd, b, at) })
}

func pwrite(fd int, b []byte, at int64) (int, error) {
	return noIntrInt(func() (int, error) { return unix.Pwrite(fd, b, at) })
}

func write(fd int, b []byte) (int, error) {
	return noIntrInt(func() (int, error) { return unix.Write(fd, b) })
}

func fcntlLock(fd, cmd int, lk *unix.Flock_t) error {
	return noIntr(func() error { return unix.FcntlFlock(uintptr(fd), cmd, lk) })
}

func readlink(path string, b []byte) (int, error) {
	return noIntrInt(func() (int, error) { return unix.Readlink(path, b) })
}

func symlink(target, path string) error {
	return noIntr(func() error { return unix.Symlink(target, path) })
}

func rename(from, to string) error {
	return noIntr(func() error { return unix.Rename(from, to) })
}

func unlink(path string) error {
	return noIntr(func() error { return unix.Unlink(path) })
}
