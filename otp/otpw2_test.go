// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A list made without this project, by the reference implementation of Argon2
// (testdata/otpw2/make.sh).
func TestVector(t *testing.T) {
	data := readFile(t, "testdata/otpw2/vector.list")
	prefix := readFile(t, "testdata/otpw2/prefix")
	l, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want := Header{
		Format:  OTPW2,
		KDF:     KDF{19456, 2, []byte("0123456789abcdef")},
		ID:      "k7mw3xqp",
		Host:    "host.example",
		Created: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC),
		Expires: time.Date(2036, 11, 23, 3, 0, 0, 0, time.UTC),
		Label:   "Reise nach Süden",
	}
	if fmt.Sprint(l.Header) != fmt.Sprint(want) {
		t.Errorf("header %v, want %v", l.Header, want)
	}
	var pws []Numbered
	for line := range strings.Lines(string(readFile(t, "testdata/otpw2/vector.passwords"))) {
		number, password, _ := strings.Cut(strings.TrimSpace(line), " ")
		pws = append(pws, Numbered{number, []byte(password)})
	}
	ours, err := Recipe{Header: want, Ordered: true}.Make(t.Context(), prefix, pws)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours.Bytes(), data) {
		t.Errorf("our list of the same passwords:\n%s\nwant\n%s", ours.Bytes(), data)
	}

	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range pws {
		login := begin(t, path, Options{})
		asks(t, login, p.Number)
		response := " \t" + string(prefix) + " " + string(p.Password) // blanks around the prefix do not count
		if _, err := login.Verify([]byte(response)); err != nil {
			t.Errorf("%s: %v", p.Number, err)
		}
	}
}

// A prefix inside which a blank counts is another one.
func TestBlanksInPrefix(t *testing.T) {
	for _, tt := range []struct {
		made, typed string
		right       bool
	}{
		{"two words", "two words", true},
		{" two words\t", "two words", true},
		{"two words", "  two words  ", true},
		{"two words", "twowords", false},
		{"two words", "two  words", false},
		{"two words", "two words\u00a0", false},
		{"", " ", true},
	} {
		l, err := Recipe{Header: cheap}.Make(t.Context(), []byte(tt.made), []Numbered{{"000", []byte("password")}})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(path, l.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = begin(t, path, Options{}).Verify([]byte(tt.typed + "password"))
		if (err == nil) != tt.right {
			t.Errorf("made with %q, typed %q: %v", tt.made, tt.typed, err)
		}
	}
}

const header2 = `OTPW2
kdf: $argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg
entries: 2
digits: 3
password: 8
id: k7mw3xqp
host: host.example
created: 2026-11-23T03:00:00Z
expires: 2027-11-23T03:00:00Z
label: Reise nach Süden

`

// rows2 makes n entries, numbered from 0 with three digits.
func rows2(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%03d%s\n", i, strings.Repeat("A", hashLen2))
	}
	return b.String()
}

