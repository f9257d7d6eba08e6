// SPDX-License-Identifier: MIT

package central

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// Who keeps lists, and where, is decided in C for logins, and in Go for the other programs: in each
// world all of them look for alice's list at the same place, with the ids of whom it belongs to,
// the only ones with which that folder can be searched.
func TestOneRule(t *testing.T) {
	s := begin(t)
	passwd, err := os.ReadFile("/etc/passwd")
	must(t, err)
	t.Cleanup(func() {
		must(t, os.WriteFile("/etc/passwd", passwd, 0o644), os.Chown(s.keeper.Home, s.keeper.UID, s.keeper.UID))
	})
	must(t, world.CopyFile(s.Built(t, "otpw-check"), "/opt/rule/otpw-check"), os.Chown(s.m.Generator, 0, 0), os.Chmod(s.m.Generator, 0o755))
	service := s.alice.Name
	s.Service(t, service, pamLines(s.m, "")...)
	// folders that only a group may search: alice's, and bob's
	for _, a := range []*world.Account{s.alice, s.bob} {
		group, folder := a.Name+"s", "/srv/"+a.Name
		s.Group(t, group)
		s.Join(t, a, group)
		must(t, os.MkdirAll("/srv", 0o755), os.Mkdir(folder, 0o750))
		if r := s.Run(t, nil, "", "/bin/chgrp", group, folder); r.Status != 0 {
			t.Fatal(r.Stderr)
		}
	}
	must(t, os.Mkdir("/srv/root", 0o750)) // and one that root's group may
	const refused = ""                    // all logins are

	for name, tt := range map[string]struct {
		otpw int // uid; -1: there is no such user
		site []string
		list string
	}{
		"no pseudo-user":          {-1, nil, s.alice.Path(".otpw")},
		"pseudo-user":             {s.keeper.UID, nil, s.list(s.alice)},
		"of the least uid":        {1, nil, s.list(s.alice)},
		"of the greatest":         {999, nil, s.list(s.alice)},
		"a user of that name":     {1000, nil, s.alice.Path(".otpw")},
		"nobody by that name":     {65534, nil, s.alice.Path(".otpw")},
		"root by that name":       {0, nil, s.alice.Path(".otpw")},
		"the last id":             {1<<32 - 2, nil, s.alice.Path(".otpw")},
		"file":                    {s.keeper.UID, []string{"file=~/%u.list"}, s.alice.Path(s.alice.Name + ".list")},
		"file, as by default":     {s.keeper.UID, []string{"file=~/.otpw"}, s.alice.Path(".otpw")},
		"user":                    {s.keeper.UID, []string{"user=" + s.bob.Name}, s.bob.Path(s.alice.Name)},
		"user and file":           {s.keeper.UID, []string{"user=" + s.bob.Name, "file=" + s.bob.Home + "/%U"}, s.bob.Path(fmt.Sprint(s.alice.UID))},
		"by a group of hers":      {s.keeper.UID, []string{"file=/srv/%u/list"}, "/srv/" + s.alice.Name + "/list"},
		"by a group of his":       {s.keeper.UID, []string{"user=" + s.bob.Name, "file=/srv/" + s.bob.Name + "/%u"}, "/srv/" + s.bob.Name + "/" + s.alice.Name},
		"by a group of root's":    {s.keeper.UID, []string{"file=/srv/root/%u"}, "/srv/root/" + s.alice.Name},
		"the last of two":         {s.keeper.UID, []string{"user=nosuchuser", "file=/x", "user=" + s.bob.Name, "file=" + s.bob.Home + "/%u"}, s.bob.Path(s.alice.Name)},
		"user, by its other uid":  {1000, []string{"user=otpw"}, s.list(s.alice)},
		"file, user otpw":         {999, []string{"file=" + s.keeper.Home + "/l%U", "user=otpw"}, s.keeper.Path(fmt.Sprintf("l%d", s.alice.UID))},
		"user that there is not":  {s.keeper.UID, []string{"user=nosuchuser"}, refused},
		"user otpw, not there":    {-1, []string{"user=otpw"}, refused},
		"keeper without an id":    {1<<32 - 1, []string{"user=otpw"}, refused},
		"arguments with a prefix": {s.keeper.UID, []string{"[generator]", "[module]", "file=~/.otpw", "prompt=user=" + s.bob.Name}, s.alice.Path(".otpw")},
	} {
		t.Run(name, func(t *testing.T) {
			line := ""
			if tt.otpw >= 0 {
				line = fmt.Sprintf("otpw:x:%[1]d:%[1]d::%[2]s:/bin/sh\n", tt.otpw, s.keeper.Home)
				must(t, os.Chown(s.keeper.Home, tt.otpw, -1))
			}
			must(t, os.WriteFile("/etc/passwd", regexp.MustCompile(`(?m)^otpw:.*\n`).ReplaceAll(passwd, []byte(line)), 0o644))
			s.conf(append([]string{"[module]"}, tt.site...)...)

			// each with what it says when all is as it should be
			login := s.Run(t, nil, "", s.Host(t, "login"), "-a", "/etc/pam.d", service, s.alice.Name)
			gen := s.gen(nil, "", "status", "--user", s.alice.Name)
			check := s.Run(t, nil, "", "/opt/rule/otpw-check", "--service", service, "--user", s.alice.Name)
			want := map[string]string{
				"login":      `(?m)^log: .* result=unavailable reason="list ` + tt.list + `: no list"$`,
				"otpw-gen":   `^otpw-gen: list ` + tt.list + `: no list\n`,
				"otpw-check": `(?m)^warning: list-none: ` + s.alice.Name + `: ` + tt.list + `: `,
			}
			if strings.HasPrefix(tt.list, "/srv/root/") {
				want = map[string]string{"login": "permission denied", "otpw-gen": "permission denied", "otpw-check": "list-unreadable: .*permission denied"}
			}
			if tt.list == refused {
				want = map[string]string{"login": `(?m)^log: .* result=error `, "otpw-gen": `nosuchuser|otpw`, "otpw-check": `(?m)^error: argument-user: `}
			}
			for program, said := range map[string]string{"login": login.Stdout, "otpw-gen": gen.Stderr, "otpw-check": check.Stdout} {
				if !regexp.MustCompile(want[program]).MatchString(said) {
					t.Errorf("%s: no %s in %s", program, want[program], said)
				}
			}
		})
	}
}
