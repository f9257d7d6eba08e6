// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// selinuxState is there where SELinux is on, and holds 1 where it is enforcing.
const selinuxState = "/sys/fs/selinux/enforce"

// selinuxPolicy returns where the policy of the module is, "" if it is not loaded.
func selinuxPolicy() string {
	for _, pattern := range []string{"/var/lib/selinux/*/active/modules/*/otpw", "/etc/selinux/*/active/modules/*/otpw"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 && exists(selinuxState) {
			return found[0]
		}
	}
	return ""
}

func (c *checker) checkSELinux() {
	state, err := os.ReadFile(selinuxState)
	if err != nil || strings.TrimSpace(string(state)) != "1" {
		return
	}
	if policy := selinuxPolicy(); policy != "" {
		c.fine(policy, "SELinux is enforcing, with a policy for the module")
		return
	}
	s := wrong
	if slices.Contains(inSession, strings.ToLower(c.service)) { // the domain of a user, who may often start anything
		s = warning
	}
	c.addAs(s, "selinux-policy", selinuxState, "install the package otpw-selinux; without packages, see selinux/README.md of the source",
		"SELinux is enforcing, and the policy module otpw is not loaded: programs like sshd may not start the worker, and logins fail")
}

// labelOf returns the type in a file's label, or in that of a link; "": it has none.
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

const workerType = "otpw_worker_exec_t"

// checkLabels looks at the labels of files of the module, of which the worker's is told by name.
func (c *checker) checkLabels(paths ...string) {
	if !exists(selinuxState) {
		return
	}
	policy := selinuxPolicy()
	for _, path := range paths {
		switch label := labelOf(path); {
		case slices.Contains(foreignTypes, label):
			c.add("selinux-label", path, "restorecon -RFv "+quoted(filepath.Dir(path)), "its label is %s: where SELinux is enforcing, sshd may not load it", label)
		case policy != "" && filepath.Base(path) == "worker" && label != workerType:
			c.add("selinux-label", path, "restorecon -Fv "+quoted(path)+"; if that changes nothing, semanage fcontext -a -t "+workerType+" "+quoted(path)+", and once more",
				"its label is %q, not %s: where SELinux is enforcing, sshd may not start it", label, workerType)
		}
	}
}

// listTypes are labels of lists that the worker may read. The last two are those of all files of another host.
var listTypes = []string{"otpw_home_t", "otpw_var_lib_t", "nfs_t", "cifs_t"}

// checkListLabel looks at the label that a child saw.
func (c *checker) checkListLabel(where string, s *subject) {
	if s.Label == "" || slices.Contains(listTypes, s.Label) || selinuxPolicy() == "" {
		return
	}
	dir := filepath.Dir(s.path)
	mend := "semanage fcontext -a -t otpw_var_lib_t " + quoted(dir+"(/.*)?") + " && restorecon -RFv " + quoted(dir)
	switch {
	case s.Link:
		mend = s.as("chcon -t otpw_home_t " + quoted(s.path) + ", and the same with -h, for the link")
	case s.inHome():
		mend = s.as("restorecon -Fv " + quoted(s.path))
	case strings.Count(dir, "/") < 2 || dir == "/var/lib":
		mend = "file= with a folder that is for lists alone, as /var/lib/otpw/%u"
	}
	c.add("selinux-label", where, mend, "its label is %q: where SELinux is enforcing, the worker may not read it", s.Label)
}
