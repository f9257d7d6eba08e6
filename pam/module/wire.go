// SPDX-License-Identifier: MIT

package module

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/otpw-go/otpw/otp"
)

// Frame types and bounds in bytes; the same as in pam/protocol.h, and explained
// in docs/architecture.md.
const (
	protocol = "1"

	frameRequest  = 'Q'
	frameResponse = 'R'
	framePrompt   = 'P'
	frameLog      = 'L'
	frameNotice   = 'N'
	frameTake     = 'A'
	frameDecoy    = 'D'
	frameResult   = 'F'

	maxRequest  = 65535
	maxResponse = 8191
	maxText     = 511
	maxLog      = 1024
	maxDecoy    = 1
	maxTake     = 1
	maxResult   = 1
)

// wire is the worker's end of the connection to the entry.
type wire struct{ rw io.ReadWriter }

// send writes one frame in one write. Text over its bound is cut.
func (w wire) send(frame byte, payload string, bound int) error {
	payload = payload[:min(len(payload), bound)]
	b := binary.BigEndian.AppendUint16([]byte{frame}, uint16(len(payload)))
	_, err := w.rw.Write(append(b, payload...))
	return err
}

// errEnd: the client is gone, or the host has given up.
var errEnd = errors.New("the conversation has ended")

// receive reads one frame of the given type, or returns errEnd. The payload may hold a secret: the caller wipes it.
func (w wire) receive(frame byte, bound int) ([]byte, error) {
	var head [3]byte
	if _, err := io.ReadFull(w.rw, head[:]); err == io.EOF {
		return nil, errEnd
	} else if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if head[0] != frame || n > bound {
		return nil, fmt.Errorf("frame %q of %d bytes, want %q of at most %d", head[0], n, frame, bound)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(w.rw, payload); err != nil {
		clear(payload)
		return nil, io.ErrUnexpectedEOF
	}
	return payload, nil
}

// ask shows a prompt and returns the line that was typed.
func (w wire) ask(prompt string) ([]byte, error) {
	if err := w.send(framePrompt, prompt, maxText); err != nil {
		return nil, err
	}
	return w.receive(frameResponse, maxResponse)
}

// take returns what was typed before, for another module.
func (w wire) take() ([]byte, error) {
	if err := w.send(frameTake, "1", maxTake); err != nil {
		return nil, err
	}
	return w.receive(frameResponse, maxResponse)
}

// request is what the entry wants.
type request struct {
	protocol string
	version  string      // of the entry's build
	log      string      // what the entry puts before a log line: who, from where
	account  otp.Account // of the user
	lists    string      // home of who keeps the lists; empty: their users
	unknown  bool        // there is no such user
	authtok  bool        // something was typed before
	site     []otp.SiteArg
	decoy    *otp.Decoy
	args     []string
}

var errRequest = errors.New("request is not made of `key=value` strings ended by NUL")

// parseRequest reads the payload of a request; it leaves out keys it has no use for.
func parseRequest(payload []byte) (r request, err error) {
	rest, ok := bytes.CutSuffix(payload, []byte{0})
	if !ok {
		return r, errRequest
	}
	for s := range strings.SplitSeq(string(rest), "\x00") {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return r, errRequest
		}
		switch key {
		case "protocol":
			r.protocol = value
		case "version":
			r.version = value
		case "log":
			r.log = value
		case "user":
			r.account.Name = value
		case "uid":
			if r.account.UID, err = strconv.Atoi(value); err != nil {
				return r, errRequest
			}
		case "home":
			r.account.Home = value
		case "lists":
			r.lists = value
		case "authtok":
			r.authtok = value == "yes"
		case "site":
			line, text, _ := strings.Cut(value, " ")
			n, err := strconv.Atoi(line)
			if err != nil {
				return r, errRequest
			}
			r.site = append(r.site, otp.SiteArg{Line: n, Text: text})
		case "account":
			r.unknown = value == "none"
		case "decoy":
			if r.decoy, err = parseDecoy(value); err != nil {
				return r, err
			}
		case "arg":
			r.args = append(r.args, value)
		}
	}
	return r, nil
}

// parseDecoy reads `TOKEN ASKED BUSY`: 16 hexadecimal digits, a byte, 0 or 1.
func parseDecoy(s string) (*otp.Decoy, error) {
	f := strings.Split(s, " ")
	if len(f) != 3 || len(f[0]) != 16 {
		return nil, errRequest
	}
	token, err1 := strconv.ParseUint(f[0], 16, 64)
	asked, err2 := strconv.ParseUint(f[1], 10, 8)
	busy, err3 := strconv.ParseUint(f[2], 10, 1)
	if errors.Join(err1, err2, err3) != nil {
		return nil, errRequest
	}
	return &otp.Decoy{Token: token, Asked: int(asked), Busy: busy == 1}, nil
}
