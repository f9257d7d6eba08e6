// SPDX-License-Identifier: MIT

package module

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/otp"
)

// oneLine reports whether text can stand in a log as it is.
func oneLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) })
}

// FuzzArguments: args are the arguments, with NULs between them, as in a request.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{
		"", "debug\x00decoy\x00nolock\x00reask\x00legacy_lock\x00trust_locks",
		"lock_timeout=60\x00kdf_max_memory=16\x00kdf_max_passes=3",
		"lock_timeout=2147483647\x00kdf_max_memory=4096\x00kdf_max_passes=1000",
		"lock_timeout=2147483648\x00kdf_max_memory=4097\x00kdf_max_passes=1001",
		"lock_timeout=0\x00kdf_max_memory=-1\x00kdf_max_passes=", "lock_timeout\x00kdf_max_memory", "debug=\x00=debug",
		"line\nbreak\x00\x1b[31m\x00\"quoted\" \\", "kdf_max_passes=1\n\x00\xff\x00\u0085\u2028",
	} {
		f.Add(seed)
	}
	value := regexp.MustCompile(`^(lock_timeout|kdf_max_memory|kdf_max_passes)=0*([1-9][0-9]{0,9})$`)
	f.Fuzz(func(t *testing.T, args string) {
		list := strings.Split(args, "\x00")
		got, complaints, err := parseArgs(nil, list)
		if slices.ContainsFunc(list, func(arg string) bool {
			name, _, _ := strings.Cut(arg, "=")
			return slices.Contains([]string{"file", "user", "prompt", "min_remaining"}, name)
		}) {
			return // have tests of their own
		}
		want, bad := arguments{prompt: "Password"}, 0
		for _, arg := range list {
			number := 0
			m := append(value.FindStringSubmatch(arg), "", "", "")
			fmt.Sscan(m[2], &number)
			switch {
			case arg == "debug":
				want.debug = true
			case arg == "silent":
				want.silent = true
			case arg == "nullok":
				want.Nullok = true
			case arg == "try_first_pass", arg == "use_first_pass":
				want.takeFirst = true
				want.AskNever = want.AskNever || arg == "use_first_pass"
			case arg == "decoy":
				want.Decoys = true
			case arg == "nolock":
				want.NoLock = true
			case arg == "reask":
				want.Reask = true
			case arg == "legacy_lock":
				want.LegacyLock = true
			case arg == "trust_locks":
				want.TrustLocks = true
			case m[1] == "lock_timeout" && number <= math.MaxInt32:
				want.LockTimeout = time.Duration(number) * time.Second
			case m[1] == "kdf_max_memory" && number <= 4096:
				want.KDFMaxMemory = number * 1024
			case m[1] == "kdf_max_passes" && number <= 1000:
				want.KDFMaxPasses = number
			default:
				bad++
			}
		}
		if (err != nil) != (want.Decoys && (want.Nullok || want.takeFirst)) {
			t.Fatalf("%+v: %v", want, err)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
		if len(complaints) != bad {
			t.Fatalf("%d complaints, want %d: %q", len(complaints), bad, complaints)
		}
		for _, c := range complaints {
			if !oneLine(c) {
				t.Fatalf("complaint %q", c)
			}
		}
	})
}

// A peer is an entry that has sent something, and answers the prompt. After
// `writes` frames it is gone.
type peer struct {
	t      *testing.T
	in     bytes.Buffer               // what the worker can read
	answer func(prompt string) string // in bytes on the wire
	writes int
	frames []string // type and payload of what the worker sent
}

func (p *peer) Read(b []byte) (int, error) { return p.in.Read(b) }

// Write wants a whole frame that the entry would take.
func (p *peer) Write(b []byte) (int, error) {
	if p.writes == 0 {
		return 0, io.ErrClosedPipe
	}
	p.writes--
	if len(b) < 4 || int(binary.BigEndian.Uint16(b[1:])) != len(b)-3 || len(b)-3 > bounds[b[0]] {
		p.t.Fatalf("frame %q", b)
	}
	p.frames = append(p.frames, string(b[:1])+string(b[3:]))
	if b[0] == framePrompt {
		p.in.WriteString(p.answer(string(b[3:])))
	}
	return len(b), nil
}

// What the input of FuzzServe is.
const (
	fuzzAll       = iota // all that the entry sends
	fuzzAnswer           // what it sends when it is asked
	fuzzResponse         // what is in the response
	fuzzPrefix           // what is in the response before the right passwords
	fuzzArguments        // the arguments, in lines; the response is right
	fuzzDecoy            // the decoy; behind a `!` there is a response, and it is right
	fuzzKinds
)

// fuzzHomes makes homes with lists of all kinds. Those from the third on need
// three passwords, or have none.
func fuzzHomes(f *testing.F) (homes []string) {
	cheap := otp.Header{Format: otp.OTPW2, KDF: otp.KDF{Memory: otp.MinKDFMemory, Passes: 1}, Host: "h", Created: time.Unix(1, 0)}
	homes = []string{makeHome(f, 12), makeHomeOf(f, 12, cheap), makeHome(f, 12), makeHome(f, 1), f.TempDir()}
	list := filepath.Join(homes[3], otp.FileName)
	if _, err := otp.Revoke(list, func(string) bool { return true }); err != nil {
		f.Fatal(err)
	}
	return homes
}

