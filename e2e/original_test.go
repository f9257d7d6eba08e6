// SPDX-License-Identifier: MIT

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// What the original, OTPW 1.5, does through this harness. These tests are the
// oracle's own: they say which of its properties ours keeps and which it
// must not have.

func TestOriginalLogin(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(m))
	a := w.Account(t, "alice")
	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "20")

	first := a.Unused(t)[0]
	l := sshd.Login(a)
	if got := l.Single(); got != first {
		t.Errorf("asked for %s, the first unused entry is %s", got, first)
	}
	if got := a.Lock(t); got != first {
		t.Errorf("lock names %q while %s is asked for", got, first)
	}
	l.Enter(sheet.Response(first))
	l.Accepted()
	l.Leave()
	if got := a.Lock(t); got != "" {
		t.Errorf("lock names %q after a success", got)
	}
	if a.List(t)[0] != (world.Entry{Used: true}) {
		t.Errorf("entry %s is not used up", first)
	}

	second := a.Unused(t)[0]
	l = sshd.Login(a)
	l.Single()
	l.Enter(sheet.Response(first))
	l.Refused()
	if !slices.Contains(a.Unused(t), second) {
		t.Errorf("a wrong password used up entry %s", second)
	}
	// A wrong answer frees the number: it is asked again.
	l = sshd.Login(a)
	if got := l.Single(); got != second {
		t.Errorf("asked for %s after a wrong answer, want %s again", got, second)
	}
	l.Enter(sheet.Response(second))
	l.Accepted()
}

// Falls short 1: a prompt that is left open for ever locks the list.
func TestOriginalCtrlCLeavesLock(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(m))
	a := w.Account(t, "alice")
	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "20")

	l := sshd.Login(a)
	first := l.Single()
	l.CtrlC()
	world.Until(t, "the connection's processes are gone", func() bool { return len(sshd.Family()) == 0 })
	if got := a.Lock(t); got != first {
		t.Errorf("lock names %q after Ctrl-C, want %s", got, first)
	}
	l = sshd.Login(a)
	numbers := l.Triple()
	l.Enter(sheet.Response(numbers...))
	l.Accepted()
	unused := a.Unused(t)
	for _, n := range numbers {
		if slices.Contains(unused, n) {
			t.Errorf("entry %s of the multi challenge is not used up", n)
		}
	}
	if !slices.Contains(numbers, first) && !slices.Contains(unused, first) { // the original asks for it now and then
		t.Errorf("the locked entry %s is used up", first)
	}
}

func TestOriginalMultiChallenge(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(m))
	a := w.Account(t, "alice")
	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "20")

	waiting := sshd.Login(a)
	number := waiting.Single()
	other := sshd.Login(a)
	numbers := other.Triple()
	other.Enter(sheet.Response(numbers...))
	other.Accepted()
	waiting.Enter(sheet.Response(number))
	waiting.Accepted()
}

// Falls short 2: the notice is set in a process that is gone when the session starts.
func TestOriginalNotice(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(m))
	a := w.Account(t, "alice")
	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "20")

	l := sshd.Shell(a)
	l.Enter(sheet.Response(l.Single()))
	l.Accepted()
	l.Leave()
	if strings.Contains(l.Output(), "Remaining") {
		t.Errorf("notice shown under sshd:\n%s", l.Output())
	}
}

// Falls short 3: with nolock two logins get in with one password.
func TestOriginalNolockAcceptsTwice(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(m, "nolock"))
	a := w.Account(t, "alice")
	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "20")

	one, two := sshd.Login(a), sshd.Login(a)
	number := one.Single()
	if got := two.Single(); got != number {
		t.Fatalf("asked for %s and %s", number, got)
	}
	one.Enter(sheet.Response(number))
	one.Accepted()
	two.Enter(sheet.Response(number))
	two.Accepted()
}

// Without a prompt: no list, exhausted list, broken list.
func TestOriginalNoPrompt(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(m))
	a := w.Account(t, "alice")
	sshd.Login(a).Refused()

	w.MakeList(t, a, m.Generator, prefix, "-h", "20")
	writeList(t, a, strings.Replace(readList(t, a), "OTPW1\n", "OTPW0\n", 1))
	sshd.Login(a).Refused()

	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "5")
	useAllBut(t, a, 1)
	l := sshd.Login(a)
	l.Enter(sheet.Response(l.Single()))
	l.Accepted()
	sshd.Login(a).Refused()
}

func TestOriginalLists(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	for _, args := range listArguments {
		a := w.Account(t, "alice")
		sheet := w.MakeList(t, a, m.Generator, prefix, append([]string{"-h", "20"}, args...)...)
		unused := a.Unused(t)
		if len(unused) < 16 {
			t.Errorf("%v: %d entries in the list", args, len(unused))
		}
		if ordered := slices.IsSorted(unused); ordered != slices.Contains(args, "-o") {
			t.Errorf("%v: list in the order of the numbers: %v", args, ordered)
		}
		for _, n := range unused {
			if sheet.Passwords[n] == "" {
				t.Errorf("%v: no password for %s on the sheet\n%s", args, n, sheet.Text)
			}
		}
	}
}

// login(1) authenticates and opens the session in one process, so it shows the notice.
func TestOriginalNoticeInLogin(t *testing.T) {
	w := begin(t)
	m := w.InstallOriginal(t)
	w.Service(t, "login", pamLines(m)...)
	a := w.Account(t, "alice")
	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "60")

	login := w.Terminal(t, nil, "/bin/login", a.Name)
	login.Enter(sheet.Response(login.Expect(world.PromptPattern)[1]))
	login.Expect(`Remaining one-time passwords: 279 of 280\r\n`)
	login.Expect(`shell> `)
}

// An attempt by password that fails, then a right answer to
// keyboard-interactive: accepted and spent, and then OpenSSH closes the connection.
func TestOriginalPasswordFirst(t *testing.T) {
	t.Parallel()
	w := begin(t)
	m := w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(m), "PasswordAuthentication yes")
	a := w.Account(t, "alice")
	sheet := w.MakeList(t, a, m.Generator, prefix, "-h", "20")
	first := a.Unused(t)[0]
	passwordFirst(t, sshd, a, sheet, first)
	if slices.Contains(a.Unused(t), first) {
		t.Errorf("entry %s is not used up", first)
	}
}
