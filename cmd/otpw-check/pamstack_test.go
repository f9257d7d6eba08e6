// SPDX-License-Identifier: MIT

//go:build cgo

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/msteinert/pam/v2"
)

// The machine's libpam is the oracle: what pam_debug.so is told to return, it
// returns, and what libpam makes of that is what we make of it.

// granted asks libpam.
func granted(t *testing.T, dir string) bool {
	t.Helper()
	tx, err := pam.StartConfDir("service", "nobody", pam.ConversationFunc(func(pam.Style, string) (string, error) { return "", nil }), dir)
	if err != nil {
		return false // of some mistakes it hears here
	}
	defer tx.End()
	return tx.Authenticate(0) == nil
}

// ours is what we make of it.
func ours(t *testing.T, dir string) bool {
	t.Helper()
	s, _ := readService([]string{dir}, "service")
	if s.stuck {
		return false
	}
	stack, _ := s.stack("auth")
	p := findLibpam()
	ends := explore(stack, func(l line, _ trace) []result {
		switch name := l.name(); {
		case l.module == "":
			return []result{permDenied}
		case !exists(p.path(l.module)):
			return []result{moduleUnknown}
		case name == "pam_permit.so":
			return []result{success}
		case name == "pam_deny.so":
			return []result{authErr}
		}
		value := "success"
		for _, arg := range l.args {
			if v, found := strings.CutPrefix(arg, "auth="); found {
				value = v
				break
			}
		}
		return []result{result(slices.Index(resultNames, value))}
	})
	if len(ends) != 1 {
		t.Fatalf("%d ends of a stack without a choice", len(ends))
	}
	return ends[0].granted
}

// compare writes files, in which DIR means their folder, and asks both. libpam looks
// for what is included in its own folders, whatever folder it was given.
func compare(t *testing.T, files map[string]string) bool {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := granted(t, dir)
	if got := ours(t, dir); got != want {
		t.Errorf("granted %v, libpam says %v:\n%v", got, want, files)
	}
	return want
}

func needModules(t *testing.T) {
	t.Helper()
	if path := findLibpam().path("pam_debug.so"); !exists(path) {
		t.Skipf("there is no %s", path)
	}
}

