// SPDX-License-Identifier: MIT

package world

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A file system like those of other hosts, and of users: the kernel asks this program
// (FUSE, linux/fuse.h) about a folder with one file, .otpw.

const (
	fuseLookup, fuseForget, fuseGetattr, fuseOpen, fuseRead, fuseStatfs, fuseRelease, fuseInit = 1, 2, 3, 14, 15, 17, 18, 26
	fuseOpendir, fuseReleasedir, fuseInterrupt, fuseBatchForget                                = 27, 29, 36, 42

	fuseRoot, fuseList = 1, 2 // nodes
)

// Fuse mounts one over a folder, until the test ends: of root's, which others may enter,
// or as a user mounts his own, which nobody else may. Without a list it takes questions,
// and never answers: who asks hangs, and cannot be killed.
func (w *World) Fuse(t T, folder string, owner *Account, others bool, list []byte) {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("mount a file system over %s: %v", folder, err)
		}
	}
	if !Exists("/dev/fuse") {
		do(unix.Mknod("/dev/fuse", unix.S_IFCHR|0o600, int(unix.Mkdev(10, 229))))
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	do(err)
	options := fmt.Sprintf("fd=%d,rootmode=40700,user_id=%[2]d,group_id=%[2]d", fd, owner.UID)
	if others {
		options = fmt.Sprintf("fd=%d,rootmode=40700,user_id=0,group_id=0,allow_other", fd)
	}
	do(unix.Mount("fuse", folder, "fuse", 0, options))
	t.Cleanup(func() {
		_ = unix.Unmount(folder, unix.MNT_FORCE|unix.MNT_DETACH)
		_ = unix.Close(fd)
	})
	go serveFuse(fd, list, owner)
}

// serveFuse answers until the file system is unmounted.
func serveFuse(fd int, list []byte, owner *Account) {
	buf := make([]byte, 1<<20)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR || err == unix.ENOENT {
			continue
		}
		if err != nil || n < 40 {
			return
		}
		op, unique, node := binary.LittleEndian.Uint32(buf[4:]), binary.LittleEndian.Uint64(buf[8:]), binary.LittleEndian.Uint64(buf[16:])
		if op == fuseForget || op == fuseBatchForget || op == fuseInterrupt || list == nil && op != fuseInit {
			continue
		}
		data, errno := answerFuse(op, node, buf[40:n], list, owner)
		out := binary.LittleEndian.AppendUint32(nil, uint32(16+len(data)))
		out = binary.LittleEndian.AppendUint32(out, uint32(-int32(errno)))
		out = binary.LittleEndian.AppendUint64(out, unique)
		_, _ = unix.Write(fd, append(out, data...))
	}
}

func answerFuse(op uint32, node uint64, in, list []byte, owner *Account) ([]byte, unix.Errno) {
	attr := func(node uint64) []byte {
		mode, size := uint32(unix.S_IFDIR|0o700), uint64(0)
		if node == fuseList {
			mode, size = unix.S_IFREG|0o600, uint64(len(list))
		}
		b := make([]byte, 88)
		binary.LittleEndian.PutUint64(b, node)
		binary.LittleEndian.PutUint64(b[8:], size)
		for i, v := range []uint32{mode, 1, uint32(owner.UID), uint32(owner.UID)} {
			binary.LittleEndian.PutUint32(b[60+4*i:], v)
		}
		return b
	}
	switch op {
	case fuseInit:
		b := make([]byte, 64)
		binary.LittleEndian.PutUint32(b, 7)
		binary.LittleEndian.PutUint32(b[4:], 31)
		binary.LittleEndian.PutUint32(b[20:], 4096) // max_write
		return b, 0
	case fuseGetattr:
		return append(make([]byte, 16), attr(node)...), 0
	case fuseLookup:
		if strings.TrimRight(string(in), "\x00") != ".otpw" {
			return nil, unix.ENOENT
		}
		b := make([]byte, 40)
		binary.LittleEndian.PutUint64(b, fuseList)
		return append(b, attr(fuseList)...), 0
	case fuseOpen, fuseOpendir:
		return make([]byte, 16), 0
	case fuseRead:
		from := min(int(binary.LittleEndian.Uint64(in[8:])), len(list))
		to := min(from+int(binary.LittleEndian.Uint32(in[16:])), len(list))
		return list[from:to], 0
	case fuseStatfs:
		return make([]byte, 80), 0
	case fuseRelease, fuseReleasedir:
		return nil, 0
	}
	return nil, unix.ENOSYS
}
