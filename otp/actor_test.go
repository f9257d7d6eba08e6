// SPDX-License-Identifier: MIT

package otp

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// actorEnv makes an actor of the test binary: a process that does to a list what
// it is told, one thing after the other, and may be killed meanwhile.
const actorEnv = "OTPW_TEST_ACTOR"

// patience is how long anything may take.
const patience = time.Minute

// A command is what an actor is told to do.
type command struct {
	Do       string // a case of stage.do
	Path     string
	Options  Options
	Response []byte
	Revoke   []string // numbers
	Header   Header   // of the list to write
	List, N  int      // its generation and entries

	Disk string        // folder of what has been synced
	Slow time.Duration // what a sync takes, at least
	Die  string        // the process kills itself "before" or "after" a sync
}

// A reply is what came of a command. Whoever was killed gives none.
type reply struct {
	Err     string   // "", or the text of the sentinel, or of the error if it is none
	Numbers []string // asked for, revoked, or unused
	Left    Remaining
	Names   []string // in the lock file
}

// lost stands in place of the error of a command whose reply nobody heard.
const lost = "lost"

// act is the life of an actor. It ends when nobody is there to tell it anything.
func act(in io.Reader, out io.Writer) {
	runtime.GOMAXPROCS(1)             // there are dozens
	lockWait = patience - time.Second // nobody holds the list lock for long: ErrBusy is a fault
	var s stage
	commands, replies := gob.NewDecoder(in), gob.NewEncoder(out)
	for {
		var c command
		if commands.Decode(&c) != nil || replies.Encode(s.do(c)) != nil {
			return
		}
	}
}

// stage is what an actor has in hand.
type stage struct {
	login *Login
	next  *Replacement
}

func (s *stage) do(c command) (r reply) {
	fdatasync = func(fd int) error { return c.sync(fd, unix.Fdatasync) }
	fsync = func(fd int) error { return c.sync(fd, unix.Fsync) }
	var err error
	switch c.Do {
	case "begin":
		if s.login, err = Begin(c.Path, c.Options); err == nil {
			for _, i := range s.login.entries {
				r.Numbers = append(r.Numbers, s.login.list.Number(i))
			}
		}
	case "verify":
		r.Left, err = s.login.Verify(c.Response)
	case "close":
		s.login.Close()
	case "revoke":
		r.Numbers, err = revoke(c.Path, c.Revoke)
	case "replace":
		s.next, err = Replace(c.Path)
	case "write":
		err = s.write(c)
	case "commit":
		err = s.next.Commit()
	case "abort":
		err = s.next.Abort()
	case "unlock":
		_, err = Unlock(c.Path)
	case "look":
		r.Numbers, r.Names, err = look(c.Path)
	default:
		err = fmt.Errorf("told to %q", c.Do)
	}
	r.Err = errorName(err)
	return r
}

// errorName is the text of err, or of the sentinel that it is.
func errorName(err error) string {
	if err == nil {
		return ""
	}
	for _, is := range []error{ErrExhausted, ErrTooFew, ErrBusy, ErrWrong, ErrUsed, ErrReplaced} {
		if errors.Is(err, is) {
			return is.Error()
		}
	}
	return err.Error()
}

// revoke returns the numbers that were unused until then.
func revoke(path string, numbers []string) (hit []string, err error) {
	n, err := Revoke(path, func(number string) bool {
		revoked := slices.Contains(numbers, number)
		if revoked {
			hit = append(hit, number)
		}
		return revoked
	})
	if err == nil && n != len(hit) {
		err = fmt.Errorf("revoked %d, said %d", len(hit), n)
	}
	return hit, err
}

func (s *stage) write(c command) error {
	var pws []Numbered
	for i := range c.N {
		number := numberOf(c.List, i)
		pws = append(pws, Numbered{number, []byte(password(number))})
	}
	l, err := Recipe{Header: c.Header, Ordered: true}.Make(context.Background(), []byte(prefix), pws)
	if err != nil {
		return err
	}
	return s.next.Write(l)
}

// look reads list and lock file at one moment, with the list lock.
func look(path string) (unused, names []string, err error) {
	f, err := openLocked(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.close()
	l, err := f.read()
	if err != nil {
		return nil, nil, err
	}
	for _, i := range l.unused() {
		unused = append(unused, l.Number(i))
	}
	lock, err := f.readLock(l.width)
	if err == nil && lock.forged {
		err = errors.New("damaged lock file")
	}
	return unused, lock.names, err
}

// sync stands for a disk that is slow, and that the power may go off.
func (c *command) sync(fd int, real func(int) error) error {
	time.Sleep(c.Slow)
	if c.Die == "before" {
		die()
	}
	err := real(fd)
	if err == nil {
		err = keep(c.Disk, fd)
	}
	if c.Die == "after" {
		die()
	}
	return err
}

func die() {
	unix.Kill(unix.Getpid(), unix.SIGKILL)
	select {}
}

// keep puts what is in a file by now into the folder disk, under its inode number.
func keep(disk string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return err
	}
	data := make([]byte, st.Size)
	if _, err := unix.Pread(fd, data, 0); err != nil {
		return err
	}
	tmp := filepath.Join(disk, fmt.Sprintf("%d.tmp", unix.Getpid()))
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, onDisk(disk, st.Ino))
}

func onDisk(disk string, inode uint64) string { return filepath.Join(disk, fmt.Sprint(inode)) }

// powerCut leaves of the list what keep has seen of it.
func powerCut(path, disk string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	data, err := os.ReadFile(onDisk(disk, st.Ino))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// An actor, as seen by whoever tells it what to do.
type actor struct {
	cmd *exec.Cmd // nil when dead
	out *os.File
	enc *gob.Encoder
	dec *gob.Decoder
}

func (a *actor) start() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), actorEnv+"=yes")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	a.cmd, a.out, a.enc, a.dec = cmd, out.(*os.File), gob.NewEncoder(in), gob.NewDecoder(out)
	return nil
}

// never is a time after which no actor is killed.
const never = time.Duration(-1)

// do has the actor carry out c. It is killed when kill has passed; whether it is
// still alive afterwards is told by a.cmd.
func (a *actor) do(c command, kill time.Duration) (r reply) {
	if a.cmd == nil {
		if err := a.start(); err != nil {
			return reply{Err: err.Error()}
		}
	}
	err := a.enc.Encode(c)
	if kill != never {
		time.Sleep(kill)
		a.cmd.Process.Kill()
	}
	if err == nil {
		a.out.SetReadDeadline(time.Now().Add(patience))
		err = a.dec.Decode(&r)
	}
	switch {
	case err == nil && kill == never:
		return r
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.cmd.Process.Signal(unix.SIGQUIT) // where does it hang?
		r = reply{Err: c.Do + " hangs"}
	case err != nil:
		r = reply{Err: lost}
	}
	a.cmd.Wait() // what it held is free after that
	if r.Err == lost && a.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		r.Err = fmt.Sprintf("%s: the process ended by itself: %v", c.Do, a.cmd.ProcessState)
	}
	a.cmd = nil
	return r
}

// kill kills the actor while it does nothing.
func (a *actor) kill() {
	if a.cmd != nil {
		a.cmd.Process.Kill()
		a.cmd.Wait()
		a.cmd = nil
	}
}
