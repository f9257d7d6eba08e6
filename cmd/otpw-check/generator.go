// SPDX-License-Identifier: MIT

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/otpw-go/otpw/otp"
)

// checkGenerator looks at otpw-gen, which was installed with this program. With OTPW 1
// administrators made it set-user-id.
func (c *checker) checkGenerator() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	prefix := filepath.Dir(filepath.Dir(self))
	path := prefix + "/bin/otpw-gen"
	fi, err := os.Stat(path)
	if err != nil || fi.Mode()&fs.ModeSetuid == 0 {
		return
	}
	var mend []string
	if overridden(path) {
		mend = append(mend, "dpkg-statoverride --remove "+quoted(path))
	}
	mend = append(mend, "chown root: "+quoted(path), "chmod 0755 "+quoted(path))
	if fi.Sys().(*syscall.Stat_t).Uid == 0 {
		c.addAs(wrong, "generator-setuid", path, strings.Join(mend, "; "), "set-user-id for root: it refuses to run")
		return
	}
	helper := quoted(prefix + "/libexec/otpw/otpw-gen-as-keeper")
	switch keeper, _, err := findKeeper(c.settings(line{})); {
	case err != nil: // that was said
	case keeper == nil || keeper.Name == otp.PseudoUser:
		mend = append(mend, "otpw-pseudo-user on --set-user-id")
	default:
		mend = append(mend, "chown "+quoted(keeper.Name+":")+" "+helper, "chmod 4755 "+helper)
	}
	c.add("generator-setuid", path, strings.Join(mend, "; "),
		"set-user-id, and so it belongs to the account (uid %d) that could change what root runs: it starts a small program for that now", fi.Sys().(*syscall.Stat_t).Uid)
}

// overridden reports whether dpkg gives a file its mode at each upgrade.
func overridden(path string) bool {
	data, _ := os.ReadFile(hostRoot + "/var/lib/dpkg/statoverride")
	return slices.ContainsFunc(strings.Split(string(data), "\n"), func(l string) bool {
		f := strings.Fields(l)
		return len(f) == 4 && f[3] == path
	})
}
