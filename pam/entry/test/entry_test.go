// SPDX-License-Identifier: MIT

// Package entry_test loads the real pam_otpw.so into hosts that call the real
// libpam, with cores (testdata/core.c) that do whatever a worker must not do.
// It is not beside pam_otpw.c because a Go package without cgo cannot have C.
package entry_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// workerTimeout is the time that the entry under test gives its worker,
	// instead of 30 s; endTimeout that in which a worker has to end.
	workerTimeout = time.Second
	endTimeout    = 2 * time.Second
	// patience is what a host may need beyond these before it counts as hanging.
	patience = 20 * time.Second

	nobody = 65534
)

// PAM results.
const (
	success         = 0
	systemErr       = 4
	authErr         = 7
	authinfoUnavail = 9
	ignore          = 25
	userUnknown     = 10
)

// parts is a folder with everything compiled; one for each kind of build.
type parts struct {
	dir       string
	sanitized bool
}

// state is the file with the secret of decoys. Its folder is made by the tests that want one.
func (p parts) state() string { return filepath.Join(p.dir, "state", "decoy") }

// site is the file with what a site has decided. The tests that want one make it.
func (p parts) site() string { return filepath.Join(p.dir, "otpw.conf") }

var (
	plain     = build(false)
	sanitized = build(true)
)

// scratch is where the parts and installations go: every account must reach
// them, which it cannot in t.TempDir.
var scratch = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("/var/tmp", "otpw-entry-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
})

func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	code := m.Run()
	if dir, err := scratch(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// build compiles the parts with the Makefile's flags, or with the sanitizers.
func build(sanitize bool) func() (parts, error) {
	return sync.OnceValues(func() (parts, error) {
		p := parts{sanitized: sanitize}
		top, err := scratch()
		if err != nil {
			return p, err
		}
		if p.dir, err = os.MkdirTemp(top, "parts-"); err != nil {
			return p, err
		}
		os.Chmod(p.dir, 0o755)
		root := filepath.Join("..", "..", "..")
		common := []string{"-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes",
			"-Wmissing-prototypes", "-Wformat=2", "-D_GNU_SOURCE", `-DOTPW_VERSION="v1"`, "-I" + filepath.Join(root, "pam")}
		hard := []string{"-O2", "-Wconversion", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong"}
		if sanitize {
			hard = []string{"-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"}
		}
		entry := append(slices.Clone(hard), fmt.Sprintf("-DOTPW_WORKER_TIMEOUT=%d", int(workerTimeout.Seconds())),
			`-DOTPW_STATE="`+p.state()+`"`, `-DOTPW_SITE="`+p.site()+`"`, "-fPIC", "-fvisibility=hidden", "-shared", "-Wl,-z,relro,-z,now,-z,nodelete",
			"-Wl,--version-script="+filepath.Join(root, "pam/entry/exports.map"))
		for _, source := range []string{"pam_otpw.c", "child.c", "decoy.c", "site.c"} {
			entry = append(entry, filepath.Join(root, "pam/entry", source))
		}
		entry = append(entry, "-lpam")
		if !sanitize {
			entry = append(entry, "-Wl,-z,defs")
		}
		host := []string{"-O2"}
		if sanitize {
			host = hard
		}
		shared := []string{"-O2", "-fPIC", "-shared"}
		core := func(args ...string) []string { return append(slices.Clone(shared), args...) }
		hosts := filepath.Join(root, "e2e/hosts")
		builds := map[string][]string{
			"pam_otpw.so":     entry,
			"worker":          append(slices.Clone(hard), filepath.Join(root, "pam/worker/worker.c"), "-ldl"),
			"core.so":         core("testdata/core.c"),
			"other-core.so":   core("-UOTPW_VERSION", `-DOTPW_VERSION="v2"`, "testdata/core.c"),
			"no-version.so":   core("-DNO_VERSION", "testdata/core.c"),
			"no-serve.so":     core("-DNO_SERVE", "testdata/core.c"),
			"deaf.so":         core("testdata/deaf.c"),
			"deaf-answer.so":  core("-DANSWER", "testdata/deaf.c"),
			"authtok.so":      core("testdata/authtok.c", "-lpam"),
			"login":           append(slices.Clone(host), filepath.Join(hosts, "login.c"), "-lpam", "-lpthread"),
			"forktrap":        append(slices.Clone(host), filepath.Join(hosts, "forktrap.c"), "-lpam", "-lpthread"),
			"hostile":         {"-O2", filepath.Join(hosts, "hostile.c"), "-lpam", "-lpthread"},
			"corpus":          append(slices.Clone(host), "-DCORPUS", "testdata/fuzz.c"),
			"unresolvable.so": core("-Wl,--unresolved-symbols=ignore-all", "-Dotpw_serve=missing", "testdata/deaf.c"),
		}
		for name, args := range builds {
			out, err := exec.Command("cc", slices.Concat(common, []string{"-o", filepath.Join(p.dir, name)}, args)...).CombinedOutput()
			if err != nil {
				return p, fmt.Errorf("cc %s: %w\n%s", name, err, out)
			}
		}
		return p, nil
	})
}

// eachBuild runs a test with the ordinary build and with that of the sanitizers.
func eachBuild(t *testing.T, test func(t *testing.T, p parts)) {
	for name, build := range map[string]func() (parts, error){"plain": plain, "sanitized": sanitized} {
		t.Run(name, func(t *testing.T) {
			p, err := build()
			if err != nil {
				t.Fatal(err)
			}
			test(t, p)
		})
	}
}

// installation is a module as it would be installed, with a configuration.
type installation struct {
	parts
	root string // pam_otpw.so and pam_otpw/
	conf string
}

// install makes one with the core of that name.
func install(t *testing.T, p parts, core string) installation {
	t.Helper()
	top, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(top, "inst-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in := installation{parts: p, root: dir, conf: filepath.Join(dir, "conf")}
	for _, d := range []string{dir, in.conf, in.folder()} {
		must(t, os.MkdirAll(d, 0o755))
		must(t, os.Chmod(d, 0o755))
	}
	copyFile(t, filepath.Join(p.dir, "pam_otpw.so"), in.module(), 0o644)
	copyFile(t, filepath.Join(p.dir, "worker"), in.worker(), 0o711)
	copyFile(t, filepath.Join(p.dir, core), in.core(), 0o644)
	in.configure(t)
	return in
}

func (in installation) module() string { return filepath.Join(in.root, "pam_otpw.so") }
func (in installation) folder() string { return filepath.Join(in.root, "pam_otpw") }
func (in installation) worker() string { return filepath.Join(in.folder(), "worker") }
func (in installation) core() string   { return filepath.Join(in.folder(), "core.so") }

// configure writes the service "t" with these arguments for authentication.
func (in installation) configure(t *testing.T, args ...string) {
	t.Helper()
	m := in.module()
	must(t, os.WriteFile(filepath.Join(in.conf, "t"), []byte(strings.Join([]string{
		"auth required " + m + " " + strings.Join(args, " "),
		"auth optional " + filepath.Join(in.dir, "authtok.so") + " right",
		"account required " + m,
		"account required pam_permit.so",
		"session required " + m,
		""}, "\n")), 0o644))
	must(t, os.WriteFile(filepath.Join(in.conf, "alone"), []byte(strings.Join([]string{
		"auth required " + m,
		"account required " + m,
		""}, "\n")), 0o644))
	other := ""
	for _, kind := range []string{"auth", "account", "session", "password"} {
		other += kind + " required pam_deny.so\n"
	}
	must(t, os.WriteFile(filepath.Join(in.conf, "other"), []byte(other), 0o644))
}

// host is one run of a program that calls PAM.
type host struct {
	before []string // program and arguments that start the host
	name   string   // of the host; empty: login
	flags  []string
	user   string // empty: nobody
	stdin  string
	env    []string
	uid    uint32 // not 0: the host runs as this user
	limit  time.Duration
	// changed says that the host's end is not that of a host that looks at itself.
	changed bool
	service string
}

// output is what it printed.
type output struct {
	t    *testing.T
	text string
	took time.Duration
}

func (in installation) run(t *testing.T, h host) output {
	t.Helper()
	if h.name == "" {
		h.name = "login"
	}
	if h.user == "" {
		h.user = "nobody"
	}
	if h.service == "" {
		h.service = "t"
	}
	args := slices.Concat(h.before, []string{filepath.Join(in.dir, h.name)}, h.flags, []string{in.conf, h.service, h.user})
	ctx, cancel := context.WithTimeout(context.Background(), h.limit+patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, h.env...)
	cmd.Stdin = strings.NewReader(h.stdin)
	cmd.WaitDelay = time.Second
	cmd.Dir = in.conf // not where the worker goes
	if h.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: h.uid, Gid: h.uid}}
	}
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	start := time.Now()
	err := cmd.Run()
	out := output{t, "\n" + buf.String(), time.Since(start)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("hangs, after %v\n%s", out.took, out.text)
	case err != nil && !errors.As(err, &exit):
		t.Fatal(err)
	case err != nil && !h.changed:
		t.Errorf("%v\n%s", err, out.text)
	}
	if !h.changed {
		out.want("unchanged: yes")
	}
	return out
}

