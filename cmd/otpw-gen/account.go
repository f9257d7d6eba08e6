// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/otpw-go/otpw/otp"
)

const getent = "/usr/bin/getent"

// An account is an entry of the account database.
type account struct {
	otp.Account
	gid int
}

// findList decides where the list is, and whose: the file named by -f, else what
// the site says, else .otpw in the home folder of the account database, never $HOME.
func (c *command) findList() error {
	if err := c.readSite(); err != nil {
		return err
	}
	path, err := c.locate()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path = path
	return err
}

func (c *command) locate() (string, error) {
	if c.opts.file != "" {
		if c.opts.user != "" {
			return "", usage("-f names a list, --user a user whose list is meant: not both")
		}
		return c.opts.file, c.ids.giveUp()
	}
	who, err := c.whose()
	if err != nil {
		return "", err
	}
	keeper, pattern, err := c.keeper()
	if err != nil {
		return "", err
	}
	path, err := otp.ListPath(pattern, who.Account)
	if err != nil {
		return "", err
	}
	if c.ids.forGood { // of the many who have no list nobody's ids are needed
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return "", otp.ErrNoList
		}
	}
	owner := who
	if keeper != nil {
		owner = keeper
	}
	id, err := c.identity(owner)
	if err != nil {
		return "", err
	}
	// set-user-id is for the caller's own list, and for no other
	if self := c.ids.self.uid; self != 0 && self != who.UID && self != owner.UID {
		return "", fmt.Errorf("--user %s: %w", who.Name, errNotKeeper)
	}
	switch err := c.ids.keep(id); {
	case errors.Is(err, errNotKeeper):
		return "", fmt.Errorf("lists are kept by %s (uid %d): %w, and only root makes them unless otpw-pseudo-user(8) says otherwise", owner.Name, owner.UID, err)
	case err != nil:
		return "", err
	}
	return path, nil
}

// readSite reads, once, what has been decided for the whole host. What is wrong with
// the limits is for those who make lists to ask: the others go on.
func (c *command) readSite() error {
	if c.site != nil {
		return nil
	}
	site, err := otp.ReadSite(otp.SitePath)
	c.site = &site
	var wrong *otp.SiteError
	if errors.As(err, &wrong) && wrong.Limits {
		c.limits, err = wrong, nil
	}
	return err
}

// whose returns the account that is meant.
func (c *command) whose() (*account, error) {
	if c.opts.user != "" {
		return c.lookup(c.opts.user)
	}
	return c.lookupID(c.ids.self.uid)
}

// keeper returns who keeps the lists of all users, nil if their users do, and the
// pattern of their paths: as pam_otpw.so does it, but for arguments that stand only in
// PAM's configuration.
func (c *command) keeper() (keeper *account, pattern string, err error) {
	file, user := "", ""
	for name, value := range map[string]*string{"file": &file, "user": &user} {
		v, ok := c.site.Arg(name)
		if ok && v == "" {
			return nil, "", &otp.SiteError{Path: otp.SitePath, Reason: name + "= names nothing"}
		}
		*value = v
	}
	name, pattern, err := otp.Keeper(file, user, func(name string) (a otp.Account, err error) {
		if keeper, err = c.lookup(name); err == nil {
			a = keeper.Account
		}
		return a, err
	})
	switch {
	case err != nil && user != "":
		return nil, "", fmt.Errorf("%s: %w", otp.SitePath, err)
	case err != nil || name == "":
		return nil, pattern, err
	}
	return keeper, pattern, nil
}

// identity returns the ids of an account. Only root can take the groups.
func (c *command) identity(a *account) (identity, error) {
	id := identity{uid: a.UID, gid: a.gid}
	if c.ids.self.uid != 0 || a.UID == 0 {
		return id, nil
	}
	id.groups = []int{a.gid}
	out, err := c.askGetent("initgroups", a.Name)
	if err != nil {
		return id, fmt.Errorf("groups of %s: %w", a.Name, err)
	}
	fields := strings.Fields(out)
	for _, f := range fields[min(1, len(fields)):] { // behind the name
		gid, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return id, fmt.Errorf("groups of %s: %w", a.Name, errGetent)
		}
		id.groups = append(id.groups, int(gid))
	}
	return id, nil
}

var errGetent = errors.New("getent gave an answer that makes no sense")

// lookup finds an account by its name. Without cgo, os/user knows only /etc/passwd;
// getent knows the directory services, too.
func (c *command) lookup(name string) (*account, error) {
	u, err := user.Lookup(name)
	return c.find(u, err, name, func(a *account) bool { return a.Name == name })
}

// lookupID finds an account by its uid.
func (c *command) lookupID(uid int) (*account, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	return c.find(u, err, strconv.Itoa(uid), func(a *account) bool { return a.UID == uid })
}

func (c *command) find(u *user.User, err error, key string, right func(*account) bool) (*account, error) {
	var noID user.UnknownUserIdError
	var noName user.UnknownUserError
	var line string
	switch {
	case err == nil:
		line = strings.Join([]string{u.Username, "x", u.Uid, u.Gid, "", u.HomeDir, ""}, ":")
	case errors.As(err, &noID), errors.As(err, &noName):
		line, err = c.askGetent("passwd", key)
	}
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", key, err)
	}
	a, err := parseAccount(strings.TrimSuffix(line, "\n"))
	if err == nil && !right(a) {
		err = errGetent
	}
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", key, err)
	}
	return a, nil
}

// askGetent asks the system's own lookup. With the rights of a set-user-id program
// the answer is nothing that the caller could trace or change.
func (c *command) askGetent(database string, keys ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, getent, append([]string{"--", database}, keys...)...)
	cmd.Env = []string{} // nothing of the caller's
	if c.ids.saved >= 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
			Uid: uint32(c.ids.saved), Gid: uint32(c.ids.self.gid), NoSetGroups: true}}
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 2: // "one or more supplied keys could not be found"
		return "", otp.ErrNoAccount
	case err != nil:
		return "", fmt.Errorf("getent: %w", err)
	}
	return string(out), nil
}

// parseAccount reads a line as in passwd(5): name:password:uid:gid:gecos:home:shell.
func parseAccount(line string) (*account, error) {
	f := strings.Split(line, ":")
	if len(f) != 7 || f[0] == "" || strings.Contains(line, "\n") {
		return nil, errGetent
	}
	uid, err1 := strconv.ParseUint(f[2], 10, 32)
	gid, err2 := strconv.ParseUint(f[3], 10, 32)
	const none = 1<<32 - 1 // tells the kernel to leave an id as it is
	if err1 != nil || err2 != nil || uid == none || gid == none {
		return nil, errGetent
	}
	return &account{otp.Account{Name: f[0], UID: int(uid), Home: f[5]}, int(gid)}, nil
}
