// SPDX-License-Identifier: MIT

package selinux

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// A policy is a compiled one.
type policy string

// debian is Debian's policy with the module loaded.
func debian(t *testing.T) (p policy, contexts string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	unpack(t, root, "./etc/selinux", "./var/lib/selinux", "./usr/share/selinux")
	output(t, "semodule", "-p", root, "-s", "default", "-n", "-X", "200", "-i", build(t, "selinux", "otpw.pp"))
	return policy(world.One(t, filepath.Join(root, "etc/selinux/default/policy/policy.*"))), filepath.Join(root, "etc/selinux/default/contexts/files/file_contexts")
}

var (
	rule    = regexp.MustCompile(`^allow (\S+) \S+:(\S+) (?:\{ (.*) \}|(\S+));`)
	rulesOf = regexp.MustCompile(`(?m)^allow (\S+) `)
)

// allowed is what one type may do to another: "file { open read }", for each
// class, or only those, sorted. What depends on a boolean counts.
func (p policy) allowed(t *testing.T, source, target string, only ...string) string {
	t.Helper()
	classes := map[string][]string{}
	search := []string{"sesearch", "-A", "-s", source, "-t", target, string(p)}
	if len(only) > 0 {
		search = append(search, "-c", strings.Join(only, ","))
	}
	for line := range strings.Lines(output(t, search...)) {
		m := rule.FindStringSubmatch(line)
		if m == nil {
			if line != "\n" {
				t.Fatalf("sesearch: %q", line)
			}
			continue
		}
		classes[m[2]] = append(classes[m[2]], strings.Fields(m[3]+" "+m[4])...)
	}
	var all []string
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		slices.Sort(classes[class])
		all = append(all, fmt.Sprintf("%s { %s }", class, strings.Join(slices.Compact(classes[class]), " ")))
	}
	return strings.Join(all, ", ")
}

// roles wants the worker in those whose programs, like sudo, start it.
func (p policy) roles(t *testing.T) {
	t.Helper()
	for _, role := range []string{"user_r", "staff_r", "sysadm_r", "system_r"} {
		if out := output(t, "seinfo", "-x", "-r", role, string(p)); !regexp.MustCompile(`\botpw_worker_t\b`).MatchString(out) {
			t.Errorf("%s: no otpw_worker_t", role)
		}
	}
}

func TestDebian(t *testing.T) {
	p, contexts := debian(t)
	t.Run("rules", func(t *testing.T) { testRules(t, p) })
	t.Run("others", func(t *testing.T) { testOthers(t, p) })
	t.Run("who", func(t *testing.T) { testWho(t, p) })
	t.Run("roles", func(t *testing.T) { testRoles(t, p) })
	t.Run("transitions", func(t *testing.T) { testTransitions(t, p) })
	t.Run("contexts", func(t *testing.T) { testContexts(t, contexts) })
}

