// SPDX-License-Identifier: MIT

package otp

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseSite(t *testing.T) {
	const otpw1Conflict = "lists of the format otpw1 have no last day and no cost: longest_life, least_kdf_memory and least_kdf_passes cannot stand beside it"
	for name, tt := range map[string]struct {
		text string
		want Site
		err  string // the whole error, without the path
	}{
		"nothing": {},
		"both": {text: "# for all\n\n[module]\n  file=/var/lib/otpw/%u\t\nuser=otpw\n prompt=One-time password\n#decoy\n[generator]\nleast_entropy=64\nformat = otpw2\nlongest_life=90d\nleast_kdf_memory=64\nleast_kdf_passes=3\n[module]\ndebug",
			want: Site{[]SiteArg{{4, "file=/var/lib/otpw/%u"}, {5, "user=otpw"}, {6, "prompt=One-time password"}, {15, "debug"}},
				Limits{64, OTPW2, 90 * 24 * time.Hour, 64 << 10, 3}}},
		"otpw1":               {text: "[generator]\nformat=otpw1", want: Site{Limits: Limits{Format: OTPW1}}},
		"before the sections": {text: "\ndebug\n", err: "line 2: before the first section: want [module] or [generator] above it"},
		"unknown section":     {text: "[modul]", err: `line 1: unknown section "[modul]", want [module] or [generator]`},
		"open section":        {text: "[module", err: `line 1: unknown section "[module", want [module] or [generator]`},
		"unknown setting":     {text: "[generator]\nentropy=3", err: `line 2: unknown setting "entropy"`},
		"no value":            {text: "[generator]\nformat", err: `line 2: "format": want NAME=VALUE`},
		"entropy":             {text: "[generator]\nleast_entropy=-1", err: `line 2: least_entropy: "-1", want 1 to ` + fmt.Sprint(Base64.MaxEntropy())},
		"memory":              {text: "[generator]\nleast_kdf_memory=4097", err: `line 2: least_kdf_memory: "4097", want 1 to 4096`},
		"passes":              {text: "[generator]\nleast_kdf_passes=0", err: `line 2: least_kdf_passes: "0", want 1 to 1000`},
		"life":                {text: "[generator]\nlongest_life=90", err: `line 2: longest_life: want days, 1d to 36500d`},
		"no life":             {text: "[generator]\nlongest_life=0d", err: `line 2: longest_life: want days, 1d to 36500d`},
		"format":              {text: "[generator]\nformat=OTPW", err: `line 2: format: "OTPW", want otpw1 or otpw2`},
		"otpw1 with an end":   {text: "\n[generator]\nformat=otpw1\nlongest_life=9d\n[module]\n", err: "line 2: " + otpw1Conflict},
		"otpw1 with memory":   {text: "[generator]\nleast_kdf_memory=1\nformat=otpw1", err: "line 1: " + otpw1Conflict},
		"otpw1 with passes":   {text: "[generator]\nleast_kdf_passes=1\nformat=otpw1", err: "line 1: " + otpw1Conflict},
		"other line ends":     {text: "[module]\r\n", err: "line 1: a control character"},
		"NUL":                 {text: "[module]\nde\x00bug", err: "line 2: a control character"},
		"DEL":                 {text: "#\x7f", err: "line 1: a control character"},
		"longest argument":    {text: "[module]\n" + strings.Repeat("x", maxSiteLine+1), err: "line 2: more than 1024 bytes"},
		"most arguments":      {text: "[module]\n" + strings.Repeat("debug\n", maxSiteArgs+1), err: "line 66: more than 64 arguments"},
	} {
		got, err := parseSite([]byte(tt.text))
		var e *SiteError
		if tt.err == "" && (err != nil || !reflect.DeepEqual(got, tt.want)) || tt.err != "" && (!errors.As(err, &e) || err.Error() != " "+tt.err) {
			t.Errorf("%s: %+v, %v, want %+v, %s", name, got, err, tt.want, tt.err)
		}
	}
}

// What is wrong with limits keeps nobody from logging in, so the arguments are known; all else does.
func TestSiteLimits(t *testing.T) {
	for text, want := range map[string]bool{
		"[generator]\nformat\nformat=x\n[module]\ndebug":                       true,
		"[generator]\nformat=otpw1\nlongest_life=1d\n[module]\ndebug":          true,
		"[module]\ndebug\n[generator]\nformat\n[modul]":                        false,
		"[generator]\nformat\n[module]\n" + strings.Repeat("x", maxSiteLine+1): false,
	} {
		s, err := parseSite([]byte(text))
		var e *SiteError
		if !errors.As(err, &e) || e.Limits != want || (len(s.Module) == 1) != want {
			t.Errorf("%q: %+v, %+v", text, s, err)
		}
	}
}

func TestSiteArg(t *testing.T) {
	s, err := parseSite([]byte("[module]\nuser=a\nuser=b\nfile\nfile==c\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"user": "b true", "file": "=c true", "prompt": " false"} {
		if v, ok := s.Arg(name); fmt.Sprint(v, " ", ok) != want {
			t.Errorf("%s: %q %v, want %s", name, v, ok, want)
		}
	}
}

func TestReadSite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "otpw.conf")
	if s, err := ReadSite(path); err != nil || !reflect.DeepEqual(s, Site{}) {
		t.Errorf("no file: %v, %v", s, err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root's file is believed")
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("[module]\ndebug\n" + strings.Repeat("#", maxSite-16))
	if s, err := ReadSite(path); err != nil || len(s.Module) != 1 {
		t.Errorf("%v, %v", s, err)
	}
	fails := func(want string) {
		t.Helper()
		if _, err := ReadSite(path); err == nil || err.Error() != path+want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	write("[module]\n\x01")
	fails(" line 2: a control character")
	write(strings.Repeat("#", maxSite+1))
	fails(": more than 65536 bytes")
	write("")
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	fails(": mode is 0664, want 0644")
	if err := os.Chown(path, 1, 0); err != nil {
		t.Fatal(err)
	}
	fails(": owner is uid 1, want root")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	fails(": not a regular file")
}
