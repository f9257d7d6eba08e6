// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var blanks = regexp.MustCompile(` {2,}`)

// pdfText returns the text of a PDF sheet as a text sheet has it: two blanks between cells.
func pdfText(t *testing.T, file string) string {
	t.Helper()
	text, err := exec.Command("pdftotext", "-layout", file, "-").CombinedOutput()
	if err != nil {
		if _, lerr := exec.LookPath("pdftotext"); lerr != nil {
			t.Skip("there is no pdftotext")
		}
		t.Fatalf("pdftotext: %v\n%s", err, text)
	}
	return blanks.ReplaceAllString(string(text), "  ")
}

// What stands on a PDF sheet is what the list accepts, all of it.
func TestPDFAccepted(t *testing.T) {
	cheap := []string{"--kdf-memory", "1", "--kdf-passes", "1"}
	for _, c := range []struct {
		name  string
		args  []string
		count int
	}{
		{"page", cheap, 160},
		{"page, Letter", append(cheap, "--paper", "letter"), 160},
		{"wallet", append(cheap, "--layout", "wallet"), 270},
		{"wallet, Letter", append(cheap, "--layout", "wallet", "--paper", "letter"), 210},
		{"words", append(cheap, "-p", "1"), 80},
		{"small letters", append(cheap, "-p", "2"), 120},
		{"words in a wallet", append(cheap, "-p", "1", "--layout", "wallet"), 90},
		{"in order", append(cheap, "-o", "--count", "7"), 7},
		{"three pages", append(cheap, "-s", "3"), 480},
		{"more than 1000", append(cheap, "--layout", "wallet", "--count", "1001"), 1001},
		{"OTPW1", []string{"--format", "otpw1"}, 160},
		{"label", append(cheap, "--label", "旅行", "--expires", "9d"), 160},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			list, file := filepath.Join(dir, "list"), filepath.Join(dir, "sheet.pdf")
			day := time.Now().AddDate(0, 0, 9).Format(time.DateOnly)
			runGen(t, program(t), "pre\npre\n", append([]string{"-f", list, "--pdf", file}, c.args...)...)
			b, err := os.ReadFile(list)
			if err != nil {
				t.Fatal(err)
			}
			text := pdfText(t, file)
			fits(t, b, text)
			if ordered := slices.Contains(c.args, "-o"); strings.Contains(text, "in this order") != ordered || strings.Contains(text, "random order") == ordered {
				t.Errorf("asked for in order: %v, but the sheet says\n%s", ordered, text)
			}
			if n := len(regexp.MustCompile(`(?m)(^|  )\d{3,4} \S`).FindAllString(text, -1)); n != c.count {
				t.Errorf("%d passwords on the sheet, want %d", n, c.count)
			}
			if i := slices.Index(c.args, "--expires"); i >= 0 {
				later := time.Now().AddDate(0, 0, 9).Format(time.DateOnly) // midnight may have been meanwhile
				if !strings.Contains(text, "last day "+day) && !strings.Contains(text, "last day "+later) {
					t.Errorf("no %s in\n%s", day, text)
				}
			}
			if id := regexp.MustCompile(`(?m)^id: (.*)$`).FindSubmatch(b); id != nil && !strings.Contains(text, "OTPW list "+string(id[1])) {
				t.Errorf("no id %s in\n%s", id[1], text)
			}
		})
	}
}

// A sheet that is found says nothing of whose it is, and nothing of the prefix.
func TestPDFSecrets(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, layout := range []string{"page", "wallet"} {
		dir := t.TempDir()
		file := filepath.Join(dir, "sheet.pdf")
		runGen(t, program(t), "my dog Rex\nmy dog Rex\n", "-f", filepath.Join(dir, "list"), "--format", "otpw1", "-p", "2", "--layout", layout, "--pdf", file)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text, name := pdfText(t, file), regexp.MustCompile(`\b`+regexp.QuoteMeta(me.Username)+`\b`)
		for _, s := range []string{text, string(b)} { // what can be seen, and what the file says about itself
			if strings.Contains(s, "Rex") || name.MatchString(s) {
				t.Errorf("%s: prefix or user name in\n%s", layout, text)
			}
		}
	}
}

