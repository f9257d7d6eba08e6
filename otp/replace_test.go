// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func start(t testing.TB, path string) *Replacement {
	t.Helper()
	r, err := Replace(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Abort() })
	return r
}

func newList(t testing.TB) *List {
	t.Helper()
	l, err := Recipe{Header: testFormat}.Make(t.Context(), []byte(prefix), []Numbered{{"0500", []byte(password("0500"))}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func gone(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v, want none", filepath.Base(path), err)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".otpw")
	defer unix.Umask(unix.Umask(0o777))
	for range 2 { // the first list, and one more
		r := start(t, path)
		if err := r.Write(newList(t)); err != nil {
			t.Fatal(err)
		}
		if err := r.Commit(); err != nil {
			t.Fatal(err)
		}
		gone(t, path+".tmp")
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("mode %v, error %v", info.Mode(), err)
		}
	}
	accepts(t, begin(t, path, Options{}))
}

func TestReplaceAborted(t *testing.T) {
	path := makeList(t, 30)
	begin(t, path, Options{}).Close()
	r := start(t, path)
	if err := r.Write(newList(t)); err != nil {
		t.Fatal(err)
	}
	if err := r.Abort(); err != nil {
		t.Fatal(err)
	}
	gone(t, path+".tmp")
	locked(t, path, "0000")
	asks(t, begin(t, path, Options{}), "0001")
}

// A login goes on undisturbed while a new list is being written.
func TestLoginDuringReplace(t *testing.T) {
	path := makeList(t, 30)
	r := start(t, path)
	if err := r.Write(newList(t)); err != nil {
		t.Fatal(err)
	}
	accepts(t, begin(t, path, Options{}))
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
	asks(t, begin(t, path, Options{}), "0500")
}

func TestReplaceTwiceAtOnce(t *testing.T) {
	path := makeList(t, 30)
	a := start(t, path)
	if _, err := Replace(path); !errors.Is(err, ErrBusy) {
		t.Fatalf("error %v, want %v", err, ErrBusy)
	}
	if err := a.Write(newList(t)); err != nil {
		t.Fatal(err)
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	start(t, path)
}

// What a killed run leaves never blocks the next one.
func TestLeftover(t *testing.T) {
	for name, leave := range map[string]func(string) error{
		"half a list":   func(p string) error { return os.WriteFile(p, []byte("OTPW1\n30"), 0o600) },
		"nothing in it": func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"link":          func(p string) error { return os.Symlink("/nowhere", p) },
	} {
		t.Run(name, func(t *testing.T) {
			path := makeList(t, 30)
			if err := leave(path + ".tmp"); err != nil {
				t.Fatal(err)
			}
			replaceList(t, path, 30, 100)
			gone(t, path+".tmp")
			asks(t, begin(t, path, Options{}), "0100")
		})
	}
}

// While a login holds the list lock, a new list waits, and gives up in the end
// with the old one as it was.
func TestCommitBusy(t *testing.T) {
	waitShort(t)
	path := makeList(t, 30)
	r := start(t, path)
	if err := r.Write(newList(t)); err != nil {
		t.Fatal(err)
	}
	f, err := openLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(); !errors.Is(err, ErrBusy) {
		t.Fatalf("error %v, want %v", err, ErrBusy)
	}
	f.close()
	gone(t, path+".tmp")
	asks(t, begin(t, path, Options{}), "0000")
}

// A list that no login would take can be replaced.
func TestReplaceUnsafe(t *testing.T) {
	path := makeList(t, 30)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	replaceList(t, path, 30, 100)
	asks(t, begin(t, path, Options{}), "0100")
}

// The new list is on the disk before it takes the old one's place, and the
// folder after that; until then the list locks of both are held.
func TestReplaceSyncs(t *testing.T) {
	path := makeList(t, 30)
	old := path + ".old"
	if err := os.Link(path, old); err != nil {
		t.Fatal(err)
	}
	want := newList(t).Bytes()
	var synced []string
	defer func() { fsync = unix.Fsync }()
	fsync = func(fd int) error {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			t.Fatal(err)
		}
		synced = append(synced, name)
		if name == path+".tmp" {
			if data, err := os.ReadFile(name); err != nil || !bytes.Equal(data, want) {
				t.Errorf("synced %q, error %v", data, err)
			}
			return nil
		}
		for _, list := range []string{old, path} {
			f, err := openFile(list)
			if err != nil {
				t.Fatal(err)
			}
			defer f.close()
			if ok, err := f.tryLock(listLock); ok || err != nil {
				t.Errorf("list lock of %s is free: %v, error %v", filepath.Base(list), ok, err)
			}
		}
		return nil
	}
	r := start(t, path)
	if err := r.Write(newList(t)); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(synced, []string{path + ".tmp", filepath.Dir(path)}) {
		t.Errorf("synced %q", synced)
	}
}

func TestReplaceSyncFails(t *testing.T) {
	path := makeList(t, 30)
	defer func() { fsync = unix.Fsync }()
	fsync = func(int) error { return unix.EIO }
	r := start(t, path)
	if err := r.Write(newList(t)); !errors.Is(err, unix.EIO) {
		t.Errorf("error %v, want %v", err, unix.EIO)
	}
	fsync = unix.Fsync
	if err := r.Abort(); err != nil {
		t.Fatal(err)
	}
	asks(t, begin(t, path, Options{}), "0000")
}

// The new list counts from the moment it is in its place.
func TestCommitInPlace(t *testing.T) {
	path := makeList(t, 30)
	if err := os.Mkdir(path+".lock", 0o700); err != nil { // cannot be unlinked
		t.Fatal(err)
	}
	r := start(t, path)
	if err := r.Write(newList(t)); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(); !errors.Is(err, ErrInPlace) {
		t.Errorf("error %v, want %v", err, ErrInPlace)
	}
	if n := readList(t, path).Number(0); n != "0500" {
		t.Errorf("first number %s, want that of the new list", n)
	}
	gone(t, path+".tmp")
}

func TestExisting(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(string) error
		ok   bool
		err  bool
	}{
		"none":             {func(string) error { return nil }, false, false},
		"empty":            {func(p string) error { return os.WriteFile(p, nil, 0o600) }, true, false},
		"list":             {func(p string) error { return os.WriteFile(p, []byte("OTPW1\n1 3"), 0o600) }, true, false},
		"readable list":    {func(p string) error { return os.WriteFile(p, []byte("OTPW1\n"), 0o644) }, true, false},
		"other file":       {func(p string) error { return os.WriteFile(p, []byte("# bash"), 0o600) }, false, true},
		"short file":       {func(p string) error { return os.WriteFile(p, []byte("OT"), 0o600) }, false, true},
		"folder":           {func(p string) error { return os.Mkdir(p, 0o700) }, false, true},
		"fifo":             {func(p string) error { return unix.Mkfifo(p, 0o600) }, false, true},
		"dangling link":    {func(p string) error { return os.Symlink(p+".target", p) }, false, false},
		"link in a circle": {func(p string) error { return os.Symlink(p, p) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "list")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			ok, err := Existing(path)
			if ok != tt.ok || (err != nil) != tt.err {
				t.Errorf("%v, %v; want %v, error %v", ok, err, tt.ok, tt.err)
			}
		})
	}
	if _, err := Existing("/dev/null"); !errors.Is(err, ErrNotList) {
		t.Errorf("a device: %v", err)
	}
}

