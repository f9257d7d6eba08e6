// SPDX-License-Identifier: MIT

package check

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// Who looks at a list has its owner's ids, and nothing that is root's: no terminal,
// no environment, no file.
func TestChild(t *testing.T) {
	m := begin(t)
	m.shell("echo friends:x:3000:alice >>/etc/group")
	m.fuse("/home/alice", m.alice, false)
	term := m.Terminal(t, nil, "/usr/bin/env", "SECRET=x", m.program, "--user", "alice")
	var child world.Process
	world.Until(t, "a process waits for alice's home", func() bool {
		for _, p := range world.Descendants(term.PID()) {
			if strings.HasPrefix(p.Title, "otpw-check-list") {
				child = p
			}
		}
		return child.PID != 0
	})
	proc := fmt.Sprintf("/proc/%d/", child.PID)
	status, err := os.ReadFile(proc + "status")
	m.do(err)
	ids := fmt.Sprintf("%[1]d\t%[1]d\t%[1]d\t%[1]d\n", m.alice.UID)
	for _, want := range []string{"Uid:\t" + ids, "Gid:\t" + ids, fmt.Sprintf("Groups:\t%d 3000 \n", m.alice.UID), "CapPrm:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if env, err := os.ReadFile(proc + "environ"); err != nil || len(env) != 0 {
		t.Errorf("environment %q, %v", env, err)
	}
	stat, err := os.ReadFile(proc + "stat")
	m.do(err)
	_, fields, _ := strings.Cut(string(stat), ") ")
	var state string
	var parent, group, session, tty int
	fmt.Sscan(fields, &state, &parent, &group, &session, &tty)
	if session != child.PID || tty != 0 {
		t.Errorf("session %d, terminal %d", session, tty)
	}
	world.Until(t, "no file is open", func() bool { // but what it opens itself, for a moment
		fds, err := os.ReadDir(proc + "fd")
		m.do(err)
		return !slices.ContainsFunc(fds, func(fd os.DirEntry) bool {
			to, _ := os.Readlink(proc + "fd/" + fd.Name())
			return strings.HasPrefix(to, "/") && to != "/dev/null"
		})
	})
}