// want fails the test unless every one is found in the output.
func (o output) want(parts ...string) {
	o.t.Helper()
	for _, part := range parts {
		if !strings.Contains(o.text, part) {
			o.t.Errorf("no %q in\n%s", part, o.text)
		}
	}
}

func (o output) wantNot(parts ...string) {
	o.t.Helper()
	for _, part := range parts {
		if strings.Contains(o.text, part) {
			o.t.Errorf("%q in\n%s", part, o.text)
		}
	}
}

func (o output) wantResult(pam int) {
	o.t.Helper()
	o.want(fmt.Sprintf("\nauthenticate: %d\n", pam))
	if pam != success {
		o.wantNot("OTPW_NOTICE", "authenticate: 0")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	src, err := os.Open(from)
	must(t, err)
	defer src.Close()
	must(t, os.RemoveAll(to))
	dst, err := os.Create(to)
	must(t, err)
	_, err = io.Copy(dst, src)
	must(t, errors.Join(err, dst.Close(), os.Chmod(to, mode)))
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to run the host as root and workers as other users")
	}
}

func TestLogin(t *testing.T) {
	needRoot(t)
	eachBuild(t, func(t *testing.T, p parts) {
		in := install(t, p, "core.so")
		tests := []struct {
			name   string
			host   host
			result int
			want   []string
			not    []string
		}{
			{"right", host{stdin: "right\n"}, success, []string{
				"\nprompt: Password 044: \n", "\nenv: OTPW_NOTICE=Remaining: 7\n",
				"pam_otpw(t:auth): user=nobody rhost=- result=accepted", "authtok none",
				"\nacct_mgmt: 0\n", "\nsetcred: 0\n", "\ninfo: Remaining: 7\nopen_session: 0\nclose_session: 0\n"}, nil},
			{"wrong", host{stdin: "wrong\n"}, authErr, []string{"authtok none"}, []string{"wrong"}},
			{"no response", host{}, authinfoUnavail, []string{"result=abandoned", "authtok none"}, nil},
			{"empty response", host{stdin: "\n"}, authErr, []string{"response of 0 bytes"}, nil},
			{"longest response", host{stdin: strings.Repeat("x", 8191) + "\n"}, authErr, []string{"response of 8191 bytes"}, nil},
			{"too long response", host{stdin: strings.Repeat("x", 8192) + "\n"}, authinfoUnavail,
				[]string{"response longer than 8191 bytes", "result=abandoned"}, []string{"xxx"}},
			{"silent", host{stdin: "right\n", flags: []string{"-s"}}, success,
				[]string{"prompt:", "\nopen_session: 0\n"}, []string{"info:"}},
			{"old notice", host{stdin: "wrong\n", flags: []string{"-e", "OTPW_NOTICE=old"}}, authErr, nil, nil},
			{"old notice, unknown user", host{user: "stranger", flags: []string{"-e", "OTPW_NOTICE=old"}}, userUnknown, nil, nil},
			{"remote host", host{flags: []string{"-r", "10.0.0.1"}}, authinfoUnavail, []string{"user=nobody rhost=10.0.0.1 result="}, nil},
			{"forged remote host", host{flags: []string{"-r", "a b\nuser=\"x\" \xff%s"}}, authinfoUnavail,
				[]string{`user=nobody rhost=a\x20b\x0auser\x3d\x22x\x22\x20\xff%s result=`}, nil},
			{"long odd remote host", host{flags: []string{"-r", strings.Repeat(" ", 500)}}, authinfoUnavail,
				[]string{"rhost=" + strings.Repeat(`\x20`, 127) + " result="}, nil},
			{"long remote host", host{flags: []string{"-r", strings.Repeat("h", 60000)}}, systemErr, // libpam's audit denies
				[]string{"rhost=" + strings.Repeat("h", 500)}, []string{strings.Repeat("h", 512)}},
			{"unknown user", host{user: "no such\nuser"}, userUnknown,
				[]string{`log: notice pam_otpw(t:auth): user=- rhost=- result=refused reason="unknown user"`}, []string{"such"}},
			{"many times", host{stdin: strings.Repeat("right\nwrong\n", 10), flags: []string{"-n", "20"}}, success,
				[]string{"authenticate: 7", "authenticate: 0"}, nil},
			{"standard input closed", host{before: []string{filepath.Join(p.dir, "hostile"), "-c", "0"}}, authinfoUnavail, nil, nil},
			{"standard descriptors closed", host{stdin: "right\n", flags: []string{"-c"}}, success,
				[]string{"result=accepted"}, []string{"is somebody's"}},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				out := in.run(t, test.host)
				if test.result != success {
					out.wantResult(test.result)
				} else {
					out.want("\nauthenticate: 0\n")
				}
				out.want(test.want...)
				out.wantNot(test.not...)
			})
		}
	})
}

