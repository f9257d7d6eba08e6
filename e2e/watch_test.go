// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// What those who watch a host make of the log: fail2ban, and collectors. Its
// lines are of real logins, and of people who want others banned.

// watched is a line of the log, and what is to become of it.
type watched struct {
	tag   string // the program
	uid   int    // who wrote it, as the journal knows
	text  string
	ban   string // the address that fail2ban bans; empty: none
	tough string // likewise with mode=aggressive
	forge bool   // only the journal can tell that it is forged
}

// An incident is something that happens at the door, from an address of its own, and the one line of the module that it leaves.
type incident struct {
	name       string
	address    string
	sshd       *world.Sshd
	a          *world.Account
	do         func(l *world.Login)
	line       string // what the line says behind rhost
	ban, tough bool
}

// watchHost has all kinds of things happen, and returns the log.
func watchHost(t *testing.T) []watched {
	t.Helper()
	w := begin(t)
	prepare(t, w)
	m := w.Install(t)
	s := setUpSshd(t, m, w.Sshd(t, pamLines(m, "debug", "bogus"), "ListenAddress ::1"))
	decoy := w.Sshd(t, pamLines(m, "decoy", "debug"))
	nullok := w.Sshd(t, pamLines(m, "nullok"))
	bare, broken := w.Account(t, "bare"), w.Account(t, "broken")
	writeList(t, broken, "OTPW")
	mallory := &world.Account{Name: "mallory-watched", Home: "/nonexistent"} // a name of its own: decoys remember it
	injector := &world.Account{Name: "x pam_otpw: user=x rhost=192.0.2.80 result=refused reason=x", Home: "/nonexistent"}
	wrong := func(l *world.Login) { l.Prompt(); l.Enter("wrong"); l.Refused() }
	refused := func(l *world.Login) { l.Refused() }
	cut := func(l *world.Login) { l.Prompt(); l.Kill() }
	right := func(l *world.Login) { l.Enter(s.sheet.Response(l.Prompt()...)); l.Accepted(); l.Leave() }

	var lines []watched
	own := map[string]incident{}
	for _, i := range []incident{
		{"accepted", "127.0.2.1", s.sshd, s.a, right, `result=accepted challenge=\d+ remaining=\d+/80$`, false, false},
		{"wrong", "127.0.2.2", s.sshd, s.a, wrong, `result=refused challenge=\d+ reason="wrong password"$`, true, true},
		{"wrong, IPv6", outside6, s.sshd, s.a, wrong, `result=refused challenge=\d+ reason="wrong password"$`, true, true},
		{"unknown user", "127.0.2.3", s.sshd, mallory, refused, `result=refused reason="unknown user"$`, true, true},
		{"cut", "127.0.2.4", s.sshd, s.a, cut, `result=abandoned challenge=\d+ reason="no response`, false, false},
		{"no list", "127.0.2.5", s.sshd, bare, refused, `result=unavailable reason=".*no list"$`, false, true},
		{"broken list", "127.0.2.6", s.sshd, broken, refused, `result=error reason=".*line 1: .*"$`, false, false},
		{"decoy, unknown user", "127.0.2.7", decoy, mallory, wrong, `result=refused challenge=\d+ reason="decoy: unknown user"$`, true, true},
		{"decoy, no list", "127.0.2.8", decoy, bare, wrong, `result=unavailable challenge=\d+ reason="decoy: .*no list"$`, true, true},
		{"decoy, broken list", "127.0.2.9", decoy, broken, wrong, `result=error challenge=\d+ reason="decoy: `, true, true},
		{"decoy, cut", "127.0.2.10", decoy, bare, cut, `result=abandoned challenge=\d+ reason="no response: .*; decoy: `, false, false},
		{"nullok", "127.0.2.11", nullok, bare, refused, `result=ignored reason=".*no list"$`, false, false},
		{"user name as a line", "127.0.2.12", s.sshd, injector, refused, `result=refused reason="unknown user"$`, true, true},
	} {
		options := []string{"-o", "BindAddress=" + i.address}
		if strings.Contains(i.address, ":") {
			options = append(options, "-o", "HostName=::1")
		}
		mark := w.Log.Mark()
		i.do(i.sshd.Login(i.a, options...))
		w.Log.Await(t, mark, `^pam_otpw\(`+i.sshd.Name+`:auth\): user=\S+ rhost=`+regexp.QuoteMeta(i.address)+` `+i.line)
		quiet(t, i.sshd)
		own[i.address] = i
		for _, l := range w.Log.Since(mark) {
			line := watched{tag: l.Tag, text: l.Text}
			switch l.Tag {
			case i.sshd.Name:
				line.tag = "sshd"
			case "pam_otpw":
				line.uid = i.a.UID
			default:
				continue // of another test
			}
			if strings.HasPrefix(l.Text, "pam_otpw(") && strings.Contains(l.Text, " rhost="+i.address+" result=") {
				if i.ban {
					line.ban = i.address
				}
				if i.tough {
					line.tough = i.address
				}
			}
			lines = append(lines, line)
		}
	}
	return append(lines, hostile(t, w, m)...)
}