// FuzzServe gives the worker's side of the protocol anything that an entry could
// send. how chooses what the input is, the list, and how many frames the worker
// can send before the entry is gone.
func FuzzServe(f *testing.F) {
	const decoy = "0123456789abcdef 0 0"
	for kind, seeds := range [fuzzKinds][]string{
		fuzzAll: {
			"", frame(frameRequest, ""), frame(frameRequest, "protocol=1\x00"), frame(frameResponse, "secret"), "Q\xff\xff\x00",
			frame(frameRequest, "protocol=1\x00home=/nonexistent\x00log=x\x00arg=debug\x00arg=lock_timeout=1\x00arg=kdf_max_memory=9\x00"),
			frame(frameRequest, "protocol=1\x00home=/nonexistent\x00") + frame(frameResponse, "secret"),
			frame(frameRequest, "protocol=1\x00home=/nonexistent\x00account=none\x00decoy="+decoy+"\x00arg=reask\x00") + frame(frameResponse, "secret"),
		},
		fuzzAnswer: {"", "R", "R\x00\x05half", "R\x20\x00", frame(frameResponse, "wrong"), frame(framePrompt, "wrong"), frame(frameRequest, ""),
			frame(frameResponse, strings.Repeat("x", maxResponse)), frame(frameResponse, strings.Repeat("x", maxResponse+1))},
		fuzzResponse:  {"", "short", "long enough to be one", "\x08\x08\x7f", "\x00\xff"},
		fuzzPrefix:    {"", prefix, " " + prefix + "\t", prefix + "\x08", prefix + prefix},
		fuzzDecoy:     {"", decoy, "!" + decoy, "0123456789abcdef 255 1", "ffffffffffffffff 2 0", "0123456789abcdef 256 0", "0 0 0", decoy + " 0"},
		fuzzArguments: {"", "debug", "debug\nreask\nlegacy_lock\nlock_timeout=1", "nolock\nunknown\nkdf_max_memory=0", strings.Repeat("x", 2000)},
	} {
		for i, seed := range seeds {
			for how := range 5 { // each list
				f.Add(byte(kind+fuzzKinds*how), []byte(seed))
				f.Add(byte(kind+fuzzKinds*(how+5*(1+i%3))), []byte(seed))
			}
		}
	}
	if unix.Access("/dev/shm", unix.W_OK) == nil { // files in memory: many times as fast
		f.Setenv("TMPDIR", "/dev/shm")
	}
	homes := fuzzHomes(f)
	var lists [][]byte
	for _, home := range homes {
		data, err := os.ReadFile(filepath.Join(home, otp.FileName))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.Fatal(err)
		}
		lists = append(lists, data)
	}
	f.Fuzz(func(t *testing.T, how byte, in []byte) {
		kind, which, cut := int(how)%fuzzKinds, int(how)/fuzzKinds%len(homes), int(how)/fuzzKinds/len(homes)%4
		if len(in) > maxResponse+100 || kind >= fuzzArguments && bytes.IndexByte(in, 0) >= 0 {
			return
		}
		defer time.AfterFunc(30*time.Second, func() { panic("hangs") }).Stop()
		home, list := homes[which], filepath.Join(homes[which], otp.FileName)
		setUp(t, list, lists[which], which == 2)

		p := &peer{t: t, writes: cut - 1, answer: fuzzAnswers(kind, string(in))}
		request := fuzzRequest(kind, home, string(in))
		p.in.WriteString(request)
		checkRequest(t, request[min(3, len(request)):])
		line := p.check(kind, Serve(p))

		asked := slices.ContainsFunc(p.frames, func(f string) bool { return f[0] == framePrompt })
		if whole := isResponse(string(in)); kind == fuzzAnswer && asked && strings.HasPrefix(line, "result=abandoned ") == whole {
			t.Fatalf("%q to %q", line, in)
		}
		right := fuzzRight(kind, which, string(in))
		if accepted := strings.HasPrefix(line, "result=accepted "); accepted != (asked && right) {
			t.Fatalf("%q to %q", line, in)
		}
		now, err := os.ReadFile(list)
		if err != nil && lists[which] != nil {
			t.Fatal(err)
		}
		if changed := !bytes.Equal(now, lists[which]); changed != (asked && right) {
			t.Fatalf("%q, and the list is\n%s", line, now)
		}
	})
}

