// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/cmd/internal/child"
	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/pam/module"
)

// Lists are looked at by a child process with the ids that a login would have:
// root opens nothing in a folder of somebody else's. What the child says is
// that user's word, and is bounded and checked like it.

// childName is what the program is called when it is that child.
const childName = "otpw-check-list"

// A task is what the child is asked.
type task struct {
	Path           string
	Memory, Passes int  // the most that a hash may cost; 0: the default
	NoLock         bool // no file is made beside the list
}

// A sight is what the child saw.
type sight struct {
	ID    string // of the finding; empty: none
	Text  string
	Real  string // where links lead
	About string // what can be said of a list that can be read
	// Left and Next are about one that can be used.
	Unused, Total   int
	Low, Three, Far bool
	Mode            bool // it is its mode that is unsafe
}

const maxTask = 64 << 10 // bytes

// childFindings are what a child may say.
var childFindings = map[string]bool{
	"list-none": true, "list-unreachable": true, "list-unsafe": true, "list-damaged": true, "list-unreadable": true, "list-readonly": true,
	"list-expired": true, "list-exhausted": true, "list-few": true, "list-cost": true,
}

// inspectAsChild is the child's main.
func inspectAsChild() int {
	var t task
	if err := json.NewDecoder(io.LimitReader(os.Stdin, maxTask)).Decode(&t); err != nil {
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(t.look()); err != nil {
		return 1
	}
	return 0
}

// look looks at the list, as whoever this process is.
func (t task) look() sight {
	s := sight{Real: t.Path}
	if real, err := filepath.EvalSymlinks(t.Path); err == nil {
		s.Real = real
	}
	status, err := otp.Inspect(t.Path)
	if err != nil {
		s.ID, s.Text = idOf(err), strings.TrimPrefix(err.Error(), "list "+t.Path+": ")
		s.Mode = errors.Is(err, otp.ErrMode)
		return s
	}
	s.Unused, s.Total, s.Low, s.Far = status.Left.Unused, status.Left.Total, status.Left.Low(), status.Remote
	s.About = about(status)
	s.Three = status.Err == nil && status.Next == "" && !status.Open
	if cost := t.costs(status); cost || status.Err != nil && !errors.Is(status.Err, otp.ErrCost) {
		err := status.Err
		if cost {
			err = otp.ErrCost
		}
		s.ID, s.Text = idOf(err), err.Error()
		return s
	}
	if err := t.writable(s.Real); err != nil {
		s.ID, s.Text = "list-readonly", err.Error()
	}
	return s
}

// costs reports whether the module refuses the list for the cost of its hash.
func (t task) costs(s otp.Status) bool {
	memory, passes := t.Memory, t.Passes
	if memory == 0 {
		memory = otp.DefaultKDFMaxMemory
	}
	if passes == 0 {
		passes = otp.DefaultKDFMaxPasses
	}
	return s.KDF.Memory > memory || s.KDF.Passes > passes
}

// writable returns why a login could not write the list, or a file beside it.
func (t task) writable(path string) error {
	paths := []string{path, filepath.Dir(path)}
	if t.NoLock {
		paths = paths[:1]
	}
	for _, p := range paths {
		if err := unix.Faccessat(unix.AT_FDCWD, p, unix.W_OK, unix.AT_EACCESS); err != nil {
			return fmt.Errorf("%s cannot be written: %w", p, err)
		}
	}
	return nil
}

// idOf returns the finding that an error about a list is.
func idOf(err error) string {
	for _, e := range []struct {
		err error
		id  string
	}{
		{otp.ErrUnreachable, "list-unreachable"}, {otp.ErrNoList, "list-none"}, {otp.ErrUnsafe, "list-unsafe"}, {otp.ErrFormat, "list-damaged"}, {otp.ErrExpired, "list-expired"},
		{otp.ErrExhausted, "list-exhausted"}, {otp.ErrTooFew, "list-few"}, {otp.ErrCost, "list-cost"},
	} {
		if errors.Is(err, e.err) {
			return e.id
		}
	}
	return "list-unreadable"
}

// about says what kind of list it is, and how it is doing.
func about(s otp.Status) string {
	parts := []string{fmt.Sprintf("OTPW%d", s.Format), fmt.Sprintf("%d of %d passwords left", s.Left.Unused, s.Left.Total)}
	if !s.Expires.IsZero() {
		parts = append(parts, "last day "+otp.LastDay(s.Expires))
	}
	if len(s.Aside) > 0 {
		parts = append(parts, "set aside "+strings.Join(s.Aside, " "))
	}
	if s.Open {
		parts = append(parts, "somebody is being asked right now")
	}
	return strings.Join(parts, ", ")
}

// A subject is an account whose list is looked at.
type subject struct {
	account
	who   account // whose ids a login has: its own, or those of who keeps the lists
	named bool    // else it is one of all, of whom most have no list
	path  string
	place error // there is no place for a list
	sight
	err       error
	forgotten string // a list where none is looked for
}

func (s *subject) where() string { return s.Name + ": " + s.path }

// has reports whether there is a list.
func (s *subject) has() bool {
	return s.place == nil && s.ID != "list-none" && s.ID != "list-unreachable"
}

// checkLists looks at the lists of the users that were named, or of all; where lists
// are not in homes, also for those that somebody forgot there.
func (c *checker) checkLists() {
	l := line{}
	if len(c.otpw) > 0 {
		l = c.otpw[0]
	}
	set, _, refused := module.CheckArgs(c.site.Module, l.args)
	keeper, pattern, err := findKeeper(set)
	if err != nil {
		if !errors.Is(err, otp.ErrNoAccount) { // else that was said with the arguments
			c.add("list-unchecked", "", "", "who keeps the lists is not known: %v", err)
		}
		return
	}
	subjects, all := c.chooseAccounts(pattern != otp.DefaultPlace && refused == nil)
	child.Each(len(subjects), func(i int) { c.lookAt(&subjects[i], keeper, pattern, set) })
	for i := range subjects {
		c.reportSubject(&subjects[i], set)
	}
	if all && !set.Nullok && !slices.ContainsFunc(subjects, func(s subject) bool { return s.has() || s.err != nil }) {
		c.add("list-nobody", "", c.newList("NAME"), "nobody on this host has a list")
	}
}

// lookAt looks at a list, and, if there is none, for one where none is looked for.
func (c *checker) lookAt(s *subject, keeper *account, pattern string, set module.Settings) {
	s.who = s.account
	if keeper != nil {
		s.who = *keeper
	}
	if s.path, s.place = otp.ListPath(pattern, s.Account); s.place != nil {
		return
	}
	t := task{s.path, set.KDFMaxMemory, set.KDFMaxPasses, set.NoLock}
	s.sight, s.err = c.see(s.who, t)
	at, err := otp.ListPath(otp.DefaultPlace, s.Account)
	if err != nil || at == s.path || s.err != nil || s.has() {
		return
	}
	t.Path = at
	if old, err := c.see(s.account, t); err == nil && old.Total > 0 {
		s.forgotten = at
	}
}

// reportSubject says what was found.
func (c *checker) reportSubject(s *subject, set module.Settings) {
	switch {
	case s.place == nil && (s.named || c.allLists):
		c.reportSight(s, set)
	case s.place != nil && s.named: // most accounts of a system have none
		c.add("list-place", s.Name, "", "%v", s.place)
	}
	if s.forgotten != "" {
		c.add("list-elsewhere", s.Name+": "+s.forgotten, c.newList(s.Name), "a list, but lists are looked for elsewhere: there is no %s", s.path)
	}
}

// chooseAccounts returns whose lists are looked at: those named, and all if that is
// wanted, or if lists are not in homes and nobody was named. all: nobody is left out.
func (c *checker) chooseAccounts(elsewhere bool) (subjects []subject, all bool) {
	for _, name := range c.users {
		a, err := lookUp(name)
		switch {
		case errors.Is(err, otp.ErrNoAccount):
			c.add("user-unknown", name, "", "there is no such user")
		case err != nil:
			c.add("list-unchecked", name, "", "%v", err)
		default:
			subjects = append(subjects, subject{account: a, named: true})
		}
	}
	if !c.allLists && !(elsewhere && c.root && len(c.users) == 0) {
		return subjects, false
	}
	accounts, err := allAccounts()
	if err != nil {
		c.add("list-unchecked", "", "", "%v", err)
	}
	for _, a := range accounts {
		mine := c.root || a.UID == os.Geteuid() // that others were not looked at has been said
		if mine && !slices.Contains(c.users, a.Name) {
			subjects = append(subjects, subject{account: a})
		}
	}
	return subjects, c.root && err == nil
}

// see looks at a list with somebody's ids.
func (c *checker) see(who account, t task) (sight, error) {
	var as *syscall.Credential
	if c.root {
		groups, err := groupsOf(who)
		if err != nil {
			return sight{}, err
		}
		as = &syscall.Credential{Uid: uint32(who.UID), Gid: uint32(who.gid), Groups: groups}
	} else if who.UID != os.Geteuid() {
		return sight{}, errNotRoot
	}
	in, err := json.Marshal(t)
	if err != nil {
		return sight{}, err
	}
	out, _, err := child.Run(childName, nil, in, as)
	if err != nil {
		return sight{}, err
	}
	return readSight(out)
}

var errSight = errors.New("the answer makes no sense")

// readSight reads what a child printed, which the user may have chosen.
func readSight(out []byte) (s sight, err error) {
	if err := json.Unmarshal(out, &s); err != nil {
		return sight{}, fmt.Errorf("%w: %w", errSight, err)
	}
	if s.ID != "" && !childFindings[s.ID] {
		return sight{}, fmt.Errorf("%w: finding %q", errSight, s.ID)
	}
	return s, nil
}

var errNotRoot = errors.New("only root can look at the lists of others")

// reportSight says what a child found of somebody's list. What it put into words is
// quoted: it could look like ours.
func (c *checker) reportSight(s *subject, set module.Settings) {
	where := s.where()
	if s.err == nil && s.Real != s.path {
		where += fmt.Sprintf(" -> %q", s.Real)
	}
	switch {
	case errors.Is(s.err, errNotRoot):
		c.add("not-root", where, "", "%v", s.err)
	case s.err != nil:
		c.add("list-unchecked", where, "", "%v", s.err)
	case !s.named && !s.has(): // most accounts of a system have none
	case s.ID == "list-none" && set.Nullok:
		c.fine(where, "no list; nullok lets the rest of the stack decide")
	case s.ID != "":
		c.add(s.ID, where, c.mendList(s), "%q", s.Text)
	default:
		c.reportUsable(where, set, s)
	}
}

// reportUsable says what is not well with a list that can be used.
func (c *checker) reportUsable(where string, set module.Settings, s *subject) {
	before := len(c.findings)
	if s.Low {
		c.add("list-low", where, c.newList(s.Name), "%d of %d passwords left, or its last day is near", s.Unused, s.Total)
	}
	if s.Three {
		c.add("list-aside", where, c.unlock(s.Name)+", if they were not typed where somebody could see them", "prompts were not answered rightly: the next login is asked for three passwords")
	}
	if s.Far && !set.TrustLocks && !set.LegacyLock && !set.NoLock {
		c.add("list-remote", where, "the argument trust_locks, or legacy_lock", "it lies on a file system of another host: unless it is said that its locks work, the module does as with legacy_lock")
	}
	if len(c.findings) == before {
		c.fine(where, "%q", s.About)
	}
}
