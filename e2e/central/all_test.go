// SPDX-License-Identifier: MIT

package central

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/strace"
	"github.com/otpw-go/otpw/e2e/world"
)

// homes is a site whose users keep their lists; bob has one.
func homes(t *testing.T) *site {
	s := begin(t)
	s.conf("[module]", "file=~/.otpw")
	must(t, os.Chown(s.m.Generator, 0, 0), os.Chmod(s.m.Generator, 0o755))
	s.makeList(s.bob)
	return s
}

// A user whose file system never answers keeps root from seeing no other list. The process that
// waits there has the user's ids, and nothing of root's: not the terminal into which it could type.
func TestAllHangs(t *testing.T) {
	for name, folder := range map[string]string{"the home": "", "behind a link": "hangs"} {
		t.Run(name, func(t *testing.T) {
			s := homes(t)
			s.Group(t, "of"+s.alice.Name)
			s.Join(t, s.alice, "of"+s.alice.Name)
			if folder != "" {
				must(t, os.Mkdir(s.alice.Path(folder), 0o700), os.Chown(s.alice.Path(folder), s.alice.UID, s.alice.UID), os.Symlink(folder+"/list", s.alice.Path(".otpw")))
				must(t, os.Lchown(s.alice.Path(".otpw"), s.alice.UID, s.alice.UID))
			}
			s.Fuse(t, s.alice.Path(folder), s.alice, folder == "", nil) // the whole home hangs for root, too
			term := s.Terminal(t, nil, s.m.Generator, "status", "--all")
			var child world.Process
			world.Until(t, "a process waits for alice's folder", func() bool {
				for _, p := range world.Descendants(term.PID()) {
					if strings.Contains(p.Title, "--user="+s.alice.Name) && (folder == "" || p.UID == s.alice.UID) {
						child = p
					}
				}
				return child.PID != 0
			})
			proc := fmt.Sprintf("/proc/%d/", child.PID)
			stat, err := os.ReadFile(proc + "stat")
			must(t, err)
			_, fields, _ := strings.Cut(string(stat), ") ")
			var state string
			var parent, group, session, tty int
			fmt.Sscan(fields, &state, &parent, &group, &session, &tty)
			if session != child.PID || tty != 0 {
				t.Errorf("session %d, terminal %d", session, tty)
			}
			if env, err := os.ReadFile(proc + "environ"); err != nil || len(env) != 0 {
				t.Errorf("environment %q, %v", env, err)
			}
			if folder != "" {
				status, err := os.ReadFile(proc + "status")
				must(t, err)
				ids := strings.Repeat(fmt.Sprintf("\t%d", s.alice.UID), 4)
				for _, want := range []string{"Uid:" + ids, "Gid:" + ids, fmt.Sprintf(`Groups:\t9\d\d %d `, s.alice.UID), "CapPrm:\t0+"} {
					if !regexp.MustCompile(want + "\n").Match(status) {
						t.Errorf("no %q in\n%s", want, status)
					}
				}
				if uid, _ := s.owner(proc + "environ"); uid != 0 {
					t.Error("alice can trace the process")
				}
			}
			term.Expect(`(?s)` + s.alice.Name + ` +- +- +- +- +no answer within 10s.*` + s.bob.Name + ` +30/30 `)
			if status := term.Wait(); status != 3 {
				t.Errorf("status %d", status)
			}
		})
	}
}

// No program is started with a user's ids: until it can say that it must not be traced, he could
// have made it his own, and its answers.
func TestAllStartsAsRoot(t *testing.T) {
	s := homes(t)
	log := filepath.Join(t.TempDir(), "log")
	r := s.Run(t, nil, "", "/usr/bin/strace", "-f", "-o", log, "-e", "trace=execve,setuid,setresuid,prctl", s.m.Generator, "status", "--all")
	if !strings.Contains(r.Stdout, s.bob.Name) {
		t.Fatalf("%s%s", r.Stdout, r.Stderr)
	}
	text, err := os.ReadFile(log)
	must(t, err)
	other := regexp.MustCompile(`^(-1|0)(, (-1|0))*$`)
	var changed []int // threads with a user's ids
	shut := false
	for _, c := range strace.Parse(string(text)) {
		switch {
		case strings.HasPrefix(c.Name, "set") && !other.MatchString(c.Args):
			changed = append(changed, c.Thread)
		case !slices.Contains(changed, c.Thread):
		case c.Name == "execve":
			t.Errorf("with a user's ids: %v", c)
		case c.Name == "prctl" && strings.HasPrefix(c.Args, "PR_SET_DUMPABLE, SUID_DUMP_DISABLE"):
			shut = true
		}
	}
	if len(changed) == 0 || !shut {
		t.Errorf("nobody's ids were taken, or the process could be traced after that:\n%s", text)
	}
}