// hostile are lines of a program that gets its remote host from somebody else, in sshd's place, and lines that are made up.
func hostile(t *testing.T, w *world.World, m world.Module) []watched {
	t.Helper()
	service := "hostile" + filepath.Base(filepath.Dir(m.Dir))
	w.Service(t, service, pamLines(m)...)
	a := w.Account(t, "eve rhost=192.0.2.66 result=refused reason='x'")
	cheapList(t, a, m, "-h", "60")
	var lines []watched
	for _, h := range []struct{ rhost, input, ban, tough string }{
		{"192.0.2.70", "wrong\n", "192.0.2.70", "192.0.2.70"},
		{"2001:db8:1::70", "wrong\n", "2001:db8:1::70", "2001:db8:1::70"},
		{"::ffff:192.0.2.71", "wrong\n", "192.0.2.71", "192.0.2.71"},
		{"192.0.2.72", "", "", "192.0.2.72"}, // no answer
		{"host.example.org", "wrong\n", "", ""},
		{"localhost", "wrong\n", "", ""},
		{"fe80::1%lo", "wrong\n", "", ""},
		{"192.0.2.67 result=refused reason=\"", "wrong\n", "", ""},
		{"a rhost=192.0.2.67 result=refused reason=\"", "wrong\n", "", ""},
		{"a\nNov 23 01:25:00 world sshd[1]: pam_otpw(sshd:auth): user=x rhost=192.0.2.67 result=refused reason=\"", "wrong\n", "", ""},
		{"", "wrong\n", "", ""},
	} {
		r := w.Run(t, nil, h.input, w.Host(t, "login"), "-a", "-r", h.rhost, "/etc/pam.d", service, a.Name)
		n := 0
		for _, l := range strings.Split(r.Stdout, "\n") {
			if m := regexp.MustCompile(`^log: \w+ (pam_otpw\(.* result=.*)$`).FindStringSubmatch(l); m != nil {
				lines = append(lines, watched{tag: "sshd", text: m[1], ban: h.ban, tough: h.tough})
				n++
			}
		}
		if n != 1 {
			t.Errorf("rhost %q: %d lines, want 1:\n%s", h.rhost, n, r.Stdout)
		}
	}
	line := func(rhost string) string {
		return `pam_otpw(sshd:auth): user=alice rhost=` + rhost + ` result=refused challenge=045 reason="wrong password"`
	}
	return append(lines,
		watched{tag: "sshd-session", text: line("192.0.2.73"), ban: "192.0.2.73", tough: "192.0.2.73"},
		// Any local user can write these.
		watched{tag: "pam_otpw", uid: a.UID, text: line("192.0.2.81")},
		watched{tag: "sshd", uid: a.UID, text: line("192.0.2.82"), ban: "192.0.2.82", tough: "192.0.2.82", forge: true},
		watched{tag: "x sshd", uid: a.UID, text: line("192.0.2.83")},
		watched{tag: "x", uid: a.UID, text: "sshd[1]: " + line("192.0.2.84")},
		watched{tag: "sshd:", uid: a.UID, text: line("192.0.2.85")},
		// Other programs, other texts, root's.
		watched{tag: "su", text: line("192.0.2.86")},
		watched{tag: "pam_otpw", text: line("192.0.2.87")},
		watched{tag: "sshd", text: "Invalid user " + line("192.0.2.88")},
		watched{tag: "sshd", text: "x " + line("192.0.2.88")},
		watched{tag: "sshd", text: strings.Replace(line("192.0.2.88"), "pam_otpw", "pam_unix", 1)},
		watched{tag: "sshd", text: strings.Replace(line("192.0.2.88"), "refused", "unheard", 1)},
		watched{tag: "sshd", text: `pam_otpw(sshd:auth): user=alice rhost=192.0.2.88 debug: result=refused challenge=045 reason="wrong password"`},
		watched{tag: "sshd", text: `pam_otpw(sshd:auth): user=alice rhost=192.0.2.88 unknown argument "result=refused reason=": ignored`},
	)
}