// TestAccountAlone shows that the module alone in an account stack does not let anybody in.
func TestAccountAlone(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	out := install(t, p, "core.so").run(t, host{stdin: "right\n", service: "alone"})
	out.want("\nauthenticate: 0\n", "\nacct_mgmt: 6\n", "\nsetcred: 0\n") // PAM_PERM_DENIED
}

// TestKeyLogin opens a session that no authentication came before.
func TestKeyLogin(t *testing.T) {
	p, err := plain()
	must(t, err)
	in := install(t, p, "core.so")
	tests := []struct{ name, env, want string }{
		{"no notice", "A=b", "\nenv: A=b\nacct_mgmt: 0\nsetcred: 0\nopen_session: 0\nenv: A=b\nclose_session: 0\n"},
		{"notice of another process", "OTPW_NOTICE=Remaining: 8", "\ninfo: Remaining: 8\nopen_session: 0\nclose_session: 0\n"},
		{"notice with control characters", "OTPW_NOTICE=a\x1bb", "\nsetcred: 0\nopen_session: 0\nclose_session: 0\n"},
		{"long notice", "OTPW_NOTICE=" + strings.Repeat("n", 5000), "\ninfo: " + strings.Repeat("n", 511) + "\nopen_session: 0\nclose_session: 0\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out := in.run(t, host{flags: []string{"-k", "-e", test.env}})
			out.want(test.want)
			out.wantNot("log:")
		})
	}
}