func testRules(t *testing.T, p policy) {
	const (
		nothing = ""
		list    = "file { getattr lock open read write }, lnk_file { create getattr read rename unlink }"
		folder  = "dir { add_name getattr remove_name search write }"
		secret  = "dir { search }, file { getattr lock open read write }"
		other   = "filesystem { getattr }" // what users may do to anything
	)
	for _, c := range []struct{ source, target, want string }{
		// lists are the worker's
		{"otpw_worker_t", "otpw_home_t", list},
		{"otpw_worker_t", "otpw_var_lib_t", folder + ", " + list},
		{"otpw_worker_t", "user_home_dir_t", folder},
		{"otpw_worker_t", "otpw_worker_tmpfs_t", "file { getattr lock read setattr write }"},
		{"otpw_worker_t", "otpw_worker_exec_t", "file { entrypoint execute getattr map read }"},
		{"otpw_worker_t", "devlog_t", "sock_file { write }"},
		{"otpw_worker_t", "nfs_t", folder + ", file { getattr lock open read write }, filesystem { getattr }, lnk_file { create getattr read rename unlink }"},
		{"otpw_worker_t", "cifs_t", folder + ", file { getattr lock open read write }, filesystem { getattr }, lnk_file { create getattr read rename unlink }"},
		// of itself: without what Debian lets every domain do no more than otpw.te says
		{"otpw_worker_t", "otpw_worker_t", "association { sendto }, dir { getattr ioctl lock open read search }, file { append getattr ioctl lock open read write }, " +
			"lnk_file { getattr ioctl lock read }, lockdown { confidentiality integrity }, process { fork getsched setcap sigchld signal }, " +
			"unix_dgram_socket { connect create write }, unix_stream_socket { accept append bind connect create getattr getopt ioctl listen read setattr setopt shutdown write }"},
		{"otpw_worker_t", "home_root_t", "dir { getattr search }"},
		{"otpw_worker_t", "var_lib_t", "dir { getattr search }"},
		{"otpw_worker_t", "locale_t", "dir { search }, file { getattr open read }, lnk_file { read }"},
		{"otpw_worker_t", "syslogd_t", "unix_dgram_socket { sendto }"},
		// and nothing else is
		{"otpw_worker_t", "otpw_secret_t", nothing},
		{"otpw_worker_t", "shadow_t", nothing},
		{"otpw_worker_t", "user_home_t", nothing},
		{"otpw_worker_t", "ssh_home_t", nothing},
		{"otpw_worker_t", "user_tmp_t", nothing},
		{"otpw_worker_t", "tmp_t", nothing},
		{"otpw_worker_t", "var_log_t", nothing},
		{"otpw_worker_t", "etc_t", "dir { getattr ioctl lock open read search }, lnk_file { read }"}, // a folder that everybody may look at
		{"otpw_worker_t", "bin_t", nothing},
		{"otpw_worker_t", "shell_exec_t", nothing},
		{"otpw_worker_t", "su_exec_t", nothing},
		{"otpw_worker_t", "node_t", nothing},
		{"otpw_worker_t", "http_port_t", nothing},
		{"otpw_worker_t", "user_t", nothing},
		{"otpw_worker_t", "sshd_t", "fd { use }, process { sigchld }, unix_stream_socket { getattr getopt read shutdown write }"},

		// users have no business with it
		{"user_t", "otpw_worker_t", nothing},
		{"user_t", "otpw_worker_exec_t", other},
		{"user_t", "otpw_keeper_exec_t", "file { execute execute_no_trans getattr map open read }, " + other},
		{"user_t", "otpw_home_t", "file { append create getattr ioctl link lock open read relabelfrom relabelto rename setattr unlink write }, " + other +
			", lnk_file { create getattr read relabelfrom relabelto rename setattr unlink }"},
		{"user_t", "otpw_var_lib_t", "dir { add_name getattr open read remove_name search write }, file { create getattr lock open read rename setattr unlink write }, " + other +
			", lnk_file { create getattr read rename unlink }"},
		{"useradd_t", "otpw_home_t", "file { getattr unlink }, lnk_file { getattr unlink }"},
	} {
		t.Run(c.source+" "+c.target, func(t *testing.T) {
			t.Parallel()
			if got := p.allowed(t, c.source, c.target); got != c.want {
				t.Errorf("may %s\nwant %s", got, c.want)
			}
		})
	}
	// who logs people in, where Debian confines it
	for _, host := range []string{"sshd_t", "local_login_t", "remote_login_t", "staff_sudo_t", "user_sudo_t", "sysadm_su_t"} {
		for target, want := range map[string]string{
			"otpw_home_t":    nothing,
			"otpw_var_lib_t": nothing,
			"otpw_secret_t":  secret,
		} {
			t.Run(host+" "+target, func(t *testing.T) {
				t.Parallel()
				if got := p.allowed(t, host, target); got != want {
					t.Errorf("may %s\nwant %s", got, want)
				}
			})
		}
	}
	p.roles(t)
}

// Daemons, and programs of users that may manage what is in homes.
func testOthers(t *testing.T, p policy) {
	for _, user := range []string{"user_t", "staff_t"} {
		if got := p.allowed(t, user, "otpw_secret_t", "file", "lnk_file"); got != "" {
			t.Errorf("%s may %s with the secret", user, got)
		}
	}
	for _, source := range []string{"httpd_t", "postgresql_t", "ftpd_t", "nfsd_t", "smbd_t", "mozilla_t", "chkpwd_t"} {
		for _, target := range []string{"otpw_home_t", "otpw_var_lib_t", "otpw_secret_t"} {
			t.Run(source+" "+target, func(t *testing.T) {
				t.Parallel()
				if got := p.allowed(t, source, target, "file", "lnk_file"); got != "" {
					t.Errorf("may %s", got)
				}
			})
		}
	}
}

