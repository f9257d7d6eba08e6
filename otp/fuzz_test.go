// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hangs ends the program, which go test reports with its input, unless it is
// stopped in time.
func hangs() *time.Timer {
	return time.AfterFunc(30*time.Second, func() { panic("hangs") })
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// numbersOf returns the numbers of a list, "" for used entries.
func numbersOf(l *List) (numbers []string) {
	for i := range l.Len() {
		numbers = append(numbers, l.Number(i))
	}
	return numbers
}

// edited returns data in which del bytes at offset at are replaced. A mutation
// rarely leaves a list valid, but one of an edit often does, or nearly.
func edited(data []byte, at uint16, del byte, insert string) []byte {
	from := int(at) % (len(data) + 1)
	return slices.Concat(data[:from], []byte(insert), data[min(from+int(del), len(data)):])
}

// listSeeds are lists on the edge of what is allowed, and some beyond.
func listSeeds(f *testing.F) (seeds []string) {
	lists, _ := filepath.Glob("testdata/o*/*.list")
	if len(lists) != 6 {
		f.Fatalf("%d lists, want 6", len(lists))
	}
	for _, name := range lists {
		seeds = append(seeds, string(readFile(f, name)))
	}
	largest := strings.NewReplacer("m=8,t=1", "m=4194304,t=1000", "host.example", strings.Repeat("h", 255), "2027-11-23T03:00:00Z",
		"2026-11-23T03:00:01Z", "entries: 2\ndigits: 3\npassword: 8", "entries: 1\ndigits: 26\npassword: 999").Replace(header2)
	return append(seeds,
		"OTPW1\n2 3 12 8\n"+rows(2),
		"OTPW1\n# comment\n3 3 12 8 tail\n"+rows(2)+"---------------\nbehind",
		"OTPW1\n#"+strings.Repeat("x", 78)+"\n1 26 12 999\n"+strings.Repeat("7", 26)+"ABCDEFGHIJKL\n",
		"OTPW1\n1 27 12 999\n"+strings.Repeat("7", 27)+"ABCDEFGHIJKL\n",
		"OTPW1\n1 1 12 4\n0ABCDEFGHIJKL\n",
		"OTPW1\n9999 1 12 4\n",
		"OTPW1\n",
		"OTPW2\n",
		header2+rows2(2),
		strings.Replace(header2, "entries: 2", "entries: 1", 1)+strings.Repeat("-", 46)+"\n",
		strings.NewReplacer("2026-11-23T03:00:00Z", "0001-01-01T00:00:01Z", "2027", "9999").Replace(header2)+rows2(2),
		strings.Replace(header2, "2027", "2026", 1)+rows2(2),
		largest+strings.Repeat("7", 26)+strings.Repeat("/", hashLen2)+"\n",
		strings.Replace(largest, "digits: 26", "digits: 27", 1)+strings.Repeat("7", 27)+strings.Repeat("/", hashLen2)+"\n",
		"",
	)
}

// FuzzParse compares the parser with another one, and looks at everything that
// a login does with a list: data with an edit.
func FuzzParse(f *testing.F) {
	for _, seed := range listSeeds(f) {
		for at := 0; at < min(len(seed)+1, 600); at += 100 { // a mutated number is at most 100 away
			f.Add([]byte(seed), uint16(at), byte(0), "")
			f.Add([]byte(seed), uint16(at), byte(1), "0")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16, del byte, insert string) {
		defer hangs().Stop()
		data = edited(data, at, del, insert)
		before := string(data)
		var l *List
		var err error
		// the largest multiple is that of a line with nothing but short fields
		if n := allocated(func() { l, err = Parse(data) }); n > uint64(16*len(data)+1<<16) {
			t.Fatalf("%d bytes allocated for a file of %d", n, len(data))
		}
		if string(data) != before {
			t.Fatal("data changed")
		}
		want, ok := readSlowly(before)
		if ok != (err == nil) {
			t.Fatalf("error %v, but a list: %v", err, ok)
		}
		if err != nil {
			checkFormatError(t, err, data)
			return
		}
		checkList(t, l, want)
		if !bytes.Equal(l.Bytes(), data) {
			t.Fatal("written back differently")
		}
		if l.Format == OTPW2 && !bytes.Equal(l.appendHeader(nil, l.n, l.width, l.pwLen), l.head()) {
			t.Fatalf("the header is written as\n%s", l.appendHeader(nil, l.n, l.width, l.pwLen))
		}
		checkOverwrite(t, data, l, int(at)%l.Len(), 1+int(del)%(l.rec-1))
	})
}

// checkFormatError wants a line that exists, or would come next, and a reason
// without a byte of the list that could do harm in a log.
func checkFormatError(t *testing.T, err error, data []byte) {
	var fe *FormatError
	if !errors.As(err, &fe) || !errors.Is(err, ErrFormat) {
		t.Fatalf("error %v is no FormatError", err)
	}
	if fe.Line < 1 || fe.Line > 2+bytes.Count(data, []byte("\n")) {
		t.Fatalf("line %d of %q", fe.Line, data)
	}
	for _, c := range err.Error() {
		if len(err.Error()) > 100 || c < ' ' || c > '~' {
			t.Fatalf("error %q", err)
		}
	}
}

func checkList(t *testing.T, l *List, want slowList) {
	if numbers := numbersOf(l); !slices.Equal(numbers, want.numbers) || l.PasswordLen() != want.pwLen {
		t.Fatalf("numbers %q, passwords of %d; want %q, %d", numbers, l.PasswordLen(), want.numbers, want.pwLen)
	}
	unused := 0
	for i, n := range want.numbers {
		if l.Unused(i) != (n != "") {
			t.Fatalf("entry %d: number %q, unused %v", i, n, l.Unused(i))
		}
		if l.Unused(i) {
			unused++
		}
		if len(l.hash(i)) != l.hashLen() {
			t.Fatalf("entry %d: hash %q", i, l.hash(i))
		}
	}
	if r := l.Remaining(); r.Unused != unused || r.Total != len(want.numbers) || !r.Expires.Equal(l.Expires) {
		t.Fatalf("remaining %+v, want %d of %d", r, unused, len(want.numbers))
	}
	if want.kdf == nil {
		if fmt.Sprint(l.Header) != fmt.Sprint(Header{Format: OTPW1}) {
			t.Fatalf("header %v", l.Header)
		}
		return
	}
	if kdf := []string{fmt.Sprint(l.KDF.Memory), fmt.Sprint(l.KDF.Passes)}; !slices.Equal(kdf, want.kdf) {
		t.Fatalf("memory and passes %q, want %q", kdf, want.kdf)
	}
	if text := []string{l.Host, l.Label}; !slices.Equal(text, want.text) {
		t.Fatalf("host and label %q, want %q", text, want.text)
	}
	if l.Expired(l.Created) || !l.Expires.IsZero() && (!l.Expired(l.Expires) || !l.Expiring(l.Expires)) {
		t.Fatalf("created %v, expires %v", l.Created, l.Expires)
	}
}

// checkOverwrite overwrites the first n bytes of an entry, all of it or as a
// power cut would leave it: a list that has lost that entry and no other.
func checkOverwrite(t *testing.T, data []byte, l *List, entry, n int) {
	want := numbersOf(l)
	want[entry] = ""
	data = bytes.Clone(data)
	l, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	copy(l.entry(entry), strings.Repeat("-", n))
	if l, err = Parse(data); err != nil {
		t.Fatalf("%d bytes of entry %d overwritten: %v", n, entry, err)
	}
	if got := numbersOf(l); !slices.Equal(got, want) {
		t.Fatalf("%d bytes of entry %d overwritten: %q, want %q", n, entry, got, want)
	}
}

func FuzzKDF(f *testing.F) {
	good := cheap.KDF
	good.Salt = []byte("0123456789abcdef")
	for _, seed := range []string{
		"", good.String(), KDF{MaxKDFMemory, MaxKDFPasses, good.Salt}.String(),
		"$argon2id$v=19$m=4194305,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=19$m=08,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
		"$argon2id$v=19$m=8,t=+1,p=1$MDEyMzQ1Njc4OWFiY2RlZh",
		"$argon2id$v=19$t=1,m=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg==",
		"$argon2i$v=19$m=8,t=1,p=4$",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := parseKDF(s)
		want, ok := readKDFSlowly(s)
		if ok != (err == nil) {
			t.Fatalf("error %v, but a KDF: %v", err, ok)
		}
		if err != nil {
			checkFormatError(t, &FormatError{1, err.Error()}, nil)
			return
		}
		if k.String() != s || len(k.Salt) != saltLen || fmt.Sprint(k.Memory) != want[0] || fmt.Sprint(k.Passes) != want[1] {
			t.Fatalf("%q reads as %v", s, k)
		}
	})
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{"", "preabcdefgh", "pre ab\x08cd efgh", "\x7f\x08", "l1|0\\abcd", " \t pre \t" + strings.Repeat("x", 8), strings.Repeat("x\x08", 100)} {
		f.Add([]byte(seed), 8)
	}
	f.Fuzz(func(t *testing.T, response []byte, n int) {
		if n < 1 || n > multi*MaxPasswordLen || len(response) > 1<<13 {
			return
		}
		defer hangs().Stop()
		whole := slices.Concat(response, []byte("behind")) // is its capacity used?
		prefix, password, ok := splitResponse(whole[:len(response)], n)
		wantPrefix, wantPassword, wantOK := splitSlowly(response, n)
		if ok != wantOK || string(prefix) != wantPrefix || string(password) != wantPassword {
			t.Fatalf("%q, %q, %v; want %q, %q, %v", prefix, password, ok, wantPrefix, wantPassword, wantOK)
		}
		norm := Normalize(whole[:len(response)])
		if string(norm) != normalizeSlowly(string(response)) || normalizedLen(response) != len(norm) {
			t.Fatalf("normalised: %q", norm)
		}
		if !bytes.Equal(Normalize(norm), norm) || !bytes.Equal(Normalize(password), password) {
			t.Fatal("normalised again it is different")
		}
		trimmed := OTPW2.TrimPrefix(prefix)
		if string(trimmed) != strings.Trim(wantPrefix, " \t") || string(OTPW1.TrimPrefix(prefix)) != wantPrefix {
			t.Fatalf("prefix %q trimmed to %q", prefix, trimmed)
		}
		if string(whole) != string(response)+"behind" {
			t.Fatal("response changed")
		}
		if !ok {
			return
		}
		clear(password) // as a login does
		if string(whole) != string(response)+"behind" {
			t.Fatal("the password is part of the response")
		}
		// the same, typed once more without corrections
		p, w, ok := splitResponse([]byte(wantPrefix+wantPassword), n)
		if !ok || string(p) != wantPrefix || string(w) != wantPassword {
			t.Fatalf("%q + %q reads as %q + %q", wantPrefix, wantPassword, p, w)
		}
	})
}