// What stands in a file, in forms that are rare. (Of an include without a name, and of files that include each other,
// Debian's libpam crashes.)
func TestLikeLibpam(t *testing.T) {
	needModules(t)
	const other = "auth required pam_deny.so\n"
	for name, tt := range map[string]struct {
		service string
		want    bool
	}{
		"plain":                     {"auth required pam_permit.so\n", true},
		"no line end":               {"auth required pam_permit.so", true},
		"tabs and blanks":           {" \t auth\trequired  \t pam_permit.so \t\n", true},
		"capitals":                  {"AUTH Required pam_permit.so\n", true},
		"comment":                   {"# auth required pam_deny.so\nauth required pam_permit.so # pam_deny.so\n", true},
		"comment in a word":         {"auth required pam_permit.so#x\n", true},
		"continued":                 {"auth \\\n required \\\n pam_permit.so\n", true},
		"continued, blank behind":   {"auth required \\ \n pam_permit.so\n", true},
		"continued at the end":      {"auth required pam_permit.so \\\n", false},
		"continued by a comment":    {"auth required \\\n# comment\n pam_permit.so\n", true},
		"comment continued":         {"# comment \\\nauth required pam_deny.so\nauth required pam_permit.so\n", false},
		"comment behind, continued": {"auth required pam_permit.so # x \\\nauth required pam_deny.so\n", false},
		"continued by nothing":      {"auth required pam_permit.so \\\n\nauth required pam_deny.so\n", true},
		"continued over nothing":    {"auth required \\\n\npam_permit.so\n", true},
		"continued, no blank":       {"auth required pam_permit.so\\\nauth required pam_deny.so\n", true},
		"carriage return":           {"auth required pam_permit.so\r\n", false},
		"no type":                   {"required pam_permit.so\n", false},
		"unknown type":              {"auth required pam_permit.so\nlogin required pam_permit.so\n", false},
		"no module":                 {"auth required\n", false},
		"no control":                {"auth\n", false},
		"unknown control":           {"auth requird pam_permit.so\n", false},
		"silent":                    {"-auth required pam_permit.so\n", true},
		"silent, missing":           {"-auth required pam_nonesuch.so\nauth required pam_permit.so\n", false},
		"silent optional missing":   {"-auth optional pam_nonesuch.so\nauth required pam_permit.so\n", true},
		"missing":                   {"auth required pam_nonesuch.so\nauth required pam_permit.so\n", false},
		"missing, sufficient":       {"auth sufficient pam_nonesuch.so\nauth required pam_permit.so\n", true},
		"module_unknown=ignore":     {"auth [module_unknown=ignore success=ok] pam_nonesuch.so\nauth required pam_permit.so\n", true},
		"absolute, missing":         {"auth required /lib/nonesuch/pam_permit.so\n", false},
		"nothing for auth":          {"account required pam_permit.so\n", false},
		"empty":                     {"", false},
		"jump":                      {"auth [success=1 default=ignore] pam_permit.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n", true},
		"jump too far":              {"auth [success=3 default=ignore] pam_permit.so\nauth required pam_permit.so\n", false},
		"jump to the end":           {"auth required pam_permit.so\nauth [success=1 default=ignore] pam_permit.so\nauth required pam_deny.so\n", true},
		"jump decides nothing":      {"auth [success=1 default=ignore] pam_permit.so\nauth required pam_deny.so\n", false},
		"jump of 0":                 {"auth [success=0] pam_permit.so\n", false},
		"jump of 01":                {"auth [success=01 default=ignore] pam_permit.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n", true},
		"default first":             {"auth [default=ignore success=done] pam_permit.so\n", true},
		"two defaults":              {"auth [default=ignore default=bad success=ok] pam_permit.so\n", true},
		"blanks in a control":       {"auth [ success = ok  default = bad ] pam_permit.so\n", true},
		"no blank in a control":     {"auth [success=okdefault=bad] pam_permit.so\n", true},
		"bad word in a control":     {"auth [succes=ok] pam_permit.so\n", false},
		"bad action in a control":   {"auth [success=fine] pam_permit.so\n", false},
		"empty control":             {"auth [] pam_permit.so\n", false},
		"control without end":       {"auth [success=ok pam_permit.so\n", false},
		"nothing behind bracket":    {"auth [success=ok]pam_permit.so\n", true},
		"argument in brackets":      {"auth required pam_debug.so [auth=auth_err]\n", false},
		"argument with a bracket":   {"auth required pam_debug.so [x\\] y] auth=auth_err\n", false},
		"success with reset":        {"auth required pam_permit.so\nauth [success=reset] pam_permit.so\n", false},
		"no success but ok":         {"auth [default=ok] pam_deny.so\nauth required pam_permit.so\n", false},
		"done after failure":        {"auth required pam_deny.so\nauth sufficient pam_permit.so\nauth required pam_permit.so\n", false},
		"new_authtok_reqd":          {"auth sufficient pam_debug.so auth=new_authtok_reqd\nauth required pam_permit.so\n", false},
		"ignore and ok":             {"auth [default=ok] pam_debug.so auth=ignore\n", false},
		"include":                   {"auth include DIR/a\n", true},
		"substack":                  {"auth substack DIR/a\n", true},
		"@include":                  {"@include DIR/a\n", true},
		"@include in capitals":      {"@INCLUDE DIR/a\n", true},
		"include, kind":             {"account include DIR/a\nauth required pam_permit.so\n", true},
		"include nothing":           {"auth include DIR/nonesuch\nauth required pam_permit.so\n", false},
		"substack nothing":          {"auth substack DIR/nonesuch\nauth required pam_permit.so\n", false},
		"@include nothing":          {"@include DIR/nonesuch\nauth required pam_permit.so\n", false},
		"account includes nothing":  {"account include DIR/nonesuch\nauth required pam_permit.so\n", true},
		"done in an include":        {"auth include DIR/done\nauth required pam_deny.so\n", true},
		"done in a substack":        {"auth substack DIR/done\nauth required pam_deny.so\n", false},
		"die in a substack":         {"auth substack DIR/die\nauth required pam_permit.so\n", false},
		"jump over a substack":      {"auth [success=1 default=ignore] pam_permit.so\nauth substack DIR/die\nauth required pam_permit.so\n", true},
		"jump out of a substack":    {"auth substack DIR/jump\nauth required pam_permit.so\n", false},
		"reset in a substack":       {"auth substack DIR/reset\nauth required pam_permit.so\n", true},
		"include a wrong type":      {"auth include DIR/wrong\n", false},
		"account includes it":       {"account include DIR/wrong\nauth required pam_permit.so\n", true},
		"include a torn one":        {"auth include DIR/torn\nauth required pam_permit.so\n", false},
		"@include a torn one":       {"@include DIR/torn\nauth required pam_permit.so\n", false},
		"backslash alone":           {"\\\nauth required pam_permit.so\n", true},
		"backslash and comment":     {"auth required pam_permit.so \\ # x\nauth required pam_deny.so\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"service": tt.service, "other": other,
				"a":     "auth required pam_permit.so\naccount required pam_deny.so\n",
				"done":  "auth sufficient pam_permit.so\nauth required pam_deny.so\n",
				"die":   "auth requisite pam_deny.so\n",
				"jump":  "auth [success=5] pam_permit.so\n",
				"reset": "auth required pam_deny.so\nauth [success=reset] pam_permit.so\n",
				"torn":  "auth required pam_permit.so \\\n",
				"wrong": "log required pam_permit.so\n",
			}
			if got := compare(t, files); got != tt.want {
				t.Errorf("libpam says %v, the table says %v", got, tt.want)
			}
		})
	}
}