func TestMisbehaviour(t *testing.T) {
	needRoot(t)
	const (
		noResult = `result=error reason="worker ended without a result`
		tooSlow  = `result=error reason="worker took more than 1 s`
	)
	kill := workerTimeout + endTimeout
	tests := []struct {
		arg    string
		stdin  string
		result int
		want   string
		takes  time.Duration // the host has to be done soon after it
	}{
		{"abort", "", systemErr, noResult + " (signal 6)", 0},
		{"segv", "", systemErr, noResult, 0},
		{"exit", "", systemErr, noResult + " (exit status 0)", 0},
		{"return", "", systemErr, noResult + " (exit status 0)", 0},
		{"half-then-end", "", systemErr, noResult, 0},
		{"die-at-prompt", "right\n", systemErr, noResult, 0},
		{"child", "", systemErr, noResult, 0},

		{"silent", "", systemErr, tooSlow, kill},
		{"stop", "", systemErr, tooSlow + " (signal 9)", kill},
		{"half-head", "", systemErr, tooSlow, kill},
		{"half-frame", "", systemErr, tooSlow, kill},
		{"trickle", "", systemErr, tooSlow, workerTimeout},

		{"garbage", "", systemErr, "worker sent a frame of type 0x48 with 21588 bytes", 0},
		{"unknown-empty", "", systemErr, "worker sent a frame of type 0x58 with 0 bytes", 0},
		{"long-prompt", "right\n", systemErr, "worker sent a frame of type 0x50 with 512 bytes", 0},
		{"long-log", "", systemErr, "worker sent a frame of type 0x4c with 1025 bytes", 0},
		{"long-notice", "", systemErr, "worker sent a frame of type 0x4e with 512 bytes", 0},
		{"long-result", "", systemErr, "worker sent a frame of type 0x46 with 2 bytes", 0},
		{"huge", "", systemErr, "worker sent a frame of type 0x4c with 65535 bytes", 0},
		{"empty-result", "", systemErr, "worker sent a frame of type 0x46 with 0 bytes", 0},
		{"empty-prompt", "right\n", systemErr, "worker sent a frame of type 0x50 with 0 bytes", 0},
		{"no-priority", "", systemErr, "worker sent a log line without a priority", 0},
		{"nul-priority", "", systemErr, "worker sent a log line without a priority", 0},
		{"control-prompt", "right\n", systemErr, "worker sent a prompt that cannot be asked", 0},
		{"c1-prompt", "right\n", systemErr, "worker sent a prompt that cannot be asked", 0},
		{"prompt-after-hang-up", "", systemErr, "worker sent a prompt that cannot be asked", endTimeout},
		{"flood", "", systemErr, "worker sent more than 200 frames", 0},
		{"notices", "", systemErr, "worker sent more than 200 frames", 0},
		{"prompts", strings.Repeat("wrong\n", 300), systemErr, "worker sent more than 200 frames", 0},

		{"success", "right\n", systemErr, "worker reported success without a response", 0},
		{"result=0", "right\n", systemErr, "worker reported success without a response", 0},
		{"hang-up-then-success", "right\n", systemErr, "worker reported success without a response", 0},
		{"prompt-then-result=0", "", systemErr, "worker reported success without a response", 0},
		{"prompt-then-result=0", strings.Repeat("x", 8192) + "\n", systemErr, "worker reported success without a response", 0},
		{"prompt-then-result=25", "right\n", systemErr, "worker wants to be ignored", 0}, // PAM_IGNORE
		{"prompt-then-result=255", "right\n", systemErr, "worker sent the unknown result 255", 0},
		{"prompt-then-result=1", "right\n", systemErr, "worker sent the unknown result 1", 0},
		{"prompt-then-result=10", "right\n", systemErr, "worker sent the unknown result 10", 0},
		{"prompt-then-result=4", "right\n", systemErr, "authtok none", 0},
		{"prompt-then-result=7", "right\n", authErr, "authtok none", 0},
		{"prompt-then-result=9", "right\n", authinfoUnavail, "authtok none", 0},
		{"notice-without-success", "", authErr, "authtok none", 0},
		{"deny-at-prompt", "right\n", authErr, "prompt: Password 1: ", 0},

		{"bytes", "", authErr, "user=nobody rhost=- ab\n", 0},
		{"full-prompt", "right\n", success, "prompt: " + strings.Repeat("a", 511), 0},
		{"full-log", "", systemErr, "user=nobody rhost=- " + strings.Repeat("e", 1023) + "\n", 0},
		{"utf8-prompt", "right\n", success, "prompt: Mot de passe n\u00ba 7: ", 0},
		{"format-prompt", "right\n", success, "prompt: %s%n%s%n: ", 0},
		{"control-log", "", authErr,
			`err pam_otpw(t:auth): user=nobody rhost=- a\x0auser=root rhost=- \x1b[31m\x7f\xc3\xa4\x00b%s%n`, 0},
		{"control-notice", "right\n", success, "notice with control characters dropped", 0},
		{"two", "wrong\nright\n", success, "response of 5 bytes", 0},
		{"two", "wrong\nwrong\n", authErr, "response of 5 bytes", 0},
		{"ignore-end", "right\n", success, "setcred: 0", endTimeout},
		{"child-then-ask", "right\n", success, "setcred: 0", 0},
		{"close-first", "right\n", authinfoUnavail, "result=abandoned", 0},
	}
	eachBuild(t, func(t *testing.T, p parts) {
		for _, test := range tests {
			name := test.arg
			if len(test.stdin) < 20 {
				name += " " + strings.ReplaceAll(test.stdin, "\n", ".")
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				in := install(t, p, "core.so")
				in.configure(t, test.arg)
				out := in.run(t, host{stdin: test.stdin, limit: test.takes})
				if test.result == success {
					out.want("\nauthenticate: 0\n")
				} else {
					out.wantResult(test.result)
				}
				out.want(test.want)
				if n := strings.Count(out.text, "log: "); n > 210 {
					t.Errorf("%d log lines", n)
				}
				if out.took > test.takes+1500*time.Millisecond {
					t.Errorf("took %v, want little more than %v", out.took, test.takes)
				}
				if test.arg == "control-notice" {
					out.wantNot("env: OTPW_NOTICE")
				}
			})
		}
	})
}