func TestParseOTPW2(t *testing.T) {
	good := header2 + rows2(2)
	for _, tt := range []struct {
		name, old, new string
		line           int // of the error; 0: a list
	}{
		{"as it is", "", "", 0},
		{"no expiry", "expires: 2027-11-23T03:00:00Z\n", "", 0},
		{"no label", "label: Reise nach Süden\n", "", 0},
		{"behind the entries", rows2(2), rows2(2) + "more", 0},
		{"used", "000", "---", 0},
		{"long label", "Reise nach Süden", strings.Repeat("ü", 127), 0},
		{"largest kdf", "m=8,t=1", "m=4194304,t=1000", 0},

		{"other version", "OTPW2", "OTPW3", 1},
		{"crlf", "OTPW2\n", "OTPW2\r\n", 1},
		{"argon2i", "argon2id", "argon2i", 2},
		{"argon2 version", "v=19", "v=16", 2},
		{"other kdf", "$argon2id$", "$scrypt$", 2},
		{"two lanes", "p=1", "p=2", 2},
		{"no memory", "m=8", "m=0", 2},
		{"little memory", "m=8", "m=7", 2},
		{"much memory", "m=8", "m=4194305", 2},
		{"memory wraps", "m=8", "m=4294967304", 2},
		{"negative memory", "m=8", "m=-8", 2},
		{"leading zero", "m=8", "m=08", 2},
		{"plus", "m=8", "m=+8", 2},
		{"no passes", "t=1", "t=0", 2},
		{"many passes", "t=1", "t=1001", 2},
		{"order", "m=8,t=1", "t=1,m=8", 2},
		{"more parameters", "t=1,", "t=1,keyid=x,", 2},
		{"short salt", "MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFi", 2},
		{"padded salt", "MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFiY2RlZg==", 2},
		{"untidy salt", "MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFiY2RlZh", 2},
		{"huge salt", "MDEyMzQ1Njc4OWFiY2RlZg", strings.Repeat("A", 5000), 2},
		{"no entries", "entries: 2", "entries: 0", 3},
		{"10000 entries", "entries: 2", "entries: 10000", 3},
		{"more announced", "entries: 2", "entries: 3", 14},
		{"leading zero", "entries: 2", "entries: 02", 3},
		{"leading zero in digits", "digits: 3", "digits: 03", 4},
		{"leading zero in password", "password: 8", "password: 08", 5},
		{"digits", "digits: 3", "digits: 27", 4},
		{"other digits", "digits: 3", "digits: 4", 12},
		{"password too short", "password: 8", "password: 3", 5},
		{"password too long", "password: 8", "password: 1000", 5},
		{"short id", "k7mw3xqp", "k7mw3xq", 6},
		{"id with a capital", "k7mw3xqp", "K7mw3xqp", 6},
		{"no host", "host: host.example\n", "", 7},
		{"empty host", "host.example", "", 7},
		{"escape in host", "host.example", "\x1b[31mhost", 7},
		{"time zone", "2026-11-23T03:00:00Z", "2026-11-23T03:00:00+01:00", 8},
		{"fraction", "2026-11-23T03:00:00Z", "2026-11-23T03:00:00.5Z", 8},
		{"created at the zero time", "created: 2026-11-23T03:00:00Z", "created: 0001-01-01T00:00:00Z", 8},
		{"expires at the zero time", "2027-11-23T03:00:00Z", "0001-01-01T00:00:00Z", 9},
		{"no date", "2026-11-23T03:00:00Z", "yesterday", 8},
		{"day that is none", "2026-11-23T03:00:00Z", "2026-02-30T03:00:00Z", 8},
		{"expiry before creation", "2027-11-23T03:00:00Z", "2026-11-23T03:00:00Z", 11},
		{"label not UTF-8", "Süden", "S\xfcden", 10},
		{"label turns around", "Süden", "S\u202eden", 10},
		{"label ends in a blank", "Süden", "Süden ", 10},
		{"empty label", "Reise nach Süden", "", 10},
		{"long label", "Reise nach Süden", strings.Repeat("ü", 128), 10},
		{"unknown field", "label:", "colour:", 10},
		{"one more field", "label:", "label: x\nlabel:", 11},
		{"no empty line", "Süden\n\n", "Süden\n", 11},
		{"no blank", "entries: 2", "entries:2", 3},
		{"entry too long", rows2(2), "0" + rows2(2), 12},
		{"cut", rows2(2), rows2(1), 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := strings.Replace(good, tt.old, tt.new, 1)
			if tt.old != "" && data == good {
				t.Fatal("nothing replaced")
			}
			l, err := Parse([]byte(data))
			if tt.line == 0 {
				if err != nil || string(l.Bytes()) != data {
					t.Fatal(err)
				}
				return
			}
			var fe *FormatError
			if !errors.As(err, &fe) || fe.Line != tt.line {
				t.Errorf("error %v, want a FormatError of line %d", err, tt.line)
			}
		})
	}
}