// FuzzLockFile lets logins meet a lock file with any target. script says what
// happens: its first byte chooses the options, each other one a step.
func FuzzLockFile(f *testing.F) {
	for i, seed := range []string{"0004", "0004,0007", "0004,0007,0001", "0004,0007,0001,0002", "0004,", ",", "00444", "0004,0004", "-004", "9999", "junk"} {
		for _, options := range []string{"\x00", "\x01", "\x02", "\x04", "\x08", "\x10"} {
			// a and b begin a login, c and d answer rightly, e wrongly, f closes, g makes the lock file stale
			f.Add(seed, []byte(options+"abacadaefbgaabbccddeeffgg"[i:]))
			f.Add(seed, []byte(options+"gafgafgac"))
		}
	}
	defer func(old func(int) error) { fdatasync = old }(fdatasync)
	fdatasync = func(int) error { return nil } // no power is cut here

	if unix.Access("/dev/shm", unix.W_OK) == nil { // files in memory: many times as fast
		f.Setenv("TMPDIR", "/dev/shm")
	}
	path := makeList(f, 14)
	list := readFile(f, path)
	f.Fuzz(func(t *testing.T, target string, script []byte) {
		checkLockTarget(t, target)
		if len(script) < 2 || len(script) > 60 {
			return
		}
		s := scene{t: t, path: path, accepted: map[string]bool{}, alone: map[string]bool{}}
		s.o = Options{NoLock: script[0]&1 != 0, Reask: script[0]&2 != 0, LegacyLock: script[0]&4 != 0, Decoys: script[0]&16 != 0}
		s.strict = !s.o.NoLock && !s.o.Reask
		s.forged = !s.o.NoLock && !s.o.LegacyLock && (script[0]&8 != 0 || !isLockSlowly(target, 4))
		if err := os.WriteFile(path, list, 0o600); err != nil {
			t.Fatal(err)
		}
		if !s.forge(target, script[0]&8 != 0) {
			return
		}
		defer hangs().Stop()
		s.play(script[1:], target)
	})
}