// TestCopiedSocket has a process that keeps a copy of the host's end of the
// socket: the worker must hear of the end all the same.
func TestCopiedSocket(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	in := install(t, p, "core.so")
	in.configure(t, "wait-for-end")
	out := in.run(t, host{stdin: "right\n", flags: []string{"-f"}})
	out.want("\nauthenticate: 0\n")
	if out.took > time.Second {
		t.Errorf("took %v: the worker was killed", out.took)
	}
}

// TestInstallation spoils one thing of an installation at a time.
func TestInstallation(t *testing.T) {
	needRoot(t)
	chmod := func(path func(installation) string, mode uint32) func(*testing.T, installation) {
		return func(t *testing.T, in installation) { must(t, syscall.Chmod(path(in), mode)) }
	}
	chown := func(path func(installation) string) func(*testing.T, installation) {
		return func(t *testing.T, in installation) {
			info, err := os.Stat(path(in))
			must(t, errors.Join(err, os.Chown(path(in), nobody, nobody), os.Chmod(path(in), info.Mode())))
		}
	}
	remove := func(path func(installation) string) func(*testing.T, installation) {
		return func(t *testing.T, in installation) { must(t, os.RemoveAll(path(in))) }
	}
	link := func(path func(installation) string) func(*testing.T, installation) {
		return func(t *testing.T, in installation) {
			must(t, os.Rename(path(in), path(in)+".real"))
			must(t, os.Symlink(path(in)+".real", path(in)))
		}
	}
	core := func(name string) func(*testing.T, installation) {
		return func(t *testing.T, in installation) { copyFile(t, filepath.Join(in.dir, name), in.core(), 0o644) }
	}
	text := func(path func(installation) string, mode os.FileMode) func(*testing.T, installation) {
		return func(t *testing.T, in installation) {
			must(t, os.WriteFile(path(in), []byte("not a program\n"), mode))
		}
	}
	interpreter := func(t *testing.T, in installation) {
		must(t, os.WriteFile(in.worker(), []byte("#!/etc/passwd\n"), 0o711))
	}
	folder, worker, coreFile := installation.folder, installation.worker, installation.core
	tests := []struct {
		name  string
		spoil func(*testing.T, installation)
		want  string
		takes time.Duration
	}{
		{"no folder", remove(folder), "/pam_otpw: No such file or directory", 0},
		{"folder is a file", func(t *testing.T, in installation) {
			remove(folder)(t, in)
			text(folder, 0o755)(t, in)
		}, "/pam_otpw: not a folder", 0},
		{"folder is a link", link(folder), "/pam_otpw: not a folder", 0},
		{"folder for a group", chmod(folder, 0o775), "/pam_otpw: mode is 0775, want 0755", 0},
		{"folder for all", chmod(folder, 0o757), "/pam_otpw: mode is 0757, want 0755", 0},
		{"sticky folder", chmod(folder, 0o1777), "/pam_otpw: mode is 1777, want 0755", 0},
		{"closed folder", chmod(folder, 0o700), "/pam_otpw: mode is 0700, want 0755", 0},
		{"folder of another", chown(folder), "/pam_otpw: owner is uid 65534, want root", 0},

		{"no worker", remove(worker), "/worker: No such file or directory", 0},
		{"worker is a folder", func(t *testing.T, in installation) {
			remove(worker)(t, in)
			must(t, os.Mkdir(worker(in), 0o711))
		}, "/worker: not a regular file", 0},
		{"worker is a link", link(worker), "/worker: not a regular file", 0},
		{"readable worker", chmod(worker, 0o755), "/worker: mode is 0755, want 0711", 0},
		{"worker readable for a group", chmod(worker, 0o751), "/worker: mode is 0751, want 0711", 0},
		{"writable worker", chmod(worker, 0o713), "/worker: mode is 0713, want 0711", 0},
		{"worker writable for a group", chmod(worker, 0o731), "/worker: mode is 0731, want 0711", 0},
		{"set-user-id worker", chmod(worker, 0o4711), "/worker: mode is 4711, want 0711", 0},
		{"set-group-id worker", chmod(worker, 0o2711), "/worker: mode is 2711, want 0711", 0},
		{"worker not executable", chmod(worker, 0o700), "/worker: mode is 0700, want 0711", 0},
		{"worker of another", chown(worker), "/worker: owner is uid 65534, want root", 0},
		{"worker is text", text(worker, 0o711), "start worker: execve: errno 8", 0},
		{"worker may not be run", interpreter, "start worker: execve: Permission denied", 0},
		{"worker is something else", func(t *testing.T, in installation) {
			copyFile(t, "/bin/true", worker(in), 0o711)
		}, "worker ended without a result (exit status 0)", 0},

		{"no core", remove(coreFile), "/core.so: No such file or directory", 0},
		{"core is a link", link(coreFile), "/core.so: not a regular file", 0},
		{"core is a folder", func(t *testing.T, in installation) {
			remove(coreFile)(t, in)
			must(t, os.Mkdir(coreFile(in), 0o755))
		}, "/core.so: not a regular file", 0},
		{"writable core", chmod(coreFile, 0o646), "/core.so: writable for group or others", 0},
		{"core writable for a group", chmod(coreFile, 0o664), "/core.so: writable for group or others", 0},
		{"core of another", chown(coreFile), "/core.so: wrong owner, want root", 0},
		{"unreadable core", chmod(coreFile, 0o600), "load core: ", 0},
		{"core is text", text(coreFile, 0o644), "load core: ", 0},
		{"other version", core("other-core.so"), "/core.so: version v2, want v1", 0},
		{"core without version", core("no-version.so"), "undefined symbol: otpw_core_version", 0},
		{"core without function", core("no-serve.so"), "undefined symbol: otpw_serve", 0},
		{"core of other names", core("unresolvable.so"), "undefined symbol: otpw_serve", 0},
		{"core that does not read", core("deaf.so"), "worker took more than 1 s", workerTimeout + endTimeout},
		{"core that does not read but answers", core("deaf-answer.so"), `reason="deaf: on purpose"`, 0},
	}
	eachBuild(t, func(t *testing.T, p parts) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				in := install(t, p, "core.so")
				test.spoil(t, in)
				out := in.run(t, host{stdin: "right\n", limit: test.takes})
				out.wantResult(systemErr)
				out.want(`result=error reason="`, test.want)
				if out.took > test.takes+1500*time.Millisecond {
					t.Errorf("took %v, want little more than %v", out.took, test.takes)
				}
			})
		}
	})
}

