// SPDX-License-Identifier: MIT

package entry_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/otp"
)

// The entry reads the arguments of a site as package otp does.
func TestSite(t *testing.T) {
	needRoot(t)
	long := strings.Repeat("x", 1024)
	for _, build := range []func() (parts, error){plain, sanitized} {
		p, err := build()
		must(t, err)
		in := install(t, p, "core.so")
		in.configure(t, "report", "last")
		t.Cleanup(func() { os.Remove(p.site()) })
		for name, text := range map[string]string{
			"empty":         "",
			"two":           "[module]\nsilent\nprompt=One time\n",
			"blanks":        "\t [module] \t\n \t silent \t \n",
			"comments":      "# a\n[module]\n#silent\n # silent\nx#y\n",
			"no newline":    "[module]\nsilent",
			"generator":     "[generator]\nformat=otpw2\n[module]\nsilent\n",
			"two sections":  "[module]\na\n[generator]\n[module]\nb\n",
			"longest":       "[module]\n" + long + "\n",
			"too long":      "[module]\n" + long + "y\n",
			"most":          "[module]\n" + strings.Repeat("a\n", 64),
			"too many":      "[module]\n" + strings.Repeat("a\n", 65),
			"no section":    "\n\nsilent\n",
			"other section": "[modules]\n",
			"open section":  "[module\nsilent\n",
			"blank section": "[ module ]\n",
			"after section": "[module] silent\n",
			"control":       "[module]\nsi\x01lent\n",
			"NUL":           "[module]\nsi\x00lent\n",
			"NUL at end":    "[module]\nsilent\n\x00",
			"DEL":           "[module]\nsi\x7flent\n",
			"CR":            "[module]\r\nsilent\r\n",
			"UTF-8":         "[module]\nprompt=für\n",
			"largest":       "[module]\na\n" + strings.Repeat("#", 65536-11),
			"too large":     "[module]\na\n" + strings.Repeat("#", 65537-11),
		} {
			t.Run(name, func(t *testing.T) {
				must(t, os.WriteFile(p.site(), []byte(text), 0o644))
				want, err := otp.ReadSite(p.site())
				out := in.run(t, host{})
				var wrong *otp.SiteError
				if errors.As(err, &wrong) {
					out.wantResult(systemErr)
					out.wantNot("prompt:", "request")
					line := ""
					if wrong.Line > 0 {
						line = fmt.Sprintf("line %d: ", wrong.Line)
					}
					out.want("user=- rhost=- result=error reason=\"" + p.site() + ": " + line)
					return
				}
				must(t, err)
				out.wantResult(authErr)
				var got, all []string
				for _, m := range regexp.MustCompile(`debug pam_otpw\(t:auth\): user=nobody rhost=- request (site|arg)=(.*)`).FindAllStringSubmatch(out.text, -1) {
					got = append(got, m[1]+" "+m[2])
				}
				for _, a := range want.Module {
					text := fmt.Sprintf("site %d %s", a.Line, strings.ReplaceAll(a.Text, "ü", `\xc3\xbc`))
					all = append(all, text[:min(len(text), 900)])
				}
				for i := range got {
					got[i] = got[i][:min(len(got[i]), 900)]
				}
				all = append(all, "arg report", "arg last")
				if strings.Join(got, "\n") != strings.Join(all, "\n") {
					t.Errorf("%q, want %q\n%s", got, all, out.text)
				}
			})
		}
		must(t, os.Remove(p.site()))
		in.run(t, host{}).wantNot("request site=") // no file, nothing said

		for why, spoil := range map[string]func(path string) error{
			"not a regular file":            func(path string) error { return firstError(os.Remove(path), os.Mkdir(path, 0o755)) },
			"owner is uid 65534, want root": func(path string) error { return os.Chown(path, nobody, 0) },
			"mode is 0664, want 0644":       func(path string) error { return os.Chmod(path, 0o664) },
			"mode is 0646, want 0644":       func(path string) error { return os.Chmod(path, 0o646) },
			"Too many levels of symbolic links": func(path string) error {
				return firstError(os.Remove(path), os.Symlink(filepath.Base(path), path))
			},
		} {
			must(t, os.WriteFile(p.site(), nil, 0o644))
			must(t, spoil(p.site()))
			out := in.run(t, host{})
			out.wantResult(systemErr)
			out.want(fmt.Sprintf("result=error reason=%q", p.site()+": "+why))
			if _, err := otp.ReadSite(p.site()); err == nil {
				t.Errorf("%s: package otp reads it", why)
			}
			must(t, os.RemoveAll(p.site()))
		}
	}
}

