// SPDX-License-Identifier: MIT

package e2e

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A list of the format OTPW2 with the default cost of a hash.
func TestOTPW2(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	s.replaceList(s.m.Generator, "-h", "10", "--format", "otpw2", "--expires", "1d", "--label", "Süden")
	order := s.a.Unused(t)

	waiting := s.sshd.Login(s.a)
	if got := waiting.Single(); got != order[0] {
		t.Errorf("asked for %s, the first unused entry is %s", got, order[0])
	}
	other := s.sshd.Login(s.a)
	numbers := other.Triple()
	other.Enter(s.sheet.Response(numbers...))
	other.Accepted()
	waiting.Enter(s.sheet.Response(order[0]))
	waiting.Accepted()
	s.lostOnly(append(numbers, order[0])...)
	s.lock()

	wrong := s.sshd.Login(s.a)
	number := wrong.Single()
	wrong.Enter("wrong")
	wrong.Refused()
	s.lock(number)
	next := s.succeed()
	s.lostOnly(append(next, append(numbers, order[0], number)...)...)

	// Expired: the header's dates moved into the past.
	list, now := readList(t, s.a), time.Now().UTC()
	for line := range strings.Lines(list) {
		if name, date, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && (name == "created" || name == "expires") {
			then, err := time.Parse(time.RFC3339, date)
			do(t, err)
			list = strings.Replace(list, line, name+": "+then.AddDate(0, 0, -2).Format(time.RFC3339)+"\n", 1)
		}
	}
	writeList(t, s.a, list)
	s.sshd.Login(s.a).Refused()
	day := now.AddDate(0, 0, -1).Format(time.DateOnly)
	if n := len(s.Log.Find(s.mark, `user=`+s.a.Name+` rhost=127\.0\.0\.1 result=unavailable reason="list .*/\.otpw: list expired on `+day)); n == 0 {
		t.Error("no log line about the expired list")
	}
}

// A list whose hash would cost too much lets nobody in, and costs nothing.
func TestOTPW2Cost(t *testing.T) {
	t.Parallel()
	s := setUp(t, "kdf_max_memory=1", "kdf_max_passes=1")
	s.replaceList(s.m.Generator, "-h", "10", "--format", "otpw2", "--kdf-memory", "1", "--kdf-passes", "1")
	s.succeed()
	do(t, os.WriteFile(s.a.Path(".otpw"), []byte(strings.Replace(readList(t, s.a), ",t=1,", ",t=2,", 1)), 0o600))
	s.sshd.Login(s.a).Refused()
	if n := len(s.Log.Find(s.mark, `result=error reason="list .*: hash costs too much: 1024 KiB and 2 passes, at most 1024 and 1 allowed"`)); n == 0 {
		t.Error("no log line about the cost")
	}
}
