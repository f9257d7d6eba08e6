// SPDX-License-Identifier: MIT

// Demo shows the suite at work: alice makes a list, logs in with its first
// password through this system's sshd and ssh, and tries the same password
// again. It runs in a private world (see package world) and leaves nothing
// behind. Its exit status is 0 only if all went as it should.
package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otpw-go/otpw/e2e/world"
)

const prefix = "my dog Rex"

func main() { world.Script("demo", 2*time.Minute, demo) }

func demo(t world.T, w *world.World) {
	say(`This runs in a world of its own: accounts, processes, network and system log
are private, nothing of this machine is changed, and all of it is gone at the end.`)

	m := w.Install(t)
	alice := w.Account(t, "alice")

	step("1. alice makes a list of one-time passwords and prints it.")
	say(`She types a prefix password, twice, and keeps it in her head: %q.`, prefix)
	sheet := w.MakeList(t, alice, m.Generator, prefix, "--height", "12")
	show("$ otpw-gen --height 12 | lpr\n" + sheet.Text)
	say(`The paper goes into her wallet. In her home there are only hashes, each
with a salt of its own and slow to compute (Argon2id):`)
	show(w.Run(t, alice, "", "/bin/sh", "-c", "ls -l .otpw; head -11 .otpw; echo ...").Stdout)

	step("2. A real sshd, with pam_otpw for keyboard-interactive logins.")
	service := []string{
		"auth     required  " + m.Path,
		"account  required  pam_permit.so",
		"session  required  pam_permit.so",
		"session  optional  " + m.Path,
	}
	sshd := w.Sshd(t, service)
	show(strings.TrimSpace(w.Run(t, nil, "", "/usr/bin/ssh", "-V").Stderr) + "\nPAM service " + sshd.Name + ":\n  " + strings.Join(service, "\n  "))

	step("3. alice logs in on a computer that she does not trust.")
	number := firstLogin(t, sshd, alice, sheet)

	step("4. Somebody has watched her typing, and tries the same again.")
	secondLogin(t, sshd, alice, sheet, number)

	step("5. What the system log says about it, and what is left.")
	var lines []string
	for _, line := range w.Log.Find(0, `pam_otpw\(`) {
		lines = append(lines, line.Text)
	}
	show(strings.Join(lines, "\n"))
	lock := alice.Lock(t)
	if lock == number || slices.Contains(alice.Unused(t), number) {
		t.Fatalf("password %s can still be used", number)
	}
	say(`Password %s is used up. Number %s was asked for and not answered rightly, so it
is not asked for again. alice's next login is asked for another one.`, number, lock)
	if !t.Failed() {
		say("All went as it should.")
	}
}

// firstLogin logs in as a person does, and returns the number that was asked for.
func firstLogin(t world.T, sshd *world.Sshd, alice *world.Account, sheet *world.Sheet) string {
	l := sshd.Shell(alice)
	number := l.Single()
	say(`She is asked for number %s. She types her prefix, and %q from the paper;
the screen shows none of it. This is her terminal:`, number, sheet.Passwords[number])
	l.Enter(prefix + sheet.Passwords[number])
	l.Expect(`Remaining one-time passwords: \d+ of \d+`)
	l.Accepted()
	l.Enter("echo This is $(hostname), I am $(id -un)")
	l.Expect(`\nThis is ` + world.Hostname + `, I am ` + alice.Name + `\r`)
	l.Leave()
	show("$ ssh " + alice.Name + "@" + world.Hostname + "\n" + l.Output())
	if strings.Contains(l.Output(), sheet.Passwords[number]) || strings.Contains(l.Output(), prefix) {
		t.Errorf("what she typed is on the screen")
	}
	return number
}

// secondLogin answers with the password behind number, whatever is asked for; it must be refused.
func secondLogin(t world.T, sshd *world.Sshd, alice *world.Account, sheet *world.Sheet, number string) {
	l := sshd.Shell(alice)
	asked := l.Single()
	if asked == number {
		t.Fatalf("asked for number %s a second time", number)
	}
	say(`He is asked for number %s, and has only what she typed: her prefix and %q.`, asked, sheet.Passwords[number])
	l.Enter(prefix + sheet.Passwords[number])
	err := l.FindResult()
	l.Wait()
	show("$ ssh " + alice.Name + "@" + world.Hostname + "\n" + l.Output())
	if !errors.Is(err, world.ErrRefused) {
		t.Fatalf("the same password a second time: %v, want it refused", err)
	}
	say("Refused.")
}

func say(format string, args ...any) { fmt.Printf("\n"+format+"\n", args...) }

func step(title string) { fmt.Printf("\n\n%s\n%s\n", title, strings.Repeat("-", len(title))) }

// show prints what a program printed.
func show(text string) {
	fmt.Println()
	for _, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(text, "\r", "")), "\n") {
		fmt.Println("   | " + line)
	}
}
