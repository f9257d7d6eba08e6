// SPDX-License-Identifier: MIT

package check

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/world"
)

// A file system like those of other hosts: the kernel asks this program (FUSE,
// linux/fuse.h) about a folder with one file, the list of alice.

const (
	fuseLookup, fuseForget, fuseGetattr, fuseOpen, fuseRead, fuseStatfs, fuseRelease, fuseInit = 1, 2, 3, 14, 15, 17, 18, 26
	fuseOpendir, fuseReleasedir, fuseInterrupt, fuseBatchForget                                = 27, 29, 36, 42

	fuseRoot, fuseList = 1, 2 // nodes
)

// fuse mounts one over a home; or one that never answers.
func (m *machine) fuse(home string, owner *world.Account, answers bool) {
	m.t.Helper()
	list, err := os.ReadFile(home + "/.otpw")
	m.do(err)
	if !world.Exists("/dev/fuse") {
		m.do(unix.Mknod("/dev/fuse", unix.S_IFCHR|0o600, int(unix.Mkdev(10, 229))))
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	m.do(err)
	m.do(unix.Mount("fuse", home, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40700,user_id=0,group_id=0,allow_other", fd)))
	m.t.Cleanup(func() {
		_ = unix.Unmount(home, unix.MNT_FORCE|unix.MNT_DETACH)
		_ = unix.Close(fd)
	})
	m.hangs = !answers
	if answers {
		go serveFuse(fd, list, owner)
	}
}

// serveFuse answers until the file system is unmounted.
func serveFuse(fd int, list []byte, owner *world.Account) {
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
		if op == fuseForget || op == fuseBatchForget || op == fuseInterrupt {
			continue
		}
		data, errno := answerFuse(op, node, buf[40:n], list, owner)
		out := binary.LittleEndian.AppendUint32(nil, uint32(16+len(data)))
		out = binary.LittleEndian.AppendUint32(out, uint32(-int32(errno)))
		out = binary.LittleEndian.AppendUint64(out, unique)
		_, _ = unix.Write(fd, append(out, data...))
	}
}

func answerFuse(op uint32, node uint64, in, list []byte, owner *world.Account) ([]byte, unix.Errno) {
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
