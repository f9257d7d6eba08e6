// SPDX-License-Identifier: MIT

package module

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otpw-go/otpw/otp"
)

// Whoever cannot log in, for whatever reason, is asked and refused as if the
// answer had been wrong; only the log knows.
func TestDecoy(t *testing.T) {
	t.Parallel()
	header := otp.Header{Format: otp.OTPW2, KDF: otp.KDF{Memory: 8, Passes: 1}, Host: "h", Created: time.Unix(1, 0), Expires: time.Unix(2, 0)}
	broken := t.TempDir()
	spent := makeHome(t, 5)
	if err := os.WriteFile(filepath.Join(broken, ".otpw"), []byte("OTPW3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := otp.Revoke(filepath.Join(spent, ".otpw"), func(string) bool { return true }); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	open := makeHome(t, 5)
	if err := os.Chmod(filepath.Join(open, ".otpw"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ home, extra, log string }{
		"no list":        {t.TempDir(), "", `nresult=unavailable challenge=NNN reason="REASON: list .*: no list"`},
		"no home":        {"/nonexistent", "", `nresult=unavailable challenge=NNN reason="REASON: list .*: no list: .*"`},
		"home unknown":   {"", "", `eresult=error challenge=NNN reason="REASON: no place for a list: home folder .* is not an absolute path"`},
		"exhausted":      {spent, "", `nresult=unavailable challenge=NNN reason="REASON: list .*: list exhausted"`},
		"expired":        {makeHomeOf(t, 5, header), "", `nresult=unavailable challenge=NNN reason="REASON: list .*: list expired: its last day was 1970-01-01, to 00:00"`},
		"broken":         {broken, "", `eresult=error challenge=NNN reason="REASON: list .*: line 1: does not begin with .*"`},
		"open to others": {open, "", `eresult=error challenge=NNN reason="REASON: list .*: unsafe list file: .*"`},
		"no such user":   {"/nonexistent", "account=none\x00", `nresult=refused challenge=NNN reason="REASON: unknown user"`},
	} {
		t.Run(name, func(t *testing.T) {
			request := ask(tt.home, "decoy") + tt.extra + "decoy=000000000000002a 0 0\x00"
			h := runs(t, request, rightly)
			if len(h.prompts) != 1 || !regexp.MustCompile(`^Password \d{3}: $`).MatchString(h.prompts[0]) {
				t.Fatalf("prompts %q", h.prompts)
			}
			number := h.prompts[0][len("Password "):][:3]
			log := strings.ReplaceAll(tt.log, "NNN", number)
			h.check(t, h.prompts[0], pamAuthErr, strings.Replace(log, "REASON", "decoy", 1))
			if !slices.Equal(h.kept, []int{1}) || h.notice != "" {
				t.Errorf("kept %v, notice %q", h.kept, h.notice)
			}
			runs(t, request, say("")).check(t, h.prompts[0], pamAuthErr, strings.Replace(log, "REASON", "decoy", 1))

			cut := runs(t, request, hangUp)
			unsaid := regexp.MustCompile(`^pam_otpw\(sshd:auth\): user=alice rhost=192\.0\.2\.7 result=abandoned challenge=` + number + ` reason="no response: .*; decoy: .*"$`)
			if !unsaid.MatchString(cut.unsaid) {
				t.Errorf("unsaid %q", cut.unsaid)
			}
			// Without decoys nobody is asked.
			if h := runs(t, ask(tt.home)+tt.extra, rightly); h.prompts != nil || h.kept != nil || h.result == pamSuccess {
				t.Errorf("without decoys: %+v", h)
			}
		})
	}
}

// Who was asked for three numbers alone by his list is not asked for others alone
// when it has too few left for a multi challenge.
func TestDecoyTooFew(t *testing.T) {
	t.Parallel()
	few := makeHome(t, 5)
	for range 3 {
		runs(t, ask(few), hangUp)
	}
	h := runs(t, ask(few, "decoy")+"decoy=000000000000002a 0 0\x00", rightly)
	if len(h.prompts) != 1 || strings.Count(h.prompts[0], "/") != 2 || h.kept != nil {
		t.Fatalf("%+v", h)
	}
	challenge := strings.TrimSuffix(strings.TrimPrefix(h.prompts[0], "Password "), ": ")
	h.check(t, h.prompts[0], pamAuthErr, `nresult=unavailable challenge=`+challenge+` reason="decoy: list .*: too few .*"`)
}

// Nor does the result tell a list that goes while the response is awaited.
func TestDecoyResult(t *testing.T) {
	t.Parallel()
	home := makeHome(t, 5)
	gone := func(prompt string) (string, bool) {
		os.Chmod(filepath.Join(home, ".otpw"), 0o644)
		return rightly(prompt)
	}
	if h := runs(t, ask(home, "decoy")+"decoy=000000000000002a 0 0\x00", gone); h.result != pamAuthErr {
		t.Errorf("%+v", h)
	}
}

// The number that a decoy asks for alone moves on as it does with a list.
func TestDecoyMovesOn(t *testing.T) {
	t.Parallel()
	decoy := func(state string, args ...string) string {
		return ask("/nonexistent", append(args, "decoy")...) + "decoy=00000000000000ff " + state + "\x00"
	}
	var asked []string
	for _, state := range []string{"0 0", "1 0", "2 0"} {
		h := runs(t, decoy(state), say("x"))
		if slices.Contains(asked, h.prompts[0]) || !slices.Equal(h.kept, []int{len(asked) + 1}) {
			t.Errorf("state %s: asked %q after %q, kept %v", state, h.prompts, asked, h.kept)
		}
		asked = append(asked, h.prompts[0])
	}
	for _, state := range []string{"3 0", "200 0", "0 1"} {
		h := runs(t, decoy(state), say("x"))
		if strings.Count(h.prompts[0], "/") != 2 || h.kept != nil {
			t.Errorf("state %s: asked %q, kept %v", state, h.prompts, h.kept)
		}
	}
	// A wrong answer does not set aside with reask, a cut connection does.
	if h := runs(t, decoy("1 0", "reask"), say("x")); h.prompts[0] != asked[1] || !slices.Equal(h.kept, []int{2, 1}) {
		t.Errorf("reask: asked %q, kept %v", h.prompts, h.kept)
	}
	if h := runs(t, decoy("3 0", "reask"), say("x")); h.kept != nil {
		t.Errorf("reask, three numbers: kept %v", h.kept)
	}
	if h := runs(t, decoy("1 0", "reask"), hangUp); !slices.Equal(h.kept, []int{2}) {
		t.Errorf("reask, cut: kept %v", h.kept)
	}
	if h := runs(t, decoy("0 0", "nolock"), say("x")); h.prompts[0] != asked[0] || h.kept != nil {
		t.Errorf("nolock: asked %q, kept %v", h.prompts, h.kept)
	}
}

// Whoever puts a list into the home folder of nobody does not get in as somebody that there is not.
func TestUnknownUserWithList(t *testing.T) {
	t.Parallel()
	for _, decoy := range []string{"", "decoy=000000000000002a 0 0\x00"} {
		home := makeHome(t, 50)
		h := runs(t, ask(home)+"account=none\x00"+decoy, rightly)
		if h.result != pamAuthErr || h.notice != "" || !strings.Contains(h.logs[len(h.logs)-1], "unknown user") {
			t.Errorf("result %d, notice %q, log %q", h.result, h.notice, h.logs)
		}
	}
}

func TestDecoyRequest(t *testing.T) {
	for _, bad := range []string{"", "1", "0000000000000001", "0000000000000001 2", "000000000000000x 0 0", "1 0 0", "00000000000000001 0 0",
		"0000000000000001 0 0 0", "0000000000000001 -1 0", "0000000000000001 256 0", "0000000000000001 x 0", "0000000000000001 0 2", "0000000000000001 0 -1"} {
		if _, err := parseRequest([]byte("decoy=" + bad + "\x00")); !errors.Is(err, errRequest) {
			t.Errorf("decoy=%q: %v", bad, err)
		}
	}
	r, err := parseRequest([]byte("decoy=a129ca6149be45e5 255 1\x00"))
	if err != nil || *r.decoy != (otp.Decoy{Token: 0xa129ca6149be45e5, Asked: 255, Busy: true}) {
		t.Errorf("%+v, %v", r.decoy, err)
	}
}
