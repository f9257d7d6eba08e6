// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	LastDay         string // if that is near
	// What helps depends on these.
	Mode, Owner bool   // it is its mode that is wrong, or its owner; of a folder, too
	Link        bool   // a link stands for it
	Present     bool   // something stands where the list should
	Alien       bool   // what stands there is no list
	Lock        bool   // what stands for its lock file is no link
	ReadOnly    bool   // it lies on a file system that cannot be written
	Sticky      bool   // everybody may write into its folder, and remove his own files
	Folder      string // that is in the way
	Label       string // the SELinux type of the list, or of a link to it if that does not fit
}

const maxTask = 64 << 10 // bytes

// childFindings are what a child may say.
var childFindings = map[string]bool{
	"list-none": true, "list-unreachable": true, "list-unsafe": true, "list-damaged": true, "list-unreadable": true, "list-readonly": true,
	"list-folder": true, "list-expired": true, "list-exhausted": true, "list-few": true, "list-cost": true,
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
	s.lookAround(t.Path)
	status, err := otp.Inspect(t.Path)
	if err != nil {
		s.ID, s.Text = idOf(err), strings.TrimPrefix(err.Error(), "list "+t.Path+": ")
		s.blame(t.Path, err)
		return s
	}
	if status.Left.Expiring {
		s.LastDay = otp.LastDay(status.Expires)
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
	if at, err := t.writable(s.Real); err != nil {
		s.ID, s.Text = "list-readonly", fmt.Sprintf("%s cannot be written: %v", at, err)
		s.ReadOnly, s.Mode = errors.Is(err, unix.EROFS), at == s.Real
		if !s.Mode {
			s.Folder = at
			s.Owner = !owns(at)
		}
	}
	return s
}

// lookAround sees what is beside the list.
func (s *sight) lookAround(path string) {
	if fi, err := os.Lstat(path); err == nil {
		s.Present, s.Link = true, fi.Mode().Type() == fs.ModeSymlink
	}
	if fi, err := os.Lstat(s.Real + ".lock"); err == nil {
		s.Lock = fi.Mode().Type() != fs.ModeSymlink
	}
	if s.Label = labelOf(path); slices.Contains(listTypes, s.Label) {
		s.Label = labelOf(s.Real)
	}
	if fi, err := os.Stat(filepath.Dir(path)); err == nil {
		s.Sticky = fi.Mode()&fs.ModeSticky != 0 && fi.Mode()&0o002 != 0
	}
}

// blame says more of an error with which the list cannot be used.
func (s *sight) blame(path string, err error) {
	s.Mode = errors.Is(err, otp.ErrMode)
	switch {
	case errors.Is(err, otp.ErrFolder):
		s.Folder = filepath.Dir(path)
		fi, err := os.Stat(s.Folder)
		s.Owner = err == nil && fi.Sys().(*syscall.Stat_t).Uid != 0 && !owns(s.Folder)
	case errors.Is(err, otp.ErrUnsafe):
		fi, err := os.Lstat(path)
		s.Owner = err == nil && fi.Mode().IsRegular() && !owns(path)
	case errors.Is(err, otp.ErrFormat):
		_, err := otp.Existing(path)
		s.Alien = errors.Is(err, otp.ErrNotList)
	case errors.Is(err, fs.ErrPermission):
		if s.Folder = closed(filepath.Dir(path)); s.Folder == "" {
			s.Mode = owns(path)
			return
		}
		s.Owner = !owns(s.Folder)
		s.Text += ": " + whose(s.Folder)
	}
}

// owns reports whether a file or folder is this process's.
func owns(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Sys().(*syscall.Stat_t).Uid == uint32(os.Geteuid())
}

// closed returns the first folder on the way that this process cannot pass, "" if there is none.
func closed(dir string) string {
	if dir != "/" {
		if before := closed(filepath.Dir(dir)); before != "" {
			return before
		}
	}
	if errors.Is(unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS), unix.EACCES) {
		return dir
	}
	return ""
}