// TestPlace installs the module where paths are odd.
func TestPlace(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	t.Run("behind a link", func(t *testing.T) {
		in := install(t, p, "core.so")
		real := in.root
		in.root = real + ".link"
		must(t, os.Symlink(real, in.root))
		t.Cleanup(func() { os.Remove(in.root) })
		in.configure(t)
		in.run(t, host{stdin: "right\n"}).want("\nauthenticate: 0\n")
	})
	t.Run("library is a link", func(t *testing.T) {
		in, elsewhere := install(t, p, "core.so"), t.TempDir()
		in.root = elsewhere
		must(t, os.Symlink(filepath.Join(filepath.Dir(in.conf), "pam_otpw.so"), in.module()))
		in.configure(t)
		in.run(t, host{stdin: "right\n"}).want("\nauthenticate: 0\n")
	})
	t.Run("long path", func(t *testing.T) {
		in := install(t, p, "core.so")
		deep := in.root
		for len(deep) < 400 { // libpam takes up to 512
			deep = filepath.Join(deep, strings.Repeat("d", 100))
		}
		must(t, os.MkdirAll(deep, 0o755))
		must(t, os.Rename(in.module(), filepath.Join(deep, "pam_otpw.so")))
		must(t, os.Rename(in.folder(), filepath.Join(deep, "pam_otpw")))
		in.root = deep
		in.configure(t)
		in.run(t, host{stdin: "right\n"}).want("\nauthenticate: 0\n")
	})
}

// reported are the lines that the core "report" has for every worker. What
// this process may not lift, the worker's limits are not.
var reported = []string{
	" status NoNewPrivs: 1\n",
	" status CapInh: 0000000000000000\n", " status CapPrm: 0000000000000000\n",
	" status CapEff: 0000000000000000\n", " status CapAmb: 0000000000000000\n",
	" status SigBlk: 0000000000000000\n", " status SigIgn: 0000000000000000\n", " status SigCgt: 0000000000000200\n",
	" descriptor 0 /dev/null\n", " descriptor 1 /dev/null\n", " descriptor 2 /dev/null\n", " descriptor 3 socket:\n",
	" dumpable 0\n", " keepcaps 0\n", " umask 077\n", " folder /\n", " leader 1\n", " limit CORE 0 0\n",
	" environment GOTRACEBACK=none\n", " environment GOMAXPROCS=1\n", " environment MALLOC_ARENA_MAX=1\n",
}

func (o output) wantReport(uid, gid, groups string) {
	o.t.Helper()
	o.wantResult(authErr)
	ids := func(s string) string { return strings.TrimSuffix(strings.Repeat(s+" ", 4), " ") }
	o.want(" status Uid: "+ids(uid)+"\n", " status Gid: "+ids(gid)+"\n", " status Groups: "+groups)
	o.want(reported...)
	if n := strings.Count(o.text, " environment "); n != 3 {
		o.t.Errorf("%d environment variables, want 3\n%s", n, o.text)
	}
	if n := strings.Count(o.text, " descriptor "); n != 4 {
		o.t.Errorf("%d descriptors, want 4\n%s", n, o.text)
	}
}

