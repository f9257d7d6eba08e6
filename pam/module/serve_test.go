// SPDX-License-Identifier: MIT

package module

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/otpw-go/otpw/otp"
)

const prefix = "geHeim"

func password(i int) string { return fmt.Sprintf("pass%04d", i) }

// makeHome makes a home directory with a list of n passwords in the order of the sheet.
func makeHome(t testing.TB, n int) string {
	t.Helper()
	return makeHomeOf(t, n, otp.Header{Format: otp.OTPW1})
}

// makeHomeOf does it with a list of another header.
func makeHomeOf(t testing.TB, n int, h otp.Header) string {
	t.Helper()
	home := t.TempDir()
	var pws []otp.Numbered
	for i := range n {
		pws = append(pws, otp.Numbered{Number: fmt.Sprintf("%03d", i), Password: []byte(password(i))})
	}
	l, err := otp.Recipe{Header: h, Ordered: true}.Make(t.Context(), []byte(prefix), pws)
	if err != nil {
		t.Fatal(err)
	}
	r, err := otp.Replace(filepath.Join(home, ".otpw"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Write(l), r.Commit()); err != nil {
		t.Fatal(err)
	}
	return home
}

// answers says what the entry sends for a prompt; ok is false when the
// conversation fails.
type answers func(prompt string) (response string, ok bool)

func say(response string) answers  { return func(string) (string, bool) { return response, true } }
func hangUp(string) (string, bool) { return "", false }

// typedBefore stands for the prompt of another module.
const typedBefore = "typed before"

// rightly answers with the prefix and the passwords that are asked for.
func rightly(prompt string) (string, bool) {
	r := prefix
	for _, n := range regexp.MustCompile(`\d+`).FindAllString(prompt, -1) {
		var i int
		fmt.Sscanf(n, "%d", &i)
		r += password(i)
	}
	return r, true
}

// heard is what the entry got from the worker.
type heard struct {
	prompts []string
	logs    []string
	notice  string
	kept    []int
	result  int // -1: none
	unsaid  string
}

var bounds = map[byte]int{framePrompt: maxText, frameLog: maxLog, frameNotice: maxText, frameTake: maxTake, frameDecoy: maxDecoy, frameResult: maxResult}

// runs serves one login, the test being the entry.
func runs(t *testing.T, request string, answer answers) heard {
	t.Helper()
	entry, worker := net.Pipe()
	done := make(chan struct{})
	var unsaid string
	go func() {
		defer close(done)
		defer worker.Close()
		unsaid = Serve(worker)
	}()
	entry.SetDeadline(time.Now().Add(time.Minute))
	send := func(frame byte, payload string) {
		b := binary.BigEndian.AppendUint16([]byte{frame}, uint16(len(payload)))
		entry.Write(append(b, payload...))
	}
	go send(frameRequest, request)
	h := heard{result: -1}
	for {
		var head [3]byte
		if _, err := io.ReadFull(entry, head[:]); err != nil {
			break
		}
		payload := make([]byte, binary.BigEndian.Uint16(head[1:]))
		if _, err := io.ReadFull(entry, payload); err != nil {
			t.Fatal(err)
		}
		text := string(payload)
		if bound, ok := bounds[head[0]]; ok && len(text) > bound {
			t.Errorf("frame %q of %d bytes, at most %d allowed", head[0], len(text), bound)
		}
		switch head[0] {
		case frameTake:
			h.prompts = append(h.prompts, typedBefore)
			response, _ := answer(typedBefore)
			go send(frameResponse, response)
		case framePrompt:
			h.prompts = append(h.prompts, text)
			response, ok := answer(text)
			if !ok {
				entry.Close()
				<-done
				h.unsaid = unsaid
				return h
			}
			go send(frameResponse, response)
		case frameLog:
			h.logs = append(h.logs, text)
		case frameNotice:
			h.notice = text
		case frameDecoy:
			h.kept = append(h.kept, int(payload[0]))
		case frameResult:
			h.result = int(payload[0])
		default:
			t.Fatalf("frame %q", head[0])
		}
	}
	<-done
	return h
}

func ask(home string, args ...string) string {
	s := "protocol=" + protocol + "\x00version=" + Version + "\x00log=pam_otpw(sshd:auth): user=alice rhost=192.0.2.7\x00user=alice\x00uid=1001\x00home=" + home + "\x00"
	for _, a := range args {
		s += "arg=" + a + "\x00"
	}
	return s
}

func (h heard) check(t *testing.T, prompt string, result int, log string) {
	t.Helper()
	if got := strings.Join(h.prompts, ";"); got != prompt {
		t.Errorf("prompts %q, want %q", got, prompt)
	}
	if h.result != result {
		t.Errorf("result %d, want %d", h.result, result)
	}
	if got := strings.Join(h.logs, ";"); !regexp.MustCompile("^(?:" + log + ")$").MatchString(got) {
		t.Errorf("log %q, want %q", got, log)
	}
}

func TestLogin(t *testing.T) {
	home := makeHome(t, 50)
	h := runs(t, ask(home), rightly)
	h.check(t, "Password 000: ", pamSuccess, `iresult=accepted challenge=000 remaining=49/50`)
	if h.notice != "Remaining one-time passwords: 49 of 50" {
		t.Errorf("notice %q", h.notice)
	}
	runs(t, ask(home), say("wrong")).check(t, "Password 001: ", pamAuthErr,
		`nresult=refused challenge=001 reason="wrong password"`)
	runs(t, ask(home), say("")).check(t, "Password 002: ", pamAuthErr,
		`nresult=refused challenge=002 reason="wrong password"`)
	runs(t, ask(home), rightly).check(t, "Password 003: ", pamSuccess, `iresult=accepted challenge=003 remaining=46/50`)
}

func TestMulti(t *testing.T) {
	home := makeHome(t, 50)
	open, err := otp.Begin(filepath.Join(home, ".otpw"), otp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	h := runs(t, ask(home), rightly)
	if len(h.prompts) != 1 || !regexp.MustCompile(`^Password \d{3}/\d{3}/\d{3}: $`).MatchString(h.prompts[0]) {
		t.Errorf("prompts %q", h.prompts)
	}
	if h.result != pamSuccess {
		t.Errorf("result %d, log %q", h.result, h.logs)
	}
}

func TestNotice(t *testing.T) {
	home := makeHome(t, 20)
	if h := runs(t, ask(home), rightly); h.notice !=
		"Remaining one-time passwords: 19 of 20 (time to print new ones with otpw-gen)" {
		t.Errorf("notice %q", h.notice)
	}
}

func TestNothingToAsk(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, ".otpw"), []byte("OTPW1\n5 3 12 8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	readable := makeHome(t, 5)
	if err := os.Chmod(filepath.Join(readable, ".otpw"), 0o644); err != nil {
		t.Fatal(err)
	}
	exhausted := makeHome(t, 1)
	runs(t, ask(exhausted), rightly)
	for name, tt := range map[string]struct{ home, log string }{
		"no list":       {t.TempDir(), `nresult=unavailable reason="list /.*/.otpw: no list"`},
		"no home":       {"/nonexistent/home", `nresult=unavailable reason="list /.*/.otpw: no list: .*"`},
		"broken":        {broken, `eresult=error reason="list .*: line 3: the list ends here, 5 entries announced"`},
		"readable":      {readable, `eresult=error reason="list .*: unsafe list file: mode 0644, want 0600"`},
		"exhausted":     {exhausted, `nresult=unavailable reason="list .*: list exhausted"`},
		"relative home": {"home", `eresult=error reason="no place for a list: home folder .* is not an absolute path"`},
		"empty home":    {"", `eresult=error reason="no place for a list: home folder .* is not an absolute path"`},
	} {
		t.Run(name, func(t *testing.T) {
			runs(t, ask(tt.home), rightly).check(t, "", pamAuthinfoUnavail, tt.log)
		})
	}
}

func TestOTPW2(t *testing.T) {
	now := time.Now()
	h := otp.Header{Format: otp.OTPW2, KDF: otp.KDF{Memory: 2048, Passes: 2}, Host: "h", Created: now.Add(-95 * time.Hour), Expires: now.Add(5 * time.Hour)}
	home := makeHomeOf(t, 50, h)
	heard := runs(t, ask(home), rightly)
	heard.check(t, "Password 000: ", pamSuccess, `iresult=accepted challenge=000 remaining=49/50`)
	if want := "Remaining one-time passwords: 49 of 50, last day " + otp.LastDay(h.Expires) + " (time to print new ones with otpw-gen)"; heard.notice != want {
		t.Errorf("notice %q, want %q", heard.notice, want)
	}
	runs(t, ask(home, "kdf_max_memory=1"), rightly).check(t, "", pamAuthinfoUnavail,
		`eresult=error reason="list .*: hash costs too much: 2048 KiB and 2 passes, at most 1024 and 20 allowed \(kdf_max_memory, kdf_max_passes\)"`)
	h.Expires = now.Add(-time.Hour)
	runs(t, ask(makeHomeOf(t, 50, h)), rightly).check(t, "", pamAuthinfoUnavail,
		`nresult=unavailable reason="list .*: list expired: its last day was \d{4}-\d\d-\d\d(, to \d\d:\d\d)?"`)
}

// When the conversation ends at the prompt, the number stays set aside.
func TestAbandoned(t *testing.T) {
	home := makeHome(t, 50)
	h := runs(t, ask(home), hangUp)
	if want := `pam_otpw(sshd:auth): user=alice rhost=192.0.2.7 result=abandoned challenge=000 reason="no response: the conversation has ended"`; h.unsaid != want {
		t.Errorf("unsaid %q, want %q", h.unsaid, want)
	}
	runs(t, ask(home), rightly).check(t, "Password 001: ", pamSuccess, `iresult=accepted challenge=001 remaining=48/50`)
}

// half closes only the sending side, as the entry does when the conversation fails.
type half struct {
	io.Reader
	io.Writer
}

func TestConversationFailed(t *testing.T) {
	home := makeHome(t, 50)
	req := ask(home)
	in := append(binary.BigEndian.AppendUint16([]byte{frameRequest}, uint16(len(req))), req...)
	var out bytes.Buffer
	if unsaid := Serve(half{bytes.NewReader(in), &out}); unsaid != "" {
		t.Errorf("unsaid %q", unsaid)
	}
	want := "P\x00\x0ePassword 000: " + "L\x00\x50" + `nresult=abandoned challenge=000 reason="no response: the conversation has ended"` + "F\x00\x01\x09"
	if got := out.String(); got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// frame is what the entry sends.
func frame(kind byte, payload string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(payload)))) + payload
}

