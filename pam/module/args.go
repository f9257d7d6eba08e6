// SPDX-License-Identifier: MIT

package module

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/otpw-go/otpw/otp"
)

// arguments are those of the site and of the module's line in the PAM configuration.
type arguments struct {
	debug        bool
	takeFirst    bool // try_first_pass, use_first_pass
	silent       bool
	minRemaining int    // the notice comes when fewer are left; 0: always
	prompt       string // what stands before the numbers
	Settings
}

// Settings are those of the arguments that decide who gets in, and with which list.
type Settings struct {
	Nullok   bool
	AskNever bool   // use_first_pass
	File     string // pattern of the list's path; "": none
	User     string // whose all lists are; "": nobody was named
	otp.Options
}

// maxPrompt bounds prompt=TEXT, in characters: with three numbers it fits into a line.
const maxPrompt = 60

// A value is an argument NAME=VALUE.
type value struct {
	want string // VALUE, and what it may be
	set  func(value string) bool
}

// define returns the arguments that there are: switches, and those with values.
func (a *arguments) define() (switches map[string]func(), values map[string]value) {
	on := func(to *bool) func() { return func() { *to = true } }
	number := func(unit string, most, scale int, to func(n int)) value {
		return value{fmt.Sprintf("%s, 1 to %d", unit, most), func(s string) bool {
			n, err := strconv.ParseUint(s, 10, 31)
			if err != nil || n < 1 || int(n) > most {
				return false
			}
			to(int(n) * scale)
			return true
		}}
	}
	switches = map[string]func(){
		"debug":          on(&a.debug),
		"decoy":          on(&a.Decoys), // the entry acts on it, too
		"nullok":         on(&a.Nullok), // and so it does here
		"nolock":         on(&a.NoLock),
		"reask":          on(&a.Reask),
		"legacy_lock":    on(&a.LegacyLock),
		"trust_locks":    on(&a.TrustLocks),
		"silent":         on(&a.silent),
		"try_first_pass": on(&a.takeFirst),
		"use_first_pass": func() { a.takeFirst, a.AskNever = true, true },
	}
	values = map[string]value{
		"lock_timeout":   number("SECONDS", math.MaxInt32, 1, func(n int) { a.LockTimeout = time.Duration(n) * time.Second }),
		"kdf_max_memory": number("MEBIBYTES", otp.MaxKDFMemory>>10, 1<<10, func(n int) { a.KDFMaxMemory = n }),
		"kdf_max_passes": number("PASSES", otp.MaxKDFPasses, 1, func(n int) { a.KDFMaxPasses = n }),
		"min_remaining":  number("PASSWORDS", otp.MaxEntries, 1, func(n int) { a.minRemaining = n }),
		"prompt": {fmt.Sprintf("TEXT, 1 to %d characters that can be printed", maxPrompt), func(s string) bool {
			a.prompt = s
			return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxPrompt && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
		}},
		"file": {"PATTERN, an absolute path, with ~ at its start, %h, %u, %U or %%", func(s string) bool {
			a.File = s
			_, err := otp.ListPath(s, otp.Account{Name: "name", Home: "/home"})
			return err == nil
		}},
		"user": {"NAME", func(s string) bool { // the entry acts on it
			a.User = s
			return s != ""
		}},
	}
	return switches, values
}

// parse reads one argument. An argument that decides who may log in is an error if
// it is wrong: without it, somebody else might get in.
func (a *arguments) parse(arg string) (err error, fatal bool) {
	switches, values := a.define()
	name, text, valued := strings.Cut(arg, "=")
	if on := switches[name]; on != nil && !valued {
		on()
		return nil, false
	}
	v, ok := values[name]
	if !ok {
		return fmt.Errorf("unknown argument %q", arg), false
	}
	if !valued || !v.set(text) {
		return fmt.Errorf("argument %q: want %s=%s", arg, name, v.want), name == "file" || name == "user"
	}
	return nil, false
}

// parseArgs reads the arguments. Those of PAM's configuration that are unknown or
// have a bad value are ignored, as PAM modules do, and returned as complaints for
// the log. An error is what nobody can log in with: a bad argument of the site, one
// that says where lists are, or two that exclude each other.
func parseArgs(site []otp.SiteArg, args []string) (a arguments, complaints []string, err error) {
	a.prompt = "Password"
	for _, s := range site {
		if err, _ := a.parse(s.Text); err != nil {
			return a, nil, &otp.SiteError{Path: otp.SitePath, Line: s.Line, Reason: err.Error()}
		}
	}
	for _, arg := range args {
		before := a
		err, fatal := a.parse(arg)
		if fatal {
			return a, nil, err
		}
		if err != nil {
			a = before
			complaints = append(complaints, err.Error()+": ignored")
		}
	}
	switch {
	case a.Decoys && a.Nullok:
		err = errors.New("arguments nullok and decoy exclude each other: the one lets others in who have no list, the other hides who that is")
	case a.Decoys && a.takeFirst:
		err = errors.New("arguments decoy and try_first_pass or use_first_pass exclude each other: decoys ask")
	}
	return a, complaints, err
}

// CheckArgs says what the module makes of arguments, and what it has against them:
// complaints, with which it works, and an error, with which it refuses all logins.
func CheckArgs(site []otp.SiteArg, args []string) (s Settings, complaints []string, err error) {
	a, complaints, err := parseArgs(site, args)
	return a.Settings, complaints, err
}
