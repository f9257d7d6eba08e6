// SPDX-License-Identifier: MIT

package world

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// Sshd is a running OpenSSH server, and the PAM service that it asks.
type Sshd struct {
	w    *World
	t    T
	Name string // of its PAM service, and in the system log
	Port int
	PID  int
	term *Terminal
}

// Sshd starts a real sshd with a PAM service of its own: pam holds the lines
// of the service file, options lines for sshd_config, which win over the usual
// ones. It is stopped when the test ends.
func (w *World) Sshd(t T, pam []string, options ...string) *Sshd {
	t.Helper()
	return w.SshdBehind(t, nil, pam, options...)
}

// SshdBehind is Sshd, started by another command.
func (w *World) SshdBehind(t T, before, pam []string, options ...string) *Sshd {
	t.Helper()
	w.mu.Lock()
	w.servers++
	name, port := fmt.Sprintf("sshd%d", w.servers), 2200+w.servers
	w.mu.Unlock()
	w.Service(t, name, pam...)
	config := "/etc/ssh/" + name + ".conf"
	text := strings.Join(append(options,
		fmt.Sprintf("Port %d", port),
		"ListenAddress 127.0.0.1",
		"HostKey "+w.HostKey(t),
		"PidFile none",
		"UsePAM yes",
		"KbdInteractiveAuthentication yes",
		"PasswordAuthentication no",
		"PubkeyAuthentication no",
		"PermitRootLogin no",
		"UseDNS no",
		"PrintMotd no",
		"PrintLastLog no",
		"MaxStartups 200",
		"LogLevel VERBOSE",
	), "\n") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatalf("start sshd: %v", err)
	}
	// sshd's PAM service is called like the program.
	program := "/run/world/" + name
	if err := os.Symlink(w.program(t, "/usr/sbin/sshd", "sshd/usr/sbin/sshd"), program); err != nil {
		t.Fatalf("start sshd: %v", err)
	}
	return w.SshdCommand(t, name, port, append(before, program, "-D", "-f", config)...)
}

// SshdCommand starts a server by a command that stays in the foreground and listens on a port.
func (w *World) SshdCommand(t T, name string, port int, argv ...string) *Sshd {
	t.Helper()
	s := &Sshd{w: w, t: t, Name: name, Port: port}
	mark := w.Log.Mark()
	s.term = w.Terminal(t, nil, argv...)
	s.PID = s.term.PID()
	t.Cleanup(s.Stop)
	w.Log.Await(t, mark, fmt.Sprintf(`^Server listening on (127\.0\.0\.1|0\.0\.0\.0) port %d\.`, s.Port))
	return s
}