// Stacks by chance.
func TestLikeLibpamAtRandom(t *testing.T) {
	needModules(t)
	r := rand.New(rand.NewPCG(1, 2))
	yes := 0
	const rounds = 600
	for range rounds {
		files := map[string]string{"other": "auth required pam_deny.so\n"}
		for _, name := range []string{"service", "a", "b"} {
			files[name] = randomFile(r, name)
		}
		if compare(t, files) {
			yes++
		}
		if t.Failed() {
			return
		}
	}
	if yes < rounds/20 || yes > rounds*19/20 {
		t.Errorf("%d of %d granted: that compares little", yes, rounds)
	}
}

// randomFile makes a file of a stack; service includes a and b, and a b.
func randomFile(r *rand.Rand, name string) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	codes := []string{"success", "auth_err", "perm_denied", "ignore", "new_authtok_reqd", "user_unknown", "default"}
	actions := []string{"ok", "done", "bad", "die", "ignore", "reset", "1", "2"}
	var b strings.Builder
	for range 1 + r.IntN(4) {
		if name != "b" && r.IntN(4) == 0 {
			into := "DIR/b"
			if name == "service" {
				into = pick("DIR/a", "DIR/b")
			}
			b.WriteString(pick("auth include "+into, "auth substack "+into, "auth substack "+into, "@include "+into) + "\n")
			continue
		}
		control := pick("required", "requisite", "sufficient", "optional")
		if r.IntN(2) == 0 {
			control = "["
			for range 1 + r.IntN(3) {
				control += fmt.Sprintf(" %s=%s", pick(codes...), pick(actions...))
			}
			control += "]"
		}
		module := pick("pam_permit.so", "pam_permit.so", "pam_deny.so", "pam_debug.so auth="+pick(codes[:6]...))
		fmt.Fprintf(&b, "%sauth %s %s\n", pick("", "", "-"), control, module)
	}
	return b.String()
}
