// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The files of the module, by the rules of pam/entry/pam_otpw.c and pam/worker/worker.c.

// hostRoot is where the databases of packages are; a variable for the tests.
var hostRoot = ""

// newPackages are those of this project, where Debian's own of OTPW 1 are installed.
const newPackages = "apt install ./otpw-bin_*.deb ./libpam-otpw_*.deb, of this project"

// installCommand makes all of them right: by the package that owns a file, if one does.
func installCommand(path string) string {
	const deb, rpm = "libpam-otpw", "pam_otpw"
	lists, _ := filepath.Glob(hostRoot + "/var/lib/dpkg/info/" + deb + "*.list")
	for _, list := range lists {
		data, err := os.ReadFile(list)
		owned := func(l string) bool { return withoutUsr(l) == withoutUsr(path) }
		if err != nil || !slices.ContainsFunc(strings.Split(string(data), "\n"), owned) {
			continue
		}
		status, _ := os.ReadFile(hostRoot + "/var/lib/dpkg/status")
		if debianOld.Match(status) {
			return newPackages
		}
		return "apt install --reinstall " + deb
	}
	database := exists(hostRoot+"/var/lib/rpm") || exists(hostRoot+"/usr/lib/sysimage/rpm")
	if database && exists(hostRoot+"/usr/lib64/security") && strings.HasPrefix(withoutUsr(path), "/lib64/security/") {
		return "dnf reinstall " + rpm
	}
	return "sudo make install"
}

// debianOld is the entry of Debian's package of OTPW 1 that is installed.
var debianOld = regexp.MustCompile(`(?m)^Package: libpam-otpw\n(?:.+\n)*?Version: (?:[0-9]+:)?1\.`)

// withoutUsr is a path as it is called where /lib is a link to /usr/lib, or is not.
func withoutUsr(path string) string { return strings.TrimPrefix(path, "/usr") }

// checkModule looks at pam_otpw.so, and at what is beside it. where is the line of
// PAM's configuration.
func (c *checker) checkModule(path, where string) (present bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			c.add("not-root", path, "", "cannot be looked at: %v", bareError(err))
			return true
		}
		c.add("module-missing", where, c.mendMissing(path), "there is no %s", path)
		return false
	}
	if fi, err := os.Stat(real); err == nil && fi.IsDir() {
		c.add("module-missing", where, c.mendMissing(path), "%s is a folder", path)
		return false
	}
	dir := filepath.Join(filepath.Dir(real), "pam_otpw")
	sound := c.checkFile("module-unsafe", real, fs.FileMode(0), 0o022, 0o444, 0o644)
	sound = c.checkWay(real) && sound
	of := c.versionOf(real)
	switch of {
	case unreadable:
		return true
	case "":
		c.add("module-foreign", real, installCommand(real), "not of this project: it may be the original, which cannot read OTPW2 lists")
		return true
	}
	sound = c.checkFile("worker-unsafe", dir, fs.ModeDir, 0o022, 0o111, 0o755) && sound
	sound = c.checkFile("worker-unsafe", dir+"/worker", 0, 0o7066, 0o111, 0o711) && sound
	sound = c.checkFile("core-unsafe", dir+"/core.so", 0, 0o022, 0o444, 0o644) && sound
	sound = c.checkLibrary(real) && c.checkLibrary(dir+"/core.so") && sound
	c.checkVersions(real, of, dir)
	c.checkLabels(real, dir, dir+"/worker", dir+"/core.so")
	if sound {
		c.fine(real, "version %s, with worker and core", of)
	}
	return true
}

// mendMissing helps where there is no module.
func (c *checker) mendMissing(path string) string {
	if here := c.pam.path(moduleName); path != here && exists(here) {
		return fmt.Sprintf("write %s instead of %s", moduleName, path)
	}
	return installCommand(path)
}

const moduleName = "pam_otpw.so"

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkFile looks at a file or folder of the module: its type, owner, the bits that
// it must not have, those that it needs, and what its mode should be.
func (c *checker) checkFile(id, path string, kind fs.FileMode, bad, need, want uint32) bool {
	fi, err := os.Lstat(path)
	if err != nil {
		c.add(id, path, installCommand(path), "%v", bareError(err))
		return false
	}
	st := fi.Sys().(*syscall.Stat_t)
	switch mode := st.Mode & 0o7777; {
	case fi.Mode().Type() != kind && kind == fs.ModeDir:
		c.add(id, path, installCommand(path), "not a folder")
	case fi.Mode().Type() != kind:
		c.add(id, path, installCommand(path), "not a regular file")
	case st.Uid != 0:
		c.add(id, path, "chown root "+quoted(path), "owner is uid %d, want root", st.Uid)
	case mode&bad != 0 || mode&need != need:
		c.add(id, path, fmt.Sprintf("chmod %04o %s", want, quoted(path)), "mode is %04o, want %04o", mode, want)
	default:
		return true
	}
	return false
}

// checkWay looks at the folders above: who can write one can put another module in
// the place of this one, and the worker's user has to pass.
func (c *checker) checkWay(path string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if !c.checkFile("module-unsafe", dir, fs.ModeDir, 0o022, 0o111, 0o755) {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}

// versionMark is in all files of the module: see pam/protocol.h and pam/module.
var versionMark = regexp.MustCompile(`otpw-version:([0-9A-Za-z._+~-]{1,100});`)

const (
	unreadable = "?"     // no version
	maxModule  = 1 << 28 // bytes; more is no module
)

var errNotPlain = errors.New("not a regular file, or too large")

// readPlain reads a regular file; of anything else it could be waiting forever.
func readPlain(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() > maxModule {
		return nil, errNotPlain
	}
	return io.ReadAll(io.LimitReader(f, maxModule))
}

// versionOf reads the version off a file, without running it. "": it has none.
func (c *checker) versionOf(path string) string {
	data, err := readPlain(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) { // the worker's mode says that only root can
			c.add("not-root", path, "", "its version cannot be read: %v", bareError(err))
		}
		return unreadable
	}
	m := versionMark.FindSubmatch(data)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// checkVersions compares what the files say of themselves: worker and core refuse
// each other when they differ.
func (c *checker) checkVersions(entry, of, dir string) {
	for _, name := range []string{"worker", "core.so"} {
		v := c.versionOf(dir + "/" + name)
		if v != unreadable && v != of {
			c.add("version-mixed", dir+"/"+name, installCommand(dir+"/"+name), "version %s, but %s is %s", orNone(v), entry, of)
			return
		}
	}
	if of != version {
		c.add("version-other", entry, "", "version %s; otpw-check is %s, and may judge it wrongly", of, version)
	}
}

func orNone(v string) string {
	if v == "" {
		return "(none)"
	}
	return v
}

// checkLibrary looks whether a file is a library that programs like this one can
// load. One that cannot be read was reported already.
func (c *checker) checkLibrary(path string) bool {
	data, err := readPlain(path)
	if err != nil {
		return false
	}
	lib, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		c.add("module-broken", path, installCommand(path), "%v", err)
		return false
	}
	defer lib.Close()
	self, err := elf.Open("/proc/self/exe")
	if err != nil {
		return true
	}
	defer self.Close()
	if lib.Machine != self.Machine || lib.Class != self.Class || lib.Type != elf.ET_DYN {
		c.add("module-broken", path, installCommand(path), "is %v for %v %v, want %v for %v %v", lib.Type, lib.Machine, lib.Class, elf.ET_DYN, self.Machine, self.Class)
		return false
	}
	return true
}
