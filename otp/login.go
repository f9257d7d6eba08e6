// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// DefaultLockTimeout is how long a lock file counts with [Options.LegacyLock].
const DefaultLockTimeout = 24 * time.Hour

// What a hash may cost by default: some seconds at the very most.
const (
	DefaultKDFMaxMemory = 256 << 10 // KiB
	DefaultKDFMaxPasses = 20
)

var clock = time.Now // a variable for the tests

const (
	multi    = 3  // passwords of a multi challenge
	minMulti = 10 // unused entries that a multi challenge needs
)

// Options change how a login chooses and locks. The zero value is right for
// most.
type Options struct {
	// NoLock asks for one number always and sets nothing aside: two logins
	// at once are asked for the same number, and one of them wins.
	NoLock bool
	// Reask lets a number that was answered wrongly, but not one whose login
	// was cut, be asked for alone again.
	Reask bool
	// LegacyLock gives the lock file the meaning that it has to the original
	// module, for home directories shared with hosts that run it: any lock
	// file younger than LockTimeout makes the challenge a multi challenge.
	// The same holds on network file systems, unless TrustLocks is set.
	LegacyLock bool
	// LockTimeout is for LegacyLock; zero means DefaultLockTimeout.
	LockTimeout time.Duration
	// TrustLocks says that locks on network file systems work between hosts.
	TrustLocks bool
	// Decoys says that there are decoys ([BeginDecoy]) beside this login, which
	// it must be like: a multi challenge does not step over entries of others.
	Decoys bool
	// KDFMaxMemory, in KiB, and KDFMaxPasses bound what one hash of an OTPW2
	// list may cost; zero means [DefaultKDFMaxMemory] and [DefaultKDFMaxPasses].
	KDFMaxMemory, KDFMaxPasses int
	// Logf, if set, is told what is worth a line in a log. It never gets a
	// password, a hash or a response.
	Logf func(format string, args ...any)
}

func (o *Options) logf(format string, args ...any) {
	if o.Logf != nil {
		o.Logf(format, args...)
	}
}

// A Login is one attempt to log in: a challenge, and the right to answer it
// once. It holds the list file open, and its locks; call Verify or Close.
type Login struct {
	o       Options
	f       *file // nil when done
	list    *List // as it was when the challenge was chosen
	entries []int // challenged
	alone   bool  // a single number, recorded in the lock file
}