func TestWorker(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	in := install(t, p, "core.so")
	in.configure(t, "report", "second", "key=value")
	t.Run("of a user", func(t *testing.T) {
		out := in.run(t, host{flags: []string{"-r", "10.0.0.1"}})
		out.wantReport("65534", "65534", "65534 \n")
		out.want(" request protocol=1\n", " request version=v1\n", " request log=pam_otpw(t:auth): user=nobody rhost=10.0.0.1\n", " request home=",
			" request arg=report\n", " request arg=second\n", " request arg=key=value\n",
			" limit NOFILE 256\n", " limit STACK 8388608\n")
	})
	t.Run("of a slow host", func(t *testing.T) {
		out := in.run(t, host{before: []string{"nice", "-n", "7", "chrt", "-i", "0", "taskset", "1"}})
		out.want(fmt.Sprintf(" schedule 0, nice 0, %d processors\n", runtime.NumCPU()))
	})
	t.Run("of root", func(t *testing.T) {
		out := in.run(t, host{user: "root"})
		out.wantReport("0", "0", "0 \n")
		out.want(" user=root rhost=-\n")
	})
	// Capabilities that a change of ids does not take away.
	for _, user := range []string{"nobody", "root"} {
		t.Run("of a host with securebits, "+user, func(t *testing.T) {
			setpriv := []string{"setpriv", "--inh-caps", "+chown,+setuid", "--ambient-caps", "+chown,+setuid",
				"--securebits", "+no_setuid_fixup,+no_setuid_fixup_locked"}
			id := map[string]string{"nobody": "65534", "root": "0"}[user]
			in.run(t, host{before: setpriv, user: user}).wantReport(id, id, id+" \n")
		})
	}
	t.Run("by hand", func(t *testing.T) {
		out, err := exec.Command(in.worker()).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !bytes.Contains(out, []byte("of no use by hand")) {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// TestAccounts runs with an account database of its own.
func TestAccounts(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	in := install(t, p, "core.so")
	in.configure(t, "report")
	passwd := "root:x:0:0::/root:/bin/sh\n" +
		"alice:x:4242:4243::/home/alice:/bin/sh\n" +
		"many:x:4244:4244::/home/many:/bin/sh\n" +
		"homeless:x:4245:4245:::/bin/sh\n" +
		"minus:x:4294967295:4242::/:/bin/sh\n" +
		"group-minus:x:4242:4294967295::/:/bin/sh\n" +
		"toor:x:0:0::/root:/bin/sh\n" +
		"big:x:4246:4246:" + strings.Repeat("g", 50000) + ":/home/big:/bin/sh\n" +
		"far:x:4247:4247::/" + strings.Repeat("h", 65536) + ":/bin/sh\n"
	group := "root:x:0:\nalice:x:4243:\nwheel:x:4300:alice\nsudo:x:4301:root,alice\n"
	for i := range 200 {
		group += fmt.Sprintf("g%d:x:%d:many\n", i, 5000+i)
	}
	must(t, os.WriteFile(filepath.Join(in.root, "passwd"), []byte(passwd), 0o644))
	must(t, os.WriteFile(filepath.Join(in.root, "group"), []byte(group), 0o644))
	namespace := []string{"unshare", "-m", "sh", "-ec",
		`mount --bind ` + in.root + `/passwd /etc/passwd; mount --bind ` + in.root + `/group /etc/group; exec "$@"`, "sh"}
	if out, err := exec.Command(namespace[0], append(namespace[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace: %v: %s", err, out)
	}
	tests := []struct {
		user             string
		uid, gid, groups string // uid empty: no worker
		result           int
		want             string
	}{
		{"alice", "4242", "4243", "4243 4300 4301 \n", authErr, " request home=/home/alice\n"},
		{"many", "4244", "4244", "4244 5000 5001 ", authErr, " groups 201\n"},
		{"homeless", "4245", "4245", "4245 \n", authErr, "authtok none"},
		{"toor", "0", "0", "0 \n", authErr, " request log=pam_otpw(t:auth): user=toor rhost=-\n"},
		{"big", "4246", "4246", "4246 \n", authErr, " request home=/home/big\n"},
		{"far", "", "", "", systemErr, "make request: more than 65535 bytes"},
		{"stranger", "", "", "", userUnknown, "unknown user"},
		{"minus", "", "", "", systemErr, "uid or gid is -1"},
		{"group-minus", "", "", "", systemErr, "uid or gid is -1"},
	}
	for _, test := range tests {
		t.Run(test.user, func(t *testing.T) {
			out := in.run(t, host{before: namespace, user: test.user})
			out.wantResult(test.result)
			out.want(test.want)
			if test.uid != "" {
				out.wantReport(test.uid, test.gid, test.groups)
			}
			if test.user == "homeless" {
				out.wantNot(" request home=")
			}
		})
	}
}

// TestHostNotRoot runs hosts like a screen locker.
func TestHostNotRoot(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	in := install(t, p, "core.so")
	in.configure(t, "report")
	t.Run("own account", func(t *testing.T) {
		in.run(t, host{uid: nobody}).wantReport("65534", "65534", " \n")
	})
	t.Run("another account", func(t *testing.T) {
		out := in.run(t, host{uid: nobody, user: "root"})
		out.wantResult(authinfoUnavail)
		out.want("user=root rhost=- result=error", "runs as uid 65534, neither as root nor as this user")
	})
	t.Run("little memory", func(t *testing.T) {
		out := in.run(t, host{before: []string{filepath.Join(p.dir, "hostile"), "-u", "65534", "-g", "65534",
			"-L", "AS=12000000:12000000", "-L", "NOFILE=12:12", "-L", "CORE=0:0"}})
		out.want("\nauthenticate: ")
		out.wantNot("authenticate: 0")
	})
	t.Run("own installation", func(t *testing.T) { // as a build tree is
		in := install(t, p, "core.so")
		for _, path := range []string{in.root, in.folder(), in.worker(), in.core(), in.module()} {
			must(t, os.Chown(path, nobody, nobody))
		}
		must(t, os.Chmod(in.worker(), 0o711))
		out := in.run(t, host{uid: nobody, stdin: "right\n"})
		out.want("\nauthenticate: 0\n")
	})
	t.Run("set-group-id", func(t *testing.T) {
		set := filepath.Join(p.dir, "setgid")
		copyFile(t, filepath.Join(p.dir, "login"), set, 0o755)
		must(t, errors.Join(os.Chown(set, 0, 4), syscall.Chmod(set, 0o2755)))
		out := in.run(t, host{uid: nobody, name: "setgid"})
		out.wantReport("65534", "65534", " \n")
	})
}

// TestSetUserID has a set-user-id host that its caller does not mean well with.
func TestSetUserID(t *testing.T) {
	needRoot(t)
	p, err := plain()
	must(t, err)
	in := install(t, p, "core.so")
	in.configure(t, "report")
	set := filepath.Join(p.dir, "setuid")
	copyFile(t, filepath.Join(p.dir, "login"), set, 0o755)
	must(t, syscall.Chmod(set, 0o4755))
	env := []string{"GODEBUG=inittrace=1", "GOMEMLIMIT=1", "GOGC=1", "GOTRACEBACK=crash", "GOMAXPROCS=1",
		"LD_PRELOAD=/nonexistent.so", "LD_LIBRARY_PATH=/tmp", "LD_BIND_NOW=1", "OTPW_NOTICE=x", "HOME=/root", "TZ=:/etc/shadow"}
	flags := func(s ...string) []string { return s }
	tests := []struct {
		name          string
		caller, limit []string
		result        int
		want          string
	}{
		{"environment", nil, nil, authErr, ""},
		{"all signals blocked", flags("-b", "0"), nil, authErr, ""},
		{"signals ignored", flags("-i", "17", "-i", "13", "-i", "14", "-i", "32", "-i", "33", "-i", "1", "-i", "64"), nil, authErr, ""},
		{"closed descriptors", flags("-c", "0", "-c", "2"), nil, authErr, ""},
		{"CPU and FSIZE", flags("-L", "FSIZE=0", "-L", "CPU=2"), nil, authErr, " limit CPU -1\n"},
		{"NPROC", flags("-L", "NPROC=0"), nil, authErr, " limit NPROC lifted 1\n"},
		{"AS", flags("-L", "AS=50000000"), nil, authErr, " limit AS -1\n"},
		{"STACK and DATA", flags("-L", "STACK=200000", "-L", "DATA=5000000"), nil, authErr, " limit STACK 8388608\n"},
		{"SIGPENDING", flags("-L", "SIGPENDING=0", "-L", "MEMLOCK=0", "-L", "CORE=1000000"), nil, authErr, ""},
		{"NOFILE 3", nil, flags("-L", "NOFILE=3"), systemErr, "Too many open files"},
		{"NOFILE 5", nil, flags("-L", "NOFILE=5"), systemErr, "Too many open files"},
		{"NOFILE enough", nil, flags("-L", "NOFILE=8"), authErr, " limit NOFILE 256\n"},
		{"no more memory", nil, flags("-L", "AS=0"), authErr, " limit AS -1\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Concat([]string{filepath.Join(p.dir, "hostile"), "-u", "65534", "-g", "65534"}, test.caller)
			out := in.run(t, host{before: before, name: "setuid", flags: test.limit, env: env})
			if test.result == authErr {
				out.wantReport("65534", "65534", "65534 \n")
			} else {
				out.wantResult(test.result)
			}
			out.want(test.want)
		})
	}
	t.Run("root's account", func(t *testing.T) {
		before := []string{filepath.Join(p.dir, "hostile"), "-u", "65534", "-g", "65534"}
		in.run(t, host{before: before, name: "setuid", user: "root", env: env}).wantReport("0", "0", "0 \n")
	})
}

// TestForkTrap has hosts that fork, thread and reap in every way.
func TestForkTrap(t *testing.T) {
	needRoot(t)
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	logins := map[string]int{"children": 5, "after": 2, "threads": 4, "reaper": 1, "waiter": 1, "ignored": 1, "nocldwait": 1, "storm": 1}
	eachBuild(t, func(t *testing.T, p parts) {
		in := install(t, p, "core.so")
		for mode, each := range logins {
			t.Run(mode, func(t *testing.T) {
				in.run(t, host{name: "forktrap", limit: time.Minute,
					flags: []string{"-p", "right", mode, fmt.Sprint(rounds)}}).
					want(fmt.Sprintf("\nresults: 0=%d\n", each*rounds))
			})
		}
	})
}

// TestCorpus runs what `make fuzz` has found before, without clang.
func TestCorpus(t *testing.T) {
	p, err := sanitized()
	must(t, err)
	files, err := filepath.Glob("testdata/corpus/*")
	must(t, err)
	got, err := exec.Command(filepath.Join(p.dir, "corpus"), files...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	for _, result := range []int{success, systemErr, authErr, authinfoUnavail, userUnknown} {
		if !strings.Contains(string(got), fmt.Sprintf("result %d: ", result)) {
			t.Errorf("no input has the result %d:\n%s", result, got)
		}
	}
}

// TestExports looks at the library itself: what it offers and what it pulls into the host.
func TestExports(t *testing.T) {
	p, err := plain()
	must(t, err)
	f, err := elf.Open(filepath.Join(p.dir, "pam_otpw.so"))
	must(t, err)
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	must(t, err)
	var exports []string
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			exports = append(exports, s.Name)
		}
	}
	slices.Sort(exports)
	want := []string{"pam_sm_acct_mgmt", "pam_sm_authenticate", "pam_sm_close_session", "pam_sm_open_session", "pam_sm_setcred"}
	if !slices.Equal(exports, want) {
		t.Errorf("exports %q, want %q", exports, want)
	}
	libraries, err := f.ImportedLibraries()
	must(t, err)
	for _, l := range libraries {
		if !strings.HasPrefix(l, "libpam.so") && !strings.HasPrefix(l, "libc.so") {
			t.Errorf("links %s", l)
		}
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_WRITE != 0 && (s.Name == ".data" || s.Name == ".bss") && s.Size > 16 {
			t.Errorf("%s has %d bytes: something is written that outlives a call", s.Name, s.Size)
		}
	}
}
