// SPDX-License-Identifier: MIT

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otpw-go/otpw/otp"
)

// Lists as our otpw-gen makes them without cheapList: by default, and for the original module.
func TestFormats(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		head string
	}{
		"default": {nil, "OTPW2\nkdf: $argon2id$v=19$m=19456,t=2,p=1$"},
		"OTPW1":   {otpw1, "OTPW1\n40 3 12 8\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			s.replaceList(s.m.Generator, append([]string{"-h", "12"}, tt.args...)...)
			if list := readList(t, s.a); !strings.HasPrefix(list, tt.head) {
				t.Errorf("list is %.100q, want %q", list, tt.head)
			}
			s.singleAndMulti()
		})
	}
}

// singleAndMulti logs in with one password and with three, at the same time, fails, and logs in once more.
func (s *scene) singleAndMulti() {
	s.t.Helper()
	order := s.a.Unused(s.t)
	waiting := s.sshd.Login(s.a)
	if got := waiting.Single(); got != order[0] {
		s.t.Errorf("asked for %s, the first unused entry is %s", got, order[0])
	}
	other := s.sshd.Login(s.a)
	spent := other.Triple()
	other.Enter(s.sheet.Response(spent...))
	other.Accepted()
	waiting.Enter(s.sheet.Response(order[0]))
	waiting.Accepted()
	spent = append(spent, order[0])
	s.lostOnly(spent...)
	s.lock()

	wrong := s.sshd.Login(s.a)
	number := wrong.Single()
	wrong.Enter("wrong")
	wrong.Refused()
	s.lock(number)
	s.lostOnly(append(append(spent, number), s.succeed()...)...)
}

// The largest list works like others, to its last entry.
func TestLargestList(t *testing.T) {
	for name, makeList := range map[string]func(s *scene, args ...string){
		"OTPW2": (*scene).newList,
		"OTPW1": func(s *scene, args ...string) { s.replaceList(s.m.Generator, append(args, otpw1...)...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setUp(t)
			makeList(s, "--count", "9999")
			order := s.a.Unused(t)
			if len(order) != 9999 || slices.Max(order) != "9998" {
				t.Fatalf("%d entries, the highest is %s", len(order), slices.Max(order))
			}
			s.singleAndMulti()
			useAllBut(t, s.a, 1)
			if got := s.succeed(); !slices.Equal(got, order[9998:]) {
				t.Errorf("asked for %v, want the last entry, %s", got, order[9998])
			}
			s.sshd.Login(s.a).Refused()
			if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` .* result=unavailable reason="list .*: list exhausted"`)); n != 1 {
				t.Errorf("%d log lines about the exhausted list, want 1", n)
			}
		})
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	s.newList("-h", "10", "--expires", "1d", "--label", "Süden")
	s.succeed()
	// the dates in the header moved into the past
	list, expired := readList(t, s.a), ""
	for line := range strings.Lines(list) {
		if name, date, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && (name == "created" || name == "expires") {
			then, err := time.Parse(time.RFC3339, date)
			do(t, err)
			then = then.AddDate(0, 0, -3)
			list = strings.Replace(list, line, name+": "+then.Format(time.RFC3339)+"\n", 1)
			expired = otp.LastDay(then) // expires is the last of the two
		}
	}
	writeList(t, s.a, list)
	s.sshd.Login(s.a).Refused()
	if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` rhost=127\.0\.0\.1 result=unavailable reason="list .*/\.otpw: list expired: its last day was `+expired)); n == 0 {
		t.Error("no log line about the expired list")
	}
}

// A list whose hash would cost too much lets nobody in, and costs nothing.
func TestOTPW2Cost(t *testing.T) {
	t.Parallel()
	s := setUp(t, "kdf_max_memory=1", "kdf_max_passes=1")
	s.succeed()
	do(t, os.WriteFile(s.a.Path(".otpw"), []byte(strings.Replace(readList(t, s.a), ",t=1,", ",t=2,", 1)), 0o600))
	s.sshd.Login(s.a).Refused()
	if n := len(s.Log.Find(s.mark, `result=error reason="list .*: hash costs too much: 1024 KiB and 2 passes, at most 1024 and 1 allowed \(kdf_max_memory, kdf_max_passes\)"`)); n == 0 {
		t.Error("no log line about the cost")
	}
}
