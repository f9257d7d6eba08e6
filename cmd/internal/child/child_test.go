// SPDX-License-Identifier: MIT

package child

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What the children do.
const (
	echo = "child-test-echo" // say what they read, on both
	see  = "child-test-see"  // say what they have
)

func TestMain(m *testing.M) {
	switch os.Args[0] {
	case echo:
		in, _ := io.ReadAll(os.Stdin)
		_, err := os.Stdout.Write(in)
		_, err2 := os.Stderr.Write(in)
		if err != nil || err2 != nil {
			os.Exit(1)
		}
		os.Exit(3)
	case see:
		dir, _ := os.Getwd()
		session, _ := unix.Getsid(0)
		fmt.Printf("%v %q %v\n", os.Environ(), dir, session == os.Getpid())
		files, _ := os.ReadDir("/proc/self/fd")
		for _, f := range files {
			to, _ := os.Readlink("/proc/self/fd/" + f.Name())
			fmt.Println(to)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A child has nothing of its parent's.
func TestNothing(t *testing.T) {
	secret, err := os.Create(t.TempDir() + "/secret")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(secret.Fd())) // as a shell leaves it
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	out, _, err := Run(see, nil, nil, nil)
	if err != nil || !strings.HasPrefix(string(out), "[] \"/\" true\n") || strings.Contains(string(out), secret.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

// What a child says is bounded, and its status is told.
func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes int
		want  bool // all of it
	}{"short": {1000, true}, "as long as can be": {most, true}, "too long": {most + 1, false}, "far too long": {10 * most, false}} {
		t.Run(name, func(t *testing.T) {
			in := bytes.Repeat([]byte("x"), tt.bytes)
			out, said, err := Run(echo, nil, in, nil)
			var exit interface{ ExitCode() int }
			if all := bytes.Equal(out, in) && bytes.Equal(said, in) && errors.As(err, &exit) && exit.ExitCode() == 3; all != tt.want || err == nil || len(out) > most || len(said) > most {
				t.Errorf("%d and %d bytes, %v", len(out), len(said), err)
			}
		})
	}
}
