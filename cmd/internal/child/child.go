// SPDX-License-Identifier: MIT

// Package child runs a program of this project once more, to look at what belongs to
// somebody else. That may lie on a file system of another host, or on one that its
// owner has made: it can hang, so that not even SIGKILL helps.
package child

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	most     = 64 << 10         // bytes that a child may say
	atOnce   = 8                // children
	Patience = 10 * time.Second // that a child has
)

// Run starts this program as name, by which it knows what it is to do, and returns
// what it writes to standard output, and to standard error. It gets nothing of this
// process: no terminal, into which it could type (TIOCSTI), no environment, no working
// directory, no open file.
func Run(name string, args []string, stdin []byte, as *syscall.Credential) (out, said []byte, err error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = name
	cmd.Env, cmd.Dir, cmd.SysProcAttr = []string{}, "/", &syscall.SysProcAttr{Setsid: true, Credential: as}
	var o, e bounded
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(stdin), &o, &e, time.Second
	err = closeOnExec()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return o.data, e.data, err
	case <-time.After(Patience):
		// Not waited for: what hangs in the kernel cannot be killed.
		_ = cmd.Process.Kill()
		return nil, nil, fmt.Errorf("no answer within %v", Patience)
	}
}

// closeOnExec keeps the files that this process was started with from its children;
// those that it has opened itself are not theirs anyway.
func closeOnExec() error {
	files, err := os.ReadDir("/proc/self/fd")
	for _, f := range files {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 { // of 0 to 2 the child has its own
			syscall.CloseOnExec(fd)
		}
	}
	return err
}

// Each calls do with 0 to n-1, some at once, and waits for all.
func Each(n int, do func(i int)) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wait.Done() }()
			do(i)
		}()
	}
	wait.Wait()
}

// bounded takes so many bytes, and no more. It is no bytes.Buffer, whose ReadFrom would
// go around Write.
type bounded struct{ data []byte }

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > most {
		return 0, io.ErrShortBuffer
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