// setUp puts the list there; with a lock file that asks for three if multi.
func setUp(t *testing.T, list string, data []byte, multi bool) {
	err := os.Remove(list + ".lock")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil && data != nil {
		err = os.WriteFile(list, data, 0o600)
	}
	if err == nil && multi {
		err = os.Symlink("000,001,002", list+".lock")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fuzzRequest makes what the entry sends at first of the input.
func fuzzRequest(kind int, home, in string) string {
	request := ask(home)
	switch kind {
	case fuzzAll:
		return in
	case fuzzArguments:
		request = ask(home, strings.Split(in, "\n")...)
	case fuzzDecoy:
		request = ask(home, "reask") + "decoy=" + strings.TrimPrefix(in, "!") + "\x00"
	}
	return frame(frameRequest, request)
}

var (
	slowRequest = regexp.MustCompile(`^(?:[^=\x00]*=[^\x00]*\x00)+$`)
	slowDecoy   = regexp.MustCompile(`(?:^|\x00)decoy=([^\x00]*)`)
	slowValue   = regexp.MustCompile(`^[0-9a-fA-F]{16} 0*([0-9]{1,3}) 0*[01]$`)
)

// checkRequest compares the parser of requests with patterns.
func checkRequest(t *testing.T, payload string) {
	want := slowRequest.MatchString(payload)
	for _, m := range slowDecoy.FindAllStringSubmatch(payload, -1) {
		value := slowValue.FindStringSubmatch(m[1])
		want = want && value != nil && (len(value[1]) < 3 || value[1] <= "255")
	}
	r, err := parseRequest([]byte(payload))
	if (err == nil) != want {
		t.Fatalf("error %v, but a request: %v", err, want)
	}
	if n := strings.Count("\x00"+payload, "\x00arg="); want && len(r.args) != n {
		t.Fatalf("%d arguments, want %d", len(r.args), n)
	}
}

// fuzzAnswers makes what it answers.
func fuzzAnswers(kind int, in string) func(prompt string) string {
	return func(prompt string) string {
		whole, _ := rightly(prompt)
		switch {
		case kind == fuzzArguments || kind == fuzzDecoy && strings.HasPrefix(in, "!"):
			return frame(frameResponse, whole)
		case kind == fuzzPrefix:
			return frame(frameResponse, in+strings.TrimPrefix(whole, prefix))
		case kind == fuzzResponse:
			return frame(frameResponse, in)
		case kind == fuzzAnswer:
			return in
		}
		return ""
	}
}

// isResponse reports whether in begins with a frame that is a response.
func isResponse(in string) bool {
	if len(in) < 3 || in[0] != 'R' {
		return false
	}
	n := int(in[1])*256 + int(in[2])
	return n <= 8191 && len(in) >= 3+n
}

// fuzzRight reports whether the answer, if there is a prompt, has to be accepted.
// There is no list in the last two homes that anybody can be right about.
func fuzzRight(kind, which int, in string) bool {
	switch kind {
	case fuzzArguments:
		return true
	case fuzzDecoy:
		return strings.HasPrefix(in, "!") && which < 3
	case fuzzPrefix:
		return in == prefix || which == 1 && strings.Trim(in, " \t") == prefix
	}
	return false
}

// What results a word in the log may come with.
var resultsOf = map[string]string{
	"accepted":    string(rune(pamSuccess)),
	"refused":     string(rune(pamAuthErr)),
	"abandoned":   string(rune(pamAuthinfoUnavail)),
	"unavailable": string(rune(pamAuthinfoUnavail)),
	"error":       string(rune(pamAuthinfoUnavail)) + string(rune(pamSystemErr)),
}

// check looks at all that the worker said, and returns the attempt's line for the
// log. There is one, said or unsaid; or none, when nobody is left to tell, and
// who asked is not known.
func (p *peer) check(kind int, unsaid string) (line string) {
	kinds, said := "", 0
	for _, f := range p.frames {
		kinds += f[:1]
		if f[0] != frameLog {
			continue
		}
		if !oneLine(strings.ToValidUTF8(f, "")) && !strings.HasPrefix(f, "Lddebug: ") { // it may be cut
			p.t.Fatalf("log line %q", f)
		}
		if kind == fuzzPrefix && (strings.Contains(f, prefix) || strings.Contains(f, "pass0")) {
			p.t.Fatalf("a secret in the log: %q", f)
		}
		if strings.HasPrefix(f[2:], "result=") {
			line, said = f[2:], said+1
		}
	}
	gone := p.writes == 0
	if who, text, ok := strings.Cut(unsaid, " result="); ok && gone && who != "" {
		line, said = "result="+text, said+1
	} else if unsaid != "" {
		p.t.Fatalf("unsaid %q", unsaid)
	}
	known := kind != fuzzAll && kind != fuzzDecoy // the others make whole requests
	if said != 1 && (said != 0 || known || !gone) {
		p.t.Fatalf("%d lines with the result: %q, unsaid %q", said, p.frames, unsaid)
	}
	if gone {
		return line
	}
	word, _, _ := strings.Cut(strings.TrimPrefix(line, "result="), " ")
	if !regexp.MustCompile(`^L*D?L*P?D?L+N?F$`).MatchString(kinds) || strings.Contains(kinds, "N") != (word == "accepted") {
		p.t.Fatalf("frames %s", kinds)
	}
	results := resultsOf[word]
	if strings.Contains(line, ` reason="decoy: `) { // which looks like a wrong answer
		results = resultsOf["refused"]
	}
	if result := p.frames[len(kinds)-1][1:]; !strings.Contains(results, result) {
		p.t.Fatalf("%s with result %v", word, result)
	}
	return line
}