func TestCheckFolder(t *testing.T) {
	dir := t.TempDir()
	if err := CheckFolder(filepath.Join(dir, ".otpw")); err != nil {
		t.Error(err)
	}
	if err := CheckFolder(filepath.Join(dir, "none", ".otpw")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

func TestUnlock(t *testing.T) {
	path := makeList(t, 30)
	if names, err := Unlock(path); names != "" || err != nil {
		t.Errorf("%q, %v", names, err)
	}
	for range 3 {
		begin(t, path, Options{}).Close()
	}
	if names, err := Unlock(path); names != "0000,0001,0002" || err != nil {
		t.Errorf("%q, %v", names, err)
	}
	locked(t, path, "")
	asks(t, begin(t, path, Options{}), "0000")

	other := filepath.Join(t.TempDir(), "gone") // a lock file whose list is gone
	if err := os.Symlink("junk", other+".lock"); err != nil {
		t.Fatal(err)
	}
	if names, err := Unlock(other); names != "damaged" || err != nil {
		t.Errorf("%q, %v", names, err)
	}
	gone(t, other+".lock")
	if err := os.WriteFile(other+".lock", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Unlock(other); err == nil {
		t.Error("a file that is no lock file: no error")
	}
	if _, err := os.Stat(other + ".lock"); err != nil {
		t.Error(err)
	}
}

// What somebody puts in the place of the new list is not taken for it.
func TestCommitSwapped(t *testing.T) {
	path := makeList(t, 30)
	r := start(t, path)
	if err := r.Write(newList(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", []byte("OTPW1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(); err == nil {
		t.Fatal("no error")
	}
	asks(t, begin(t, path, Options{}), "0000")
}

// In a folder that others may write to, their links lead nowhere.
func TestForeignLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a link of another user's")
	}
	path := makeList(t, 30)
	link := filepath.Join(t.TempDir(), "list")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Existing(link); !errors.Is(err, ErrUnsafe) {
		t.Errorf("existing: %v", err)
	}
	if _, err := Replace(link); !errors.Is(err, ErrUnsafe) {
		t.Errorf("replace: %v", err)
	}
	if _, err := Unlock(link); !errors.Is(err, ErrUnsafe) {
		t.Errorf("unlock: %v", err)
	}
	if _, err := Begin(link, Options{}); !errors.Is(err, ErrUnsafe) {
		t.Errorf("begin: %v", err)
	}
	gone(t, path+".tmp")
}