// fail2ban is the program, unpacked beside the build, with our filter and jail.
type fail2ban struct {
	w      *world.World
	unpack string
}

func setUpFail2ban(t *testing.T, w *world.World) fail2ban {
	t.Helper()
	f := fail2ban{w, filepath.Dir(w.Built(t, "fail2ban/usr"))}
	do(t, os.CopyFS("/etc/fail2ban", os.DirFS(f.unpack+"/etc/fail2ban")))
	do(t, os.RemoveAll("/etc/fail2ban/jail.d"))
	for _, name := range []string{"filter.d", "jail.d"} {
		do(t, os.CopyFS("/etc/fail2ban/"+name, os.DirFS(filepath.Join(w.Source, "packaging/fail2ban", name))))
	}
	return f
}

// run runs one of its programs.
func (f fail2ban) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	argv := append([]string{"/usr/bin/env", "PYTHONPATH=" + f.unpack + "/usr/lib/python3/dist-packages",
		"/usr/bin/python3", "-B", f.unpack + "/usr/bin/" + program, "-c", "/etc/fail2ban"}, args...)
	r := f.w.Run(t, nil, "", argv...)
	if r.Status != 0 {
		t.Fatalf("%s %q: status %d\n%s%s", program, args, r.Status, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// bans returns the addresses that a filter finds in a log, in order.
func (f fail2ban) bans(t *testing.T, log, filter string) []string {
	t.Helper()
	return strings.Fields(f.run(t, "fail2ban-regex", "-o", "ip", log, filter))
}

// journal makes a journal of lines.
func (f fail2ban) journal(t *testing.T, lines []watched) string {
	t.Helper()
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032d\n_MACHINE_ID=%032d\n"+
			"_HOSTNAME=%s\n_TRANSPORT=syslog\n_UID=%d\n_PID=%d\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=%d\nPRIORITY=5\nMESSAGE=%s\n\n",
			1795420000000000+i, 1000+i, 1, 2, world.Hostname, l.uid, 100+i, l.tag, 100+i, l.text)
	}
	path := t.TempDir() + "/log"
	do(t, os.WriteFile(path+".export", []byte(b.String()), 0o600))
	libraries := "LD_LIBRARY_PATH=" + one(t, f.unpack+"/usr/lib/*/systemd") + ":" + filepath.Dir(one(t, f.unpack+"/usr/lib/*/libmicrohttpd.so.12"))
	r := f.w.Run(t, nil, "", "/usr/bin/env", libraries, f.unpack+"/lib/systemd/systemd-journal-remote", "-o", path+".journal", path+".export")
	if r.Status != 0 {
		t.Fatalf("systemd-journal-remote: %s", r.Stderr)
	}
	return "systemd-journal[journalfiles=" + path + ".journal]"
}

// one is the one path that a pattern matches.
func one(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s: %v, want one", pattern, paths)
	}
	return paths[0]
}