// whose says whose a folder is.
func whose(dir string) string {
	fi, err := os.Stat(dir)
	if err != nil {
		return dir
	}
	return fmt.Sprintf("%s is owned by uid %d, with mode %04o", dir, fi.Sys().(*syscall.Stat_t).Uid, fi.Mode().Perm())
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

// writable returns what a login could not write, the list or its folder, and why.
func (t task) writable(path string) (at string, err error) {
	paths := []string{path, filepath.Dir(path)}
	if t.NoLock {
		paths = paths[:1]
	}
	for _, p := range paths {
		if err := unix.Faccessat(unix.AT_FDCWD, p, unix.W_OK, unix.AT_EACCESS); err != nil {
			return p, err
		}
	}
	return "", nil
}

// idOf returns the finding that an error about a list is.
func idOf(err error) string {
	for _, e := range []struct {
		err error
		id  string
	}{
		{otp.ErrUnreachable, "list-unreachable"}, {otp.ErrNoList, "list-none"}, {otp.ErrFolder, "list-folder"}, {otp.ErrUnsafe, "list-unsafe"}, {otp.ErrFormat, "list-damaged"}, {otp.ErrExpired, "list-expired"},
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
	fixed bool  // nobody but root says which folder it is in
	sight
	err       error
	forgotten string // a list where none is looked for
}

func (s *subject) where() string { return s.Name + ": " + s.path }

// inHome reports whether the list is in its user's home, and not below it.
func (s *subject) inHome() bool { return filepath.Dir(s.path) == filepath.Clean(s.Home) }

// has reports whether there is a list, or something in its place.
func (s *subject) has() bool {
	if s.ID == "list-unreachable" || s.ID == "list-folder" { // found before the list was looked at
		return s.place == nil && s.Present
	}
	return s.place == nil && s.ID != "list-none"
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
	if refused == nil && !c.checkFolder(keeper, pattern) {
		return
	}
	subjects, all := c.chooseAccounts(pattern != otp.DefaultPlace && refused == nil)
	child.Each(len(subjects), func(i int) { c.lookAt(&subjects[i], keeper, pattern, set) })
	for i := range subjects {
		c.reportSubject(&subjects[i], set)
	}
	if all && !c.nullok && !slices.ContainsFunc(subjects, func(s subject) bool { return s.has() || s.err != nil }) {
		c.add("list-nobody", "", c.newList("NAME"), "nobody on this host has a list")
	}
}

// checkFolder looks at the folder of all lists, where they have one. False: no list
// in it is of use.
func (c *checker) checkFolder(keeper *account, pattern string) bool {
	dir, ok := sharedFolder(pattern)
	if !ok || !c.root {
		return true
	}
	s := subject{path: dir + "/*", fixed: true}
	s.who.Name = "root"
	as, err := lookUp("nobody") // any that is not root: root passes all
	if keeper != nil {
		s.who, as, err = *keeper, *keeper, nil
	}
	if err != nil {
		return true
	}
	if s.sight, s.err = c.see(as, task{Path: s.path}); s.err != nil {
		c.add("list-unchecked", dir, "", "%v", s.err)
		return false
	}
	switch {
	case s.ID == "list-folder" || s.ID == "list-unreachable" || s.ID == "list-unreadable" && keeper != nil:
		c.add(s.ID, dir, c.mendList(&s), "the folder of all lists: %q", s.Text)
		return false
	case s.Sticky:
		c.addAs(warning, "list-folder", dir, "lists in homes, or user= and a folder of that account", "everybody may write into the folder of all lists: who is the first to make a file can keep its user from having a list")
	}
	return true
}

// sharedFolder returns the folder of all lists; false: it depends on the user.
func sharedFolder(pattern string) (string, bool) {
	a, err1 := otp.ListPath(pattern, otp.Account{Name: "a", UID: 1, Home: "/a"})
	b, err2 := otp.ListPath(pattern, otp.Account{Name: "b", UID: 2, Home: "/b"})
	dir := filepath.Dir(a)
	return dir, err1 == nil && err2 == nil && dir == filepath.Dir(b)
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
	s.fixed = keeper != nil || s.inHome()
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
		c.add("list-place", s.Name, "another name for the user, or file= with %U in the place of %u", "%v", s.place)
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
	case s.ID == "list-none" && c.nullok:
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
	if s.Low && s.LastDay != "" {
		c.add("list-low", where, c.newList(s.Name), "its last day is near, %q; %d of %d passwords left", s.LastDay, s.Unused, s.Total)
	} else if s.Low {
		c.add("list-low", where, c.newList(s.Name), "%d of %d passwords left", s.Unused, s.Total)
	}
	switch {
	case s.Three && s.Lock:
		c.add("list-aside", where, s.mendLock(), "what stands in the place of the lock file is none: each login is asked for three passwords")
	case s.Three:
		c.add("list-aside", where, c.unlock(s.Name)+", if they were not typed where somebody could see them", "prompts were not answered rightly: the next login is asked for three passwords")
	}
	if s.Far && !set.TrustLocks && !set.LegacyLock && !set.NoLock {
		c.add("list-remote", where, "the argument trust_locks, or legacy_lock", "it lies on a file system of another host: unless it is said that its locks work, the module does as with legacy_lock")
	}
	c.checkListLabel(where, s)
	if len(c.findings) == before {
		c.fine(where, "%q", s.About)
	}
}
