// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/pam/module"
)

// An account is an entry of the account database.
type account struct {
	otp.Account
	gid int
}

// lookUp asks the system's own lookup, which knows LDAP and the like.
func lookUp(name string) (account, error) {
	out, _, err := runTool("getent", "passwd", "--", name)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		return account{}, otp.ErrNoAccount
	} else if err != nil {
		return account{}, fmt.Errorf("getent passwd: %w", err)
	}
	for _, a := range parseAccounts(out) {
		if a.Name == name { // getent takes a number for a uid
			return a, nil
		}
	}
	return account{}, otp.ErrNoAccount
}

// allAccounts returns those that the system lists.
func allAccounts() ([]account, error) {
	out, _, err := runTool("getent", "passwd")
	if err != nil {
		return nil, fmt.Errorf("getent passwd: %w", err)
	}
	return parseAccounts(out), nil
}

// parseAccounts reads lines as in passwd(5), and leaves out what is none.
func parseAccounts(out string) (accounts []account) {
	for _, l := range strings.Split(out, "\n") {
		f := strings.Split(l, ":")
		if len(f) != 7 || f[0] == "" {
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 == nil && err2 == nil && uid != noID && gid != noID {
			accounts = append(accounts, account{otp.Account{Name: f[0], UID: int(uid), Home: f[5]}, int(gid)})
		}
	}
	return accounts
}

const noID = 1<<32 - 1 // -1, which leaves an id as it is

// groupsOf returns the ids of all groups that an account is in.
func groupsOf(a account) (groups []uint32, err error) {
	out, stderr, err := runTool("id", "-G", "--", a.Name)
	if err != nil {
		return nil, fmt.Errorf("id -G: %w: %s", err, strings.TrimSpace(stderr))
	}
	for _, field := range strings.Fields(out) {
		g, err := strconv.ParseUint(field, 10, 32)
		if err != nil || g == noID {
			return nil, fmt.Errorf("id -G: %q is no group", field)
		}
		groups = append(groups, uint32(g))
	}
	return groups, nil
}

// findKeeper returns who keeps the lists, and the pattern of their paths; nil: their users do.
func findKeeper(s module.Settings) (*account, string, error) {
	var keeper account
	name, pattern, err := otp.Keeper(s.File, s.User, func(name string) (a otp.Account, err error) {
		keeper, err = lookUp(name)
		return keeper.Account, err
	})
	if err != nil || name == "" {
		return nil, pattern, err
	}
	return &keeper, pattern, nil
}

// whoLogsIn returns the user to log in as: the one named, or who runs this program,
// also by way of sudo.
func whoLogsIn(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	if name := os.Getenv("SUDO_USER"); name != "" && os.Getuid() == 0 {
		return name, nil
	}
	out, _, err := runTool("id", "-un")
	if err != nil {
		return "", fmt.Errorf("who are you? %w: say --login USER", err)
	}
	return strings.TrimSpace(out), nil
}
