// SPDX-License-Identifier: MIT

package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The program runs three times: as it was started, as process 1 of the new
// world, which builds the world and reaps orphans, and inside the world, where
// its real work is done. Its name tells the second and third from the first.
const (
	initName   = "otpw-world-init"
	insideName = "otpw-world"
)

// ErrNotRoot is what Enter returns to an ordinary user.
var ErrNotRoot = errors.New("needs root: a private world is made of mount, process and network namespaces")

// Enter moves the program into a new world. It returns only inside it, or with
// an error; the process that called it waits there for the one inside and
// exits with its status. Call it first thing in main or TestMain.
func Enter() (*World, error) {
	switch os.Args[0] {
	case initName:
		os.Exit(runInit())
	case insideName:
		return open()
	}
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	// The death signal is sent when the thread that forked ends, so keep that thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", arguments()...)
	cmd.Args[0] = initName
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("make namespaces: %w", err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("wait for the world: %w", err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		fmt.Fprintln(os.Stderr, "world: ended by", status.Signal())
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
	return nil, nil
}

// arguments are the program's own, without the one that names a file outside
// the world in which go test wants to read what the test has read.
func arguments() []string {
	var args []string
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.testlogfile=") {
			args = append(args, arg)
		}
	}
	return args
}

// runInit is process 1: it builds the world, starts the program in it, reaps
// whatever is orphaned, and ends with the program. The kernel then kills
// everything that is left.
func runInit() int {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		return 1
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	program, err := os.StartProcess("/proc/self/exe", append([]string{insideName}, os.Args[1:]...), &os.ProcAttr{
		Dir:   dir,
		Env:   environment(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		return 1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			fmt.Fprintln(os.Stderr, "world: wait:", err)
			return 1
		case pid == program.Pid && status.Signaled():
			fmt.Fprintln(os.Stderr, "world: program ended by", status.Signal())
			return 128 + int(status.Signal())
		case pid == program.Pid:
			return status.ExitStatus()
		}
	}
}

// environment is what the program sees: a plain one, and what is meant for it.
func environment() []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "LANG=C", "TERM=dumb", "TMPDIR=/tmp",
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "OTPW_") || strings.HasPrefix(v, "CI=") || strings.HasPrefix(v, "GOTRACEBACK=") {
			env = append(env, v)
		}
	}
	return env
}
