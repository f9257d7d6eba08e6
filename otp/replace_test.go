// SPDX-License-Identifier: MIT

package otp

import (
	"errors"
	"os"
	"path/filepath"
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
	l, err := NewList([]byte(prefix), []Numbered{{"0500", []byte(password("0500"))}}, true)
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
	defer unix.Umask(unix.Umask(0o777))
	path := filepath.Join(t.TempDir(), ".otpw")
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
	if err := os.WriteFile(other+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := Unlock(other); names != "damaged" || err != nil {
		t.Errorf("%q, %v", names, err)
	}
	gone(t, other+".lock")
}
