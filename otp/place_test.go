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
