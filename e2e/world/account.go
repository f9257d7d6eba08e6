// SPDX-License-Identifier: MIT

package world

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Account is a user of the world.
type Account struct {
	Name string
	UID  int
	Home string
}

// Root is the world's root.
var Root = &Account{Name: "root", UID: 0, Home: "/root"}

// Account makes a user with an empty home of mode 0700. When the name is taken,
// a number behind it makes it unique. Whatever the user still runs at the end of
// the test is killed.
func (w *World) Account(t T, name string) *Account {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.newAccount(t, name, func(n int) int { return 2000 + n })
	t.Cleanup(func() {
		for _, p := range Processes() {
			if p.UID == a.UID {
				_ = syscall.Kill(p.PID, syscall.SIGKILL)
			}
		}
	})
	return a
}

// RootAccount makes another name for root, with a home of its own.
func (w *World) RootAccount(t T, name string) *Account {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newAccount(t, name, func(int) int { return 0 })
}

// SystemAccount makes a system user with a home of mode 0700.
func (w *World) SystemAccount(t T, name string) *Account {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newAccount(t, name, func(n int) int { return 500 + n })
}

// newAccount makes an account, the nth of the world, with the uid that is wanted. w.mu is held.
func (w *World) newAccount(t T, name string, uid func(n int) int) *Account {
	t.Helper()
	w.accounts++
	if Exists("/home/" + name) {
		name = fmt.Sprintf("%s%d", name, w.accounts)
	}
	a := &Account{Name: name, UID: uid(w.accounts), Home: "/home/" + name}
	for _, step := range []func() error{
		func() error { return appendTo("/etc/group", fmt.Sprintf("%s:x:%d:", a.Name, a.UID)) },
		func() error { return appendTo("/etc/shadow", a.Name+":*:20000:0:99999:7:::") },
		func() error {
			return appendTo("/etc/passwd", fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh", a.Name, a.UID, a.UID, a.Home))
		},
		func() error { return os.Mkdir(a.Home, 0o700) },
		func() error { return os.WriteFile(a.Home+"/.profile", []byte("PS1='shell> '\n"), 0o644) },
		func() error { return os.Chown(a.Home, a.UID, a.UID) },
	} {
		if err := step(); err != nil {
			t.Fatalf("make account %s: %v", a.Name, err)
		}
	}
	return a
}

// Path is a file in the account's home.
func (a *Account) Path(name string) string { return filepath.Join(a.Home, name) }

// command is a program as account runs it: ids, home and environment are
// theirs. Without account it is root's.
func command(as *Account, argv ...string) *exec.Cmd {
	if as == nil {
		as = Root
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = as.Home
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + as.Home, "USER=" + as.Name, "LOGNAME=" + as.Name, "SHELL=/bin/sh", "LANG=C", "TERM=dumb",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if as.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as.UID), Gid: uint32(as.UID), Groups: []uint32{}}
	}
	return cmd
}

// Result is what a program that has run left.
type Result struct {
	Stdout, Stderr string
	Status         int // exit status, 128 + n when signal n ended it
}

// Run runs a program as account (nil: root) with the given standard input.
func (w *World) Run(t T, as *Account, stdin string, argv ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	plain := command(as, argv...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = plain.Dir, plain.Env, plain.SysProcAttr
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s has not ended within %v\nstandard error: %s\n%s", strings.Join(argv, " "), Patience, stderr.String(), ProcessTable())
	}
	if cmd.ProcessState == nil {
		t.Fatalf("run %s: %v", strings.Join(argv, " "), err)
	}
	return Result{stdout.String(), stderr.String(), exitStatus(cmd.ProcessState)}
}