// What is not a response is no response, even if the right one is in it.
func TestBadResponses(t *testing.T) {
	secret, _ := rightly("Password 000: ")
	for name, tt := range map[string]struct{ response, reason string }{
		"another frame": {frame(framePrompt, secret), "frame 'P' of 14 bytes, want 'R' of at most 8191"},
		"too long":      {frame(frameResponse, strings.Repeat(" ", maxResponse+1-len(secret))+secret), "frame 'R' of 8192 bytes, want 'R' of at most 8191"},
		"cut off":       {frame(frameResponse, secret+"x")[:3+len(secret)], "unexpected EOF"},
		"head only":     {"R\x00", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			home := makeHome(t, 50)
			var out bytes.Buffer
			Serve(half{strings.NewReader(frame(frameRequest, ask(home)) + tt.response), &out})
			want := frame(framePrompt, "Password 000: ") +
				frame(frameLog, fmt.Sprintf("nresult=abandoned challenge=000 reason=%q", "no response: "+tt.reason)) +
				frame(frameResult, string(rune(pamAuthinfoUnavail)))
			if got := out.String(); got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Who asked is not known before the request has been read: nothing is left unsaid then.
func TestNobodyAsked(t *testing.T) {
	if unsaid := Serve(half{strings.NewReader("Q"), broken{}}); unsaid != "" {
		t.Errorf("unsaid %q", unsaid)
	}
}

// What package otp finds worth a line in the log is there, and an argument that is too long for it is cut.
func TestFurtherLines(t *testing.T) {
	home := makeHome(t, 50)
	if err := os.Symlink("damaged", filepath.Join(home, ".otpw.lock")); err != nil {
		t.Fatal(err)
	}
	h := runs(t, ask(home, "debug", strings.Repeat("x", 2000)), rightly)
	if h.result != pamSuccess || !strings.Contains(strings.Join(h.logs, "\n"), `nlock file "`+home+`/.otpw.lock" is damaged or not ours`) {
		t.Errorf("result %d, log %q", h.result, h.logs)
	}
}

// The table from errors to results, and the words in the log.
func TestOutcome(t *testing.T) {
	for _, tt := range []struct {
		err    error
		word   string
		result byte
	}{
		{otp.ErrWrong, "refused", pamAuthErr},
		{otp.ErrUsed, "refused", pamAuthErr},
		{otp.ErrReplaced, "refused", pamAuthErr},
		{errAbandoned, "abandoned", pamAuthinfoUnavail},
		{otp.ErrNoList, "unavailable", pamAuthinfoUnavail},
		{otp.ErrExhausted, "unavailable", pamAuthinfoUnavail},
		{otp.ErrTooFew, "unavailable", pamAuthinfoUnavail},
		{otp.ErrExpired, "unavailable", pamAuthinfoUnavail},
		{errUnknownUser, "refused", pamAuthErr},
		{fmt.Errorf("%w; %w", errAbandoned, errUnknownUser), "abandoned", pamAuthinfoUnavail},
		{otp.ErrCost, "error", pamAuthinfoUnavail},
		{otp.ErrBusy, "error", pamAuthinfoUnavail},
		{otp.ErrUnsafe, "error", pamAuthinfoUnavail},
		{otp.ErrFormat, "error", pamAuthinfoUnavail},
		{io.ErrShortWrite, "error", pamAuthinfoUnavail},
	} {
		if word, result, _ := outcome(fmt.Errorf("list: %w", tt.err)); word != tt.word || result != tt.result {
			t.Errorf("%v: %s, %d; want %s, %d", tt.err, word, result, tt.word, tt.result)
		}
	}
}

func TestBadRequests(t *testing.T) {
	home := makeHome(t, 50)
	for name, tt := range map[string]struct{ request, log string }{
		"empty":          {"", `eresult=error reason="request is not made of .*"`},
		"not ended":      {"version=" + Version, `eresult=error reason="request is not made of .*"`},
		"no value":       {"version\x00", `eresult=error reason="request is not made of .*"`},
		"no protocol":    {"version=0.0\x00home=" + home + "\x00", `eresult=error reason="pam_otpw.so 0.0 speaks protocol .*`},
		"other protocol": {"protocol=0\x00version=0.0\x00home=" + home + "\x00", `eresult=error reason="pam_otpw.so 0.0 speaks protocol .*: install both from one build.*"`},
	} {
		t.Run(name, func(t *testing.T) {
			runs(t, tt.request, rightly).check(t, "", pamSystemErr, tt.log)
		})
	}
}

func TestArguments(t *testing.T) {
	home := makeHome(t, 50)
	for _, tt := range []struct {
		name, arg, log string
	}{
		{"unknown", "frobnicate", `unknown argument "frobnicate": ignored`},
		{"unknown with value", "key=value", `unknown argument "key=value": ignored`},
		{"flag with value", "nolock=yes", `unknown argument "nolock=yes": ignored`},
		{"no seconds", "lock_timeout=", `argument "lock_timeout=": want .*: ignored`},
		{"no value", "lock_timeout", `argument "lock_timeout": want .*: ignored`},
		{"zero", "lock_timeout=0", `argument "lock_timeout=0": want .*: ignored`},
		{"negative", "lock_timeout=-1", `argument "lock_timeout=-1": want .*: ignored`},
		{"kdf memory", "kdf_max_memory=4097", `argument .*: want kdf_max_memory=MEBIBYTES, 1 to 4096: ignored`},
		{"kdf passes", "kdf_max_passes=0", `argument .*: want kdf_max_passes=PASSES, 1 to 1000: ignored`},
		{"huge", "lock_timeout=99999999999999999999", `argument .*: want .*: ignored`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := runs(t, ask(home, tt.arg), rightly)
			if h.result != pamSuccess || !regexp.MustCompile("^e"+tt.log+"$").MatchString(h.logs[0]) {
				t.Errorf("result %d, log %q", h.result, h.logs)
			}
		})
	}
	a, complaints, err := parseArgs(nil, []string{"debug", "nolock", "reask", "legacy_lock", "trust_locks", "lock_timeout=60",
		"kdf_max_memory=16", "kdf_max_passes=3", "prompt=One-time password für", "silent", "min_remaining=20", "file=~/otpw list", "user=root"})
	want := otp.Options{NoLock: true, Reask: true, LegacyLock: true, TrustLocks: true, LockTimeout: time.Minute,
		KDFMaxMemory: 16384, KDFMaxPasses: 3}
	if err != nil || len(complaints) != 0 || !a.debug || a.prompt != "One-time password für" || !a.silent || a.minRemaining != 20 || a.File != "~/otpw list" || a.User != "root" || fmt.Sprint(a.Options) != fmt.Sprint(want) {
		t.Errorf("%+v, %q", a, complaints)
	}
}

// Nothing that was typed reaches the log, debug or not.
func TestNoSecretsLogged(t *testing.T) {
	home := makeHome(t, 50)
	secret := prefix + password(0)
	for _, answer := range []answers{rightly, say("oops" + secret), say(secret), hangUp} {
		h := runs(t, ask(home, "debug"), answer)
		log := strings.Join(h.logs, "\n")
		if !strings.Contains(log, "debug: ") {
			t.Error("no debug lines")
		}
		for _, s := range []string{prefix, "oops", "pass00"} {
			if strings.Contains(log, s) {
				t.Errorf("%q in the log: %s", s, log)
			}
		}
	}
}

// The bounds here and in C are the same.
func TestProtocolHeader(t *testing.T) {
	header, err := os.ReadFile("../protocol.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"REQUEST": fmt.Sprintf("'%c'", frameRequest), "RESPONSE": fmt.Sprintf("'%c'", frameResponse),
		"PROMPT": fmt.Sprintf("'%c'", framePrompt), "LOG": fmt.Sprintf("'%c'", frameLog),
		"NOTICE": fmt.Sprintf("'%c'", frameNotice), "DECOY": fmt.Sprintf("'%c'", frameDecoy), "RESULT": fmt.Sprintf("'%c'", frameResult),
		"REQUEST_MAX": fmt.Sprint(maxRequest), "RESPONSE_MAX": fmt.Sprint(maxResponse),
		"PROMPT_MAX": fmt.Sprint(maxText), "NOTICE_MAX": fmt.Sprint(maxText), "LOG_MAX": fmt.Sprint(maxLog),
		"RESULT_MAX": fmt.Sprint(maxResult), "DECOY_MAX": fmt.Sprint(maxDecoy),
		"PROTOCOL": fmt.Sprintf("%q", protocol),
	} {
		re := regexp.MustCompile(`\bOTPW_` + name + ` (?:= )?([^\s,]+)`)
		if m := re.FindSubmatch(header); m == nil || string(m[1]) != want {
			t.Errorf("OTPW_%s is %q, want %s", name, m, want)
		}
	}
}
