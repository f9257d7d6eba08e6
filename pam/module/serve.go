// SPDX-License-Identifier: MIT

// Package module is what pam_otpw.so does at a login, behind its entry in C: it
// reads a request, asks for a one-time password, verifies the response, and
// answers with a PAM result and a line for the log. It runs in a worker, a
// process of its own with the ids of the user who logs in, and speaks to the
// entry over one connection (docs/architecture.md has the protocol).
package module

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/otpw-go/otpw/otp"
)

// Version is that of the build. The worker refuses a core of another one.
var _, Version, _ = strings.Cut(strings.TrimSuffix(mark, ";"), ":")

// mark is `otpw-version:VERSION;`, set by the linker: otpw-check finds it in the
// file. The words must not stand in the code otherwise.
var mark = "mark:unknown;"

// PAM results that a worker may return, with the values of Linux-PAM.
const (
	pamSuccess         = 0
	pamSystemErr       = 4
	pamAuthErr         = 7
	pamAuthinfoUnavail = 9
	pamIgnore          = 25
)

// Priorities of log lines.
const (
	logErr    = 'e'
	logNotice = 'n'
	logInfo   = 'i'
	logDebug  = 'd'
)

// Serve handles one login over rw. It returns the attempt's line for the log if
// the other side was gone when it should have got it, and "" otherwise.
func Serve(rw io.ReadWriter) (unsaid string) {
	s := session{wire: wire{rw}}
	result := s.login()
	s.send(frameResult, string([]byte{result}), maxResult)
	return s.unsaid
}

// session is one login.
type session struct {
	wire
	who    string // what the entry puts before a log line
	debug  bool
	unsaid string
}

func (s *session) log(priority byte, format string, args ...any) error {
	return s.send(frameLog, string(priority)+fmt.Sprintf(format, args...), maxLog)
}

// logResult writes the one line that every attempt has.
func (s *session) logResult(priority byte, format string, args ...any) {
	if s.log(priority, "result="+format, args...) != nil && s.who != "" {
		s.unsaid = s.who + " result=" + fmt.Sprintf(format, args...)
	}
}

func (s *session) debugf(format string, args ...any) {
	if s.debug {
		s.log(logDebug, "debug: "+format, args...)
	}
}

// login runs the attempt, writes its line to the log, and returns its result.
func (s *session) login() byte {
	payload, err := s.receive(frameRequest, maxRequest)
	if err != nil {
		s.logResult(logErr, "error reason=%q", "read request: "+err.Error())
		return pamSystemErr
	}
	req, err := parseRequest(payload)
	if err == nil && req.protocol != protocol {
		err = fmt.Errorf("pam_otpw.so %s speaks protocol %q, core.so %s speaks %q: install both from one build, and restart the program that asks",
			req.version, req.protocol, Version, protocol)
	}
	if err != nil {
		s.logResult(logErr, "error reason=%q", err.Error())
		return pamSystemErr
	}
	args, complaints, err := parseArgs(req.site, req.args)
	s.debug, s.who = args.debug, req.log
	for _, c := range complaints {
		s.log(logErr, "%s", c)
	}
	if err != nil {
		s.logResult(logErr, "error reason=%q", err.Error())
		return pamSystemErr
	}
	args.Logf = func(format string, v ...any) { s.log(logNotice, format, v...) }
	return s.attempt(req, args)
}

// attempt challenges and verifies.
func (s *session) attempt(req request, args arguments) byte {
	if args.AskNever && !req.authtok {
		return s.end("", errNothingTyped)
	}
	for first := req.authtok && args.takeFirst; ; first = false {
		login, err := s.begin(req, args)
		if err != nil {
			return s.deny(req, args, err)
		}
		result, err := s.converse(login, first, args)
		login.Close()
		if err == nil || !first || args.AskNever {
			return result
		}
	}
}

// deny ends an attempt without anything to ask for.
func (s *session) deny(req request, args arguments, err error) byte {
	switch {
	case req.decoy != nil:
		return s.attemptDecoy(req.decoy, args, err)
	case args.Nullok && errors.Is(err, otp.ErrNoList) && !errors.Is(err, otp.ErrUnreachable):
		s.logResult(logInfo, "ignored reason=%q", err.Error())
		return pamIgnore
	}
	return s.end("", err)
}

// begin chooses what to ask for. Of a user that there is not, the list that there
// is not is looked for all the same.
func (s *session) begin(req request, args arguments) (*otp.Login, error) {
	list, err := otp.ListPath(args.place(req.lists), req.account)
	if err == nil && !req.unknown { // what is no user's name may be a password
		s.debugf("pam_otpw.so %s, core.so %s, list %s, arguments %q", req.version, Version, list, req.args)
	}
	var login *otp.Login
	if err == nil {
		login, err = otp.Begin(list, args.Options)
	}
	if !req.unknown {
		return login, err
	}
	if err == nil { // somebody has put one there: it is nobody's all the same
		login.Close()
	}
	return nil, errUnknownUser
}

// place returns where lists are; lists is the home of who keeps them, if anybody does.
func (a *arguments) place(lists string) string {
	switch {
	case a.File != "":
		return a.File
	case lists != "":
		return otp.SharedPlace(lists)
	}
	return otp.DefaultPlace
}