// checkLockTarget compares the parser of lock files with the pattern.
func checkLockTarget(t *testing.T, target string) {
	for width := 1; width <= maxNumberLen; width++ {
		names, ok := parseLock(target, width)
		if ok != isLockSlowly(target, width) || ok && strings.Join(names, ",") != target || !ok && names != nil {
			t.Fatalf("width %d: %q, %v", width, names, ok)
		}
		if ok && !isLockTarget(target) {
			t.Fatalf("%q is a lock file, but -l would call it damaged", target)
		}
	}
}

// A scene is a list, its lock file, and logins that are open at once.
type scene struct {
	t        *testing.T
	path     string
	o        Options
	open     []*Login
	accepted map[string]bool // numbers that let somebody in
	alone    map[string]bool // numbers that were asked for alone
	strict   bool            // a number may be asked for alone only once
	forged   bool            // none may, until a success
}

// forge puts a lock file there, a link or not. False: there can be no such link.
func (s *scene) forge(target string, regular bool) bool {
	lock := s.path + ".lock"
	if err := os.Remove(lock); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	if regular {
		return os.WriteFile(lock, []byte(target), 0o600) == nil
	}
	return os.Symlink(target, lock) == nil
}

// play does the steps, and then looks at the list.
func (s *scene) play(steps []byte, target string) {
	defer func() {
		for _, l := range s.open {
			l.Close()
		}
	}()
	for _, step := range steps {
		which := int(step>>3) % max(len(s.open), 1)
		switch step & 7 {
		case 0, 1, 2:
			s.begin()
		case 3, 4:
			s.answer(which, true)
		case 5:
			s.answer(which, false)
		case 6:
			if len(s.open) > 0 {
				s.open[which].Close()
				s.open = slices.Delete(s.open, which, which+1)
			}
		case 7:
			s.tamper(step>>3, target)
		}
	}
	l := readList(s.t, s.path)
	for i := range l.Len() {
		if s.accepted[l.Number(i)] {
			s.t.Fatalf("%s let somebody in, and is not used", l.Number(i))
		}
	}
}

