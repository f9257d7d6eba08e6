// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A trail is what sshd -ddd tells of its way through its files.
type trail struct {
	main    string
	files   []string               // main, and what it includes
	folder  string                 // of what it includes with *.conf; "": none
	decides map[string]settingLine // which line, by the setting's name in small letters
	blocks  bool                   // it has come to Match blocks
}

// A settingLine is where a setting stands.
type settingLine struct {
	file, line string
	match      bool // in a Match block
}

func (p settingLine) String() string { return p.file + " line " + p.line }

var (
	debugLine  = regexp.MustCompile(`^debug[123]: (.*)$`)
	loadedFile = regexp.MustCompile(`^load_server_config: filename (/.*)$`)
	included   = regexp.MustCompile(`new include (/.*)/\*\.conf$`)
	setsOption = regexp.MustCompile(`^(.+):([0-9]+) setting ([A-Za-z]+) `)
)

// matching begins what sshd tells of Match blocks; it has no better name for the main file then.
const matching = "reprocess config"

// follow reads what sshd says, and returns what it does not say as debugging.
func (t *trail) follow(stderr string) (message string) {
	t.decides = map[string]settingLine{}
	var rest []string
	for _, l := range strings.Split(strings.ReplaceAll(stderr, "\r", ""), "\n") {
		m := debugLine.FindStringSubmatch(l)
		if m == nil {
			rest = append(rest, l)
			continue
		}
		t.step(m[1])
	}
	return strings.TrimSpace(strings.Join(rest, "\n"))
}

func (t *trail) step(told string) {
	if strings.HasPrefix(told, "parse_server_config_depth: config "+matching) || strings.HasPrefix(told, "parse_server_config: config "+matching) {
		t.blocks = true
	}
	if m := loadedFile.FindStringSubmatch(told); m != nil && !slices.Contains(t.files, m[1]) {
		t.files = append(t.files, m[1])
	} else if m := included.FindStringSubmatch(told); m != nil && t.folder == "" {
		t.folder = m[1]
	} else if m := setsOption.FindStringSubmatch(told); m != nil {
		t.note(settingLine{m[1], m[2], t.blocks}, strings.ToLower(m[3]))
	}
}

// note keeps the first line for a setting; what a Match block says wins.
func (t *trail) note(p settingLine, name string) {
	if p.file == matching {
		p.file = t.main
	}
	if name == "challengeresponseauthentication" || name == "skeyauthentication" { // as it was once called
		name = "kbdinteractiveauthentication"
	}
	if before, ok := t.decides[name]; !ok || p.match && !before.match {
		t.decides[name] = p
	}
}

// says is a setting, and where it stands.
func (a *sshdAnswer) says(name string) string {
	low := strings.ToLower(name)
	text := name + " is " + a.set[low]
	if at, ok := a.decides[low]; ok {
		return fmt.Sprintf("%s (%v)", text, at)
	} else if len(a.decides) > 0 {
		return text + " by default"
	}
	return text
}

const reload = ", then systemctl reload ssh (sshd on Fedora)"

// cure is what sets something else.
func (a *sshdAnswer) cure(name, value string) string {
	at := a.decides[strings.ToLower(name)]
	switch {
	case at.match:
		return fmt.Sprintf("%s %s in %v%s", name, value, at, reload)
	case a.folder != "":
		return fmt.Sprintf("%s %s in %s/00-otpw.conf%s", name, value, a.folder, reload)
	}
	return fmt.Sprintf("%s %s, before any other, in %s%s", name, value, a.main, reload)
}

// checkReload looks whether the sshd that runs has read its files since they were
// changed. That it writes its PidFile anew after reading them tells when.
func (c *checker) checkReload(a sshdAnswer) {
	read, ok := lastReload(a.set["pidfile"])
	if c.sshdConfig != "" || !ok {
		return
	}
	for _, file := range a.files {
		fi, err := os.Stat(file)
		if err == nil && fi.ModTime().After(read) && fi.ModTime().Before(time.Now()) { // no clock that was wrong
			c.add("sshd-reload", file, "systemctl reload ssh (sshd on Fedora)", "is newer than what the running sshd has read: what is said of it here does not hold yet")
		}
	}
}

// lastReload returns when the sshd that runs has begun, or has read its files again.
// False: that is not known, or it was told other files.
func lastReload(pidFile string) (time.Time, bool) {
	data, err := os.ReadFile(pidFile)
	if err != nil {
		return time.Time{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return time.Time{}, false
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	name, err1 := os.ReadFile(proc + "/comm")
	args, err2 := os.ReadFile(proc + "/cmdline")
	fi, err3 := os.Stat(pidFile)
	if err1 != nil || err2 != nil || err3 != nil || strings.TrimSpace(string(name)) != "sshd" || bytes.Contains(args, []byte("-f")) {
		return time.Time{}, false
	}
	return fi.ModTime(), true
}