// converse has the challenge answered and logs what came of it. If first, the answer is
// what was typed before, for another module: it can be right only if a single number is
// asked for, the one that otpw-gen status names.
func (s *session) converse(login *otp.Login, first bool, args arguments) (byte, error) {
	if first && strings.Contains(login.Challenge(), "/") {
		if args.AskNever {
			return s.end(login.Challenge(), errNotKnown), errNotKnown
		}
		first = false
	}
	remaining, err := s.verify(login, first, args)
	switch {
	case err == nil:
		s.logResult(logInfo, "accepted challenge=%s remaining=%d/%d", login.Challenge(), remaining.Unused, remaining.Total)
		s.notify(remaining, args)
		return pamSuccess, nil
	case first && !args.AskNever:
		s.log(logNotice, "what was typed before is not the password for %s: %v", login.Challenge(), err)
		return pamAuthErr, err
	}
	result := s.end(login.Challenge(), err)
	if args.Decoys && !errors.Is(err, errAbandoned) {
		result = pamAuthErr // as with decoys: not even a list that expired meanwhile gives another result
	}
	return result, err
}

// verify gets the response, from what was typed before or by asking, and checks it.
func (s *session) verify(login *otp.Login, first bool, args arguments) (otp.Remaining, error) {
	get := s.take
	if !first {
		s.debugf("asking for %s", login.Challenge())
		get = func() ([]byte, error) { return s.ask(login.Prompt(args.prompt)) }
	}
	response, err := get()
	if err != nil {
		return otp.Remaining{}, fmt.Errorf("%w: %w", errAbandoned, err)
	}
	defer clear(response)
	return login.Verify(response)
}

// notify sends the notice for the session, if there is to be one.
func (s *session) notify(r otp.Remaining, args arguments) {
	if !args.silent && (args.minRemaining == 0 || r.Unused < args.minRemaining || r.Expiring) {
		s.send(frameNotice, notice(r), maxText)
	}
}

// attemptDecoy asks somebody who cannot log in, for the reason cause, and refuses
// whatever the answer is, as it would refuse a wrong one of somebody who can.
func (s *session) attemptDecoy(decoy *otp.Decoy, args arguments, cause error) byte {
	if errors.Is(cause, otp.ErrTooFew) {
		decoy.Asked = math.MaxUint8 // he was asked for numbers alone by his list
	}
	before := decoy.Asked
	login, err := otp.BeginDecoy(decoy, args.Options)
	if err != nil {
		s.log(logErr, "%v", err)
		return s.end("", cause)
	}
	defer login.Close()
	if decoy.Asked != before {
		s.keep(decoy.Asked)
	}
	_, err = s.verify(login, false, args)
	if errors.Is(err, errAbandoned) {
		return s.end(login.Challenge(), fmt.Errorf("%w; decoy: %w", err, cause))
	}
	if args.Reask && decoy.Asked != before {
		s.keep(before)
	}
	s.end(login.Challenge(), fmt.Errorf("decoy: %w", cause))
	return pamAuthErr
}

// keep has the entry remember how many numbers a decoy has asked for alone.
func (s *session) keep(asked int) { s.send(frameDecoy, string([]byte{byte(asked)}), maxDecoy) }

var (
	errAbandoned    = errors.New("no response")
	errUnknownUser  = errors.New("unknown user")
	errNothingTyped = errors.New("use_first_pass, and no password was typed before")
	errNotKnown     = errors.New("use_first_pass, and three passwords are due, whose numbers nobody knows before")
)

// notice is what the user reads when the session opens.
func notice(r otp.Remaining) string {
	text := fmt.Sprintf("Remaining one-time passwords: %d of %d", r.Unused, r.Total)
	if r.Expiring {
		text += ", last day " + otp.LastDay(r.Expires)
	}
	if r.Low() {
		text += " (time to print new ones with otpw-gen)"
	}
	return text
}

// end logs why the login is denied, and returns the PAM result. challenge is
// empty when nothing was asked.
func (s *session) end(challenge string, err error) byte {
	word, result, priority := outcome(err)
	if challenge != "" {
		word += " challenge=" + challenge
	}
	s.logResult(priority, "%s reason=%q", word, err.Error())
	return result
}

// outcome is the one table from errors to results; its default denies.
func outcome(err error) (word string, result, priority byte) {
	switch {
	case errors.Is(err, errAbandoned): // first: a decoy has another reason beside it
		return "abandoned", pamAuthinfoUnavail, logNotice
	case errors.Is(err, otp.ErrWrong), errors.Is(err, otp.ErrUsed), errors.Is(err, otp.ErrReplaced), errors.Is(err, errUnknownUser):
		return "refused", pamAuthErr, logNotice
	case errors.Is(err, otp.ErrNoList), errors.Is(err, otp.ErrExhausted), errors.Is(err, otp.ErrTooFew), errors.Is(err, otp.ErrExpired),
		errors.Is(err, errNothingTyped), errors.Is(err, errNotKnown):
		return "unavailable", pamAuthinfoUnavail, logNotice
	default:
		return "error", pamAuthinfoUnavail, logErr
	}
}