func TestWatching(t *testing.T) {
	t.Parallel()
	lines := watchHost(t)
	w := begin(t)
	f := setUpFail2ban(t, w)
	var file strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&file, "Nov 23 01:25:%02d %s %s[%d]: %s\n", i%60, world.Hostname, l.tag, 100+i, l.text)
	}
	var iso strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&iso, "2026-11-23T01:25:%02d.123456+00:00 %s %s[%d]: %s\n", i%60, world.Hostname, l.tag, 100+i, l.text)
	}
	traditional, precise := t.TempDir()+"/auth.log", t.TempDir()+"/auth.log"
	do(t, os.WriteFile(traditional, []byte(file.String()), 0o600))
	do(t, os.WriteFile(precise, []byte(iso.String()), 0o600))
	journal := f.journal(t, lines)
	for _, tt := range []struct {
		name, log, filter string
		ban               func(l watched) string
	}{
		{"file", traditional, "otpw", func(l watched) string { return l.ban }},
		{"file, ISO 8601", precise, "otpw", func(l watched) string { return l.ban }},
		{"file, aggressive", traditional, "otpw[mode=aggressive]", func(l watched) string { return l.tough }},
		{"journal", journal, "otpw", func(l watched) string {
			if l.forge {
				return ""
			}
			return l.ban
		}},
		{"journal, aggressive", journal, "otpw[mode=aggressive]", func(l watched) string {
			if l.forge {
				return ""
			}
			return l.tough
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			for _, l := range lines {
				if ban := tt.ban(l); ban != "" {
					want = append(want, ban)
				}
			}
			if len(want) < 8 {
				t.Errorf("only %d lines to find", len(want))
			}
			if got := f.bans(t, tt.log, tt.filter); !slices.Equal(got, want) {
				t.Errorf("bans %q\nwant %q\n%s", got, want, file.String())
			}
		})
	}
	// A cut prompt is in a line of sshd's own, too, for the filter that fail2ban brings.
	if got := f.bans(t, traditional, "sshd[mode=aggressive]"); !slices.Contains(got, "127.0.2.4") {
		t.Errorf("sshd[mode=aggressive]: %q", got)
	}
	t.Run("jail", f.jail)
	t.Run("patterns", func(t *testing.T) { patterns(t, w, lines) })
}

// jail checks the configuration, also with what stands there as a comment.
func (f fail2ban) jail(t *testing.T) {
	const path = "/etc/fail2ban/jail.d/otpw.conf"
	text, err := os.ReadFile(path)
	do(t, err)
	do(t, os.WriteFile("/var/log/auth.log", nil, 0o600))
	other := regexp.MustCompile(`(?m)^#([a-z]+ = )`).ReplaceAllString(string(text), "$1")
	other = regexp.MustCompile(`(?m)^(filter = otpw|backend = systemd)\n`).ReplaceAllString(other, "")
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"as it is": {string(text), []string{`'addjournalmatch', '_UID=0', 'SYSLOG_FACILITY=10'`}},
		"other":    {other, []string{`'addlogpath', '/var/log/auth.log'`, `'addignoreip', '127.0.0.1/8', '::1', '192.168.0.0/16'`, `abandoned`}},
	} {
		t.Run(name, func(t *testing.T) {
			do(t, os.WriteFile(path, []byte(tt.text), 0o644))
			f.run(t, "fail2ban-client", "-t")
			dump := f.run(t, "fail2ban-client", "-d")
			for _, want := range append(tt.want, `['add', 'otpw', `, `'maxretry', 6`, `'findtime', '10m'`, `'bantime', '1h'`,
				`ipset -exist create <ipmset> hash:ip`, `ipset -exist add <ipmset> <ip>`, `--dports ssh `, `['ipmset?family=inet6', 'f2b-<name>6']`, `['start', 'otpw']`) {
				if !strings.Contains(dump, want) {
					t.Errorf("%q is not in the configuration:\n%s", want, dump)
				}
			}
		})
	}
}

