// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/world"
	"github.com/otpw-go/otpw/otp"
)

const oneEntry = "OTPW1\n1 3 12 8\n000abcdefghijkm\n"

// withList makes a folder with a list in it.
func withList(t *testing.T) (dir, list string) {
	t.Helper()
	dir = t.TempDir()
	list = filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte(oneEntry), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, list
}

func unchanged(t *testing.T, dir, list string) {
	t.Helper()
	if b, err := os.ReadFile(list); err != nil || string(b) != oneEntry {
		t.Errorf("list is now %q, %v", b, err)
	}
	files(t, dir, "list")
}

// A signal while the sheet is on its way: no new list.
func TestSignalWhilePrinting(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			dir, list := withList(t)
			cmd := exec.Command(program(t))
			stuck(t, cmd, list)
			cmd.Process.Signal(sig)
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 128+int(sig) {
				t.Errorf("exit status %d, want %d", got, 128+int(sig))
			}
			unchanged(t, dir, list)
		})
	}
}

// What the caller ignores stays ignored (nohup, say).
func TestIgnoredSignal(t *testing.T) {
	dir, list := withList(t)
	cmd := exec.Command("/bin/sh", "-c", `trap "" HUP; exec "$@"`, "sh", program(t))
	sheet := stuck(t, cmd, list)
	cmd.Process.Signal(syscall.SIGHUP)
	if _, err := io.Copy(io.Discard, sheet); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(list); err != nil || !bytes.HasPrefix(b, []byte("OTPW1\n9999 ")) {
		t.Errorf("list is now %.20q, %v", b, err)
	}
	files(t, dir, "list")
}

// stuck starts the program, with a sheet that nobody reads, and waits until
// the new list is there beside the old one. It returns the rest of the sheet.
func stuck(t *testing.T, cmd *exec.Cmd, list string) io.Reader {
	t.Helper()
	cmd.Args = append(cmd.Args, "-f", list, "--count", "9999", "--format", "otpw1")
	cmd.Stdin = strings.NewReader("y\npre\npre\n")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); cmd.Process.Kill() })
	w.Close()
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(list + ".tmp"); err != nil {
		t.Fatal(err)
	}
	return r
}

// A run that was killed leaves at most a file that the next one removes.
func TestKilled(t *testing.T) {
	dir, list := withList(t)
	cmd := exec.Command(program(t))
	stuck(t, cmd, list)
	cmd.Process.Kill()
	cmd.Wait()
	if b, err := os.ReadFile(list); err != nil || string(b) != oneEntry {
		t.Errorf("list is now %q, %v", b, err)
	}
	runGen(t, program(t), "y\npre\npre\n", "-f", list, "-h5")
	files(t, dir, "list")
}

// A reader that goes away: an error like others, not a silent death.
func TestBrokenPipe(t *testing.T) {
	dir, list := withList(t)
	cmd := exec.Command(program(t), "-f", list, "-h5")
	cmd.Stdin = strings.NewReader("y\npre\npre\n")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	var msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &msg
	err = cmd.Run()
	w.Close()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(msg.String(), "ended before it was all there") {
		t.Errorf("%v\n%s", err, msg.String())
	}
	unchanged(t, dir, list)
}

// Two at once: the second says so, the first is not disturbed.
func TestBusy(t *testing.T) {
	dir, list := withList(t)
	r, err := otp.Replace(list)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "-f", list, "-h5")
	cmd.Stdin = strings.NewReader("y\npre\npre\n")
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err == nil || out.Len() > 0 || !strings.Contains(msg.String(), "Try again in a moment") {
		t.Errorf("%v\n%s%s", err, out.String(), msg.String())
	}
	files(t, dir, "list", "list.tmp")
	if err := r.Abort(); err != nil {
		t.Error(err)
	}
	unchanged(t, dir, list)
}

