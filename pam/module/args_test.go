// SPDX-License-Identifier: MIT

package module

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otpw-go/otpw/otp"
)

// Who has no list may do without only where that is certain.
func TestNullok(t *testing.T) {
	home := makeHome(t, 50)
	runs(t, ask(home, "nullok"), rightly).check(t, "Password 000: ", pamSuccess, "iresult=accepted .*")
	runs(t, ask(home, "nullok"), say("x")).check(t, "Password 001: ", pamAuthErr, "nresult=refused .*")

	none := t.TempDir()
	runs(t, ask(none, "nullok"), rightly).check(t, "", pamIgnore, `iresult=ignored reason="list .*: no list"`)
	runs(t, ask(none), rightly).check(t, "", pamAuthinfoUnavail, `nresult=unavailable reason="list .*: no list"`)
	runs(t, ask(none, "nullok")+"account=none\x00", rightly).check(t, "", pamAuthErr, `nresult=refused reason="unknown user"`)

	for name, damage := range map[string]func(home string) error{
		"home not there": os.Remove,
		"home unmounted": func(home string) error { // a link to where it would be
			return os.Symlink(filepath.Join(home, "mnt", "list"), filepath.Join(home, ".otpw"))
		},
		"list empty":    func(home string) error { return os.WriteFile(filepath.Join(home, ".otpw"), nil, 0o600) },
		"list readable": func(home string) error { return os.WriteFile(filepath.Join(home, ".otpw"), nil, 0o644) },
		"not a list":    func(home string) error { return os.Mkdir(filepath.Join(home, ".otpw"), 0o700) },
		"home a file":   func(home string) error { return errors.Join(os.Remove(home), os.WriteFile(home, nil, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			if err := damage(home); err != nil {
				t.Fatal(err)
			}
			if h := runs(t, ask(home, "nullok"), rightly); h.result != pamAuthinfoUnavail || h.prompts != nil {
				t.Errorf("result %d, %q", h.result, h.logs)
			}
		})
	}
	// a list of no use is a list all the same
	used := makeHome(t, 1)
	runs(t, ask(used), rightly)
	now := time.Now()
	header := otp.Header{Format: otp.OTPW2, KDF: otp.KDF{Memory: 8, Passes: 1}, Host: "h", Created: now.Add(-time.Hour)}
	over, costly := header, header
	over.Expires, costly.KDF.Passes = now.Add(-time.Second), 2
	for want, home := range map[string]string{
		"list exhausted": used,
		"list expired":   makeHomeOf(t, 50, over),
		"costs too much": makeHomeOf(t, 50, costly),
	} {
		h := runs(t, ask(home, "nullok", "kdf_max_passes=1"), rightly)
		if h.result != pamAuthinfoUnavail || h.prompts != nil || !strings.Contains(h.logs[0], want) {
			t.Errorf("%s: result %d, %q", want, h.result, h.logs)
		}
	}
}

// What was typed before counts as the answer to the next number, once.
func TestFirstPass(t *testing.T) {
	const authtok = "authtok=yes\x00"
	right := say(prefix + password(0))
	second := func(prompt string) (string, bool) { // first the wrong one
		if prompt == typedBefore {
			return "the ordinary password", true
		}
		return rightly(prompt)
	}
	t.Run("use, right", func(t *testing.T) {
		h := runs(t, ask(makeHome(t, 50), "use_first_pass")+authtok, right)
		h.check(t, typedBefore, pamSuccess, "iresult=accepted challenge=000 remaining=49/50")
	})
	t.Run("use, wrong: set aside", func(t *testing.T) {
		home := makeHome(t, 50)
		runs(t, ask(home, "use_first_pass")+authtok, say("x")).check(t, typedBefore, pamAuthErr, `nresult=refused challenge=000 reason="wrong password"`)
		runs(t, ask(home, "use_first_pass")+authtok, right).check(t, typedBefore, pamAuthErr, `nresult=refused challenge=001 reason="wrong password"`)
		runs(t, ask(home, "use_first_pass")+authtok, say(prefix+password(2))).check(t, typedBefore, pamSuccess, "iresult=accepted challenge=002 remaining=47/50")
	})
	t.Run("use, three are due", func(t *testing.T) {
		home := makeHome(t, 50)
		for range 3 {
			runs(t, ask(home), say("x"))
		}
		runs(t, ask(home, "use_first_pass")+authtok, right).check(t, "", pamAuthinfoUnavail, `nresult=unavailable challenge=\d+/\d+/\d+ reason="use_first_pass, and three passwords are due, .*"`)
	})
	t.Run("use, nothing typed", func(t *testing.T) {
		home := makeHome(t, 50)
		runs(t, ask(home, "use_first_pass"), rightly).check(t, "", pamAuthinfoUnavail, `nresult=unavailable reason="use_first_pass, and no password was typed before"`)
		runs(t, ask(home), rightly).check(t, "Password 000: ", pamSuccess, "iresult=accepted .*") // nothing was set aside
	})
	t.Run("try, right", func(t *testing.T) {
		runs(t, ask(makeHome(t, 50), "try_first_pass")+authtok, right).check(t, typedBefore, pamSuccess, "iresult=accepted challenge=000 remaining=49/50")
	})
	t.Run("try, wrong, then right", func(t *testing.T) {
		runs(t, ask(makeHome(t, 50), "try_first_pass")+authtok, second).check(t, typedBefore+";Password 001: ", pamSuccess,
			"nwhat was typed before is not the password for 000: wrong password;iresult=accepted challenge=001 remaining=48/50")
	})
	t.Run("try, three are due", func(t *testing.T) {
		home := makeHome(t, 50)
		for range 3 {
			runs(t, ask(home), say("x"))
		}
		h := runs(t, ask(home, "try_first_pass")+authtok, rightly)
		if h.result != pamSuccess || len(h.prompts) != 1 || strings.Count(h.prompts[0], "/") != 2 {
			t.Errorf("%d, %q, %q", h.result, h.prompts, h.logs)
		}
	})
	t.Run("try, nothing typed", func(t *testing.T) {
		runs(t, ask(makeHome(t, 50), "try_first_pass"), rightly).check(t, "Password 000: ", pamSuccess, "iresult=accepted .*")
	})
	t.Run("neither", func(t *testing.T) {
		runs(t, ask(makeHome(t, 50))+authtok, rightly).check(t, "Password 000: ", pamSuccess, "iresult=accepted .*")
	})
}

func TestPlaces(t *testing.T) {
	home := makeHome(t, 50)
	list := filepath.Join(home, "alice")
	if err := os.Rename(filepath.Join(home, ".otpw"), list); err != nil {
		t.Fatal(err)
	}
	nobody := "/nonexistent"
	for _, request := range []string{
		ask(home, "file=~/alice"),
		ask(nobody, "file="+home+"/%u"),
		ask(nobody, "file="+home+"/other", "file="+home+"/%u"), // the last one counts
		ask(nobody) + "lists=" + home + "\x00",
		ask(nobody, "user=otpw") + "lists=" + home + "\x00",
		ask(nobody) + "site=3 file=" + home + "/alice\x00",
		ask(nobody, "file="+home+"/alice") + "site=3 file=" + home + "/other\x00", // the line in PAM's configuration counts
		ask(nobody, "file="+home+"/alice") + "lists=/nonexistent\x00",
	} {
		if h := runs(t, request, rightly); h.result != pamSuccess {
			t.Errorf("%q: %d, %q", request, h.result, h.logs)
		}
	}
	for request, log := range map[string]string{
		ask(home): `nresult=unavailable reason="list .*/.otpw: no list"`,
		strings.Replace(ask(nobody, "file="+home+"/%u"), "user=alice\x00", "user=a.lock\x00", 1): `eresult=error reason="no place for a list: the name \\"a.lock\\" could be mistaken.*"`,
		ask("relative"): `eresult=error reason="no place for a list: home folder \\"relative\\" is not an absolute path"`,
	} {
		runs(t, request, rightly).check(t, "", pamAuthinfoUnavail, log)
	}
	for request, log := range map[string]string{
		ask(home, "file=alice"):                  `eresult=error reason="argument \\"file=alice\\": want file=PATTERN, .*"`,
		ask(home, "file"):                        `eresult=error reason="argument \\"file\\": want file=.*"`,
		ask(home, "user="):                       `eresult=error reason="argument \\"user=\\": want user=NAME"`,
		ask(home) + "site=7 frobnicate\x00":      `eresult=error reason="/etc/otpw.conf line 7: unknown argument \\"frobnicate\\""`,
		ask(home) + "site=7 lock_timeout=x\x00":  `eresult=error reason="/etc/otpw.conf line 7: argument .*"`,
		ask(home, "nullok", "decoy"):             `eresult=error reason="arguments nullok and decoy exclude each other.*"`,
		ask(home, "nullok") + "site=1 decoy\x00": `eresult=error reason="arguments nullok and decoy exclude each other.*"`,
		ask(home, "use_first_pass", "decoy"):     `eresult=error reason="arguments decoy and try_first_pass or use_first_pass exclude each other.*"`,
		ask(home, "try_first_pass", "decoy"):     `eresult=error reason="arguments decoy and try_first_pass or use_first_pass exclude each other.*"`,
	} {
		runs(t, request, rightly).check(t, "", pamSystemErr, log)
	}
}

// The name of a user that there is not may be a password: it is in no log line.
func TestUnknownNames(t *testing.T) {
	for _, args := range [][]string{{"debug", "file=/nowhere/%u"}, {"debug", "file=/nowhere/%u", "decoy"}} {
		for _, name := range []string{"hunter2", "hunter2/.."} {
			request := strings.Replace(ask("/nonexistent", args...), "user=alice\x00", "user="+name+"\x00", 1) + "account=none\x00"
			if len(args) == 3 {
				request += "decoy=000000000000002a 0 0\x00"
			}
			h := runs(t, request, rightly)
			if log := strings.Join(h.logs, "\n"); strings.Contains(log, "hunter2") || !strings.Contains(log, "unknown user") || h.result != pamAuthErr {
				t.Errorf("%d, %q", h.result, log)
			}
		}
	}
}

func TestNotices(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		notice bool
	}{
		{nil, true},
		{[]string{"silent"}, false},
		{[]string{"min_remaining=49"}, false},
		{[]string{"min_remaining=50"}, true},
	} {
		if h := runs(t, ask(makeHome(t, 50), tt.args...), rightly); (h.notice != "") != tt.notice {
			t.Errorf("%q: %q", tt.args, h.notice)
		}
	}
	now := time.Now()
	expiring := makeHomeOf(t, 50, otp.Header{Format: otp.OTPW2, KDF: otp.KDF{Memory: 8, Passes: 1}, Host: "h", Created: now.Add(-95 * time.Hour), Expires: now.Add(5 * time.Hour)})
	if h := runs(t, ask(expiring, "min_remaining=2"), rightly); !strings.Contains(h.notice, "last day") {
		t.Errorf("%q", h.notice)
	}
}

func TestPrompts(t *testing.T) {
	h := runs(t, ask(makeHome(t, 50), "prompt=Einmalpaßwort"), rightly)
	h.check(t, "Einmalpaßwort 000: ", pamSuccess, "iresult=accepted .*")
	for _, bad := range []string{"", strings.Repeat("x", maxPrompt+1), "a\tb", "\xff"} {
		if h := runs(t, ask(makeHome(t, 50), "prompt="+bad), rightly); h.prompts[0] != "Password 000: " || !strings.Contains(h.logs[0], "ignored") {
			t.Errorf("%q, %q", h.prompts, h.logs)
		}
	}
}
