// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
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

const sshdFile = "/etc/ssh/sshd_config"

// An sshdAnswer is what sshd says of its settings.
type sshdAnswer struct {
	where string // file, and for whom
	user  string // "": outside of Match blocks
	set   map[string]string
	trail
}

// checkSshd looks at sshd's settings: for everybody, and for each user that was named,
// for whom Match blocks may have others; and for root, whom a host needs.
func (c *checker) checkSshd() {
	users := c.users
	if len(users) == 0 {
		users = []string{""}
	}
	c.keyToo = true
	for _, user := range users {
		a, ok := c.askSshd(user)
		if !ok {
			c.keyToo = false
			return
		}
		c.judgeSshd(a)
	}
	if !slices.Contains(users, "root") {
		if a, ok := c.askSshd("root"); ok {
			c.judgeRoot(a, false)
		}
	}
}

// askSshd asks sshd for what holds for a user. False: it does not say.
func (c *checker) askSshd(user string) (a sshdAnswer, ok bool) {
	args := []string{"-T", "-ddd"} // which says where a setting stands
	file := sshdFile
	if c.sshdConfig != "" {
		file = c.sshdConfig
		args = append(args, "-f", file)
	}
	a.where, a.user, a.main = file, user, file
	if user != "" {
		a.where += " for " + user
		args = append(args, "-C", "user="+user+",host="+c.from+",addr="+c.from)
	}
	stdout, stderr, err := runTool("sshd", args...)
	message := a.follow(stderr)
	switch {
	case errors.Is(err, errNoTool):
		c.add("sshd-missing", "", "", "there is no sshd in %s", strings.Join(toolFolders, ", "))
		return a, false
	case err != nil && !c.root:
		c.add("sshd-untested", a.where, "sudo otpw-check", "sshd -T: %s", lastLine(message, err))
		return a, false
	case err != nil && strings.Contains(message, "privilege separation directory"):
		// On many systems that folder is there only while sshd runs.
		c.add("sshd-untested", a.where, "mkdir -m 0755 /run/sshd, or start sshd", "sshd -T: %s", lastLine(message, err))
		return a, false
	case err != nil:
		c.add("sshd-settings", a.where, "write that line right, until sshd -t says nothing", "sshd refuses its settings: %s", complaint(message, err))
		return a, false
	}
	a.set = parseSshd(stdout)
	return a, true
}

// complaint is the first thing that sshd has against a line; what it says at the end
// is only that there is one.
func complaint(message string, err error) string {
	for _, l := range strings.Split(message, "\n") {
		if lineNumber.MatchString(l) && !strings.Contains(strings.ToLower(l), "deprecated") {
			return lastLine(strings.TrimSpace(l), err)
		}
	}
	return lastLine(message, err)
}

var lineNumber = regexp.MustCompile(`\bline [0-9]+`)

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
func (c *checker) judgeSshd(a sshdAnswer) {
	before := len(c.findings)
	if a.set["usepam"] != "yes" {
		c.add("sshd-pam", a.where, a.cure("UsePAM", "yes"), "%s: sshd does not ask PAM", a.says("UsePAM"))
	}
	if a.set["kbdinteractiveauthentication"] != "yes" {
		c.add("sshd-keyboard", a.where, a.cure("KbdInteractiveAuthentication", "yes"), "%s: nobody can be asked for a one-time password", a.says("KbdInteractiveAuthentication"))
	}
	if a.set["passwordauthentication"] == "yes" {
		c.add("sshd-password", a.where, a.cure("PasswordAuthentication", "no"), "%s: sshd takes a password before anybody has seen the number, and a failed one breaks off the login", a.says("PasswordAuthentication"))
	}
	c.checkReload(a)
	if a.user == "root" {
		c.judgeRoot(a, true)
	}
	c.judgeMethods(a)
	if len(c.findings) == before {
		c.fine(a.where, "sshd's files say that it asks PAM, by keyboard-interactive; it reads them when it starts, and with systemctl reload ssh")
	}
}

