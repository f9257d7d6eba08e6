// SPDX-License-Identifier: MIT

package main

import (
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden parts of the scripts anew")

func TestMain(m *testing.M) {
	// Whoever runs the tests may ignore signals (nohup; a job in the background
	// of a shell): programs that the tests start begin with the default.
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTERM} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	testscript.Main(tests{m}, map[string]func(){"otpw-gen": main, "cheap-gen": cheapMain})
}

// cheapMain is main, but for the default cost of a hash, to save time. Options
// of the command line come behind it, and win.
func cheapMain() {
	os.Args = slices.Insert(os.Args, 1, "--kdf-memory", "1", "--kdf-passes", "1")
	main()
}

// tests are all tests, and what is to be done after them.
type tests struct{ *testing.M }

func (t tests) Run() int {
	defer func() {
		if builtDir != "" {
			os.RemoveAll(builtDir)
		}
	}()
	return t.M.Run()
}

var builtDir string

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "root" && os.Geteuid() == 0, nil
		},
	})
}

// built is the program as it is shipped: without cgo, with a version.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "otpw-gen-test")
	if err != nil {
		return "", err
	}
	builtDir = dir
	if err := os.Chmod(dir, 0o755); err != nil { // other users run it, too
		return "", err
	}
	file := filepath.Join(dir, "otpw-gen")
	cmd := exec.Command("go", "build", "-o", file, "-ldflags", "-X main.version=v1.2.3-test", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return file, err
})

func program(t *testing.T) string {
	t.Helper()
	file, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// original returns the otpw-gen of OTPW 1.5.
func original(t *testing.T) string {
	t.Helper()
	root := os.Getenv("OTPW_ORIGINAL")
	if root == "" {
		t.Skip("OTPW_ORIGINAL is not set to a folder with the original's usr/bin/otpw-gen")
	}
	return filepath.Join(root, "usr/bin/otpw-gen")
}
