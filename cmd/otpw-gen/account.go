// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/otpw-go/otpw/otp"
)

const getent = "/usr/bin/getent"

var errSetID = errors.New("this program is set-user-id or set-group-id, which it is not made for yet")

// listPath returns where the list is: the file named by -f, or .otpw in the home
// folder of the account database, never $HOME.
func listPath(file string) (string, error) {
	if os.Geteuid() != os.Getuid() || os.Getegid() != os.Getgid() {
		return "", errSetID
	}
	if file != "" {
		return file, nil
	}
	me, err := account(os.Getuid())
	if err != nil {
		return "", err
	}
	return filepath.Join(me.HomeDir, otp.FileName), nil
}

// account finds the account with this id. Without cgo, os/user knows only
// /etc/passwd; getent knows the directory services, too.
func account(uid int) (*user.User, error) {
	id := strconv.Itoa(uid)
	u, err := user.LookupId(id)
	var unknown user.UnknownUserIdError
	if errors.As(err, &unknown) {
		u, err = askGetent(id)
	}
	if err != nil {
		return nil, fmt.Errorf("account with uid %s: %w", id, err)
	}
	if !filepath.IsAbs(u.HomeDir) {
		return nil, fmt.Errorf("account %s: home folder %q is not an absolute path", u.Username, u.HomeDir)
	}
	return u, nil
}

func askGetent(id string) (*user.User, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, getent, "passwd", id)
	cmd.Env = []string{} // nothing of the caller's
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("not in /etc/passwd, nor known to getent: %w", err)
	}
	return parseAccount(string(out), id)
}

// parseAccount reads a line as in passwd(5): name:password:uid:gid:gecos:home:shell.
func parseAccount(line, id string) (*user.User, error) {
	f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
	if len(f) != 7 || f[0] == "" || f[2] != id {
		return nil, errors.New("getent gave an answer that makes no sense")
	}
	return &user.User{Username: f[0], Uid: f[2], Gid: f[3], HomeDir: f[5]}, nil
}
