// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SitePath is the file with what an administrator has decided for the whole host.
const SitePath = "/etc/otpw.conf"

// MaxLife is how long a list may be good: a hundred years, in days.
const MaxLife = 36500

// Bounds of that file, the same as in pam/entry/site.h.
const (
	maxSite     = 65536 // bytes
	maxSiteArgs = 64
	maxSiteLine = 1024 // bytes of an argument
)

// A Site is what [SitePath] says: arguments for the module on every line of PAM's
// configuration, and limits for whoever makes lists. The zero Site says nothing.
type Site struct {
	Module []SiteArg
	Limits
}

// A SiteArg is an argument of the module.
type SiteArg struct {
	Line int // from 1
	Text string
}

// Limits are those for new lists. Zero: no limit.
type Limits struct {
	LeastEntropy   int           // bits of a password
	Format         Format        // the only one
	LongestLife    time.Duration // whole days
	LeastKDFMemory int           // KiB
	LeastKDFPasses int
}

// A SiteError says what is wrong with a file like [SitePath].
type SiteError struct {
	Path   string
	Line   int // from 1; 0: the file as a whole
	Reason string
	Limits bool // it is below [generator]: logins go on, nobody makes lists
	err    error
}

// Unwrap returns why the file could not be read, or nil.
func (e *SiteError) Unwrap() error { return e.err }

func (e *SiteError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Reason
	}
	return fmt.Sprintf("%s line %d: %s", e.Path, e.Line, e.Reason)
}

// Arg returns the value of the last argument NAME=VALUE for the module.
func (s *Site) Arg(name string) (value string, ok bool) {
	for _, a := range s.Module {
		if v, found := strings.CutPrefix(a.Text, name+"="); found {
			value, ok = v, true
		}
	}
	return value, ok
}

// ReadSite reads a file like [SitePath]. One that is not there says nothing. It
// must be a regular file of root's that nobody else can write, else somebody else
// decided. Arguments for the module are not judged here. Errors: *[SiteError]; with one
// about limits the arguments are returned.
func ReadSite(path string) (Site, error) {
	data, err := readSite(path)
	if errors.Is(err, os.ErrNotExist) {
		return Site{}, nil
	}
	if err != nil {
		return Site{}, &SiteError{Path: path, Reason: bare(err).Error(), err: err}
	}
	s, err := parseSite(data)
	var e *SiteError
	if errors.As(err, &e) {
		e.Path = path
	}
	return s, err
}

func readSite(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errors.New("not a regular file")
	case st.Uid != 0:
		return nil, fmt.Errorf("owner is uid %d, want root", st.Uid)
	case st.Mode&0o022 != 0:
		return nil, fmt.Errorf("mode is %04o, want 0644", st.Mode&0o7777)
	case st.Size > maxSite:
		return nil, fmt.Errorf("more than %d bytes", maxSite)
	}
	return io.ReadAll(io.LimitReader(f, maxSite))
}

// parseSite reads lines, blanks around which do not count: empty ones and those
// that begin with # say nothing, [module] and [generator] begin sections. A line
// of the first is an argument, of the second NAME=VALUE.
func parseSite(data []byte) (Site, error) {
	var s Site
	var limits error // the first that is wrong with them
	section := ""
	number, generator := 0, 0 // of this line, and of the latest [generator]
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		number++
		fail := func(format string, args ...any) (Site, error) {
			return Site{}, &SiteError{Line: number, Reason: fmt.Sprintf(format, args...)}
		}
		if i := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }); i >= 0 {
			return fail("a control character")
		}
		text := string(bytes.Trim(line, " \t"))
		switch {
		case text == "" || text[0] == '#':
		case text[0] == '[':
			if text != "[module]" && text != "[generator]" {
				return fail("unknown section %q, want [module] or [generator]", text)
			}
			section = text
			if section == "[generator]" {
				generator = number
			}
		case section == "[module]":
			if len(s.Module) == maxSiteArgs {
				return fail("more than %d arguments", maxSiteArgs)
			}
			if len(text) > maxSiteLine {
				return fail("more than %d bytes", maxSiteLine)
			}
			s.Module = append(s.Module, SiteArg{number, text})
		case section == "[generator]":
			if err := s.set(text); err != nil && limits == nil {
				limits = &SiteError{Line: number, Reason: err.Error(), Limits: true}
			}
		default:
			return fail("before the first section: want [module] or [generator] above it")
		}
	}
	if limits == nil && s.Format == OTPW1 && (s.LongestLife != 0 || s.LeastKDFMemory != 0 || s.LeastKDFPasses != 0) {
		limits = &SiteError{Line: generator, Limits: true,
			Reason: "lists of the format otpw1 have no last day and no cost: longest_life, least_kdf_memory and least_kdf_passes cannot stand beside it"}
	}
	return s, limits
}

// define returns the settings that there are, with what reads their values.
func (l *Limits) define() map[string]func(value string) error {
	number := func(to *int, unit, most int) func(string) error {
		return func(value string) error {
			v, err := strconv.ParseUint(value, 10, 31)
			if err != nil || v < 1 || int(v) > most {
				return fmt.Errorf("%q, want 1 to %d", value, most)
			}
			*to = int(v) * unit
			return nil
		}
	}
	return map[string]func(string) error{
		"least_entropy":    number(&l.LeastEntropy, 1, Base64.MaxEntropy()),
		"least_kdf_memory": number(&l.LeastKDFMemory, 1<<10, MaxKDFMemory>>10),
		"least_kdf_passes": number(&l.LeastKDFPasses, 1, MaxKDFPasses),
		"longest_life": func(value string) error {
			var days int
			digits, ok := strings.CutSuffix(value, "d")
			if err := number(&days, 1, MaxLife)(digits); err != nil || !ok {
				return fmt.Errorf("want days, 1d to %dd", MaxLife)
			}
			l.LongestLife = time.Duration(days) * 24 * time.Hour
			return nil
		},
		"format": func(value string) error {
			switch value {
			case "otpw1":
				l.Format = OTPW1
			case "otpw2":
				l.Format = OTPW2
			default:
				return fmt.Errorf("%q, want otpw1 or otpw2", value)
			}
			return nil
		},
	}
}

// set reads NAME=VALUE.
func (l *Limits) set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	name, value = strings.TrimRight(name, " \t"), strings.TrimLeft(value, " \t")
	if !ok {
		return fmt.Errorf("%q: want NAME=VALUE", text)
	}
	read := l.define()[name]
	if read == nil {
		return fmt.Errorf("unknown setting %q", name)
	}
	if err := read(value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