// tamper does what the original module, or the user, may do to a lock file.
func (s *scene) tamper(how byte, target string) {
	s.forged = s.forged && how%3 == 0
	switch how % 3 {
	case 0: // stale
		old := []unix.Timespec{{Sec: 1}, {Sec: 1}}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, s.path+".lock", old, unix.AT_SYMLINK_NOFOLLOW); err != nil && err != unix.ENOENT {
			s.t.Fatal(err)
		}
	case 1:
		s.forge(target, false)
		s.strict = false
	case 2:
		st, _ := os.Lstat(s.path + ".lock")
		if _, err := Unlock(s.path); (err != nil) != (st != nil && st.Mode().IsRegular()) {
			s.t.Fatalf("error %v", err)
		}
		s.strict = false
	}
}

func (s *scene) begin() {
	target, err := os.Readlink(s.path + ".lock")
	var aside []string
	if err == nil && isLockSlowly(target, 4) {
		aside = strings.Split(target, ",")
	}
	l, err := Begin(s.path, s.o)
	if err != nil {
		if !errors.Is(err, ErrExhausted) && !errors.Is(err, ErrTooFew) {
			s.t.Fatal(err)
		}
		return
	}
	s.open = append(s.open, l)
	numbers := strings.Split(l.Challenge(), "/")
	for i, n := range numbers {
		if s.accepted[n] || slices.Contains(numbers[:i], n) || slices.Contains(aside, n) {
			s.t.Fatalf("asked for %s, set aside: %v, accepted before: %v", l.Challenge(), aside, s.accepted)
		}
	}
	switch {
	case len(numbers) == multi:
	case len(numbers) != 1:
		s.t.Fatalf("asked for %s", l.Challenge())
	case s.strict && s.alone[numbers[0]]:
		s.t.Fatalf("asked for %s alone twice", numbers[0])
	case s.forged:
		s.t.Fatalf("asked for %s, with a forged lock file", numbers[0])
	default:
		s.alone[numbers[0]] = true
	}
}

func (s *scene) answer(which int, rightly bool) {
	if which >= len(s.open) {
		return
	}
	l := s.open[which]
	s.open = slices.Delete(s.open, which, which+1)
	challenge := l.Challenge()
	response := right(challenge)
	if !rightly {
		response[0]++
	}
	_, err := l.Verify(response)
	switch {
	case err == nil && !rightly:
		s.t.Fatal("let in with a wrong prefix")
	case err != nil && !errors.Is(err, ErrUsed) && (rightly || !errors.Is(err, ErrWrong)):
		s.t.Fatal(err)
	case err != nil:
		return
	}
	s.forged = false
	for _, n := range strings.Split(challenge, "/") {
		if s.accepted[n] {
			s.t.Fatalf("%s let two in", n)
		}
		s.accepted[n] = true
	}
}
