// SPDX-License-Identifier: MIT

package otp

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// An Account is what the place of a list may depend on.
type Account struct {
	Name string
	UID  int
	Home string // absolute
}

// ErrPlace: there is no place for a list of this account.
var ErrPlace = errors.New("no place for a list")

// DefaultPlace is the pattern of a list in its user's home.
const DefaultPlace = "~/" + FileName

// SharedPlace is the pattern of lists that one account keeps for all users, in its
// home: the list of alice is home/alice. It is that of the pseudo-user of OTPW 1.5.
func SharedPlace(home string) string { return strings.ReplaceAll(home, "%", "%%") + "/%u" }

// PseudoUser keeps all lists where there is a system user of that name, and nothing
// else is said: as in OTPW 1.5.
const PseudoUser = "otpw"

const systemUIDs = 1000 // uids of system users are below

// ErrNoAccount: there is no account of that name.
var ErrNoAccount = errors.New("there is no such user")

// Keeper returns which account keeps the lists of all users, "" if their users do, and
// the pattern of their paths. file and user are the module's arguments of these names,
// "" where there are none. lookup finds an account; its errors are [ErrNoAccount] and
// others. pam_otpw.so has the same rule, in C.
func Keeper(file, user string, lookup func(name string) (Account, error)) (name, pattern string, err error) {
	if file == "" {
		pattern = DefaultPlace
	} else {
		pattern = file
	}
	if user == "" && file != "" {
		return "", pattern, nil
	}
	name = user
	if name == "" {
		name = PseudoUser
	}
	keeper, err := lookup(name)
	switch {
	case user != "" && err != nil:
		return "", "", fmt.Errorf("user=%s: %w", user, err)
	case errors.Is(err, ErrNoAccount) || err == nil && user == "" && (keeper.UID <= 0 || keeper.UID >= systemUIDs):
		return "", pattern, nil
	case err != nil:
		return "", "", err
	}
	if file == "" {
		pattern = SharedPlace(keeper.Home)
	}
	return name, pattern, nil
}

// ListPath returns the path of an account's list. In the pattern ~ at the start,
// and %h, mean its home, %u its name, %U its uid, %% a percent sign. The errors are
// [ErrPlace]: an unknown %, a path that is not absolute, a name in which somebody
// else's list, or a file beside one, could hide (anything with a slash, a dot at
// its start, or .lock or .tmp at its end).
func ListPath(pattern string, a Account) (string, error) {
	fail := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("%w: "+format, append([]any{ErrPlace}, args...)...)
	}
	var b strings.Builder
	rest, tilde := strings.CutPrefix(pattern, "~")
	if tilde && rest != "" && rest[0] != '/' {
		return fail("%q: want ~/", pattern)
	}
	home, named := tilde, false
	if tilde {
		b.WriteString(a.Home)
	}
	for i := 0; i < len(rest); i++ {
		if rest[i] != '%' {
			b.WriteByte(rest[i])
			continue
		}
		i++
		switch {
		case i == len(rest):
			return fail("%q: ends with %%", pattern)
		case rest[i] == 'h':
			b.WriteString(a.Home)
			home = true
		case rest[i] == 'u':
			b.WriteString(a.Name)
			named = true
		case rest[i] == 'U':
			b.WriteString(strconv.Itoa(a.UID))
		case rest[i] == '%':
			b.WriteByte('%')
		default:
			return fail("%q: unknown %%%c, want %%u, %%U, %%h or %%%%", pattern, rest[i])
		}
	}
	switch path := b.String(); {
	case home && !filepath.IsAbs(a.Home):
		return fail("home folder %q is not an absolute path", a.Home)
	case named && !plainName(a.Name):
		return fail("the name %q could be mistaken for another file", a.Name)
	case !filepath.IsAbs(path) || strings.HasSuffix(path, "/") || strings.ContainsRune(path, 0):
		return fail("%q is not an absolute path of a file", path)
	default:
		return path, nil
	}
}

// plainName reports whether a file with this name is that of nobody else.
func plainName(name string) bool {
	return name != "" && name[0] != '.' && !strings.ContainsAny(name, "/\x00") &&
		!strings.HasSuffix(name, ".lock") && !strings.HasSuffix(name, ".tmp")
}