// Begin opens the list at path and chooses what to ask for. A returned error
// means that there is nothing to ask: the login must be denied.
func Begin(path string, o Options) (*Login, error) {
	if o.LockTimeout == 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	if o.KDFMaxMemory == 0 {
		o.KDFMaxMemory = DefaultKDFMaxMemory
	}
	if o.KDFMaxPasses == 0 {
		o.KDFMaxPasses = DefaultKDFMaxPasses
	}
	f, err := openLocked(path)
	if err != nil {
		return nil, err
	}
	l := &Login{o: o, f: f}
	if err = l.choose(); err == nil {
		err = f.unlock(listLock) // nobody is asked with it held
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return l, nil
}

// choose picks the entries to ask for. The list lock is held.
func (l *Login) choose() (err error) {
	if l.list, err = l.f.read(); err != nil {
		return err
	}
	if k := l.list.KDF; k.Memory > l.o.KDFMaxMemory || k.Passes > l.o.KDFMaxPasses {
		return l.fail(fmt.Errorf("%w: %d KiB and %d passes, at most %d and %d allowed (kdf_max_memory, kdf_max_passes)",
			ErrCost, k.Memory, k.Passes, l.o.KDFMaxMemory, l.o.KDFMaxPasses))
	}
	if l.list.Expired(clock()) {
		return l.fail(fmt.Errorf("%w: its last day was %s", ErrExpired, LastDay(l.list.Expires)))
	}
	unused := l.list.unused()
	if len(unused) == 0 {
		return l.fail(ErrExhausted)
	}
	lock, err := l.f.readLock(l.list.width)
	if err != nil {
		return err
	}
	if l.o.NoLock {
		return l.chooseNext(unused, lock)
	}
	if lock.forged {
		l.o.logf("lock file %q is damaged or not ours", l.f.lockPath())
	}
	busy, err := l.f.held(entryLock, l.list.n) // somebody is asked for a number alone
	if err != nil {
		return err
	}
	legacy, err := l.legacy()
	switch {
	case err != nil:
		return err
	case legacy:
		return l.chooseLegacy(unused, lock, busy)
	case busy || lock.forged || len(l.live(lock.names, unused)) >= maxAside:
		return l.chooseMulti(unused, lock)
	}
	return l.chooseAlone(unused, lock)
}

// fail wraps err with the list's name.
func (l *Login) fail(err error) error { return fmt.Errorf("list %s: %w", l.f.name, err) }

// legacy reports whether the lock file has the original's meaning.
func (l *Login) legacy() (bool, error) {
	if l.o.LegacyLock || l.o.TrustLocks {
		return l.o.LegacyLock, nil
	}
	remote, err := l.f.remote()
	if remote {
		l.o.logf("list %q is on a network file system: legacy_lock rules (trust_locks if its locks work between hosts)", l.f.name)
	}
	return remote, err
}

// live returns those of the names that are numbers of unused entries. Others
// are left over from a login that ended between its last two steps.
func (l *Login) live(names []string, unused []int) []string {
	var live []string
	for _, i := range unused {
		if n := l.list.Number(i); slices.Contains(names, n) && !slices.Contains(live, n) {
			live = append(live, n)
		}
	}
	return live
}

// chooseNext asks for the next unused entry that no lock file names (with NoLock
// there may be one of another service).
func (l *Login) chooseNext(unused []int, lock lockFile) error {
	for _, i := range unused {
		if !slices.Contains(lock.names, l.list.Number(i)) {
			l.entries = []int{i}
			return nil
		}
	}
	return l.fail(ErrExhausted)
}

// chooseAlone asks for the next unused entry that is not set aside, and
// records it in the lock file before anybody is asked.
func (l *Login) chooseAlone(unused []int, lock lockFile) error {
	if err := l.chooseNext(unused, lock); err != nil {
		return err
	}
	next := l.entries[0]
	if err := l.lockEntry(next); err != nil {
		return err
	}
	return l.f.writeLock(append(l.live(lock.names, unused), l.list.Number(next)))
}

// lockEntry takes the entry lock of entry i and makes it the challenge. With
// the list lock held and no entry lock seen, it can't be taken.
func (l *Login) lockEntry(i int) error {
	ok, err := l.f.tryLock(entryLock + i)
	if err == nil && !ok {
		err = l.fail(ErrBusy)
	}
	l.entries, l.alone = []int{i}, true
	return err
}

// chooseLegacy obeys the lock file as the original module does. The number in
// a stale lock file was asked for alone and not accepted: it is spent.
func (l *Login) chooseLegacy(unused []int, lock lockFile, busy bool) error {
	if lock.forged {
		if err := l.f.removeLock(); err != nil {
			return err
		}
	}
	if busy || lock.forged || lock.present && time.Since(lock.mtime).Abs() < l.o.LockTimeout {
		return l.chooseMulti(unused, lock)
	}
	if lock.present {
		if _, err := l.spend(l.list, nil, lock.names); err != nil {
			return err
		}
		if err := l.f.removeLock(); err != nil {
			return err
		}
		if unused = l.list.unused(); len(unused) == 0 {
			return l.fail(ErrExhausted)
		}
	}
	if err := l.lockEntry(unused[0]); err != nil {
		return err
	}
	made, err := l.f.createLock(l.list.Number(unused[0]))
	if err == nil && !made { // a host with the original was faster
		l.alone = false
		if err = l.f.unlock(entryLock + unused[0]); err != nil {
			return err
		}
		if lock, err = l.f.readLock(l.list.width); err != nil {
			return err
		}
		return l.chooseMulti(unused, lock)
	}
	return err
}

// chooseMulti asks for three random entries that no lock names. It steps over
// one that is part of another multi challenge right now, so that logins at the
// same time rarely collide; but over one only: a stranger, who may hold open as
// many prompts as he likes, could else steer the choice to entries that he knows.
func (l *Login) chooseMulti(unused []int, lock lockFile) error {
	if len(unused) < minMulti {
		return l.fail(ErrTooFew)
	}
	pool := slices.Clone(unused)
	shuffle(pool)
	var stepped []int
	l.entries = nil
	for _, i := range pool {
		if slices.Contains(lock.names, l.list.Number(i)) {
			continue
		}
		if asked, err := l.f.held(entryLock+i, 1); err != nil {
			return err
		} else if asked {
			continue
		}
		if ok, err := l.f.tryLock(hintLock + i); err != nil {
			return err
		} else if !ok && stepped == nil && !l.o.Decoys {
			stepped = []int{i}
		} else if l.entries = append(l.entries, i); len(l.entries) == multi {
			return nil
		}
	}
	if l.entries = append(l.entries, stepped...); len(l.entries) < multi {
		return l.fail(ErrTooFew)
	}
	return nil
}

// Challenge returns what is asked for: `044`, or `022/000/004`.
func (l *Login) Challenge() string {
	var numbers []string
	for _, i := range l.entries {
		numbers = append(numbers, l.list.Number(i))
	}
	return strings.Join(numbers, "/")
}

// Prompt returns the challenge as a user is asked for it, behind a word like
// Password: `Password 044: `.
func (l *Login) Prompt(word string) string { return word + " " + l.Challenge() + ": " }

// Verify checks the response to the challenge, the prefix password followed by
// the one-time passwords in the order of the challenge, and ends the login.
// nil means that it is right and that its entries are overwritten on the disk;
// nothing else lets anyone in. Numbers set aside go with them.
//
// Verify does not keep response; wiping it is up to the caller.
func (l *Login) Verify(response []byte) (Remaining, error) {
	if l.f == nil {
		return Remaining{}, errors.New("verify: the login is over")
	}
	defer l.Close()
	hashes := l.hashes(response) // before the list lock: a hash may take its time
	defer clear(hashes)
	if err := l.f.lockList(); err != nil {
		return Remaining{}, err
	}
	if same, err := l.f.same(); err != nil {
		return Remaining{}, l.fail(err)
	} else if !same {
		return Remaining{}, ErrReplaced
	}
	now, err := l.f.read()
	if err != nil {
		return Remaining{}, err
	}
	if now.Expired(clock()) { // while the response was awaited
		return Remaining{}, l.fail(ErrExpired)
	}
	right, err := l.compare(now, hashes)
	if err != nil {
		return Remaining{}, err
	}
	if !right {
		return Remaining{}, l.wrong(now)
	}
	if err := l.accept(now); err != nil {
		return Remaining{}, err
	}
	return now.Remaining(), nil
}

// hashes returns what the challenged entries would hold if the response were
// right. A response that is too short is hashed like any other.
func (l *Login) hashes(response []byte) []byte {
	k := l.list.pwLen
	prefix, passwords, ok := splitResponse(response, len(l.entries)*k)
	if !ok {
		prefix, passwords = nil, make([]byte, len(l.entries)*k) // zero bytes are in no password
	}
	hashes := make([]byte, 0, len(l.entries)*l.list.hashLen()) // all of it, lest growing leave copies behind
	prefix = l.list.Format.TrimPrefix(prefix)
	for i, e := range l.entries {
		if i > 0 && l.list.Format == OTPW2 {
			runtime.GC() // the memory of the hash before, which can be much
		}
		hashes = l.list.appendHash(hashes, prefix, passwords[i*k:(i+1)*k], l.list.Number(e))
	}
	clear(passwords)
	return hashes
}

// compare reports whether hashes are those of the challenged entries, which
// must stand in now as they did when they were challenged.
func (l *Login) compare(now *List, hashes []byte) (bool, error) {
	if !bytes.Equal(now.head(), l.list.head()) {
		return false, ErrReplaced
	}
	var want []byte
	for _, i := range l.entries {
		if !bytes.Equal(now.entry(i), l.list.entry(i)) {
			return false, ErrUsed
		}
		want = append(want, now.hash(i)...)
	}
	return subtle.ConstantTimeCompare(want, hashes) == 1, nil
}

// wrong ends a login whose response was wrong. What was asked for alone stays
// in the lock file, and so is set aside, unless Reask says otherwise.
func (l *Login) wrong(now *List) error {
	if !l.alone || !l.o.Reask {
		return ErrWrong
	}
	lock, err := l.f.readLock(now.width)
	number := now.Number(l.entries[0])
	if err == nil && slices.Contains(lock.names, number) {
		err = l.f.writeLock(slices.DeleteFunc(lock.names, func(n string) bool { return n == number }))
	}
	if err != nil {
		l.o.logf("%v", err)
	}
	return ErrWrong
}

// accept overwrites the challenged entries, and those set aside, on disk. Only
// the last step, the lock file, may fail: what it names by then is used up.
func (l *Login) accept(now *List) error {
	if l.o.NoLock {
		_, err := l.spend(now, l.entries, nil)
		return err
	}
	lock, err := l.f.readLock(now.width)
	if err != nil {
		return err
	}
	asked, err := l.spend(now, l.entries, lock.names)
	if err != nil {
		return err
	}
	if lock.present {
		if err := l.f.writeLock(asked); err != nil {
			l.o.logf("%v", err)
		}
	}
	return nil
}

// spend overwrites entries, and the unused ones that names names, on disk. It
// leaves out, and returns, the names that another login is being asked for now.
func (l *Login) spend(now *List, entries []int, names []string) (asked []string, err error) {
	entries = slices.Clone(entries)
	for i := range now.n {
		n := now.Number(i)
		if n == "" || !slices.Contains(names, n) || slices.Contains(entries, i) {
			continue
		}
		held, err := l.f.held(entryLock+i, 1)
		if err != nil {
			return nil, err
		}
		if held {
			asked = append(asked, n)
		} else {
			entries = append(entries, i)
		}
	}
	for _, i := range entries {
		if err := l.f.overwrite(now, i); err != nil {
			return nil, err
		}
	}
	return asked, l.f.sync()
}

// Close ends a login that was not verified: the entry asked for alone stays
// set aside. After Verify it does nothing.
func (l *Login) Close() {
	if l.f != nil {
		l.f.close()
		l.f = nil
	}
}