const keyboard = "keyboard-interactive"

// keyMethods are those with which PermitRootLogin lets root in unless it says yes or no.
var keyMethods = []string{"publickey", "hostbased", "gssapi-with-mic"}

// judgeRoot says how root is kept out. Whom it concerns only when he was named, for
// somebody may have meant it: PermitRootLogin no, or a list of who may log in.
func (c *checker) judgeRoot(a sshdAnswer, named bool) {
	permit := a.set["permitrootlogin"]
	meant := permit == "no" || a.set["allowusers"]+a.set["allowgroups"]+a.set["denyusers"]+a.set["denygroups"] != ""
	switch {
	case permit == "yes":
	case !a.byKeyAlone() && !(meant && !named) && permit != "no":
		c.add("sshd-root-out", a.where, "behind all else in "+sshdFile+" a block `Match User root` with `AuthenticationMethods publickey`; or PermitRootLogin yes, and a list for root; or PermitRootLogin no, if it is meant",
			"AuthenticationMethods is %s, and PermitRootLogin %s allows root nothing but keys: from %s root cannot log in by ssh in any way", a.set["authenticationmethods"], permit, c.from)
	case named:
		c.add("sshd-root", a.where, "PermitRootLogin yes", "PermitRootLogin is %s: root does not get in with a one-time password", permit)
	}
}

// byKeyAlone reports whether some way in wants nothing that PAM is asked.
func (a sshdAnswer) byKeyAlone() bool {
	ways, any := a.ways()
	return any || slices.ContainsFunc(ways, func(methods []string) bool {
		return !slices.ContainsFunc(methods, func(m string) bool { return !slices.Contains(keyMethods, m) })
	})
}

// ways are the alternatives of AuthenticationMethods, with blanks between them, each a
// list of methods with commas, all of which are wanted; but for those with a method
// that is turned off. any: no method wants another.
func (a sshdAnswer) ways() (ways [][]string, any bool) {
	value := a.set["authenticationmethods"]
	if value == "" || value == "any" {
		return nil, true
	}
	for _, alternative := range strings.Fields(value) {
		methods := strings.Split(alternative, ",")
		for i, m := range methods {
			name, device, _ := strings.Cut(m, ":")
			if device == "" || device == "pam" {
				methods[i] = name
			}
		}
		if !slices.ContainsFunc(methods, func(m string) bool { return a.set[methodSettings[m]] == "no" }) {
			ways = append(ways, methods)
		}
	}
	return ways, false
}

// judgeMethods looks at AuthenticationMethods.
func (c *checker) judgeMethods(a sshdAnswer) {
	ways, any := a.ways()
	if any {
		c.keyToo = false
		return
	}
	asked := false
	for _, methods := range ways {
		if slices.Contains(methods, keyboard) {
			asked = true
			c.keyToo = c.keyToo && slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(keyMethods, m) })
		} else if slices.Contains(methods, "password") {
			c.keyToo = false // which asks PAM, too
		}
	}
	at := a.decides["authenticationmethods"]
	switch {
	case asked:
	case at.match && len(ways) > 0: // an exception, such as for emergencies
		c.addAs(warning, "sshd-methods", a.where, fmt.Sprintf("nothing, if that is meant; else take %v out", at), "AuthenticationMethods is %s in a Match block: a login without a one-time password", a.set["authenticationmethods"])
	default:
		c.add("sshd-methods", a.where, "AuthenticationMethods publickey "+keyboard, "AuthenticationMethods is %s: no way in has keyboard-interactive, with all methods beside it turned on", a.set["authenticationmethods"])
	}
}

// methodSettings turn the methods on.
var methodSettings = map[string]string{
	"publickey": "pubkeyauthentication", keyboard: "kbdinteractiveauthentication", "password": "passwordauthentication",
	"hostbased": "hostbasedauthentication", "gssapi-with-mic": "gssapiauthentication",
}