// A file that appears while questions are being answered is somebody else's, and
// left alone.
func TestPDFFileAppears(t *testing.T) {
	for name, appear := range map[string]func(file, other string) error{
		"file": func(file, other string) error { return os.WriteFile(file, []byte("other"), 0o600) },
		"link": func(file, other string) error { return os.Symlink(other, file) },
	} {
		dir := t.TempDir()
		file, other := filepath.Join(dir, "sheet.pdf"), filepath.Join(dir, "other")
		p := &pdfFile{path: file, ids: &ids{saved: -1}, msg: io.Discard, dir: -1}
		err := errors.Join(os.WriteFile(other, []byte("other"), 0o600), p.check(filepath.Join(dir, "list")), appear(file, other))
		if err != nil {
			t.Fatal(name, err)
		}
		if err := p.put([]byte("sheet")); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.settle(false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != "other" {
			t.Errorf("%s: it is now %q, %v", name, b, err)
		}
	}
}

// Who puts a file in the place of the new sheet has that, whatever becomes of the list.
func TestPDFFileReplaced(t *testing.T) {
	for _, good := range []bool{true, false} {
		dir := t.TempDir()
		file, beside, other := filepath.Join(dir, "sheet.pdf"), filepath.Join(dir, "sheet.new.pdf"), filepath.Join(dir, "other")
		p := &pdfFile{path: file, force: true, ids: &ids{saved: -1}, msg: io.Discard, dir: -1}
		err := errors.Join(os.WriteFile(file, []byte("the sheet before"), 0o600), os.WriteFile(other, []byte("other"), 0o600),
			p.check(filepath.Join(dir, "list")), p.put([]byte("sheet")), os.Rename(other, beside), p.settle(good))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{file: "the sheet before", beside: "other"} {
			if b, err := os.ReadFile(name); err != nil || string(b) != want {
				t.Errorf("good %v: %s is now %q, %v", good, name, b, err)
			}
		}
	}
}

// A folder that cannot be read takes sheets like others.
func TestPDFUnreadableFolder(t *testing.T) {
	dir, folder := openTemp(t), openTemp(t)
	if err := errors.Join(os.Chmod(dir, 0o777|os.ModeSticky), os.Chmod(folder, 0o333)); err != nil {
		t.Fatal(err)
	}
	cmd := asOther(t, program(t), "-f", filepath.Join(dir, "list"), "--format", "otpw1", "--pdf", filepath.Join(folder, "sheet.pdf"))
	cmd.Stdin = strings.NewReader("pre\npre\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	files(t, folder, "sheet.pdf")
}

// No sheet goes to the printing system when a signal has come right before.
func TestPrinterTakenBackBefore(t *testing.T) {
	p := &printer{args: []string{"-d", "no such printer"}, screen: os.Stderr, ids: &ids{saved: -1}}
	if err := p.settle(false); err != nil {
		t.Error(err)
	}
	if err := p.put([]byte("sheet")); !errors.Is(err, errBrokenOff) {
		t.Error(err)
	}
}

// What a signal has taken back does not come again: it may come right before the
// sheet is written.
func TestPDFFileTakenBackBefore(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sheet.pdf")
	if err := os.WriteFile(file, []byte("the sheet before"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &pdfFile{path: file, force: true, ids: &ids{saved: -1}, msg: io.Discard, dir: -1}
	if err := errors.Join(p.check(filepath.Join(dir, "list")), p.settle(false)); err != nil {
		t.Error(err)
	}
	if err := p.put([]byte("sheet")); !errors.Is(err, errBrokenOff) {
		t.Error(err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "the sheet before" {
		t.Errorf("it is now %q, %v", b, err)
	}
	files(t, dir, "sheet.pdf")
}

// A host whose name no font has gets a sheet, too. It has that name in a private
// namespace.
func TestHostOnPDF(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `printf '\360\237\224\221' >/proc/sys/kernel/hostname || exit 9
		printf 'pre\npre\n' | "$1" -f "$2/list" --format otpw1 --pdf "$2/sheet.pdf"`, "sh", program(t), dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWUTS}
	var msg bytes.Buffer
	cmd.Stderr = &msg
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState.ExitCode() == 9 || errors.Is(err, syscall.EPERM) {
			t.Skipf("no host names of our own here: %v %s", err, msg.String())
		}
		t.Fatalf("%v\n%s", err, msg.String())
	}
	if want := "Warning: the name of this host (\U0001f511) cannot be printed. The sheet says localhost."; !strings.Contains(msg.String(), want) {
		t.Errorf("no %q in\n%s", want, msg.String())
	}
	if text := pdfText(t, filepath.Join(dir, "sheet.pdf")); !strings.Contains(text, "localhost") {
		t.Errorf("no localhost in\n%s", text)
	}
}

// Whoever says that the sheet did not come out, or nothing, has the old list and
// its sheet as they were.
func TestTerminalPDF(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		signal       syscall.Signal
		status       int
		old          bool // what counts afterwards
	}{
		{"yes", "y\n", 0, 0, false},
		{"no", "n\n", 0, 1, true},
		{"Ctrl-D", "\x04", 0, 1, true},
		{"Ctrl-C", "\x03", 0, 130, true},
		{"SIGTERM", "", syscall.SIGTERM, 143, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, dir := newScreen(t)
			list, sheet := filepath.Join(dir, "list"), filepath.Join(dir, "sheet.pdf")
			for name, content := range map[string]string{list: oneEntry, sheet: "the sheet before"} {
				if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s.start(dir, "--format", "otpw1", "--pdf", sheet, "--force")
			s.see("(y/N): ")
			s.say("y\n", true)
			s.typePrefix()
			s.see("The new sheet is in " + filepath.Join(dir, "sheet.new.pdf") + ": look at it")
			s.see("the old one counts (y/n): ")
			if b, err := os.ReadFile(filepath.Join(dir, "sheet.new.pdf")); err != nil || !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.HasSuffix(b, []byte("%%EOF\n")) {
				t.Errorf("the sheet is not there when it is asked for: %v", err)
			}
			if b, err := os.ReadFile(sheet); err != nil || string(b) != "the sheet before" {
				t.Errorf("the sheet before has gone before the answer: %v", err)
			}
			s.say(c.answer, true)
			if c.signal != 0 {
				s.cmd.Process.Signal(c.signal)
			}
			s.ends(c.status)
			b, err := os.ReadFile(list)
			if err != nil || (string(b) == oneEntry) != c.old {
				t.Errorf("list: %v\n%s", err, b)
			}
			if b, err = os.ReadFile(sheet); err != nil || (string(b) == "the sheet before") != c.old {
				t.Errorf("sheet: %v\n%.100s", err, b)
			}
			files(t, dir, "list", "sheet.pdf")
		})
	}
}

// Files of others with the same names stay, whatever happened to ours meanwhile.
func TestPDFOthers(t *testing.T) {
	for _, answer := range []string{"y", "n"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			s, dir := newScreen(t)
			folder := filepath.Join(dir, "folder")
			list, sheet, new := filepath.Join(dir, "list"), filepath.Join(folder, "sheet.pdf"), filepath.Join(folder, "sheet.new.pdf")
			write := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			write(list, oneEntry)
			write(sheet, "the sheet before")
			s.start(dir, "--format", "otpw1", "--pdf", sheet, "--force")
			s.see("(y/N): ")
			s.say("y\n", true)
			s.typePrefix()
			s.see("the old one counts (y/n): ")
			// another folder in its place, and another file in that of the sheet
			if err := os.Rename(folder, folder+".moved"); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			write(sheet, "somebody's")
			write(new, "somebody's, too")
			s.say(answer+"\n", true)
			s.ends(map[string]int{"y": 0, "n": 1}[answer])
			for name, want := range map[string]string{sheet: "somebody's", new: "somebody's, too"} {
				if b, err := os.ReadFile(name); err != nil || string(b) != want {
					t.Errorf("%s: %.40q, %v", name, b, err)
				}
			}
			b, err := os.ReadFile(filepath.Join(folder+".moved", "sheet.pdf"))
			if err != nil || bytes.HasPrefix(b, []byte("%PDF-")) != (answer == "y") {
				t.Errorf("the sheet: %.40q, %v", b, err)
			}
			files(t, folder+".moved", "sheet.pdf")
		})
	}
}

// What is typed before or while the passwords are hashed does not answer the question whether
// the sheet came out.
func TestTypeAhead(t *testing.T) {
	s, dir := onScreenWith(t, map[string]string{"list": oneEntry})
	s.see("(y/N): ")
	s.say("y\n", true)
	s.see("New prefix password: ")
	s.say("hunter2\n", false)
	s.see("The same again: ")
	s.say("hunter2\ny\ny\n", false) // at once, lest the hashes are ready first
	s.see("the old one counts (y/n): ")
	s.say("n\n", true)
	s.see("the sheet did not come out")
	s.ends(1)
	unchanged(t, dir, filepath.Join(dir, "list"))
}

// Whoever is asked about a list revokes that one.
func TestRevokeAnother(t *testing.T) {
	s, dir := newScreen(t)
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte(oneEntry), 0o600); err != nil {
		t.Fatal(err)
	}
	s.startCommand(dir, "revoke", "--all", "-f", list)
	s.see("(y/N): ")
	another := strings.Replace(oneEntry, "abc", "xyz", 1)
	if err := os.WriteFile(list, []byte(another), 0o600); err != nil {
		t.Fatal(err)
	}
	s.say("y\n", true)
	s.see("list was replaced meanwhile")
	s.ends(1)
	if b, err := os.ReadFile(list); err != nil || string(b) != another {
		t.Errorf("%q, %v", b, err)
	}
}

