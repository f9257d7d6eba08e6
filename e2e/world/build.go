// SPDX-License-Identifier: MIT

package world

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Hostname is the name of the machine inside.
const Hostname = "world"

// build makes the new root file system, of which only the system's programs
// and the source tree are the machine's, read-only, and moves into it.
func build() error {
	unix.Umask(0o022)
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	visible, err := visibleTrees(dir)
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	root, err := mountPoint(visible)
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount new root: %w", err)
	}
	for _, step := range []func(string) error{bindSystem, makeFolders, makeDev, makeEtc} {
		if err := step(root); err != nil {
			return err
		}
	}
	for _, tree := range visible {
		if err := bindReadOnly(tree, root+tree); err != nil {
			return err
		}
	}
	if err := enterRoot(root); err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(Hostname)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	// A burst of log lines must not make the programs that write them wait.
	_ = os.WriteFile("/proc/sys/net/unix/max_dgram_qlen", []byte("1024"), 0)
	return loopbackUp()
}

// visibleTrees are the folders that stay visible at their places: the source
// tree and what was built.
func visibleTrees(dir string) ([]string, error) {
	source, err := sourceRoot(dir)
	if err != nil {
		return nil, err
	}
	trees := []string{source}
	for _, dir := range []string{BuildDir(source), originalDir(source)} {
		if _, err := os.Stat(dir); err == nil && !within(dir, source) && !within(dir, trees[len(trees)-1]) {
			trees = append(trees, dir)
		}
	}
	return trees, nil
}

// sourceRoot is the folder of go.mod, in dir or above.
func sourceRoot(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == "/" {
			return "", fmt.Errorf("no go.mod in %s or above", dir)
		}
	}
}

// BuildDir is the folder that make builds in: $OTPW_BUILD, or build in the source tree.
func BuildDir(source string) string { return fromEnv("OTPW_BUILD", source, "build") }

// originalDir is the folder that scripts/original unpacked in: $OTPW_ORIGINAL, or original beside what was built.
func originalDir(source string) string {
	return fromEnv("OTPW_ORIGINAL", BuildDir(source), "original")
}

// fromEnv is a folder that an environment variable names, or, when it does
// not, the usual one. One that is not absolute is in dir.
func fromEnv(variable, dir, usual string) string {
	path := os.Getenv(variable)
	if path == "" {
		path = usual
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// mountPoint finds an existing folder that hides none of the given ones when
// something is mounted on it.
func mountPoint(visible []string) (string, error) {
candidates:
	for _, dir := range []string{"/mnt", "/media", "/srv", "/opt", "/tmp", "/run"} {
		if fi, err := os.Lstat(dir); err != nil || !fi.IsDir() {
			continue
		}
		for _, v := range visible {
			if within(v, dir) {
				continue candidates
			}
		}
		return dir, nil
	}
	return "", errors.New("found no folder to mount the new root on")
}

func bindSystem(root string) error {
	for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		fi, err := os.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case fi.Mode()&fs.ModeSymlink != 0:
			err = copyLink(dir, root+dir)
		default:
			err = bindReadOnly(dir, root+dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func bindReadOnly(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, attr)
	if err == unix.ENOSYS { // before Linux 5.12: not what is mounted below
		err = unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	if err != nil {
		return fmt.Errorf("make %s read-only: %w", from, err)
	}
	return nil
}

func makeFolders(root string) error {
	for _, d := range []struct {
		path string
		mode uint32
	}{
		{"/root", 0o700}, {"/home", 0o755}, {"/tmp", 0o1777}, {"/proc", 0o555}, {"/opt", 0o755}, {"/mnt", 0o755},
		{"/run", 0o755}, {"/run/sshd", 0o755}, {"/run/lock", 0o1777}, {"/run/world", 0o755},
		{"/var", 0o755}, {"/var/log", 0o755}, {"/var/tmp", 0o1777}, {"/var/mail", 0o755}, {"/var/lib", 0o755},
	} {
		if err := os.MkdirAll(root+d.path, 0o755); err != nil {
			return err
		}
		if err := unix.Chmod(root+d.path, d.mode); err != nil {
			return err
		}
	}
	for _, f := range []string{"/run/utmp", "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/faillog"} {
		if err := os.WriteFile(root+f, nil, 0o600); err != nil {
			return err
		}
	}
	return os.Symlink("/run", root+"/var/run")
}

func makeDev(root string) error {
	dev := root + "/dev"
	for _, d := range []string{"", "/pts", "/shm"} {
		if err := os.Mkdir(dev+d, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Chmod(dev+"/shm", 0o1777); err != nil {
		return err
	}
	for _, node := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := os.WriteFile(dev+"/"+node, nil, 0o600); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+node, dev+"/"+node, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", node, err)
		}
	}
	if err := unix.Mount("devpts", dev+"/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return fmt.Errorf("mount devpts: %w", err)
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd",
		"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, dev+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

// makeEtc copies what programs need to run at all, and writes the rest anew.
func makeEtc(root string) error {
	for _, name := range []string{"alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "login.defs", "security", "terminfo"} {
		if err := copyTree("/etc/"+name, root+"/etc/"+name); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/etc/pam.d", "/etc/ssh", "/etc/sudoers.d"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name, text string
		mode       os.FileMode
	}{
		{"passwd", "root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n", 0o644},
		{"shadow", "root:*:20000:0:99999:7:::\nsshd:!:20000::::::\nnobody:*:20000:0:99999:7:::\n", 0o600},
		{"group", "root:x:0:\ntty:x:5:\nshadow:x:42:\nutmp:x:43:\nnogroup:x:65534:\n", 0o644},
		{"nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n", 0o644},
		{"hosts", "127.0.0.1 localhost\n127.0.1.1 " + Hostname + "\n", 0o644},
		{"hostname", Hostname + "\n", 0o644},
		{"shells", "/bin/sh\n", 0o644},
		{"sudoers", "Defaults !lecture\n@includedir /etc/sudoers.d\n", 0o440},
		{"pam.d/other", "auth required pam_deny.so\naccount required pam_deny.so\npassword required pam_deny.so\nsession required pam_deny.so\n", 0o644},
	} {
		if err := os.WriteFile(root+"/etc/"+f.name, []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	return nil
}

// enterRoot makes root the root folder and lets go of the old one.
func enterRoot(root string) error {
	if err := unix.Mount("proc", root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot to new root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach old root: %w", err)
	}
	return os.Chdir("/")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback up: %w", err)
	}
	return nil
}

// copyTree copies a file, a link or a folder; one that does not exist is fine.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == from && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			return copyLink(path, target)
		case d.Type().IsRegular():
			return CopyFile(path, target)
		}
		return nil
	})
}

func copyLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Symlink(target, to)
}

// CopyFile copies a file with its permission bits. Nothing is forked meanwhile:
// a child that holds the copy open for writing would make running it fail.
func CopyFile(from, to string) error {
	fi, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return err
	}
	return os.Chmod(to, fi.Mode().Perm())
}
