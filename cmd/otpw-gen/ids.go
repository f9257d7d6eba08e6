// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// A site may keep all lists in files of one account, which its users cannot write,
// and make this program set-user-id for that account. Root tends the lists of
// others. Both touch the list, and the files beside it, with the ids of whom it
// belongs to, and everything else with the caller's.

// An identity is what the kernel judges by.
type identity struct {
	uid, gid int
	groups   []int // nil: leave them, and gid, as they are
}

// ids are those of the process: the caller's, but while asKeeper runs something.
type ids struct {
	mu      sync.Mutex // the last that is taken
	self    identity
	saved   int       // uid that this program is set-user-id for; -1: none
	keeper  *identity // whose the list is; nil: the caller's
	forGood bool      // root becomes whose the list is
}

var errSetGID = errors.New("this program is set-group-id, which it is not made for")

// startIDs gives up the rights of a set-user-id program until they are needed.
func startIDs() (*ids, error) {
	i := &ids{self: identity{uid: os.Getuid(), gid: os.Getgid()}, saved: -1}
	if os.Getegid() != i.self.gid {
		return i, errSetGID
	}
	if euid := os.Geteuid(); euid != i.self.uid {
		i.saved = euid
		if err := cleanEnvironment(); err != nil {
			return i, err
		}
		if euid == 0 {
			return i, errors.New("this program is set-user-id for root, which it is not made for")
		}
		return i, i.set(i.self)
	}
	if i.self.uid == 0 {
		var err error
		if i.self.groups, err = syscall.Getgroups(); err != nil {
			return i, fmt.Errorf("groups of this process: %w", err)
		}
		if i.self.groups == nil {
			i.self.groups = []int{}
		}
	}
	return i, nil
}

// secureMode is what the runtime sets by itself in a set-user-id program.
const secureMode = "GOTRACEBACK=none"

// cleanEnvironment starts the program anew if there is something in the environment
// that Go's runtime, or its library, obeys: the caller of a set-user-id program chose it.
func cleanEnvironment() error {
	var kept []string
	all := os.Environ()
	for _, v := range all {
		if v == secureMode || !strings.HasPrefix(v, "GO") && !strings.HasPrefix(v, "ZONEINFO=") {
			kept = append(kept, v)
		}
	}
	if len(kept) == len(all) {
		return nil
	}
	return fmt.Errorf("start anew without %s: %w", "GO... in the environment", syscall.Exec("/proc/self/exe", os.Args, kept))
}

// set makes the effective ids those of another identity; real and saved ones stay.
// All threads change (package syscall sees to that).
func (i *ids) set(to identity) error {
	switch {
	case to.groups == nil:
		return syscall.Setresuid(-1, to.uid, -1)
	case to.uid == 0: // groups can be changed by root only: when it is root, or as long as it is
		return errors.Join(syscall.Setresuid(-1, to.uid, -1), syscall.Setresgid(-1, to.gid, -1), syscall.Setgroups(to.groups))
	}
	return errors.Join(syscall.Setgroups(to.groups), syscall.Setresgid(-1, to.gid, -1), syscall.Setresuid(-1, to.uid, -1))
}

// asKeeper runs f with the ids of whom the list belongs to.
func (i *ids) asKeeper(f func() error) error {
	if i.keeper == nil {
		return f()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	err := i.set(*i.keeper)
	defer func() {
		if err := i.set(i.self); err != nil {
			panic(fmt.Sprintf("ids of the caller: %v", err)) // nothing may go on with those of another
		}
	}()
	if err != nil {
		return fmt.Errorf("ids of uid %d: %w", i.keeper.uid, err)
	}
	return f()
}

// asSelf runs f with the caller's ids, when another thread might have others.
func (i *ids) asSelf(f func() error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return f()
}

// keep decides whose the list is. What is not needed for that is given up for good.
func (i *ids) keep(owner identity) error {
	switch {
	case owner.uid == i.self.uid:
		return i.giveUp()
	case i.forGood:
		return i.become(owner)
	case i.self.uid == 0:
		i.keeper = &owner
		return nil
	case owner.uid == i.saved:
		i.keeper = &identity{uid: owner.uid}
		return nil
	case i.saved < 0:
		return startAs(owner.uid)
	}
	return errNotKeeper
}

// startAs starts this program anew through the small one that is set-user-id in its
// place, if that is so for uid.
func startAs(uid int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	helper := filepath.Join(filepath.Dir(self), "../libexec/otpw/otpw-gen-as-keeper")
	fi, err := os.Stat(helper)
	if err != nil || fi.Mode()&fs.ModeSetuid == 0 || int(fi.Sys().(*syscall.Stat_t).Uid) != uid {
		return errNotKeeper
	}
	return fmt.Errorf("start %s: %w", helper, syscall.Exec(helper, os.Args, os.Environ()))
}

// giveUp forgets what this program is set-user-id for.
func (i *ids) giveUp() error {
	if i.saved < 0 {
		return nil
	}
	i.saved = -1
	return syscall.Setresuid(i.self.uid, i.self.uid, i.self.uid)
}

// become gives root the ids of another, who shall not trace this process.
func (i *ids) become(to identity) error {
	i.self = to
	err := errors.Join(syscall.Setgroups(to.groups), syscall.Setresgid(to.gid, to.gid, to.gid), syscall.Setresuid(to.uid, to.uid, to.uid))
	harden() // a change of ids may have undone it
	return err
}

// errNotKeeper: the list is somebody's whose ids this process cannot have.
var errNotKeeper = errors.New("the list belongs to another user")
