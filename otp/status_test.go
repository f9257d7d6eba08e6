// SPDX-License-Identifier: MIT

package otp

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inspects checks what the next login is asked for, what is set aside, and
// whether a login is open.
func inspects(t *testing.T, path, next string, open bool, want error, aside ...string) Status {
	t.Helper()
	before := readList(t, path).Bytes()
	s, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Next != next || s.Open != open || !slices.Equal(s.Aside, aside) || !errors.Is(s.Err, want) {
		t.Errorf("next %q, open %v, aside %v, error %v; want %q, %v, %v, %v", s.Next, s.Open, s.Aside, s.Err, next, open, aside, want)
	}
	if string(before) != string(readList(t, path).Bytes()) {
		t.Error("the list has changed")
	}
	return s
}

// A list on a file system of another host says so.
func TestInspectRemote(t *testing.T) {
	var st unix.Statfs_t
	path := makeList(t, 30)
	if err := unix.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	if s := inspects(t, path, "0000", false, nil); s.Remote {
		t.Error("remote")
	}
	defer func(before []uint32) { remoteTypes = before }(slices.Clone(remoteTypes))
	remoteTypes = append(remoteTypes, uint32(st.Type))
	if s := inspects(t, path, "0000", false, nil); !s.Remote {
		t.Error("not remote")
	}
}

func TestInspect(t *testing.T) {
	path := makeList(t, 12)
	if s := inspects(t, path, "0000", false, nil); s.Left.Unused != 12 || s.Left.Total != 12 || s.Format != testFormat.Format {
		t.Errorf("%+v", s)
	}
	a := begin(t, path, Options{})
	inspects(t, path, "", true, nil)
	b := begin(t, path, Options{})
	inspects(t, path, "", true, nil)
	a.Close()
	inspects(t, path, "0001", true, nil, "0000")
	b.Close()
	inspects(t, path, "0001", false, nil, "0000")
	for range 2 {
		begin(t, path, Options{}).Close()
	}
	inspects(t, path, "", false, nil, "0000", "0001", "0002")
	accepts(t, begin(t, path, Options{}))
	if s := inspects(t, path, string(begin(t, path, Options{NoLock: true}).Challenge()), false, nil); s.Left.Unused != 6 {
		t.Errorf("%+v", s)
	}
	for range 3 {
		begin(t, path, Options{}).Close()
	}
	if s, err := Inspect(path); err != nil || s.Err != ErrTooFew || len(s.Aside) != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Revoke(path, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	inspects(t, path, "", false, ErrExhausted)

	path = makeList(t, minMulti) // just enough for three numbers
	for range 3 {
		begin(t, path, Options{}).Close()
	}
	inspects(t, path, "", false, nil, "0000", "0001", "0002")
	if _, err := Revoke(path, func(n string) bool { return n < "0003" }); err != nil {
		t.Fatal(err)
	}
	inspects(t, path, "0003", false, nil) // names of used entries do not count

	path = makeList(t, 12)
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inspects(t, path, "", false, nil) // a damaged lock file: three numbers
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	inspects(t, path, "", false, nil) // it needs no more than to read
}

// Whoever opens a file for writing that is leased to a reader is kept waiting.
func TestInspectOnlyReads(t *testing.T) {
	path := makeList(t, 12)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		t.Skipf("no leases here: %v", err)
	}
	inspects(t, path, "0000", false, nil)
}

func TestInspectOTPW2(t *testing.T) {
	defer func(h Header) { testFormat = h }(testFormat)
	testFormat = cheap
	testFormat.Label = "trip"
	testFormat.Created = time.Now().Add(-time.Hour)
	testFormat.Expires = time.Now().Add(time.Minute)
	path := makeList(t, 12)
	if s := inspects(t, path, "0000", false, nil); s.Label != "trip" || s.Host != cheap.Host || !s.Left.Expiring || !s.Left.Low() {
		t.Errorf("%+v", s)
	}
	testFormat.Expires = time.Now().Add(-time.Minute)
	inspects(t, makeList(t, 12), "", false, ErrExpired)

	testFormat = cheap
	testFormat.KDF.Passes = DefaultKDFMaxPasses + 1
	inspects(t, makeList(t, 2), "", false, ErrCost)
}

func TestInspectErrors(t *testing.T) {
	if _, err := Inspect(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNoList) {
		t.Errorf("no list: %v", err)
	}
	path := makeList(t, 12)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(path); !errors.Is(err, ErrUnsafe) {
		t.Errorf("open to others: %v", err)
	}
}