func TestRecipe(t *testing.T) {
	pws := []Numbered{{"000", []byte("password")}, {"001", []byte("drowssap")}}
	a, err := Recipe{Header: cheap}.Make(t.Context(), nil, pws)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Recipe{Header: cheap}.Make(t.Context(), nil, pws)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID == b.ID || bytes.Equal(a.KDF.Salt, b.KDF.Salt) {
		t.Error("two lists with one id or salt")
	}
	for name, change := range map[string]func(*Header){
		"format":         func(h *Header) { h.Format = 3 },
		"no format":      func(h *Header) { h.Format = 0 },
		"no memory":      func(h *Header) { h.KDF.Memory = 0 },
		"many passes":    func(h *Header) { h.KDF.Passes = MaxKDFPasses + 1 },
		"short salt":     func(h *Header) { h.KDF.Salt = []byte("salt") },
		"id":             func(h *Header) { h.ID = "x" },
		"no host":        func(h *Header) { h.Host = "" },
		"host":           func(h *Header) { h.Host = "a\nb" },
		"label":          func(h *Header) { h.Label = "\xff" },
		"no time":        func(h *Header) { h.Created = time.Time{} },
		"expired before": func(h *Header) { h.Expires = h.Created },
	} {
		h := cheap
		change(&h)
		if _, err := (Recipe{Header: h}).Make(t.Context(), nil, pws); err == nil {
			t.Errorf("%s: no error", name)
		}
	}

	var seen []int
	many := slices.Repeat(pws, 1)
	for i := range 200 {
		many = append(many, Numbered{fmt.Sprint(100 + i), []byte("password")})
	}
	r := Recipe{Header: cheap, Progress: func(done int) { seen = append(seen, done) }}
	if _, err := r.Make(t.Context(), nil, many); err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(many) || !slices.IsSorted(seen) || seen[len(seen)-1] != len(many) {
		t.Errorf("progress %v", seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.Progress = func(int) { cancel() }
	if _, err := r.Make(ctx, nil, many); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// However many cores there are, a new list takes bounded memory.
func TestWorkers(t *testing.T) {
	for _, tt := range []struct{ memory, n, cores, want int }{
		{0, 280, 4, 4}, // OTPW1
		{DefaultKDFMemory, 280, 16, 16},
		{DefaultKDFMemory, 3, 16, 3},
		{256 << 10, 280, 16, 4},
		{MaxKDFMemory, 280, 16, 1},
	} {
		h := Header{KDF: KDF{Memory: tt.memory}}
		if got := h.workers(tt.n, tt.cores); got != tt.want {
			t.Errorf("%d KiB, %d passwords, %d cores: %d at a time, want %d", tt.memory, tt.n, tt.cores, got, tt.want)
		}
	}
}

// As many hashes at a time as workers says, and none after the context has ended;
// Progress is never called twice at the same time.
func TestMakeAtATime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	var running, most, hashed, progressing atomic.Int32
	defer func(before func(_, _ []byte, _, _ uint32, _ uint8, _ uint32) []byte) { idKey = before }(idKey)
	idKey = func(_, _ []byte, _, _ uint32, _ uint8, n uint32) []byte {
		now := running.Add(1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		running.Add(-1)
		hashed.Add(1)
		return make([]byte, n)
	}
	var pws []Numbered
	for i := range 100 {
		pws = append(pws, Numbered{fmt.Sprint(100 + i), []byte("password")})
	}
	r := Recipe{Header: cheap, Progress: func(int) {
		if progressing.Add(1) != 1 {
			t.Error("two calls of Progress at the same time")
		}
		runtime.Gosched()
		progressing.Add(-1)
	}}
	r.KDF.Memory = makeMemory / 3
	if _, err := r.Make(t.Context(), nil, pws); err != nil || most.Load() > 3 || most.Load() < 2 {
		t.Errorf("%d at a time, %v", most.Load(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	hashed.Store(0)
	r.Progress = func(int) { cancel() }
	if _, err := r.Make(ctx, nil, pws); !errors.Is(err, context.Canceled) || hashed.Load() > 6 {
		t.Errorf("%d hashed, %v", hashed.Load(), err)
	}
}

// The last day in local time, wherever that is.
func TestLastDay(t *testing.T) {
	defer func(l *time.Location) { time.Local = l }(time.Local)
	time.Local = time.FixedZone("", 3600)
	for _, tt := range []struct {
		expires time.Time
		want    string
	}{
		{time.Time{}, ""},
		{time.Date(2027, 2, 28, 23, 0, 0, 0, time.UTC), "2027-02-28"},
		{time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), "2027-03-01, to 01:00"},
		{time.Date(2027, 2, 28, 22, 59, 59, 0, time.UTC), "2027-02-28, to 23:59"},
	} {
		if got := LastDay(tt.expires); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.expires, got, tt.want)
		}
	}
}

// The second that a list expires in is the first without logins.
func TestExpired(t *testing.T) {
	h := Header{Expires: time.Date(2027, 11, 23, 3, 0, 0, 0, time.UTC)}
	if h.Expired(h.Expires.Add(-1)) || !h.Expired(h.Expires) || (&Header{}).Expired(h.Expires) {
		t.Error("not from its end on")
	}
}

func TestExpiry(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name             string
		created, expires time.Duration // from now
		expired, warns   bool
	}{
		{"never", -time.Hour, 0, false, false},
		{"fresh", -time.Hour, 99 * time.Hour, false, false},
		{"before the last tenth", -89 * time.Hour, 11 * time.Hour, false, false},
		{"in the last tenth", -91 * time.Hour, 9 * time.Hour, false, true},
		{"over", -91 * time.Hour, -time.Minute, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := cheap
			h.Created = now.Add(tt.created)
			if tt.expires != 0 {
				h.Expires = now.Add(tt.expires)
			}
			defer func(f Header) { testFormat = f }(testFormat)
			testFormat = h
			path := makeList(t, 50)
			l, err := Begin(path, Options{})
			if tt.expired != errors.Is(err, ErrExpired) || tt.expired != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				locked(t, path, "")
				return
			}
			if r := accepts(t, l); r.Expiring != tt.warns || r.Low() != tt.warns {
				t.Errorf("%+v, low %v; want a warning: %v", r, r.Low(), tt.warns)
			}
		})
	}
}

