// SPDX-License-Identifier: MIT

package otp

import (
	"errors"
	"testing"
)

func TestListPath(t *testing.T) {
	alice := Account{"alice", 1001, "/home/alice"}
	named := func(name string) Account { return Account{name, 1001, "/home/alice"} }
	for _, tt := range []struct {
		pattern string
		account Account
		want    string // empty: ErrPlace
	}{
		{DefaultPlace, alice, "/home/alice/.otpw"},
		{"~", alice, "/home/alice"},
		{"%h/otpw/list", alice, "/home/alice/otpw/list"},
		{"/var/lib/otpw/%u", alice, "/var/lib/otpw/alice"},
		{"/var/lib/otpw/%U/%u%%", alice, "/var/lib/otpw/1001/alice%"},
		{"/a~b", alice, "/a~b"},
		{"/etc/otpw.list", named(".."), "/etc/otpw.list"}, // the name is nowhere in it
		{SharedPlace("/var/lib/100%"), alice, "/var/lib/100%/alice"},
		{SharedPlace("/var/lib/otpw"), named("a.b-c_d$"), "/var/lib/otpw/a.b-c_d$"},

		{"~bob/.otpw", alice, ""},
		{"~%u", alice, ""},
		{"/var/lib/otpw/%", alice, ""},
		{"/var/lib/otpw/%x", alice, ""},
		{"otpw/%u", alice, ""},
		{"", alice, ""},
		{"%u", alice, ""},
		{"/var/lib/otpw/", alice, ""},
		{"/a\x00b", alice, ""},
		{DefaultPlace, Account{"alice", 1001, ""}, ""},
		{"%h/x", Account{"alice", 1001, "home"}, ""},
		{"/var/lib/otpw/%u", Account{"alice", 1001, ""}, "/var/lib/otpw/alice"}, // no home is needed

		{"/l/%u", named(""), ""},
		{"/l/%u", named("."), ""},
		{"/l/%u", named(".."), ""},
		{"/l/%u", named(".hidden"), ""},
		{"/l/%u", named("../root"), ""},
		{"/l/%u", named("a/b"), ""},
		{"/l/%u", named("alice.lock"), ""},
		{"/l/%u", named("alice.tmp"), ""},
		{"/l/%u", named("alice.lock.tmp"), ""},
		{"/l/%u/list", named("alice.lock"), ""},
		{"/l/%u", named("alice.lock2"), "/l/alice.lock2"},
	} {
		got, err := ListPath(tt.pattern, tt.account)
		if got != tt.want || errors.Is(err, ErrPlace) != (tt.want == "") {
			t.Errorf("%q for %v: %q, %v, want %q", tt.pattern, tt.account, got, err, tt.want)
		}
	}
}

// Who keeps lists, and where.
func TestKeeper(t *testing.T) {
	broken := errors.New("no answer")
	accounts := map[string]Account{
		"otpw":  {"otpw", 900, "/var/lib/otpw"},
		"lists": {"lists", 2000, "/srv/lists"},
	}
	for _, tt := range []struct {
		name       string
		file, user string
		otpw       int   // uid; -1: there is no such user
		err        error // of the lookup
		keeper     string
		pattern    string
		want       error
	}{
		{"nothing said, no pseudo-user", "", "", -1, nil, "", "~/.otpw", nil},
		{"pseudo-user", "", "", 900, nil, "otpw", "/var/lib/otpw/%u", nil},
		{"the least uid", "", "", 1, nil, "otpw", "/var/lib/otpw/%u", nil},
		{"the most", "", "", 999, nil, "otpw", "/var/lib/otpw/%u", nil},
		{"no system user", "", "", 1000, nil, "", "~/.otpw", nil},
		{"root by that name", "", "", 0, nil, "", "~/.otpw", nil},
		{"file", "/l/%u", "", 900, nil, "", "/l/%u", nil},
		{"user", "", "lists", 900, nil, "lists", "/srv/lists/%u", nil},
		{"both", "/l/%u", "lists", -1, nil, "lists", "/l/%u", nil},
		{"user, unknown", "", "nosuch", 900, nil, "", "", ErrNoAccount},
		{"pseudo-user by name, whatever its uid", "", "otpw", 1000, nil, "otpw", "/var/lib/otpw/%u", nil},
		{"no answer", "", "", 900, broken, "", "", broken},
		{"no answer, none needed", "/l/%u", "", 900, broken, "", "/l/%u", nil},
		{"no answer for user", "/l/%u", "lists", 900, broken, "", "", broken},
	} {
		name, pattern, err := Keeper(tt.file, tt.user, func(name string) (Account, error) {
			a, ok := accounts[name]
			if name == "otpw" {
				a.UID, ok = tt.otpw, tt.otpw >= 0
			}
			switch {
			case tt.err != nil:
				return Account{}, tt.err
			case !ok:
				return Account{}, ErrNoAccount
			}
			return a, nil
		})
		if name != tt.keeper || pattern != tt.pattern || !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %q, %v", tt.name, name, pattern, err)
		}
	}
}