// The file of a sheet that did not come out goes, also when there was none before.
func TestTerminalNewPDF(t *testing.T) {
	s, dir := newScreen(t)
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte(oneEntry), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(dir, "--format", "otpw1", "--pdf", filepath.Join(dir, "sheet.pdf"))
	s.see("(y/N): ")
	s.say("y\n", true)
	s.typePrefix()
	s.see("the old one counts (y/n): ")
	files(t, dir, "list", "list.tmp", "sheet.pdf")
	s.say("n\n", true)
	s.ends(1)
	unchanged(t, dir, filepath.Join(dir, "list"))
}

// No terminal shows PDF: said before any question.
func TestTerminalIsNoPlaceForPDF(t *testing.T) {
	s, dir := newScreen(t)
	cmd := exec.Command(program(t), "-f", filepath.Join(dir, "list"), "--pdf", "-")
	var msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = s.tty, &msg
	if err := cmd.Run(); err == nil || !strings.Contains(msg.String(), "standard output is a terminal") || strings.Contains(msg.String(), "prefix") {
		t.Errorf("%v\n%s", err, msg.String())
	}
	files(t, dir)
}

// A signal while the printing system is taking the sheet: it gets no half of it.
func TestSignalWhilePrinter(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "lp"), []byte("#!/bin/sh\necho $$ >&2\nexec sleep 1000\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			dir, list := withList(t)
			cmd := exec.Command(program(t), "-f", list, "--format", "otpw1", "--print")
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
			cmd.Stdin = strings.NewReader("y\npre\npre\n")
			said, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			lp := 0
			var all []byte
			for number := regexp.MustCompile(`(?m)^(\d+)\n`); lp == 0; {
				b := make([]byte, 4096)
				n, err := said.Read(b)
				all = append(all, b[:n]...)
				if m := number.FindSubmatch(all); m != nil {
					lp, _ = strconv.Atoi(string(m[1]))
				} else if err != nil {
					t.Fatalf("%v\n%s", err, all)
				}
			}
			pidfd, err := unix.PidfdOpen(lp, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pidfd)
			cmd.Process.Signal(sig)
			poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
			n, err := unix.Poll(poll, int(hang.Milliseconds()))
			for err == unix.EINTR { // the Go runtime sends itself signals
				n, err = unix.Poll(poll, int(hang.Milliseconds()))
			}
			if n != 1 {
				t.Errorf("lp goes on: %v", err)
			}
			cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); status != 128+int(sig) {
				t.Errorf("status %d", status)
			}
			unchanged(t, dir, list)
		})
	}
}
