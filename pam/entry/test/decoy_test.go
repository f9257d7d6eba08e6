// SPDX-License-Identifier: MIT

package entry_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dchest/siphash"
	"golang.org/x/sys/unix"
)

// The key of the test vectors that SipHash was published with.
var secret = []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")

const places = 1 << 24

func token(name string) uint64 {
	return siphash.Hash(0x0706050403020100, 0x0f0e0d0c0b0a0908, []byte(name))
}

func place(name string) int64 { return int64(len(secret)) + int64(token(name)%places) }

// makeState makes the state file anew.
func makeState(t *testing.T, p parts) string {
	t.Helper()
	must(t, os.RemoveAll(filepath.Dir(p.state())))
	must(t, os.Mkdir(filepath.Dir(p.state()), 0o700))
	must(t, os.WriteFile(p.state(), secret, 0o600))
	return p.state()
}

// TestDecoy is about what the entry gives to the worker and keeps for it.
func TestDecoy(t *testing.T) {
	needRoot(t)
	if token("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e") != 0xa129ca6149be45e5 {
		t.Fatal("this is not SipHash-2-4")
	}
	eachBuild(t, func(t *testing.T, p parts) {
		state := makeState(t, p)
		in := install(t, p, "core.so")
		in.configure(t, "report", "decoy")
		wants := func(user, kept string) {
			t.Helper()
			out := in.run(t, host{user: user})
			out.wantResult(authErr)
			out.want(fmt.Sprintf("request decoy=%016x %s\n", token(user), kept))
		}
		wants("nobody", "0 0")
		wants("root", "0 0")
		for n := range 20 { // around both ends of a block
			wants("x"+strings.Repeat("\xff", n), "0 0")
		}

		unknown := in.run(t, host{user: "stranger"})
		unknown.want("request account=none\n", "request home=/nonexistent\n", "status Uid: 65534 65534 65534 65534\n",
			"status Gid: 65534 65534 65534 65534\n", "groups 1\n", "user=- rhost=- ")
		unknown.want("request user=stranger\n")
		if strings.Count(unknown.text, "stranger") != 1 {
			t.Errorf("the name is logged:\n%s", unknown.text)
		}
		in.run(t, host{user: "nobody"}).wantNot("request account=")

		for _, kept := range []int{3, 255, 0} {
			in.configure(t, fmt.Sprintf("keep=%d", kept), "decoy")
			in.run(t, host{user: "stranger"}).wantResult(authinfoUnavail)
			in.configure(t, "report", "decoy")
			wants("stranger", fmt.Sprintf("%d 0", kept))
			wants("nobody", "0 0")
		}

		// Another login with the name: known to the worker, whose byte is not kept.
		f, err := os.OpenFile(state, os.O_RDWR, 0)
		must(t, err)
		must(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: place("stranger"), Len: 1}))
		wants("stranger", "0 1")
		before, behind := besides("stranger")
		wants(before, "0 0")
		wants(behind, "0 0")
		in.configure(t, "keep=7", "decoy")
		in.run(t, host{user: "stranger"}).wantResult(authinfoUnavail)
		must(t, f.Close())
		in.configure(t, "report", "decoy")
		wants("stranger", "0 0")

		// Nobody's worker has only nobody's rights, and lets nobody in.
		in.configure(t, "keep=0", "decoy")
		out := in.run(t, host{user: "stranger", stdin: "right\n"})
		out.wantResult(systemErr)
		out.want(`user=- rhost=- result=error reason="worker reported success for a user that does not exist`, "authtok none")

		// No user's worker may be given places to fill without decoys, or many.
		kept, err := os.ReadFile(state)
		must(t, err)
		in.configure(t, "keep=9")
		in.run(t, host{stdin: "right\n"}).want("\nauthenticate: 0\n")
		in.configure(t, "keep-two", "decoy")
		in.run(t, host{}).want(`result=error reason="worker sent a frame of type 0x44 with 2 bytes`)
		after, err := os.ReadFile(state)
		must(t, err)
		if !bytes.Equal(kept, after) {
			t.Error("the state has changed")
		}

		// Descriptors that a host has closed do not become the state file.
		in.configure(t, "keep=1", "decoy")
		out = in.run(t, host{stdin: "right\n", flags: []string{"-c"}})
		out.want("result=accepted")
		out.wantNot("is somebody's")
		if now, err := os.ReadFile(state); err != nil || bytes.Contains(now, []byte("noise")) {
			t.Errorf("the host has written into the state file: %v", err)
		}
		// A limit of the caller's that decoys would run into, but not those who have a list, is for all.
		for _, user := range []string{"nobody", "stranger"} {
			out := in.run(t, host{user: user, stdin: "right\n", flags: []string{"-L", "FSIZE=33554431"}})
			out.wantResult(systemErr)
			out.want(`user=- rhost=- result=error reason="the caller's limit on the size of files is below 33554432 bytes"`)
			out.wantNot("prompt:")
		}
		in.run(t, host{user: "stranger", flags: []string{"-L", "FSIZE=33554432"}}).want("prompt:")

		// Only this argument, nothing that begins like it.
		in.configure(t, "report", "decoys", "decoy=1")
		in.run(t, host{user: "nobody"}).wantNot("request decoy=")
		in.configure(t, "keep=1", "decoy")
		// Nobody but root has decoys, nor a line about it.
		out = in.run(t, host{uid: nobody, stdin: "right\n"})
		out.want("\nauthenticate: 0\n")
		out.wantNot("decoys")
	})
}

// besides returns names whose places lie before and behind that of another.
func besides(name string) (before, behind string) {
	for i := 0; before == "" || behind == ""; i++ {
		other := fmt.Sprint("name", i)
		if place(other) < place(name) {
			before = other
		} else if place(other) > place(name) {
			behind = other
		}
	}
	return before, behind
}

// TestNoDecoy is about a state file that is not what it should be: logins go on without decoys.
func TestNoDecoy(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	in := install(t, p, "core.so")
	in.configure(t, "report", "decoy")
	for _, tt := range []struct {
		why   string
		spoil func(path string) error
	}{
		{"No such file or directory", os.Remove},
		{"shorter than 16 bytes", func(path string) error { return os.Truncate(path, 15) }},
		{"open to others, want mode 0600", func(path string) error { return os.Chmod(path, 0o640) }},
		{"wrong owner, want root", func(path string) error { return os.Chown(path, nobody, 0) }},
		{"Too many levels of symbolic links", func(path string) error {
			return firstError(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
		}},
		{"not a regular file", func(path string) error { return firstError(os.Remove(path), unix.Mkfifo(path, 0o600)) }},
	} {
		state := makeState(t, p)
		must(t, tt.spoil(state))
		out := in.run(t, host{user: "stranger"})
		out.wantResult(userUnknown)
		out.want("log: err pam_otpw(t:auth): user=- rhost=- no decoys: "+state+": "+tt.why+" (the installation makes it, and libexec/otpw/decoy-secret)\n", `result=refused reason="unknown user"`)
		out = in.run(t, host{user: "nobody"})
		out.wantResult(authErr)
		out.wantNot("request decoy=")
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
