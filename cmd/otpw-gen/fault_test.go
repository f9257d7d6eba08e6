// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/otpw-go/otpw/e2e/strace"
	"github.com/otpw-go/otpw/e2e/world"
	"github.com/otpw-go/otpw/otp"
)

// The program under faults: strace kills it right before one of its system calls
// on the list, its folder, the files beside it or the sheet, or lets one fail;
// each in turn. Afterwards there is the old list or the new one, whole, and the
// sheet that belongs to it.

// traceable is the program as it is shipped, but that all of it that matters
// happens in its first thread: the one that strace looks at.
var traceable = sync.OnceValues(func() (string, error) {
	if _, err := built(); err != nil { // which makes builtDir
		return "", err
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	lock := filepath.Join(builtDir, "lock.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "lock.go"): lock}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(builtDir, "traceable")
	cmd := exec.Command("go", "build", "-o", file, "-overlay", lock+".json", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return file, errors.Join(
		os.WriteFile(lock, []byte("package main\n\nimport \"runtime\"\n\nfunc init() { runtime.LockOSThread() }\n"), 0o600),
		os.WriteFile(lock+".json", overlay, 0o600),
		cmd.Run())
})

// desk is where lists are made.
type desk struct {
	gen      string
	options  []string
	dir      string
	old      []byte // the list before; nil: none
	oldSheet string
	oldPDF   []byte // the sheet before, if it is PDF
	pdf      bool   // the sheet is PDF, in a file that is there already
	lock     bool   // there is a lock file
	leftover bool   // and the file of a run that was killed
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

// run makes a list, behind another command, with the sheet in a file.
func (d *desk) run(t *testing.T, before ...string) (status int, messages string) {
	t.Helper()
	input := "pre\npre\n"
	if _, err := os.Lstat(d.path("list")); err == nil {
		input = "y\n" + input
	}
	sheet, err := os.OpenFile(d.path("sheet"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer sheet.Close()
	argv := slices.Concat(before, []string{d.gen, "-f", d.path("list")}, d.options)
	if d.pdf {
		argv = append(argv, "--pdf", d.path("sheet.pdf"), "--force")
	}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	var msg bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), sheet, &msg
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), msg.String() // -1: killed
}

// read returns what is in a file; nil: there is none.
func (d *desk) read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(d.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// prepare makes the list that is there before.
func (d *desk) prepare(t *testing.T) {
	t.Helper()
	if status, messages := d.run(t); status != 0 {
		t.Fatalf("status %d\n%s", status, messages)
	}
	d.old, d.oldSheet, d.oldPDF = d.read(t, "list"), d.sheet(t, "sheet.pdf"), d.read(t, "sheet.pdf")
}

// sheet returns the text of the sheet. If it is PDF, it is in a file of that name.
func (d *desk) sheet(t *testing.T, pdf string) string {
	t.Helper()
	if d.pdf {
		return pdfText(t, d.path(pdf))
	}
	return string(d.read(t, "sheet"))
}

// reset puts everything as it is before a run.
func (d *desk) reset(t *testing.T) {
	t.Helper()
	files, err := os.ReadDir(d.dir)
	for _, f := range files {
		err = errors.Join(err, os.Remove(d.path(f.Name())))
	}
	if d.old != nil {
		err = errors.Join(err, os.WriteFile(d.path("list"), d.old, 0o600))
	}
	if d.pdf {
		err = errors.Join(err, os.WriteFile(d.path("sheet.pdf"), d.oldPDF, 0o600))
	}
	if d.lock {
		err = errors.Join(err, os.Symlink("000", d.path("list.lock")))
	}
	if d.leftover {
		err = errors.Join(err, os.WriteFile(d.path("list.tmp"), d.old[:len(d.old)/2], 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// check looks at what a run has left, and makes another list after it.
func (d *desk) check(t *testing.T, status int) {
	t.Helper()
	list, sheet := d.read(t, "list"), d.oldSheet
	if !bytes.Equal(list, d.old) {
		sheet = d.sheet(t, "sheet.pdf")
		if d.pdf && d.read(t, "sheet.new.pdf") != nil {
			sheet = d.sheet(t, "sheet.new.pdf")
		}
	} else if status == 0 {
		t.Error("status 0, and no new list")
	}
	if list != nil {
		fits(t, list, sheet)
	}
	if d.pdf {
		d.checkPDF(t, status, bytes.Equal(list, d.old))
	}
	if status, messages := d.run(t); status != 0 {
		t.Fatalf("the next run: status %d\n%s", status, messages)
	}
	fits(t, d.read(t, "list"), d.sheet(t, "sheet.pdf"))
	if d.pdf {
		files(t, d.dir, "list", "sheet.pdf")
	} else {
		files(t, d.dir, "list")
	}
}

// checkPDF: the sheet of the list that counts has its name, or, if the new one could
// not get it any more, that of a new one.
func (d *desk) checkPDF(t *testing.T, status int, old bool) {
	t.Helper()
	if old && !bytes.Equal(d.read(t, "sheet.pdf"), d.oldPDF) {
		t.Error("the old list is there, but not its sheet")
	}
	if d.read(t, "sheet.new.pdf") == nil {
		return
	}
	if status == 0 {
		t.Error("sheet.new.pdf is left over")
	}
	if status, messages := d.run(t); status != 1 || !strings.Contains(messages, "sheet.new.pdf is there already") {
		t.Errorf("with sheet.new.pdf in the way: status %d\n%s", status, messages)
	}
	if err := os.Remove(d.path("sheet.new.pdf")); err != nil {
		t.Error(err)
	}
}

// fits checks that a list is whole and that the sheet belongs to it, by logging
// in with every password.
func fits(t *testing.T, list []byte, sheet string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		t.Fatal(err)
	}
	passwords := world.ParseSheet(sheet)
	for range passwords {
		l, err := otp.Begin(path, otp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := l.Verify([]byte("pre" + passwords[l.Challenge()]))
		if err != nil || r.Total != len(passwords) {
			t.Fatalf("%v, %d entries in the list, %d passwords on the sheet", err, r.Total, len(passwords))
		}
	}
	if _, err := otp.Begin(path, otp.Options{}); !errors.Is(err, otp.ErrExhausted) {
		t.Fatalf("%d passwords on the sheet, after those: %v", len(passwords), err)
	}
}

// traced makes a list under strace.
func (d *desk) traced(t *testing.T, options ...string) (status int, messages string, calls []strace.Call) {
	t.Helper()
	d.reset(t)
	log := filepath.Join(t.TempDir(), "log")
	// Go sends itself signals, which make calls begin anew: there would be more of them in some runs than in others.
	argv := []string{"strace", "-o", log, "-E", "GODEBUG=asyncpreemptoff=1"}
	for _, name := range []string{"", "list", "list.tmp", "list.lock", "sheet", "sheet.pdf", "sheet.new.pdf"} {
		argv = append(argv, "-P", d.path(name))
	}
	status, messages = d.run(t, append(argv, options...)...)
	text, err := os.ReadFile(log)
	if calls = strace.Parse(string(text)); len(calls) == 0 {
		t.Fatalf("nothing traced: %v\n%s", err, messages)
	}
	return status, messages, calls
}

// faults are what may become of a call.
func faults(c strace.Call) []string {
	switch c.Name {
	case "openat", "write", "fsync", "fchmod", "renameat", "unlinkat":
		return []string{strace.Kill, "error=EIO", "error=EINTR", "error=ENOSPC", "error=EROFS", "error=EDQUOT"}
	case "close": // is never interrupted
		return []string{strace.Kill, "error=EIO"}
	case "fcntl", "epoll_ctl":
		if !strings.Contains(c.Args, "F_OFD_") { // Go's own, and nothing that could fail on any file
			return []string{strace.Kill}
		}
	}
	return []string{strace.Kill, "error=EIO", "error=EINTR"}
}

func TestFaults(t *testing.T) {
	needRoot(t) // to look into a program that is not dumpable
	gen, err := traceable()
	if err != nil {
		t.Fatal(err)
	}
	otpw1 := []string{"--format", "otpw1", "--count", "5"}
	for _, tt := range []struct {
		name string
		old  bool
		desk
	}{
		{"first list", false, desk{options: otpw1}},
		{"another list", true, desk{options: otpw1, lock: true}},
		{"left-over", true, desk{options: otpw1, leftover: true}},
		{"otpw2", true, desk{options: []string{"--format", "otpw2", "--kdf-memory", "1", "--kdf-passes", "1", "--count", "5"}}},
		{"pdf", true, desk{options: otpw1, pdf: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := tt.desk
			d.gen, d.dir = gen, t.TempDir()
			if tt.old {
				d.prepare(t)
			}
			status, _, calls := d.traced(t)
			if status != 0 {
				t.Fatalf("status %d", status)
			}
			d.check(t, status)
			checkSynced(t, calls)
			cases := 0
			for i, p := range strace.Points(calls) {
				for _, fault := range faults(calls[i]) {
					cases++
					t.Run(fmt.Sprint(i, " ", p, " ", fault), func(t *testing.T) { d.fault(t, i, p, fault) })
				}
			}
			t.Logf("%d calls, %d faults", len(calls), cases)
		})
	}
}

// checkSynced: what was written, list and sheet, is on the disk before the old list
// goes. No other test can tell, for none cuts the power.
func checkSynced(t *testing.T, calls []strace.Call) {
	t.Helper()
	unsynced := map[string]string{} // by descriptor
	writes := 0
	for _, c := range calls {
		fd, _, _ := strings.Cut(c.Args, ",")
		switch {
		case c.Name == "write":
			unsynced[fd] = c.String()
			writes++
		case c.Name == "fsync" || c.Name == "fdatasync":
			delete(unsynced, fd)
		case c.Name == "renameat" && strings.HasSuffix(c.Args, `/list"`):
			if writes < 2 || len(unsynced) > 0 {
				t.Errorf("%d writes before %v, of which not synced: %v", writes, c, unsynced)
			}
			return
		}
	}
	t.Error("no new list took the old one's place")
}

// fault makes a list with a fault in the call that has number i.
func (d *desk) fault(t *testing.T, i int, p strace.Point, fault string) {
	t.Helper()
	status, messages, calls := d.traced(t, p.Inject(fault))
	if len(calls) <= i || calls[i].Name != p.Name || !calls[i].Injected() && !calls[i].Cut() {
		t.Fatalf("no fault in %v:\n%v", p, calls)
	}
	if fault == "error=EINTR" && status != 0 {
		t.Errorf("status %d\n%s", status, messages)
	}
	said, renewed := strings.Contains(messages, otp.ErrInPlace.Error()), !bytes.Equal(d.read(t, "list"), d.old)
	if status == 1 && said != renewed {
		t.Errorf("the new list is in its place: %v, but it said\n%s", renewed, messages)
	}
	d.check(t, status)
}