// A list that expires while the response is awaited.
func TestExpiredWhileAsked(t *testing.T) {
	defer func(h Header) { testFormat, clock = h, time.Now }(testFormat)
	testFormat = cheap
	testFormat.Expires = cheap.Created.Add(time.Hour)
	path := makeList(t, 12)
	clock = func() time.Time { return testFormat.Expires.Add(-time.Second) }
	l := begin(t, path, Options{})
	clock = func() time.Time { return testFormat.Expires }
	refuses(t, l, right(l.Challenge()), ErrExpired)
	used(t, path)
	clock = func() time.Time { return testFormat.Expires.Add(-time.Second) }
	accepts(t, begin(t, path, Options{}))
}

// A list may not make a login compute without limit.
func TestCost(t *testing.T) {
	for _, tt := range []struct {
		name           string
		memory, passes int
		o              Options
		denied         bool
	}{
		{"default limits", DefaultKDFMaxMemory + 1, 1, Options{}, true},
		{"default passes", 8, DefaultKDFMaxPasses + 1, Options{}, true},
		{"memory", 65, 2, Options{KDFMaxMemory: 64}, true},
		{"passes", 64, 3, Options{KDFMaxPasses: 2}, true},
		{"just so", 64, 2, Options{KDFMaxMemory: 64, KDFMaxPasses: 2}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "list")
			list := strings.Replace(header2+rows2(2), "m=8,t=1", fmt.Sprintf("m=%d,t=%d", tt.memory, tt.passes), 1)
			if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := Begin(path, tt.o)
			if errors.Is(err, ErrCost) != tt.denied || (err != nil) != tt.denied {
				t.Errorf("error %v", err)
			}
			if l != nil {
				l.Close()
			}
		})
	}
}