// Who may do what to anything of that type: nobody else may. What backs up, checks or
// unconfines everything is Debian's.
func testWho(t *testing.T, p policy) {
	readers := []string{"aide_t", "amanda_t", "backup_t", "bacula_t", "files_unconfined_type", "quota_t", "samhain_t", "samhaind_t", "siggen_t", "tripwire_t"}
	hosts := []string{"auditadm_su_t", "local_login_t", "remote_login_t", "secadm_su_t", "sshd_t", "staff_su_t", "sudodomain", "sysadm_su_t", "user_su_t", "xdm_t"}
	for _, c := range []struct {
		target, class, permission string
		want                      []string
	}{
		{"otpw_home_t", "file", "read", append([]string{"otpw_worker_t", "system_cronjob_t", "userdomain"}, readers...)},
		{"otpw_var_lib_t", "file", "read", append([]string{"otpw_worker_t", "system_cronjob_t", "userdomain"}, readers...)},
		{"otpw_secret_t", "file", "read", slices.Concat(hosts, readers)},
		{"otpw_home_t", "file", "write", []string{"files_unconfined_type", "otpw_worker_t", "userdomain"}},
		{"otpw_var_lib_t", "file", "write", []string{"files_unconfined_type", "otpw_worker_t", "userdomain"}},
		{"otpw_var_lib_t", "file", "unlink", []string{"files_unconfined_type", "userdomain"}},
		{"otpw_secret_t", "file", "write", slices.Concat(hosts, []string{"files_unconfined_type"})},
		{"otpw_secret_t", "file", "unlink", []string{"files_unconfined_type"}},
		{"otpw_worker_t", "process", "ptrace", []string{"sysadm_t", "unconfined_domain_type"}},
		{"otpw_worker_t", "process", "transition", hosts},
		{"otpw_worker_exec_t", "file", "entrypoint", []string{"otpw_worker_t"}},
	} {
		t.Run(c.target+" "+c.permission, func(t *testing.T) {
			out := output(t, "sesearch", "-A", "-t", c.target, "-c", c.class, "-p", c.permission, string(p))
			var got []string
			for _, m := range rulesOf.FindAllStringSubmatch(out, -1) {
				got = append(got, m[1])
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(slices.Compact(got), c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// A role whose users have a sudo or su of their own may start the worker through it: else these ask nobody, and let nobody in.
func testRoles(t *testing.T, p policy) {
	tool := regexp.MustCompile(`\b\w+_su(do)?_t\b`)
	found := 0
	for role := range strings.FieldsSeq(output(t, "seinfo", "-r", "--flat", string(p))) {
		types := output(t, "seinfo", "--flat", "-r"+role, "-x", string(p))
		own := tool.FindAllString(types, -1)
		if len(own) == 0 {
			continue
		}
		found++
		if !regexp.MustCompile(`\botpw_worker_t\b`).MatchString(types) {
			t.Errorf("%s has %q, and may not start the worker", role, own)
		}
	}
	if found < 5 {
		t.Errorf("only %d roles have a sudo or su of their own", found)
	}
}

// What is made has its type from the start: by its name, in homes.
func testTransitions(t *testing.T, p policy) {
	for _, c := range []struct {
		source, target string
		want           []string // of types of ours
	}{
		{"otpw_worker_t", "user_home_dir_t", []string{"lnk_file otpw_home_t .otpw.lock", "lnk_file otpw_home_t .otpw.lock.tmp"}},
		{"otpw_worker_t", "tmpfs_t", []string{"file otpw_worker_tmpfs_t"}},
		{"user_t", "user_home_dir_t", []string{"file otpw_home_t .otpw", "file otpw_home_t .otpw.tmp", "lnk_file otpw_home_t .otpw.lock", "lnk_file otpw_home_t .otpw.lock.tmp"}},
		{"unconfined_t", "user_home_dir_t", []string{"file otpw_home_t .otpw", "file otpw_home_t .otpw.tmp", "lnk_file otpw_home_t .otpw.lock", "lnk_file otpw_home_t .otpw.lock.tmp"}},
		{"sshd_t", "otpw_worker_exec_t", []string{"process otpw_worker_t"}},
		{"staff_sudo_t", "otpw_worker_exec_t", []string{"process otpw_worker_t"}},
		{"user_t", "otpw_worker_exec_t", nil},
		{"unconfined_t", "otpw_worker_exec_t", nil},
	} {
		t.Run(c.source+" "+c.target, func(t *testing.T) {
			out := output(t, "sesearch", "-T", "-s", c.source, "-t", c.target, string(p))
			var got []string
			for _, m := range regexp.MustCompile(`(?m)^type_transition \S+ \S+:(\S+ otpw_.*);$`).FindAllStringSubmatch(out, -1) {
				got = append(got, m[1])
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// What restorecon makes of files.
func testContexts(t *testing.T, contexts string) {
	for _, c := range []struct{ path, mode, want string }{
		{"/home/alice/.otpw", "file", "otpw_home_t"},
		{"/home/alice/.otpw.tmp", "file", "otpw_home_t"},
		{"/home/alice/.otpw.lock", "lnk_file", "otpw_home_t"},
		{"/home/alice/.otpw.lock.tmp", "lnk_file", "otpw_home_t"},
		{"/home/alice/.otpw", "lnk_file", "user_home_t"},
		{"/home/alice/.otpw.old", "file", "user_home_t"},
		{"/home/alice/x/.otpw", "file", "user_home_t"},
		{"/root/.otpw", "file", "otpw_home_t"},
		{"/var/lib/otpw", "dir", "otpw_var_lib_t"},
		{"/var/lib/otpw/alice", "file", "otpw_var_lib_t"},
		{"/var/lib/otpw/alice.lock", "lnk_file", "otpw_var_lib_t"},
		{"/var/lib/pam_otpw", "dir", "otpw_secret_t"},
		{"/var/lib/pam_otpw/decoy", "file", "otpw_secret_t"},
		{"/usr/libexec/otpw/otpw-gen-as-keeper", "file", "otpw_keeper_exec_t"},
		{"/usr/local/libexec/otpw/otpw-gen-as-keeper", "file", "otpw_keeper_exec_t"},
		{"/usr/lib/security/pam_otpw/worker", "file", "otpw_worker_exec_t"},
		{"/usr/lib/x86_64-linux-gnu/security/pam_otpw/worker", "file", "otpw_worker_exec_t"},
		{"/usr/lib/x86_64-linux-gnu/security/pam_otpw/core.so", "file", "lib_t"},
		{"/usr/lib/x86_64-linux-gnu/security/pam_otpw.so", "file", "lib_t"},
	} {
		t.Run(c.path+" "+c.mode, func(t *testing.T) {
			if got := output(t, "matchpathcon", "-n", "-f", contexts, "-m", c.mode, c.path); !strings.Contains(got, ":object_r:"+c.want+":") {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// raw builds a module, of the files NAME.te and NAME.fc, as raw.m4 says for ours, and returns it in CIL.
func raw(t *testing.T, name string, options ...string) string {
	t.Helper()
	dir := t.TempDir()
	module := filepath.Base(name)
	for _, file := range []string{"raw.m4", "otpw.if", name + ".te", name + ".fc"} {
		if err := world.CopyFile(filepath.Join("..", file), filepath.Join(dir, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../raw.m4")
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	for _, m := range regexp.MustCompile(`(?m)^#   (.*)$`).FindAllStringSubmatch(string(text), -1) {
		script += m[1] + "\n"
	}
	script = strings.NewReplacer("otpw.if", "otpw.if", "otpw.", module+".", "m4 raw", "m4 "+strings.Join(options, " ")+" raw").Replace(script)
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s%v\n%s", script, err, out)
	}
	return cil(t, filepath.Join(dir, module+".pp"))
}

func cil(t *testing.T, module string) string {
	t.Helper()
	return output(t, "/usr/libexec/selinux/hll/pp", module)
}

var list = regexp.MustCompile(`\([a-z0-9_]+(?: [a-z0-9_]+)*\)\)\)$`)

// statements are the lines of a module, permissions in their order.
func statements(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		line = list.ReplaceAllStringFunc(strings.TrimSpace(line), func(l string) string {
			words := strings.Fields(strings.Trim(l, "()"))
			slices.Sort(words)
			return "(" + strings.Join(words, " ") + ")))"
		})
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

// With a reference policy and without it the module is the same.
func TestRaw(t *testing.T) {
	with, without := statements(cil(t, build(t, "selinux", "otpw.pp"))), statements(raw(t, "otpw"))
	for _, line := range with {
		if !slices.Contains(without, line) {
			t.Errorf("without the reference policy there is no %s", line)
		}
	}
	for _, line := range without {
		if !slices.Contains(with, line) {
			t.Errorf("only without the reference policy there is %s", line)
		}
	}
}

// The module fits a policy of which all that we know is what Fedora calls things.
func TestFedora(t *testing.T) {
	build(t)
	dir := t.TempDir()
	module, site, out := filepath.Join(dir, "otpw.cil"), filepath.Join(dir, "site.cil"), filepath.Join(dir, "policy")
	contexts := filepath.Join(dir, "contexts")
	write(t, module, raw(t, "otpw", "-D", "distro_redhat"))
	write(t, site, raw(t, "test/testdata/site", "-D", "distro_redhat"))
	output(t, "secilc", "-N", "-M", "true", "-c", "33", "-o", out, "-f", contexts, "testdata/fedora.cil", module, site)
	p := policy(out)
	for _, c := range []struct{ source, target, want string }{
		{"sshd_t", "otpw_home_t", ""},
		{"sshd_t", "otpw_worker_t", "process { sigkill signal transition }"},
		{"sshd_t", "otpw_secret_t", "dir { search }, file { getattr lock open read write }"},
		{"sshd_session_t", "otpw_worker_t", "process { sigkill signal transition }"},
		{"staff_sudo_t", "otpw_worker_t", "process { sigkill signal transition }"},
		{"otpw_worker_t", "shadow_t", ""},
		{"otpw_worker_t", "admin_home_t", "dir { add_name getattr remove_name search write }"},
		{"otpw_worker_t", "syslogd_var_run_t", "dir { search }"},
		{"otpw_worker_t", "init_var_run_t", "dir { search }"},
		{"otpw_worker_t", "fs_t", "filesystem { getattr }"},
		// by their attributes: see fedora.cil
		{"kernel_t", "otpw_home_t", "file { getattr lock }"},
		{"kernel_t", "otpw_var_lib_t", "file { getattr lock }"},
		{"kernel_t", "otpw_secret_t", "file { getattr lock }"},
		{"kernel_t", "otpw_keeper_exec_t", "file { open read }"},
		{"kernel_t", "otpw_worker_tmpfs_t", "file { open read }"},
		{"kernel_t", "otpw_worker_exec_t", "file { execute open read }"},
		// by the interfaces
		{"site_login_t", "otpw_worker_t", "process { sigkill signal transition }"},
		{"site_login_t", "otpw_home_t", ""},
		{"site_login_t", "etc_t", "file { getattr open read }"},
		{"site_login_t", "site_login_t", "capability { setgid setuid sys_resource }, process { fork getsched setcap setrlimit setsched }, " +
			"unix_stream_socket { create getattr getopt read setopt shutdown write }"},
		{"site_user_t", "otpw_worker_t", ""},
		{"site_user_t", "otpw_keeper_exec_t", "file { execute execute_no_trans getattr map open read }"},
		{"site_home_t", "otpw_home_t", ""},
		{"site_backup_t", "otpw_home_t", "file { getattr lock open read }, lnk_file { getattr read }"},
		{"site_backup_t", "otpw_secret_t", ""},
	} {
		if got := p.allowed(t, c.source, c.target); got != c.want {
			t.Errorf("%s %s: may %s\nwant %s", c.source, c.target, got, c.want)
		}
	}
	for source, want := range map[string]int{"unconfined_t": 4, "site_user_t": 4, "site_home_t": 4, "otpw_worker_t": 2, "site_backup_t": 0} {
		if out := output(t, "sesearch", "-T", "-s", source, "-t", "admin_home_t", string(p)); strings.Count(out, " otpw_home_t .otpw") != want {
			t.Errorf("%s: names in /root, want %d:\n%s", source, want, out)
		}
	}
	p.roles(t)
	text, err := os.ReadFile(contexts)
	if err != nil || strings.Count(string(text), "/root/") != 4 || strings.Count(string(text), "/srv/lists") != 1 {
		t.Errorf("%v: not four names in /root, and the folder of the site:\n%s", err, text)
	}
}
