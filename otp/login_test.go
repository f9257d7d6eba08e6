// SPDX-License-Identifier: MIT

package otp

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const prefix = "geHeim"

// testFormat is that of the lists that tests make.
var testFormat = Header{Format: OTPW1}

// cheap is an OTPW2 header with a KDF that costs next to nothing.
var cheap = Header{
	Format:  OTPW2,
	KDF:     KDF{Memory: MinKDFMemory, Passes: 1},
	Host:    "host.example",
	Created: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC),
}

func password(number string) string { return "pass" + number + "word" }

// makeList puts a list of n entries, numbered in the order of their use, into a
// folder of its own.
func makeList(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".otpw")
	replaceList(t, path, n, 0)
	return path
}

// replaceList puts a new list of n entries, numbered from first, in the place of
// the one at path.
func replaceList(t testing.TB, path string, n, first int) {
	t.Helper()
	var pws []Numbered
	for i := range n {
		number := fmt.Sprintf("%04d", first+i)
		pws = append(pws, Numbered{number, []byte(password(number))})
	}
	l, err := Recipe{Header: testFormat, Ordered: true}.Make(t.Context(), []byte(prefix), pws)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Replace(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(l); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, path string, o Options) *Login {
	t.Helper()
	o.Logf = t.Logf
	l, err := Begin(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// right is the response to a challenge.
func right(challenge string) []byte {
	r := prefix
	for _, n := range strings.Split(challenge, "/") {
		r += password(n)
	}
	return []byte(r)
}

// asks checks what a login asks for: a number, or "multi".
func asks(t testing.TB, l *Login, want string) {
	t.Helper()
	got := l.Challenge()
	if n := strings.Count(got, "/"); n == 2 && want == "multi" || got == want {
		return
	}
	t.Fatalf("asked for %s, want %s", got, want)
}

// accepts answers a login rightly.
func accepts(t testing.TB, l *Login) Remaining {
	t.Helper()
	r, err := l.Verify(right(l.Challenge()))
	if err != nil {
		t.Fatalf("challenge %s: %v", l.Challenge(), err)
	}
	return r
}

// refuses answers a login and wants it denied.
func refuses(t testing.TB, l *Login, response []byte, want error) {
	t.Helper()
	if _, err := l.Verify(response); !errors.Is(err, want) {
		t.Fatalf("challenge %s: error %v, want %v", l.Challenge(), err, want)
	}
}

func readList(t testing.TB, path string) *List {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// used checks which entries of a list made by makeList are used.
func used(t testing.TB, path string, want ...int) {
	t.Helper()
	l := readList(t, path)
	var got []int
	for i := range l.Len() {
		if !l.Unused(i) {
			got = append(got, i)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("entries %v are used, want %v", got, want)
	}
}

// locked checks what the lock file names; "" means that there is none.
func locked(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.Readlink(path + ".lock")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("lock file names %q, want %q", got, want)
	}
	if _, err := os.Lstat(path + ".lock.tmp"); err == nil {
		t.Fatal("left-over .lock.tmp")
	}
}

func TestOneLogin(t *testing.T) {
	path := makeList(t, 30)
	l := begin(t, path, Options{})
	asks(t, l, "0000")
	if l.Prompt("Password") != "Password 0000: " {
		t.Errorf("prompt %q", l.Prompt("Password"))
	}
	locked(t, path, "0000")
	if r := accepts(t, l); r.Unused != 29 || r.Total != 30 {
		t.Errorf("remaining %v", r)
	}
	locked(t, path, "")
	used(t, path, 0)
	if line := string(readList(t, path).entry(0)); strings.Trim(line, "-") != "" {
		t.Errorf("entry is overwritten with %q", line)
	}
	if _, err := l.Verify(right("0000")); err == nil {
		t.Error("a login can be verified twice")
	}
	asks(t, begin(t, path, Options{}), "0001")
}

func TestWrongResponses(t *testing.T) {
	for name, response := range map[string]string{
		"empty":            "",
		"no prefix":        password("0000"),
		"wrong prefix":     "geheim" + password("0000"),
		"longer prefix":    prefix + "x" + password("0000"),
		"no password":      prefix,
		"too short":        prefix + "pass0000wor",
		"another password": prefix + password("0001"),
		"wrong password":   prefix + "pass0000worD",
		"the hash":         "",
		"very long":        prefix + strings.Repeat("x", 100000),
	} {
		t.Run(name, func(t *testing.T) {
			path := makeList(t, 30)
			if name == "the hash" {
				response = string(readList(t, path).hash(0))
			}
			l := begin(t, path, Options{})
			refuses(t, l, []byte(response), ErrWrong)
			used(t, path)
			locked(t, path, "0000")
			if _, err := l.Verify(right("0000")); err == nil {
				t.Error("second try at the same prompt")
			}
		})
	}
}

// A number that was asked for alone and not accepted is not asked for again,
// and goes at the next success.
func TestSetAside(t *testing.T) {
	path := makeList(t, 30)
	begin(t, path, Options{}).Close() // cut
	l := begin(t, path, Options{})
	asks(t, l, "0001")
	locked(t, path, "0000,0001")
	refuses(t, l, []byte("wrong"), ErrWrong)
	l = begin(t, path, Options{})
	asks(t, l, "0002")
	locked(t, path, "0000,0001,0002")
	accepts(t, l)
	used(t, path, 0, 1, 2)
	locked(t, path, "")
	asks(t, begin(t, path, Options{}), "0003")
}

func TestThreeSetAside(t *testing.T) {
	path := makeList(t, 30)
	for range 3 {
		begin(t, path, Options{}).Close()
	}
	for range 20 { // until a success, and never one of those
		l := begin(t, path, Options{})
		asks(t, l, "multi")
		for _, n := range []string{"0000", "0001", "0002"} {
			if strings.Contains(l.Challenge(), n) {
				t.Fatalf("asked for %s, which is set aside: %s", n, l.Challenge())
			}
		}
		refuses(t, l, []byte("wrong"), ErrWrong)
		locked(t, path, "0000,0001,0002")
	}
	l := begin(t, path, Options{})
	if r := accepts(t, l); r.Unused != 24 || r.Total != 30 {
		t.Errorf("remaining %v", r)
	}
	locked(t, path, "")
	want := append([]int{0, 1, 2}, l.entries...)
	slices.Sort(want)
	used(t, path, want...)
}

func TestReask(t *testing.T) {
	path := makeList(t, 30)
	o := Options{Reask: true}
	begin(t, path, o).Close() // cut: set aside all the same
	l := begin(t, path, o)
	asks(t, l, "0001")
	refuses(t, l, []byte("wrong"), ErrWrong)
	locked(t, path, "0000")
	l = begin(t, path, o)
	asks(t, l, "0001")
	accepts(t, l)
	used(t, path, 0, 1)
}

// While somebody is asked for a number alone, everybody else gets three others.
func TestTwoAtOnce(t *testing.T) {
	path := makeList(t, 30)
	a := begin(t, path, Options{})
	for range 50 {
		b := begin(t, path, Options{})
		asks(t, b, "multi")
		if strings.Contains(b.Challenge(), "0000") {
			t.Fatal("the number that is being asked for alone is in ", b.Challenge())
		}
		b.Close()
	}
	b := begin(t, path, Options{})
	accepts(t, b)
	locked(t, path, "0000") // still being asked for: not invalidated
	accepts(t, a)
	locked(t, path, "")
	want := append([]int{0}, b.entries...)
	slices.Sort(want)
	used(t, path, want...)
}

// A success leaves what another login is being asked for, and takes what was
// set aside.
func TestSuccessBesidePrompt(t *testing.T) {
	path := makeList(t, 30)
	begin(t, path, Options{}).Close()
	a := begin(t, path, Options{})
	asks(t, a, "0001")
	b := begin(t, path, Options{})
	asks(t, b, "multi")
	accepts(t, b)
	locked(t, path, "0001")
	if l := readList(t, path); l.Unused(0) || !l.Unused(1) {
		t.Fatal("want entry 0 used, entry 1 unused")
	}
	accepts(t, a)
	locked(t, path, "")
}

// Of logins with multi challenges at the same time that share an entry, the
// first one wins.
func TestMultiAtOnce(t *testing.T) {
	path := makeList(t, 12)
	begin(t, path, Options{}) // holds 0000
	var all []*Login
	for range 6 {
		l := begin(t, path, Options{})
		asks(t, l, "multi")
		all = append(all, l)
	}
	accepted := map[int]bool{}
	for _, l := range all {
		shared := slices.ContainsFunc(l.entries, func(i int) bool { return accepted[i] })
		_, err := l.Verify(right(l.Challenge()))
		if shared != errors.Is(err, ErrUsed) || shared == (err == nil) {
			t.Errorf("challenge %s shares an entry: %v, error %v", l.Challenge(), shared, err)
		}
		for _, i := range l.entries {
			accepted[i] = accepted[i] || err == nil
		}
	}
}

// Prompts that a stranger holds open must not steer what others are asked for.
func TestHintsSteerNobody(t *testing.T) {
	const n, known = 40, 3
	path := makeList(t, n)
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	hinted := func(i int) {
		t.Helper()
		if ok, err := f.tryLock(hintLock + i); !ok {
			t.Fatal(err)
		}
	}
	for i := range n - known { // all but the last ones, which he has copied
		hinted(i)
	}
	alone := begin(t, path, Options{})
	asks(t, alone, "0000") // whoever else is asked for it
	hits := 0
	for range 400 {
		l := begin(t, path, Options{})
		asks(t, l, "multi")
		for _, i := range l.entries {
			if i >= n-known {
				hits++
			}
		}
		l.Close()
	}
	// by chance 400*3*3/39 = 92; stepping over one hinted entry makes it 120
	if hits > 200 {
		t.Errorf("known entries were asked for %d times of 1200", hits)
	}
	alone.Close()
}

// One collision is avoided where it can be.
func TestHintSteppedOver(t *testing.T) {
	path := makeList(t, 10)
	alone := begin(t, path, Options{})
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if ok, err := f.tryLock(hintLock + 5); !ok {
		t.Fatal(err)
	}
	for range 100 {
		l := begin(t, path, Options{})
		if slices.Contains(l.entries, 5) {
			t.Fatal("asked for an entry of another multi challenge, though others are free: ", l.Challenge())
		}
		l.Close()
	}
	alone.Close()
}

func TestTooFewForMulti(t *testing.T) {
	path := makeList(t, 9)
	a := begin(t, path, Options{})
	if _, err := Begin(path, Options{}); !errors.Is(err, ErrTooFew) {
		t.Fatalf("error %v, want %v", err, ErrTooFew)
	}
	accepts(t, a)
	asks(t, begin(t, path, Options{}), "0001")
}

func TestExhausted(t *testing.T) {
	path := makeList(t, 2)
	accepts(t, begin(t, path, Options{}))
	begin(t, path, Options{}).Close()
	if _, err := Begin(path, Options{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("only one that is set aside is left: error %v, want %v", err, ErrExhausted)
	}
	if _, err := Unlock(path); err != nil {
		t.Fatal(err)
	}
	accepts(t, begin(t, path, Options{}))
	if _, err := Begin(path, Options{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("error %v, want %v", err, ErrExhausted)
	}
	locked(t, path, "")
}

func TestNoLock(t *testing.T) {
	path := makeList(t, 30)
	o := Options{NoLock: true}
	a, b := begin(t, path, o), begin(t, path, o)
	asks(t, a, "0000")
	asks(t, b, "0000")
	locked(t, path, "")
	refuses(t, begin(t, path, o), []byte("wrong"), ErrWrong)
	accepts(t, a)
	refuses(t, b, right("0000"), ErrUsed)
	used(t, path, 0)
	asks(t, begin(t, path, o), "0001")
}

// What another service set aside is not asked for alone with nolock either.
func TestNoLockBesideOthers(t *testing.T) {
	path := makeList(t, 2)
	begin(t, path, Options{}).Close()
	l := begin(t, path, Options{NoLock: true})
	asks(t, l, "0001")
	accepts(t, l)
	locked(t, path, "0000")
	if _, err := Begin(path, Options{NoLock: true}); !errors.Is(err, ErrExhausted) {
		t.Errorf("error %v, want %v", err, ErrExhausted)
	}
}

func TestForgedLockFile(t *testing.T) {
	for name, forge := range map[string]func(string) error{
		"file":      func(p string) error { return os.WriteFile(p, []byte("0000"), 0o600) },
		"words":     func(p string) error { return os.Symlink("hello", p) },
		"too short": func(p string) error { return os.Symlink("000", p) },
		"too long":  func(p string) error { return os.Symlink("00000", p) },
		"too many":  func(p string) error { return os.Symlink("0000,0001,0002,0003", p) },
		"twice":     func(p string) error { return os.Symlink("0000,0000", p) },
		"comma":     func(p string) error { return os.Symlink("0000,", p) },
		"huge":      func(p string) error { return os.Symlink(strings.Repeat("0", 4000), p) },
		"itself":    func(p string) error { return os.Symlink(p, p) },
	} {
		t.Run(name, func(t *testing.T) {
			path := makeList(t, 30)
			if err := forge(path + ".lock"); err != nil {
				t.Fatal(err)
			}
			l := begin(t, path, Options{})
			asks(t, l, "multi")
			refuses(t, l, []byte("wrong"), ErrWrong)
			l = begin(t, path, Options{})
			asks(t, l, "multi")
			accepts(t, l)
			locked(t, path, "")
			if l := begin(t, path, Options{}); strings.Contains(l.Challenge(), "/") {
				t.Errorf("asked for %s after a success", l.Challenge())
			}
		})
	}
}

// A lock file that names used entries is left over from a login that was killed
// between its last two steps.
func TestStaleNames(t *testing.T) {
	path := makeList(t, 30)
	accepts(t, begin(t, path, Options{}))
	if err := os.Symlink("0000,0999", path+".lock"); err != nil {
		t.Fatal(err)
	}
	l := begin(t, path, Options{})
	asks(t, l, "0001")
	locked(t, path, "0001")
}

// Where the lock file cannot be written, nobody is asked.
func TestLockFileCannotBeWritten(t *testing.T) {
	path := makeList(t, 30)
	begin(t, path, Options{}).Close()
	if err := os.Mkdir(path+".lock.tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Begin(path, Options{}); err == nil {
		t.Fatal("a challenge without a lock file")
	}
	used(t, path)
	if names, err := os.Readlink(path + ".lock"); names != "0000" {
		t.Errorf("lock file names %q, error %v, want 0000 as before", names, err)
	}
}

// What a killed process leaves of a lock file is in nobody's way.
func TestLeftoverLockFile(t *testing.T) {
	path := makeList(t, 30)
	if err := os.Symlink("0007", path+".lock.tmp"); err != nil {
		t.Fatal(err)
	}
	asks(t, begin(t, path, Options{}), "0000")
	locked(t, path, "0000")
}

func TestWriteLockFails(t *testing.T) {
	path := makeList(t, 30)
	f, err := openLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if err := os.Mkdir(path+".lock", 0o700); err != nil { // nothing can be renamed to it
		t.Fatal(err)
	}
	if err := f.writeLock([]string{"0000"}); err == nil {
		t.Error("no error")
	}
	gone(t, path+".lock.tmp")
}

func TestParseLock(t *testing.T) {
	for target, ok := range map[string]bool{
		"044": true, "044,027": true, "044,027,001": true,
		"": false, "44": false, "0044": false, "04a": false, "-44": false, "044,": false, ",044": false, "044 027": false,
		"044,044": false, "044,027,044": false, "044,027,001,002": false,
	} {
		if names, got := parseLock(target, 3); got != ok || ok && strings.Join(names, ",") != target {
			t.Errorf("%q: %q, %v, want %v", target, names, got, ok)
		}
	}
}

func TestRevokedWhileAsked(t *testing.T) {
	path := makeList(t, 30)
	l := begin(t, path, Options{})
	if n, err := Revoke(path, func(n string) bool { return n == "0000" || n == "0007" }); n != 2 || err != nil {
		t.Fatalf("revoked %d: %v", n, err)
	}
	used(t, path, 0, 7)
	refuses(t, l, right("0000"), ErrUsed)
}

func TestRevoke(t *testing.T) {
	all := func(string) bool { return true }
	path := makeList(t, 12)
	accepts(t, begin(t, path, Options{}))
	if n, err := Revoke(path, func(n string) bool { return n == "0000" }); n != 0 || err != nil {
		t.Errorf("a used entry: revoked %d: %v", n, err)
	}
	if n, err := Revoke(path, all); n != 11 || err != nil {
		t.Errorf("all: revoked %d: %v", n, err)
	}
	if _, err := Begin(path, Options{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("after that: %v", err)
	}
	if _, err := Revoke(filepath.Join(t.TempDir(), "none"), all); !errors.Is(err, ErrNoList) {
		t.Errorf("no list: %v", err)
	}

	path = makeList(t, 12)
	synced := false
	atSync(t, func() error {
		used(t, path, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
		synced = true
		return unix.EIO
	})
	if _, err := Revoke(path, all); !errors.Is(err, unix.EIO) || !synced {
		t.Errorf("synced %v, error %v", synced, err)
	}
}

func TestReplacedWhileAsked(t *testing.T) {
	path := makeList(t, 30)
	l := begin(t, path, Options{})
	replaceList(t, path, 30, 100)
	locked(t, path, "")
	now := begin(t, path, Options{})
	asks(t, now, "0100")
	refuses(t, l, right("0000"), ErrReplaced)
	locked(t, path, "0100") // left alone
	accepts(t, now)
	used(t, path, 0)
}

// A list that is written over in place, where OTPW never does that: what was
// asked for is looked for in none of it.
func TestRewrittenWhileAsked(t *testing.T) {
	for name, tt := range map[string]struct{ n, first int }{"shorter": {2, 0}, "longer": {31, 0}, "other numbers": {30, 100}} {
		t.Run(name, func(t *testing.T) {
			path, other := makeList(t, 30), makeList(t, 1)
			for range 3 {
				begin(t, path, Options{}).Close()
			}
			l := begin(t, path, Options{})
			asks(t, l, "multi")
			replaceList(t, other, tt.n, tt.first)
			if err := os.WriteFile(path, readList(t, other).Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Verify(right(l.Challenge())); !errors.Is(err, ErrReplaced) && !errors.Is(err, ErrUsed) {
				t.Errorf("error %v, want %v or %v", err, ErrReplaced, ErrUsed)
			}
			used(t, path)
		})
	}
}

func TestRemovedWhileAsked(t *testing.T) {
	path := makeList(t, 30)
	l := begin(t, path, Options{})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refuses(t, l, right("0000"), ErrReplaced)
}

func TestUnsafe(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(string) error
		want  error
	}{
		"none":           {os.Remove, ErrNoList},
		"group reads":    {func(p string) error { return os.Chmod(p, 0o640) }, ErrUnsafe},
		"others write":   {func(p string) error { return os.Chmod(p, 0o602) }, ErrUnsafe},
		"folder":         {func(p string) error { os.Remove(p); return os.Mkdir(p, 0o700) }, ErrUnsafe},
		"fifo":           {func(p string) error { os.Remove(p); return unix.Mkfifo(p, 0o600) }, ErrUnsafe},
		"sparse giant":   {func(p string) error { return os.Truncate(p, 1<<40) }, ErrUnsafe},
		"empty":          {func(p string) error { return os.Truncate(p, 0) }, ErrFormat},
		"truncated":      {func(p string) error { return os.Truncate(p, 100) }, ErrFormat},
		"link to itself": {func(p string) error { os.Remove(p); return os.Symlink(p, p) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := makeList(t, 30)
			if err := tt.spoil(path); err != nil {
				t.Fatal(err)
			}
			_, err := Begin(path, Options{})
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			locked(t, path, "")
		})
	}
}

// Who may rename the list could bring back one whose passwords were used, or, where
// having none is allowed, none.
func TestUnsafeFolder(t *testing.T) {
	for _, tt := range []struct {
		name string
		mode os.FileMode
		uid  int
		want error
	}{
		{"others write", 0o707, -1, ErrFolder},
		{"group writes", 0o770, -1, ErrFolder},
		{"others only write", 0o702, -1, ErrFolder},
		{"sticky", 0o777 | os.ModeSticky, -1, nil},
		{"others read", 0o755, -1, nil},
		{"another's", 0o700, 65534, ErrFolder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.uid >= 0 && os.Geteuid() != 0 {
				t.Skip("only root can give a folder away")
			}
			path := makeList(t, 30)
			link := filepath.Join(t.TempDir(), "link")
			dir := filepath.Dir(path)
			if err := errors.Join(os.Symlink(path, link), os.Chmod(dir, tt.mode), os.Chown(dir, tt.uid, -1)); err != nil {
				t.Fatal(err)
			}
			gone := filepath.Join(dir, "gone")
			for _, name := range []string{path, link, gone} {
				_, err := Begin(name, Options{})
				want := tt.want
				if want == nil && name == gone {
					want = ErrNoList
				}
				if !errors.Is(err, want) || want == ErrFolder && (!errors.Is(err, ErrUnsafe) || errors.Is(err, ErrNoList)) {
					t.Errorf("%s: %v, want %v", name, err, want)
				}
			}
			if _, err := Existing(gone); tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("a new list: %v, want %v", err, tt.want)
			}
		})
	}
}

// People with encrypted homes link the list to a folder outside.
func TestLinkedList(t *testing.T) {
	path := makeList(t, 30)
	link := filepath.Join(t.TempDir(), ".otpw")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	l := begin(t, link, Options{})
	locked(t, path, "0000")
	accepts(t, l)
	replaceList(t, link, 30, 100)
	if target, _ := os.Readlink(link); target != path {
		t.Fatal("the link was replaced")
	}
	asks(t, begin(t, link, Options{}), "0100")
}

// A list that another process keeps locked denies the login after a while.
func TestBusy(t *testing.T) {
	waitShort(t)
	path := makeList(t, 30)
	l := begin(t, path, Options{})
	f, err := openLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if _, err := Begin(path, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v, want %v", err, ErrBusy)
	}
	if _, err := Unlock(path); !errors.Is(err, ErrBusy) {
		t.Errorf("unlock: error %v, want %v", err, ErrBusy)
	}
	refuses(t, l, right("0000"), ErrBusy)
	used(t, path)
	locked(t, path, "0000")
}

// waitShort makes waiting for the list lock short.
func waitShort(t *testing.T) {
	t.Helper()
	before := lockWait
	lockWait = 50 * time.Millisecond
	t.Cleanup(func() { lockWait = before })
}

// A list that is replaced while a login waits for its list lock: the login is
// asked for a number of the new one.
func TestReplacedWhileWaiting(t *testing.T) {
	path := makeList(t, 30)
	next := makeList(t, 30)
	replaceList(t, next, 30, 100)
	f, err := openLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(100 * time.Millisecond) // by then Begin waits
		if err := os.Rename(next, path); err != nil {
			t.Error(err)
		}
		f.close()
	}()
	asks(t, begin(t, path, Options{}), "0100")
}

// A list that others could read meanwhile is not verified against.
func TestUnsafeWhileAsked(t *testing.T) {
	path := makeList(t, 30)
	l := begin(t, path, Options{})
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	refuses(t, l, right("0000"), ErrUnsafe)
	used(t, path)
}

// Whoever uses this package may start other programs: they get no locks.
func TestCloseOnExec(t *testing.T) {
	l := begin(t, makeList(t, 30), Options{})
	if flags, err := unix.FcntlInt(uintptr(l.f.fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, error %v, want FD_CLOEXEC", flags, err)
	}
}

func TestLegacyLock(t *testing.T) {
	o := Options{LegacyLock: true}
	age := func(path string, d time.Duration) {
		t.Helper()
		tv := unix.NsecToTimeval(time.Now().Add(-d).UnixNano())
		if err := unix.Lutimes(path+".lock", []unix.Timeval{tv, tv}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("right", func(t *testing.T) {
		path := makeList(t, 30)
		l := begin(t, path, o)
		asks(t, l, "0000")
		locked(t, path, "0000")
		accepts(t, l)
		locked(t, path, "")
		used(t, path, 0)
	})
	t.Run("cut", func(t *testing.T) {
		path := makeList(t, 30)
		begin(t, path, o).Close()
		age(path, 23*time.Hour)
		l := begin(t, path, o)
		asks(t, l, "multi")
		refuses(t, l, []byte("wrong"), ErrWrong)
		locked(t, path, "0000")
		l = begin(t, path, o)
		asks(t, l, "multi")
		accepts(t, l)
		locked(t, path, "")
		if readList(t, path).Unused(0) {
			t.Error("what was set aside is still valid after a success")
		}
	})
	t.Run("wrong", func(t *testing.T) {
		path := makeList(t, 30)
		refuses(t, begin(t, path, o), []byte("wrong"), ErrWrong)
		locked(t, path, "0000")
		asks(t, begin(t, path, o), "multi")
	})
	t.Run("wrong, reask", func(t *testing.T) {
		path := makeList(t, 30)
		o := Options{LegacyLock: true, Reask: true}
		refuses(t, begin(t, path, o), []byte("wrong"), ErrWrong)
		locked(t, path, "")
		asks(t, begin(t, path, o), "0000")
	})
	t.Run("stale", func(t *testing.T) {
		path := makeList(t, 30)
		begin(t, path, o).Close()
		age(path, 25*time.Hour)
		l := begin(t, path, o)
		asks(t, l, "0001") // 0000 was asked for alone already
		locked(t, path, "0001")
		used(t, path, 0)
		accepts(t, l)
	})
	t.Run("timeout", func(t *testing.T) {
		path := makeList(t, 30)
		begin(t, path, o).Close()
		age(path, 61*time.Second)
		asks(t, begin(t, path, Options{LegacyLock: true, LockTimeout: time.Minute}), "0001")
	})
	t.Run("from the future", func(t *testing.T) {
		path := makeList(t, 30)
		begin(t, path, o).Close()
		age(path, -time.Hour)
		begin(t, path, o).Close() // a clock that is a little off: young
		locked(t, path, "0000")
		age(path, -100*time.Hour)
		asks(t, begin(t, path, o), "0001") // not for ever
	})
	t.Run("of the original", func(t *testing.T) {
		path := makeList(t, 30)
		if err := os.Symlink("0005", path+".lock"); err != nil {
			t.Fatal(err)
		}
		l := begin(t, path, o)
		asks(t, l, "multi")
		if strings.Contains(l.Challenge(), "0005") {
			t.Errorf("asked for %s", l.Challenge())
		}
	})
	t.Run("junk", func(t *testing.T) {
		path := makeList(t, 30)
		if err := os.Symlink("05", path+".lock"); err != nil {
			t.Fatal(err)
		}
		asks(t, begin(t, path, o), "multi")
		locked(t, path, "")
		asks(t, begin(t, path, o), "0000")
	})
	t.Run("prompt open", func(t *testing.T) {
		path := makeList(t, 30)
		a := begin(t, path, o)
		age(path, 25*time.Hour)
		b := begin(t, path, o)
		asks(t, b, "multi") // the entry lock tells, however old the lock file
		accepts(t, b)
		locked(t, path, "0000")
		accepts(t, a)
		locked(t, path, "")
	})
}

// Many logins at once: an entry is accepted at most once, and a number asked for
// alone only once.
func TestConcurrent(t *testing.T) {
	for name, o := range map[string]Options{"default": {}, "nolock": {NoLock: true}, "legacy": {LegacyLock: true}} {
		t.Run(name, func(t *testing.T) {
			path := makeList(t, 400)
			var mu sync.Mutex
			accepted, alone := map[string]int{}, map[string]int{}
			var wg sync.WaitGroup
			for g := range 16 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for k := range 12 {
						l, err := Begin(path, o)
						if err != nil {
							t.Error(err)
							return
						}
						c := l.Challenge()
						if !strings.Contains(c, "/") {
							mu.Lock()
							alone[c]++
							mu.Unlock()
						}
						switch (g + k) % 4 {
						case 0:
							l.Close()
						case 1:
							l.Verify([]byte("wrong"))
						default:
							if _, err := l.Verify(right(c)); err == nil {
								mu.Lock()
								for _, n := range strings.Split(c, "/") {
									accepted[n]++
								}
								mu.Unlock()
							} else if !errors.Is(err, ErrUsed) {
								t.Errorf("challenge %s: %v", c, err)
							}
						}
					}
				}()
			}
			wg.Wait()
			l := readList(t, path)
			for n, k := range accepted {
				var i int
				fmt.Sscanf(n, "%d", &i)
				if k != 1 || l.Unused(i) {
					t.Errorf("%s accepted %d times, unused %v", n, k, l.Unused(i))
				}
			}
			for n, k := range alone {
				if k != 1 && !o.NoLock {
					t.Errorf("%s was asked for alone %d times", n, k)
				}
			}
			if len(accepted) == 0 {
				t.Error("nothing was accepted")
			}
		})
	}
}

// All passwords of a multi challenge must be right.
func TestMultiWrongInOne(t *testing.T) {
	path := makeList(t, 60)
	begin(t, path, Options{}) // holds 0000
	for spoilt := range multi {
		l := begin(t, path, Options{})
		asks(t, l, "multi")
		numbers := strings.Split(l.Challenge(), "/")
		numbers[spoilt] = "9999"
		refuses(t, l, right(strings.Join(numbers, "/")), ErrWrong)
	}
	used(t, path)
}

// Every character of a hash counts.
func TestEveryHashCharacter(t *testing.T) {
	for k := range (&List{Header: testFormat}).hashLen() {
		path := makeList(t, 2)
		list := readList(t, path)
		if h := list.hash(0); h[k] == 'A' {
			h[k] = 'B'
		} else {
			h[k] = 'A'
		}
		if err := os.WriteFile(path, list.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, begin(t, path, Options{}), right("0000"), ErrWrong)
		used(t, path)
	}
}

// atSync has f called in the place of fdatasync.
func atSync(t *testing.T, f func() error) {
	t.Helper()
	fdatasync = func(int) error { return f() }
	t.Cleanup(func() { fdatasync = unix.Fdatasync })
}

// Before a success there is a sync. By then the entries are overwritten, what
// was set aside among them, the lock file still names what it named, and nobody
// else gets the list lock.
func TestSyncBeforeSuccess(t *testing.T) {
	for name, o := range map[string]Options{"default": {}, "nolock": {NoLock: true}, "legacy": {LegacyLock: true}} {
		t.Run(name, func(t *testing.T) {
			path := makeList(t, 30)
			l := begin(t, path, o)
			lock, _ := os.Readlink(path + ".lock")
			syncs := 0
			atSync(t, func() error {
				syncs++
				used(t, path, 0)
				locked(t, path, lock)
				f, err := openFile(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.close()
				if ok, err := f.tryLock(listLock); ok || err != nil {
					t.Errorf("list lock is free: %v, error %v", ok, err)
				}
				return nil
			})
			accepts(t, l)
			if syncs != 1 {
				t.Errorf("%d syncs before a success, want 1", syncs)
			}
		})
	}
}

// What may not be on the disk is not accepted, and what the lock file names
// stays set aside.
func TestSyncFails(t *testing.T) {
	path := makeList(t, 30)
	l := begin(t, path, Options{})
	atSync(t, func() error { return unix.EIO })
	refuses(t, l, right("0000"), unix.EIO)
	locked(t, path, "0000")
}

// What cannot be overwritten, or only in part, is not accepted. The kernel
// writes up to a limit for the size of files.
func TestOverwriteFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes int // of the entry that can be written
		used  []int
	}{
		{"at all", 0, nil},
		{"in part", 7, []int{0}},
	} {
		for name, o := range map[string]Options{"default": {}, "nolock": {NoLock: true}} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				path := makeList(t, 30)
				l := begin(t, path, o)
				lock, _ := os.Readlink(path + ".lock")
				var before unix.Rlimit
				if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
					t.Fatal(err)
				}
				signal.Ignore(unix.SIGXFSZ)
				defer signal.Reset(unix.SIGXFSZ)
				limit := unix.Rlimit{Cur: uint64(l.list.offset(0) + tt.bytes), Max: before.Max}
				if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
					t.Fatal(err)
				}
				_, err := l.Verify(right("0000"))
				if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
					t.Fatal(err)
				}
				if err == nil {
					t.Error("accepted")
				}
				used(t, path, tt.used...)
				locked(t, path, lock)
			})
		}
	}
}

