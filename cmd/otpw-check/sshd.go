// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// toolFolders are where programs of the system are; the caller's PATH is not asked.
var toolFolders = []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin"}

// tool returns the path of a program; "": there is none.
func tool(name string) string {
	for _, dir := range toolFolders {
		if path := dir + "/" + name; exists(path) {
			return path
		}
	}
	return ""
}

const toolPatience = 20 * time.Second // then it hangs

var errNoTool = errors.New("there is no such program")

// runTool runs a program of the system with nothing of the caller's.
func runTool(name string, args ...string) (stdout, stderr string, err error) {
	path := tool(name)
	if path == "" {
		return "", "", errNoTool
	}
	ctx, cancel := context.WithTimeout(context.Background(), toolPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{}, "/", time.Second
	var out, msg strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &msg
	err = cmd.Run()
	return out.String(), msg.String(), err
}

// checkSshd looks at sshd's settings: for everybody, and for each user that was named,
// for whom Match blocks may have others.
func (c *checker) checkSshd() {
	users := c.users
	if len(users) == 0 {
		users = []string{""}
	}
	c.keyToo = true
	for _, user := range users {
		if !c.checkSshdFor(user) {
			c.keyToo = false
			return
		}
	}
}

const sshdFile = "/etc/ssh/sshd_config"

// checkSshdFor looks at what holds for a user; "": outside of Match blocks. False:
// it could not.
func (c *checker) checkSshdFor(user string) bool {
	args := []string{"-T"}
	file := sshdFile
	if c.sshdConfig != "" {
		file = c.sshdConfig
		args = append(args, "-f", file)
	}
	where := file
	if user != "" {
		where += " for " + user
		args = append(args, "-C", "user="+user+",host="+c.from+",addr="+c.from)
	}
	stdout, stderr, err := runTool("sshd", args...)
	switch message := strings.TrimSpace(stderr); {
	case errors.Is(err, errNoTool):
		c.add("sshd-missing", "", "", "there is no sshd in %s", strings.Join(toolFolders, ", "))
		return false
	case err != nil && !c.root:
		c.add("sshd-untested", where, "sudo otpw-check", "sshd -T: %s", lastLine(message, err))
		return false
	case err != nil && strings.Contains(message, "privilege separation directory"):
		// On many systems that folder is there only while sshd runs.
		c.add("sshd-untested", where, "mkdir -m 0755 /run/sshd, or start sshd", "sshd -T: %s", lastLine(message, err))
		return false
	case err != nil:
		c.add("sshd-settings", where, "", "sshd refuses its settings: %s", lastLine(message, err))
		return false
	}
	c.judgeSshd(where, user, parseSshd(stdout))
	return true
}

// lastLine is what a program said at the end: what comes before may be warnings.
func lastLine(message string, err error) string {
	if message == "" {
		return err.Error()
	}
	lines := strings.Split(message, "\n")
	return strings.TrimRight(lines[len(lines)-1], " \t\r.")
}

// parseSshd reads what sshd -T prints: a name in small letters, a blank, the value.
func parseSshd(out string) map[string]string {
	set := map[string]string{}
	for _, l := range strings.Split(out, "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(l), " ")
		if _, again := set[name]; !again {
			set[strings.ToLower(name)] = value
		}
	}
	return set
}

// judgeSshd says what is wrong with the settings.
func (c *checker) judgeSshd(where, user string, set map[string]string) {
	before := len(c.findings)
	if set["usepam"] != "yes" {
		c.add("sshd-pam", where, "UsePAM yes, before any other", "UsePAM is %s: sshd does not ask PAM", set["usepam"])
	}
	if set["kbdinteractiveauthentication"] != "yes" {
		c.add("sshd-keyboard", where, "KbdInteractiveAuthentication yes, before any other", "KbdInteractiveAuthentication is %s: nobody can be asked for a one-time password", set["kbdinteractiveauthentication"])
	}
	if set["passwordauthentication"] == "yes" {
		c.add("sshd-password", where, "PasswordAuthentication no, before any other", "PasswordAuthentication is yes: sshd takes a password before anybody has seen the number, and a failed one breaks off the login")
	}
	if set["permitrootlogin"] != "yes" && user == "root" {
		c.add("sshd-root", where, "PermitRootLogin yes", "PermitRootLogin is %s: root does not get in with a one-time password", set["permitrootlogin"])
	}
	c.judgeMethods(where, set)
	if len(c.findings) == before {
		c.fine(where, "sshd asks PAM, by keyboard-interactive")
	}
}

const keyboard = "keyboard-interactive"

// judgeMethods looks at AuthenticationMethods: alternatives with blanks between them,
// each a list of methods with commas, all of which are wanted.
func (c *checker) judgeMethods(where string, set map[string]string) {
	value := set["authenticationmethods"]
	if value == "" || value == "any" {
		c.keyToo = false
		return
	}
	asked := false
	for _, alternative := range strings.Fields(value) {
		methods := strings.Split(alternative, ",")
		for i, m := range methods {
			name, device, _ := strings.Cut(m, ":")
			if device == "" || device == "pam" {
				methods[i] = name
			}
		}
		if slices.ContainsFunc(methods, func(m string) bool { return set[methodSettings[m]] == "no" }) {
			continue // nobody gets in this way
		}
		if slices.Contains(methods, keyboard) {
			asked = true
			c.keyToo = c.keyToo && slices.ContainsFunc(methods, func(m string) bool { return m == "publickey" || m == "hostbased" || m == "gssapi-with-mic" })
		} else if slices.Contains(methods, "password") {
			c.keyToo = false // which asks PAM, too
		}
	}
	if !asked {
		c.add("sshd-methods", where, "AuthenticationMethods publickey "+keyboard, "AuthenticationMethods is %s: no way in has keyboard-interactive, with all methods beside it turned on", value)
	}
}

// methodSettings turn the methods on.
var methodSettings = map[string]string{
	"publickey": "pubkeyauthentication", keyboard: "kbdinteractiveauthentication", "password": "passwordauthentication",
	"hostbased": "hostbasedauthentication", "gssapi-with-mic": "gssapiauthentication",
}
