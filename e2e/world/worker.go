// SPDX-License-Identifier: MIT

package world

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Worker is the module's worker, with the test in the part of the entry.
type Worker struct {
	t    T
	cmd  *exec.Cmd
	conn net.Conn
	out  strings.Builder // what the program before the worker says
	done chan struct{}   // closed when it has ended
}

// StartWorker starts the worker for account as the entry does
// (pam/entry/child.c), and sends the request; arguments are the module's. With
// before, the command that it returns for the name of the worker's socket starts
// the worker, with root's ids.
func (w *World) StartWorker(t T, m Module, a *Account, before func(socket string) []string, arguments ...string) *Worker {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("start worker: %v", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "entry"), os.NewFile(uintptr(pair[1]), "worker")
	defer theirs.Close()
	wk := &Worker{t: t, done: make(chan struct{})}
	wk.conn, err = net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatalf("start worker: %v", err)
	}
	_ = wk.conn.SetDeadline(time.Now().Add(Patience))

	as, argv := a, []string{m.Worker()}
	if before != nil {
		var st unix.Stat_t
		if err := unix.Fstat(pair[1], &st); err != nil {
			t.Fatalf("start worker: %v", err)
		}
		as, argv = Root, append(before(fmt.Sprintf("socket:[%d]", st.Ino)), argv...)
	}
	wk.cmd = command(as, argv...)
	wk.cmd.Dir = "/"
	wk.cmd.Env = []string{"GOTRACEBACK=none", "GOMAXPROCS=1", "MALLOC_ARENA_MAX=1"}
	wk.cmd.SysProcAttr.Setsid = true
	wk.cmd.ExtraFiles = []*os.File{theirs} // descriptor 3
	wk.cmd.Stdout, wk.cmd.Stderr = &wk.out, &wk.out
	if err := wk.cmd.Start(); err != nil {
		t.Fatalf("start worker: %v", err)
	}
	go func() {
		_ = wk.cmd.Wait()
		close(wk.done)
	}()
	request := "protocol=1\x00version=test\x00log=pam_otpw(test:auth): user=" + a.Name + " rhost=-\x00home=" + a.Home + "\x00"
	for _, arg := range arguments {
		request += "arg=" + arg + "\x00"
	}
	wk.Send('Q', request)
	return wk
}

// Send sends a frame. A worker that has ended does not get it.
func (wk *Worker) Send(kind byte, payload string) {
	frame := binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(payload)))
	_, _ = wk.conn.Write(append(frame, payload...))
}

// Receive returns the next frame; its kind is 0 when the worker has ended.
func (wk *Worker) Receive() (kind byte, payload string) {
	wk.t.Helper()
	var head [3]byte
	_, err := io.ReadFull(wk.conn, head[:])
	b := make([]byte, binary.BigEndian.Uint16(head[1:]))
	if err == nil {
		_, err = io.ReadFull(wk.conn, b)
	}
	if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
		wk.t.Fatalf("nothing from the worker within %v\n%s", Patience, ProcessTable())
	}
	if err != nil {
		return 0, ""
	}
	return head[0], string(b)
}

// Attempt is what came of a login.
type Attempt struct {
	Asked  []string // the numbers; nil: there was no prompt
	Log    []string // lines, with the letter for their priority
	Result int      // of PAM; -1: none
}

// Prompt waits for the prompt, or for the attempt's end.
func (wk *Worker) Prompt() (a Attempt) {
	wk.t.Helper()
	a.Result = -1
	wk.receive(&a)
	return a
}

// Answer answers the prompt of an attempt and waits for its end.
func (wk *Worker) Answer(a *Attempt, response string) {
	wk.t.Helper()
	if a.Asked != nil {
		wk.Send('R', response)
		wk.receive(a)
	}
	wk.End()
}

// receive takes frames until there is a prompt, or no more of them.
func (wk *Worker) receive(a *Attempt) {
	wk.t.Helper()
	for {
		kind, text := wk.Receive()
		switch kind {
		case 0:
			return
		case 'P':
			a.Asked = strings.Split(strings.TrimSuffix(strings.TrimPrefix(text, "Password "), ": "), "/")
			return
		case 'L':
			a.Log = append(a.Log, text)
		case 'N':
		case 'F':
			a.Result = int(text[0])
		default:
			wk.t.Fatalf("frame %q %q", kind, text)
		}
	}
}

// End ends the connection and waits for the worker's end.
func (wk *Worker) End() {
	wk.t.Helper()
	_ = wk.conn.Close()
	select {
	case <-wk.done:
	case <-time.After(Patience):
		wk.t.Fatalf("the worker has not ended within %v\n%s", Patience, ProcessTable())
	}
}

// PID is the worker's, whatever was started before it.
func (wk *Worker) PID() int {
	wk.t.Helper()
	for _, p := range Descendants(wk.cmd.Process.Pid) {
		if isWorker(p) {
			return p.PID
		}
	}
	return wk.cmd.Process.Pid
}

func (wk *Worker) String() string { return fmt.Sprint(wk.cmd.Args, "\n", wk.out.String()) }
