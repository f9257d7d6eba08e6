// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const selinuxState = "/sys/fs/selinux/enforce"

// checkSELinux says only what is certain: without a policy of ours, whether a login may
// read lists is up to that of the distribution.
func (c *checker) checkSELinux() {
	state, err := os.ReadFile(selinuxState)
	if err != nil || strings.TrimSpace(string(state)) != "1" {
		return
	}
	for _, pattern := range []string{"/var/lib/selinux/*/active/modules/*/otpw", "/etc/selinux/*/active/modules/*/otpw"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			c.fine(found[0], "SELinux is enforcing, with a policy for the module")
			return
		}
	}
	c.add("selinux-policy", selinuxState, "see what is denied: ausearch -m avc -c worker", "SELinux is enforcing, and no policy module otpw is installed: programs like sshd may not be allowed to start the worker, or to read lists in homes")
}

// labelOf returns the type in a file's label; "": it has none.
func labelOf(path string) string {
	buf := make([]byte, 256)
	n, err := unix.Lgetxattr(path, "security.selinux", buf)
	if err != nil {
		return ""
	}
	parts := strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), ":")
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// foreignTypes are labels of files that were moved to where they are, and not copied.
var foreignTypes = []string{"user_home_t", "user_tmp_t", "tmp_t", "admin_home_t", "default_t", "unlabeled_t", "file_t", "home_root_t", "src_t"}

// checkLabels looks at the labels of files of the module.
func (c *checker) checkLabels(paths ...string) {
	if !exists(selinuxState) {
		return
	}
	for _, path := range paths {
		if label := labelOf(path); slices.Contains(foreignTypes, label) {
			c.add("selinux-label", path, "restorecon -RFv "+quoted(filepath.Dir(path)), "its label is %s: where SELinux is enforcing, sshd may not load it", label)
		}
	}
}