// A login that holds the list too long: the sheet is out already, but worthless. One in
// a file is taken back.
func TestBusyAtTheEnd(t *testing.T) {
	for name, options := range map[string][]string{"text": {"-h5"}, "PDF": {"--pdf", "sheet.pdf", "--force"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, list := withList(t)
			sheet := filepath.Join(dir, "sheet.pdf")
			if err := os.WriteFile(sheet, []byte("the sheet before"), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(list, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
			if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &whole); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program(t), append([]string{"-f", "list", "--format", "otpw1"}, options...)...)
			cmd.Dir = dir
			cmd.Stdin = strings.NewReader("y\npre\npre\n")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "Try again in a moment") || !strings.Contains(string(out), "throw it away") {
				t.Errorf("%v\n%s", err, out)
			}
			if b, err := os.ReadFile(sheet); err != nil || string(b) != "the sheet before" {
				t.Errorf("sheet: %v\n%.100s", err, b)
			}
			files(t, dir, "list", "sheet.pdf")
			if b, err := os.ReadFile(list); err != nil || string(b) != oneEntry {
				t.Errorf("list is now %q, %v", b, err)
			}
		})
	}
}

// status sees somebody at the prompt, and revoke wins over him.
func TestOpenPrompt(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	sheet, _ := runGen(t, program(t), "pre\npre\n", "-f", list, "--format", "otpw1", "-o")
	const open, openJSON = "somebody is being asked for a password right now", `"login_in_progress": true`
	if out, _ := runGen(t, program(t), "", "status", "-f", list); strings.Contains(out, open) {
		t.Errorf("nobody is being asked:\n%s", out)
	}
	l, err := otp.Begin(list, otp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for arg, want := range map[string]string{"--json=false": open, "--json": openJSON} {
		if out, _ := runGen(t, program(t), "", "status", "-f", list, arg); !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	number := l.Challenge()
	runGen(t, program(t), "", "revoke", "-f", list, "--yes", number)
	if _, err := l.Verify([]byte("pre" + world.ParseSheet(sheet)[number])); err == nil {
		t.Error("the password that was revoked is accepted")
	}
}

func TestVersion(t *testing.T) {
	out, err := exec.Command(program(t), "--version").Output()
	if err != nil || string(out) != "otpw-gen v1.2.3-test\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// No core file, and no debugger of the user's, gets the prefix password: the
// kernel gives the process's memory to root.
func TestNotDumpable(t *testing.T) {
	dir := openTemp(t)
	cmd := exec.Command(program(t))
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte(oneEntry), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		cmd = asOther(t, program(t))
		for _, name := range []string{dir, list} {
			if err := os.Chown(name, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
	}
	stuck(t, cmd, list)
	proc := filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid))
	st, err := os.Stat(filepath.Join(proc, "mem"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid != 0 {
		t.Errorf("memory of the process belongs to uid %d", uid)
	}
	limits, err := os.ReadFile(filepath.Join(proc, "limits"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("limits: %s", limits)
	}
}

// asOther returns a command as another user than root.
func asOther(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	needRoot(t)
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	return cmd
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can do that")
	}
}

// openTemp makes a folder that other users can reach.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "otpw-gen-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A folder or a list of somebody else's: refused before any question.
func TestOtherUser(t *testing.T) {
	needRoot(t)
	dir := openTemp(t)
	list := filepath.Join(dir, "list")
	refused := func(want ...string) {
		t.Helper()
		cmd := asOther(t, program(t), "-f", list)
		cmd.Stdin = strings.NewReader("pre\npre\n")
		out, err := cmd.CombinedOutput()
		if err == nil || strings.Contains(string(out), "refix") {
			t.Errorf("%v\n%s", err, out)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("no %q in\n%s", w, out)
			}
		}
	}
	refused("permission denied", "You may not do that there.")
	if err := os.WriteFile(list, []byte(oneEntry), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	refused("owned by uid 0", "It is left alone.")
	unchanged(t, dir, list)
}

// A full disk: the old list is as it was. The commands run in a private mount
// namespace.
func TestFullDisk(t *testing.T) {
	needRoot(t)
	script := `set -e
		mount -t tmpfs -o size=16k none "$1"
		cd "$1"
		printf '` + strings.ReplaceAll(oneEntry, "\n", `\n`) + `' >list
		cat /dev/zero >fill 2>/dev/null || :
		if printf 'y\npre\npre\n' | "$2" -f list -h5 >/dev/null; then exit 3; fi
		if printf 'pre\npre\n' | "$2" -f "$3" --format otpw1 --pdf sheet.pdf; then exit 4; fi
		rm fill
		ls; cat list`
	cmd := exec.Command("sh", "-c", script, "sh", t.TempDir(), program(t), filepath.Join(t.TempDir(), "list"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		if strings.Contains(msg.String(), "mount:") || errors.Is(err, syscall.EPERM) {
			t.Skipf("no private mounts here: %v %s", err, msg.String())
		}
		t.Fatalf("%v\n%s", err, msg.String())
	}
	if out.String() != "list\n"+oneEntry {
		t.Errorf("left: %s", out.String())
	}
	for _, want := range []string{"no space left on device", "Make room on the disk", "The old list is as it was.", "There is no room for the sheet.", "No list was made."} {
		if !strings.Contains(msg.String(), want) {
			t.Errorf("no %q in\n%s", want, msg.String())
		}
	}
}

// The home folder is the account database's, whatever the environment says.
func TestFindList(t *testing.T) {
	ids, err := startIDs()
	if err != nil {
		t.Fatal(err)
	}
	find := func(file string) (string, error) {
		c := &command{ids: ids, site: &otp.Site{}, opts: options{file: file}}
		err := c.findList()
		return c.path, err
	}
	me, err := (&command{ids: ids}).lookupID(os.Getuid())
	if err != nil {
		t.Skipf("this account is in no database: %v", err)
	}
	t.Setenv("HOME", "/somewhere/else")
	t.Setenv("USER", "somebody")
	path, err := find("")
	if want := filepath.Join(me.Home, ".otpw"); err != nil || path != want {
		t.Errorf("%q, %v, want %q", path, err, want)
	}
	if path, err := find("given"); err != nil || path != "given" {
		t.Errorf("%q, %v", path, err)
	}
}

func TestAskGetent(t *testing.T) {
	if _, err := os.Stat(getent); err != nil {
		t.Skip(err)
	}
	c := &command{ids: &ids{saved: -1}}
	out, err := c.askGetent("passwd", "0")
	if err != nil || !strings.HasPrefix(out, "root:") {
		t.Errorf("%q, %v", out, err)
	}
	if a, err := c.lookupID(3999999999 >> 1); !errors.Is(err, otp.ErrNoAccount) {
		t.Errorf("an account that cannot be: %+v, %v", a, err)
	}
	if a, err := c.lookup("-no such user"); !errors.Is(err, otp.ErrNoAccount) {
		t.Errorf("an account that cannot be: %+v, %v", a, err)
	}
}

func TestParseAccount(t *testing.T) {
	for name, line := range map[string]string{
		"field missing": "joe:x:1000:1000:/home/joe:/bin/sh",
		"no name":       ":x:1000:1000:Joe:/home/joe:/bin/sh",
		"empty":         "",
		"two lines":     "joe:x:1000:1000:Joe:/home/joe:/bin/sh\njoe:x:1000:1000:Joe:/home/joe:/bin/sh",
		"no uid":        "joe:x::1000:Joe:/home/joe:/bin/sh",
		"uid -1":        "joe:x:4294967295:1000:Joe:/home/joe:/bin/sh",
		"gid -1":        "joe:x:1000:4294967295:Joe:/home/joe:/bin/sh",
		"long uid":      "joe:x:4294967296:1000:Joe:/home/joe:/bin/sh",
	} {
		if a, err := parseAccount(line); !errors.Is(err, errGetent) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	if a, err := parseAccount("joe:x:1000:1001:Joe:/home/joe:/bin/sh"); err != nil || *a != (account{otp.Account{Name: "joe", UID: 1000, Home: "/home/joe"}, 1001}) {
		t.Errorf("%+v, %v", a, err)
	}
}

// A panic, too, leaves the terminal and the list as they were.
func TestPanicCleansUp(t *testing.T) {
	dir, list := withList(t)
	r, err := otp.Replace(list)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c := &command{ids: &ids{saved: -1}, in: newInput(null, io.Discard), msg: io.Discard, pending: r}
	func() {
		defer func() { _ = recover() }()
		defer c.cleanUp()
		panic("some error of ours")
	}()
	unchanged(t, dir, list)
}