// The list lock is held while a challenge is being chosen.
func TestListLockWhileChoosing(t *testing.T) {
	path := makeList(t, 30)
	if err := os.Symlink("damaged", path+".lock"); err != nil { // worth a line in the log
		t.Fatal(err)
	}
	lines := 0
	l, err := Begin(path, Options{Logf: func(string, ...any) {
		lines++
		f, err := openFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.close()
		if ok, err := f.tryLock(listLock); ok || err != nil {
			t.Errorf("list lock is free: %v, error %v", ok, err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if lines == 0 {
		t.Error("Logf was not called")
	}
}

// Also when `otpw-gen -l` has removed the lock file, nobody else is asked for
// what is being asked for alone.
func TestUnlockedWhileAsked(t *testing.T) {
	path := makeList(t, 12)
	a := begin(t, path, Options{})
	if _, err := Unlock(path); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		b := begin(t, path, Options{})
		asks(t, b, "multi")
		if strings.Contains(b.Challenge(), "0000") {
			t.Fatal("the number that is being asked for alone is in ", b.Challenge())
		}
		b.Close()
	}
	accepts(t, a)
}

// On a network file system the lock file has the original's meaning, unless its
// locks can be trusted.
func TestNetworkFileSystem(t *testing.T) {
	var st unix.Statfs_t
	path := makeList(t, 30)
	if err := unix.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	defer func(before []uint32) { remoteTypes = before }(slices.Clone(remoteTypes))
	remoteTypes = append(remoteTypes, uint32(st.Type))

	begin(t, path, Options{}).Close()
	l := begin(t, path, Options{})
	asks(t, l, "multi")
	accepts(t, l)
	begin(t, path, Options{TrustLocks: true}).Close()
	l = begin(t, path, Options{TrustLocks: true})
	if strings.Contains(l.Challenge(), "/") {
		t.Errorf("asked for %s with trust_locks", l.Challenge())
	}
}

// legacyChoice is what chooseLegacy does in a login that has seen no lock file
// when it began.
func legacyChoice(t *testing.T, path string, meanwhile func()) (*Login, error) {
	t.Helper()
	f, err := openLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	l := &Login{o: Options{LegacyLock: true, LockTimeout: time.Hour, Logf: t.Logf}, f: f}
	t.Cleanup(l.Close)
	if l.list, err = f.read(); err != nil {
		t.Fatal(err)
	}
	meanwhile()
	return l, l.chooseLegacy(l.list.unused(), lockFile{}, false)
}

// The original, on another host, makes its lock file while ours is choosing.
func TestLegacyLockMeanwhile(t *testing.T) {
	for range 20 {
		path := makeList(t, 12)
		l, err := legacyChoice(t, path, func() {
			if err := os.Symlink("0000", path+".lock"); err != nil {
				t.Fatal(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		asks(t, l, "multi")
		if strings.Contains(l.Challenge(), "0000") || l.alone {
			t.Fatalf("asked for %s, alone %v", l.Challenge(), l.alone)
		}
		f, err := openFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if held, err := f.held(entryLock, l.list.n); held || err != nil {
			t.Fatalf("entry lock is held: %v, error %v", held, err)
		}
		f.close()
		l.Close()
		locked(t, path, "0000")
	}
}

func TestLegacyLockFileCannotBeWritten(t *testing.T) {
	path := makeList(t, 12)
	if _, err := legacyChoice(t, path, func() { os.RemoveAll(filepath.Dir(path)) }); err == nil {
		t.Error("a challenge without a lock file")
	}
}

func TestOtherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := makeList(t, 30)
	if err := os.Chown(path, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := Begin(path, Options{}); !errors.Is(err, ErrUnsafe) {
		t.Errorf("error %v, want %v", err, ErrUnsafe)
	}
}

// The numbers of docs/format.md: versions of this program that differ in them
// do not see each other's locks.
func TestLockOffsets(t *testing.T) {
	path := makeList(t, 30)
	a := begin(t, path, Options{})
	b := begin(t, path, Options{})
	asks(t, b, "multi")
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	want := []int{1<<30 + 1<<16 + a.entries[0]}
	for _, i := range b.entries {
		want = append(want, 1<<30+1<<17+i)
	}
	for _, at := range want {
		if held, err := f.held(at, 1); !held || err != nil {
			t.Errorf("lock at %#x: held %v, error %v", at, held, err)
		}
	}
	if listLock != 1<<30 {
		t.Errorf("list lock at %#x", listLock)
	}
}

// What holds for a list holds for one of the other format.
func TestOTPW2(t *testing.T) {
	defer func(f Header) { testFormat = f }(testFormat)
	testFormat = cheap
	for name, test := range map[string]func(*testing.T){
		"OneLogin":                      TestOneLogin,
		"WrongResponses":                TestWrongResponses,
		"SetAside":                      TestSetAside,
		"ThreeSetAside":                 TestThreeSetAside,
		"Reask":                         TestReask,
		"TwoAtOnce":                     TestTwoAtOnce,
		"SuccessBesidePrompt":           TestSuccessBesidePrompt,
		"MultiAtOnce":                   TestMultiAtOnce,
		"HintsSteerNobody":              TestHintsSteerNobody,
		"HintSteppedOver":               TestHintSteppedOver,
		"TooFewForMulti":                TestTooFewForMulti,
		"Exhausted":                     TestExhausted,
		"NoLock":                        TestNoLock,
		"NoLockBesideOthers":            TestNoLockBesideOthers,
		"ForgedLockFile":                TestForgedLockFile,
		"StaleNames":                    TestStaleNames,
		"LockFileCannotBeWritten":       TestLockFileCannotBeWritten,
		"LeftoverLockFile":              TestLeftoverLockFile,
		"WriteLockFails":                TestWriteLockFails,
		"RevokedWhileAsked":             TestRevokedWhileAsked,
		"Revoke":                        TestRevoke,
		"ReplacedWhileAsked":            TestReplacedWhileAsked,
		"RewrittenWhileAsked":           TestRewrittenWhileAsked,
		"RemovedWhileAsked":             TestRemovedWhileAsked,
		"Unsafe":                        TestUnsafe,
		"LinkedList":                    TestLinkedList,
		"ReplacedWhileWaiting":          TestReplacedWhileWaiting,
		"UnsafeWhileAsked":              TestUnsafeWhileAsked,
		"LegacyLock":                    TestLegacyLock,
		"Concurrent":                    TestConcurrent,
		"MultiWrongInOne":               TestMultiWrongInOne,
		"EveryHashCharacter":            TestEveryHashCharacter,
		"SyncBeforeSuccess":             TestSyncBeforeSuccess,
		"SyncFails":                     TestSyncFails,
		"OverwriteFails":                TestOverwriteFails,
		"ListLockWhileChoosing":         TestListLockWhileChoosing,
		"UnlockedWhileAsked":            TestUnlockedWhileAsked,
		"NetworkFileSystem":             TestNetworkFileSystem,
		"LegacyLockMeanwhile":           TestLegacyLockMeanwhile,
		"LegacyLockFileCannotBeWritten": TestLegacyLockFileCannotBeWritten,
		"OtherOwner":                    TestOtherOwner,
		"LockOffsets":                   TestLockOffsets,
		"Replace":                       TestReplace,
		"ReplaceAborted":                TestReplaceAborted,
		"LoginDuringReplace":            TestLoginDuringReplace,
		"ReplaceTwiceAtOnce":            TestReplaceTwiceAtOnce,
		"NewList":                       TestNewList,
	} {
		t.Run(name, test)
	}
}