// Stop ends the server and all its connections.
func (s *Sshd) Stop() {
	family := Descendants(s.PID)
	s.term.Kill()
	for _, p := range family {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	<-s.term.done
}

// program is a program of the system, or, when there is none, the one that was unpacked beside the build.
func (w *World) program(t T, path, unpacked string) string {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return w.Built(t, unpacked)
}

// HostKey is the path of the host key that all servers use.
func (w *World) HostKey(t T) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hostKey == "" {
		key := "/etc/ssh/host_key"
		if out, err := command(nil, "/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
		w.hostKey = key
	}
	return w.hostKey
}

// Log lists what this server and the PAM modules in it have logged since mark.
func (s *Sshd) Log(mark int) []Line {
	var lines []Line
	for _, l := range s.w.Log.Since(mark) {
		if l.Tag == s.Name {
			lines = append(lines, l)
		}
	}
	return lines
}

// Family lists the processes of the server's connections: monitors, network
// children, authenticating children, workers, sessions.
func (s *Sshd) Family() []Process { return Descendants(s.PID) }

// Authenticator is the process in which sshd authenticates by
// keyboard-interactive; there must be exactly one.
func (s *Sshd) Authenticator() Process {
	s.t.Helper()
	return s.only("authenticating process", func(p Process) bool {
		return strings.HasPrefix(p.Name, "sshd") && strings.Contains(p.Title, "[pam]")
	})
}

// Monitor is the privileged process of a connection that has not logged in yet; there must be exactly one.
func (s *Sshd) Monitor() Process {
	s.t.Helper()
	return s.only("monitor", func(p Process) bool { return p.Parent == s.PID })
}

// Unprivileged is the process that speaks to the network for a connection that
// has not logged in yet; there must be exactly one.
func (s *Sshd) Unprivileged() Process {
	s.t.Helper()
	return s.only("network child", func(p Process) bool { return strings.Contains(p.Title, "[net]") })
}

// Worker is the module's worker; there must be exactly one.
func (s *Sshd) Worker() Process {
	s.t.Helper()
	return s.only("worker", isWorker)
}

// Workers lists the module's workers.
func (s *Sshd) Workers() []Process {
	var found []Process
	for _, p := range s.Family() {
		if isWorker(p) {
			found = append(found, p)
		}
	}
	return found
}

func (s *Sshd) only(what string, is func(Process) bool) Process {
	s.t.Helper()
	var found []Process
	for _, p := range s.Family() {
		if is(p) {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		s.t.Fatalf("%d times %s below sshd\n%s", len(found), what, ProcessTable())
	}
	return found[0]
}

// Login is a person at an ssh client.
type Login struct {
	*Terminal
	s    *Sshd
	user string
}

// The remote command of logins that do not ask for a shell, and what it prints.
const (
	remoteCommand = "echo in as $(id -un); read line"
	welcome       = `in as (\S+)\r`
)

// Login starts the OpenSSH client for account: one try, keyboard-interactive
// only, a remote command that says who is in and waits for Enter. Options of
// the client come first and win.
func (s *Sshd) Login(a *Account, options ...string) *Login {
	s.t.Helper()
	l, err := s.NewLogin(a, options...)
	if err != nil {
		s.t.Fatalf("start ssh: %v", err)
	}
	return l
}

// Shell is Login to an interactive shell, whose prompt is "shell> ".
func (s *Sshd) Shell(a *Account, options ...string) *Login {
	s.t.Helper()
	l, err := s.start(a, "", options...)
	if err != nil {
		s.t.Fatalf("start ssh: %v", err)
	}
	return l
}

// NewLogin is Login for use outside of the test's goroutine.
func (s *Sshd) NewLogin(a *Account, options ...string) (*Login, error) {
	return s.start(a, remoteCommand, options...)
}

func (s *Sshd) start(a *Account, remote string, options ...string) (*Login, error) {
	term, err := s.w.NewTerminal(s.t, nil, s.client(a, remote, options...)...)
	if err != nil {
		return nil, err
	}
	return &Login{Terminal: term, s: s, user: a.Name}, nil
}

// client is the command line of the OpenSSH client.
func (s *Sshd) client(a *Account, remote string, options ...string) []string {
	argv := append([]string{"/usr/bin/ssh", "-F", "none", "-tt"}, options...)
	argv = append(argv,
		"-o", "PreferredAuthentications=keyboard-interactive",
		"-o", "NumberOfPasswordPrompts=1",
		"-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null",
		"-o", "PubkeyAuthentication=no",
		"-o", "LogLevel=ERROR",
		"-p", fmt.Sprint(s.Port), a.Name+"@127.0.0.1")
	if remote != "" {
		argv = append(argv, remote)
	}
	return argv
}

// Command starts the client with a remote command of one's own.
func (s *Sshd) Command(a *Account, remote string, options ...string) *Login {
	s.t.Helper()
	l, err := s.start(a, remote, options...)
	if err != nil {
		s.t.Fatalf("start ssh: %v", err)
	}
	return l
}

// PromptPattern is the prompt of both modules, the original and ours.
const PromptPattern = `Password (\d{3,4}(?:/\d{3,4})*): `

// ErrRefused: the login was refused.
var ErrRefused = errors.New("login refused")

const refusal = `Permission denied|Received disconnect|Connection closed|Connection reset|Too many authentication failures`

// FindPrompt waits for the module's prompt and returns the numbers that it asks for.
func (l *Login) FindPrompt() ([]string, error) {
	m, err := l.Find(PromptPattern + `|` + refusal)
	if err != nil {
		return nil, err
	}
	if m[1] == "" {
		return nil, fmt.Errorf("%w without a prompt: %s", ErrRefused, m[0])
	}
	return strings.Split(m[1], "/"), nil
}

// FindResult waits for what becomes of the login: nil when it is let in, ErrRefused when not.
func (l *Login) FindResult() error {
	m, err := l.Find(welcome + `|shell> |` + refusal)
	switch {
	case err != nil:
		return err
	case m[1] == l.user, m[0] == "shell> ":
		return nil
	case m[1] != "":
		return fmt.Errorf("let in as %s, want %s", m[1], l.user)
	}
	return ErrRefused
}

// Step is what a login shows next. The zero Step is a refusal.
type Step struct {
	Numbers  []string // that are asked for
	Ordinary bool     // the ordinary password is asked for
	In       bool     // he is let in
}

// Next waits for a prompt, the module's or another, or for what becomes of the login.
func (l *Login) Next() (Step, error) {
	m, err := l.Find(PromptPattern + `|` + welcome + `|` + refusal + `|[Pp]assword: `)
	switch {
	case err != nil:
		return Step{}, err
	case m[1] != "":
		return Step{Numbers: strings.Split(m[1], "/")}, nil
	case m[2] != "" && m[2] != l.user:
		return Step{}, fmt.Errorf("let in as %s, want %s", m[2], l.user)
	}
	return Step{Ordinary: strings.HasSuffix(m[0], ": "), In: m[2] != ""}, nil
}

// Prompt waits for the module's prompt and returns the numbers that it asks for.
func (l *Login) Prompt() []string {
	l.t.Helper()
	numbers, err := l.FindPrompt()
	if err != nil {
		l.t.Fatalf("no prompt: %v\n%s", err, l.transcript())
	}
	return numbers
}

// Single waits for a prompt for one number and returns it.
func (l *Login) Single() string {
	l.t.Helper()
	numbers := l.Prompt()
	if len(numbers) != 1 {
		l.t.Fatalf("asked for %v, want a single number", numbers)
	}
	return numbers[0]
}

// Triple waits for a prompt for three numbers and returns them.
func (l *Login) Triple() []string {
	l.t.Helper()
	numbers := l.Prompt()
	if len(numbers) != 3 {
		l.t.Fatalf("asked for %v, want three numbers", numbers)
	}
	return numbers
}

// Accepted waits until the login is let in.
func (l *Login) Accepted() {
	l.t.Helper()
	if err := l.FindResult(); err != nil {
		l.t.Fatalf("login not accepted: %v\n%s", err, l.transcript())
	}
}

// Refused waits until the login is refused. A prompt that comes first fails the test.
func (l *Login) Refused() {
	l.t.Helper()
	m, err := l.Find(PromptPattern + `|` + welcome + `|shell> |` + refusal)
	if err != nil {
		l.t.Fatalf("login not refused: %v\n%s", err, l.transcript())
	}
	if !regexp.MustCompile(`^(?:` + refusal + `)$`).MatchString(m[0]) {
		l.t.Fatalf("login not refused: %q\n%s", m[0], l.transcript())
	}
}

// Leave ends an accepted login.
func (l *Login) Leave() {
	l.t.Helper()
	l.Enter("exit")
	l.Wait()
}
