// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/strace"
)

// revokeEnv names a list. The test binary then revokes the entries 0001, 0003
// and 0004 of it, all in its first thread, and does nothing else.
const revokeEnv = "OTPW_TEST_REVOKE"

func init() {
	if os.Getenv(revokeEnv) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if path := os.Getenv(revokeEnv); path != "" {
		n, err := Revoke(path, func(number string) bool { return slices.Contains([]string{"0001", "0003", "0004"}, number) })
		fmt.Print(n)
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(actorEnv) != "" {
		act(os.Stdin, os.Stdout)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// revokes runs that under strace. status is -1 when it was killed.
func revokes(t *testing.T, path string, options ...string) (status, revoked int, calls []strace.Call) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	argv := append([]string{"strace", "-o", log, "-P", path, "-P", path + ".lock", "-P", filepath.Dir(path)}, options...)
	cmd := exec.CommandContext(t.Context(), argv[0], append(argv[1:], os.Args[0])...)
	cmd.Env = append(os.Environ(), revokeEnv+"="+path, "GODEBUG=asyncpreemptoff=1") // no signals of Go's own, which make calls begin anew
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	fmt.Sscan(string(out), &revoked)
	text, err := os.ReadFile(log)
	if calls = strace.Parse(string(text)); len(calls) == 0 {
		t.Fatalf("nothing traced: %v", err)
	}
	return cmd.ProcessState.ExitCode(), revoked, calls
}

// Revoking is killed right before each of its system calls, or one of them
// fails: the list stays a list, each entry is as it was or used, and those that
// have been reported are used.
func TestRevokeFaults(t *testing.T) {
	for name, header := range map[string]Header{"otpw1": {Format: OTPW1}, "otpw2": cheap} {
		t.Run(name, func(t *testing.T) {
			defer func(before Header) { testFormat = before }(testFormat)
			testFormat = header
			path := makeList(t, 6)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			status, revoked, calls := revokes(t, path)
			if status != 0 || revoked != 3 {
				t.Fatalf("status %d, %d revoked", status, revoked)
			}
			used(t, path, 1, 3, 4)
			cases := 0
			for i, p := range strace.Points(calls) {
				for _, fault := range revokeFaults(calls[i]) {
					cases++
					t.Run(fmt.Sprint(i, " ", p, " ", fault), func(t *testing.T) {
						if err := os.WriteFile(path, whole, 0o600); err != nil {
							t.Fatal(err)
						}
						status, revoked, calls := revokes(t, path, p.Inject(fault))
						if len(calls) <= i || calls[i].Name != p.Name || !calls[i].Injected() && !calls[i].Cut() {
							t.Fatalf("no fault in %v:\n%v", p, calls)
						}
						if fault == "error=EINTR" && status != 0 {
							t.Errorf("status %d", status)
						}
						revokedOnly(t, path, whole, status, revoked)
					})
				}
			}
			t.Logf("%d calls, %d faults", len(calls), cases)
		})
	}
}

func revokeFaults(c strace.Call) []string {
	switch {
	case c.Name == "pwrite64":
		return []string{strace.Kill, "error=EIO", "error=ENOSPC", "error=EROFS", "error=EDQUOT", "error=EINTR", "retval=0", "retval=5"}
	case c.Name == "close":
		return []string{strace.Kill, "error=EIO"}
	}
	return []string{strace.Kill, "error=EIO", "error=EROFS", "error=EINTR"}
}

// revokedOnly checks that of a list only the entries that were to be revoked are used: those first that were reported.
func revokedOnly(t *testing.T, path string, whole []byte, status, revoked int) {
	t.Helper()
	l := readList(t, path)
	before, err := Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	for i := range before.n {
		was, is := before.entry(i), l.entry(i)
		overwritten := !l.Unused(i) && strings.Trim(string(is), "-") == ""
		if !bytes.Equal(was, is) && !(slices.Contains([]int{1, 3, 4}, i) && overwritten) {
			t.Errorf("entry %d is %q, was %q", i, is, was)
		}
	}
	for k, i := range []int{1, 3, 4} {
		if l.Unused(i) && (k < revoked || status == 0) {
			t.Errorf("entry %d is not used; status %d, %d revoked", i, status, revoked)
		}
	}
	if _, err := Begin(path, Options{NoLock: true}); err != nil {
		t.Errorf("the next login: %v", err)
	}
}