// Whose ids the worker gets, and where it is told that lists are.
func TestKeeper(t *testing.T) {
	needRoot(t)
	eachBuild(t, func(t *testing.T, p parts) {
		makeState(t, p)
		in := install(t, p, "core.so")
		in.configure(t, "report", "user=daemon")
		const daemon = "status Uid: 1 1 1 1\n"
		in.run(t, host{}).want(daemon, "status Gid: 1 1 1 1\n", "request user=nobody\n", "request uid=65534\n", "request lists=/usr/sbin\n", "user=nobody rhost=-")

		// the last one counts; that of the site before that of the line
		in.configure(t, "report", "user=bin", "user=daemon")
		in.run(t, host{}).want(daemon)
		in.configure(t, "report", "user=daemon", "users=bin", "user", "use=bin") // others are no user=
		in.run(t, host{}).want(daemon)
		must(t, os.WriteFile(p.site(), []byte("[module]\nuser=daemon\n"), 0o644))
		defer os.Remove(p.site())
		in.configure(t, "report")
		in.run(t, host{}).want(daemon)
		in.configure(t, "report", "user=bin")
		in.run(t, host{}).want("status Uid: 2 2 2 2\n")
		must(t, os.Remove(p.site()))

		in.configure(t, "report", "user=nosuchuser")
		out := in.run(t, host{})
		out.wantResult(systemErr)
		out.want(`result=error reason="argument user=: there is no such user"`)
		in.configure(t, "report", "user=")
		in.run(t, host{}).wantResult(systemErr)

		// a user that there is not has the same worker; with decoys only
		in.configure(t, "report", "user=daemon", "decoy")
		in.run(t, host{user: "stranger"}).want(daemon, "request account=none\n", "request lists=/usr/sbin\n")
		in.configure(t, "report", "user=daemon")
		in.run(t, host{user: "stranger"}).wantResult(userUnknown)

		// a host that is not root has no other ids to give
		out = in.run(t, host{uid: nobody})
		out.wantResult(authinfoUnavail)
		out.want("runs as uid 65534, neither as root nor as who keeps the lists")
		in.configure(t, "report", "user=nobody")
		in.run(t, host{uid: nobody, user: "daemon"}).wantResult(authinfoUnavail) // nor is the keeper anybody else
		in.run(t, host{uid: nobody}).want("status Uid: 65534 65534 65534 65534\n", "request lists=/nonexistent\n")

		// file= alone leaves the ids alone
		in.configure(t, "report", "file=/x/%u")
		out = in.run(t, host{})
		out.want("status Uid: 65534 65534 65534 65534\n")
		out.wantNot("request lists=")
	})
}

// Ignored is who may be: with nullok, and before anything was asked.
func TestIgnore(t *testing.T) {
	needRoot(t)
	eachBuild(t, func(t *testing.T, p parts) {
		makeState(t, p)
		in := install(t, p, "core.so")
		for _, tt := range []struct {
			args   []string
			user   string
			result int
		}{
			{[]string{"result=25", "nullok"}, "nobody", ignore},
			{[]string{"result=25"}, "nobody", systemErr},
			{[]string{"result=25", "decoy"}, "nobody", systemErr},
			{[]string{"prompt-then-result=25", "nullok"}, "nobody", systemErr},
			{[]string{"result=25", "nullok", "decoy"}, "stranger", systemErr},
			{[]string{"result=25", "nullok=1"}, "nobody", systemErr},
		} {
			in.configure(t, tt.args...)
			must(t, os.WriteFile(filepath.Join(in.conf, "t"), []byte("auth [default=die ignore=1 success=done] "+in.module()+" "+strings.Join(tt.args, " ")+
				"\nauth required pam_deny.so\nauth required pam_permit.so\n"), 0o644))
			want := tt.result
			if want == ignore {
				want = success // pam_permit's, behind the jump
			}
			in.run(t, host{user: tt.user, stdin: "right\n"}).wantResult(want)
		}
	})
}

// The worker may have what was typed before, for another module.
func TestTake(t *testing.T) {
	needRoot(t)
	eachBuild(t, func(t *testing.T, p parts) {
		in := install(t, p, "core.so")
		service := func(args string) {
			must(t, os.WriteFile(filepath.Join(in.conf, "t"), []byte("auth optional pam_unix.so\nauth required "+in.module()+" "+args+"\nauth optional "+filepath.Join(in.dir, "authtok.so")+" right\n"), 0o644))
		}
		service("take")
		out := in.run(t, host{stdin: "right\n"})
		out.wantResult(success)
		out.want("taken right", "authtok same")
		out = in.run(t, host{stdin: "wrong\n"})
		out.wantResult(authErr)
		out.want("taken wrong", "authtok other") // it stays for the modules behind
		service("report")
		in.run(t, host{stdin: "right\n"}).want("request authtok=yes\n")

		// nothing was typed, or only for this module
		in.configure(t, "report")
		in.run(t, host{}).wantNot("request authtok=")
		for _, mode := range []string{"take", "ask-then-take"} {
			in.configure(t, mode)
			out = in.run(t, host{stdin: "right\nright\n"})
			out.wantResult(systemErr)
			out.want(`result=error reason="worker wants a password that was not typed`)
			out.wantNot("taken")
		}
		service("take")
		out = in.run(t, host{stdin: strings.Repeat("x", 8192) + "\n"})
		out.wantResult(systemErr)
	})
}