// patterns checks the patterns for collectors against each line.
func patterns(t *testing.T, w *world.World, lines []watched) {
	page, err := os.ReadFile(filepath.Join(w.Source, "docs/log.md"))
	do(t, err)
	m := regexp.MustCompile(`(?m)^    (\^pam_otpw\\\(.*)$`).FindStringSubmatch(string(page))
	if m == nil {
		t.Fatal("docs/log.md: no regular expression")
	}
	plain := regexp.MustCompile(m[1])
	grok := regexp.MustCompile(ungrok(t, w))
	seen := map[string]int{}
	for _, l := range lines {
		want := fields(l.text)
		for name, rx := range map[string]*regexp.Regexp{"": plain, "otpw_": grok} {
			got := map[string]string{}
			if m := rx.FindStringSubmatch(l.text); m != nil {
				for i, field := range rx.SubexpNames() {
					if field != "" && m[i] != "" {
						got[strings.TrimPrefix(field, "otpw_")] = m[i]
					}
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%q pattern: %v, want %v\n%s", name, got, want, l.text)
			}
		}
		seen[want["result"]]++
	}
	for _, result := range []string{"accepted", "refused", "abandoned", "unavailable", "ignored", "error", ""} {
		if seen[result] == 0 {
			t.Errorf("no line with the result %q", result)
		}
	}
	// What may come.
	const grown = `pam_otpw(sshd:auth): user=alice rhost=192.0.2.7 result=news challenge=001 list=k7mw3xqp x=1 reason="cut in the mid`
	for _, rx := range []*regexp.Regexp{plain, grok} {
		if !rx.MatchString(grown) {
			t.Errorf("%v does not know %s", rx, grown)
		}
	}
}

// fields takes an attempt's line apart as docs/log.md describes it, word for word; nil: it is none.
func fields(text string) map[string]string {
	head, rest, ok := strings.Cut(text, ":auth): user=")
	service, named := strings.CutPrefix(head, "pam_otpw(")
	words := strings.Split(rest, " ")
	if !ok || !named || len(words) < 3 || !strings.HasPrefix(words[1], "rhost=") || !strings.HasPrefix(words[2], "result=") {
		return nil
	}
	f := map[string]string{"service": service, "user": words[0]}
	head, reason, _ := strings.Cut(rest, ` reason="`)
	for _, word := range strings.Split(head, " ")[1:] {
		name, value, _ := strings.Cut(word, "=")
		f[name] = value
	}
	if unused, total, ok := strings.Cut(f["remaining"], "/"); ok {
		f["remaining"], f["total"] = unused, total
	}
	if reason != "" {
		f["reason"] = strings.TrimSuffix(reason, `"`)
	}
	return f
}

// ungrok makes a regular expression of OTPW_ATTEMPT in packaging/grok/otpw, as Logstash does: %{NAME} and %{NAME:field} stand for other patterns.
func ungrok(t *testing.T, w *world.World) string {
	t.Helper()
	text, err := fs.ReadFile(os.DirFS(w.Source), "packaging/grok/otpw")
	do(t, err)
	known := map[string]string{"WORD": `\b\w+\b`, "INT": `(?:[+-]?(?:[0-9]+))`, "DATA": `.*?`} // Logstash's own
	for line := range strings.Lines(string(text)) {
		name, pattern, _ := strings.Cut(strings.TrimSpace(line), " ")
		known[name] = pattern
	}
	pattern := "%{OTPW_ATTEMPT}"
	reference := regexp.MustCompile(`%\{(\w+)(?::(\w+))?\}`)
	for reference.MatchString(pattern) {
		pattern = reference.ReplaceAllStringFunc(pattern, func(s string) string {
			m := reference.FindStringSubmatch(s)
			if known[m[1]] == "" {
				t.Fatalf("packaging/grok/otpw: %s is unknown", s)
			}
			if m[2] == "" {
				return "(?:" + known[m[1]] + ")"
			}
			return "(?P<" + m[2] + ">" + known[m[1]] + ")"
		})
	}
	return pattern
}
