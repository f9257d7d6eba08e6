// SPDX-License-Identifier: MIT

package check

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/world"
)

// A broken set-up, and all that is found of it.
type broken struct {
	name   string
	spoil  func(m *machine)
	args   string // `alice:` at the beginning: she runs it, and not root
	status int
	want   []string
}

// auth makes a set-up of auth lines.
func auth(lines ...string) func(m *machine) { return func(m *machine) { m.pam(lines...) } }

// shell makes one by commands; MODULES is PAM's folder.
func shell(commands string) func(m *machine) {
	return func(m *machine) { m.shell(strings.ReplaceAll(commands, "MODULES", m.modules)) }
}

// sshd makes one of settings.
func sshd(settings ...string) func(m *machine) { return func(m *machine) { m.sshd(settings...) } }

// setUserID makes otpw-gen set-user-id for an account.
func setUserID(account, commands string) func(m *machine) {
	return func(m *machine) {
		m.t.Cleanup(func() { os.RemoveAll("/opt/bin") })
		m.shell("mkdir -p /opt/bin /var/lib/dpkg; touch /opt/bin/otpw-gen; chown " + account + " /opt/bin/otpw-gen; chmod 4755 /opt/bin/otpw-gen; " + commands)
	}
}

const otpwLine = "auth required pam_otpw.so"

var brokenModule = []broken{
	{"no module", shell("rm MODULES/pam_otpw.so"), "", 2, []string{"error module-missing  sshd line 1: there is no .*/pam_otpw.so"}},
	{"old absolute path", auth("auth required /lib/security/pam_otpw.so"), "", 2, []string{"error module-missing  no /lib/security/pam_otpw.so.* write pam_otpw.so instead"}},
	{"no .so", auth("auth required pam_otpw"), "", 2, []string{"error module-missing  sshd line 1: /.*/pam_otpw is a folder.* write pam_otpw.so instead of /.*/pam_otpw$"}},
	{"link to nothing", shell("ln -sf /nonexistent MODULES/pam_otpw.so"), "", 2, []string{"error module-missing"}},
	{"the original", func(m *machine) { m.shell("cp " + m.original.Path + " " + m.modules) }, "", 2, []string{"error module-foreign  pam_otpw.so: not of this project"}},
	{"module of another owner", shell("chown alice MODULES/pam_otpw.so"), "", 2, []string{"error module-unsafe  owner is uid 2001.* chown root "}},
	{"module that others write", shell("chmod 0666 MODULES/pam_otpw.so"), "", 2, []string{"error module-unsafe  mode is 0666.* chmod 0644 "}},
	{"module nobody reads", shell("chmod 0600 MODULES/pam_otpw.so"), "", 2, []string{"error module-unsafe  mode is 0600"}},
	{"folder that others write", shell("chmod 1777 MODULES"), "", 2, []string{"error module-unsafe  security: mode is 1777.* chmod 0755 "}},
	{"module is a fifo", shell("rm MODULES/pam_otpw.so; mkfifo -m 0644 MODULES/pam_otpw.so"), "", 2, []string{"error module-unsafe  not a regular file"}},
	{"core is a fifo", shell("rm MODULES/pam_otpw/core.so; mkfifo -m 0644 MODULES/pam_otpw/core.so"), "", 2, []string{"error core-unsafe  not a regular file"}},
	{"configuration is a fifo", shell("rm /etc/pam.d/sshd; mkfifo -m 0644 /etc/pam.d/sshd"), "", 2, []string{
		"error pam-include  not a regular file", "warning pam-other", "error pam-absent", "error pam-account", "error pam-session"}},
	{"cut module", shell("truncate -s 4000 MODULES/pam_otpw.so; printf 'otpw-version:x;' >>MODULES/pam_otpw.so"), "", 2,
		[]string{"error module-broken", "error version-mixed"}},
	{"core of another machine", shell(`printf '\003\000' | dd of=MODULES/pam_otpw/core.so bs=1 seek=18 conv=notrunc 2>/dev/null`), "", 2, []string{"error module-broken  core.so: is ET_DYN for EM_386"}},
	{"core is a program", shell(`printf '\002\000' | dd of=MODULES/pam_otpw/core.so bs=1 seek=16 conv=notrunc 2>/dev/null`), "", 2, []string{"error module-broken  core.so: is ET_EXEC for"}},
	{"folder further up that others write", func(m *machine) {
		m.shell("mkdir -p /opt/up/down; cp -a " + m.modules + "/pam_otpw* /opt/up/down; chmod 0777 /opt/up")
		m.t.Cleanup(func() { os.RemoveAll("/opt/up") })
		m.pam("auth required /opt/up/down/pam_otpw.so")
		m.shell("sed -i 's|optional pam_otpw.so|optional /opt/up/down/pam_otpw.so|' /etc/pam.d/sshd")
	}, "", 2, []string{"error module-unsafe  /opt/up: mode is 0777.* chmod 0755 /opt/up"}},
	{"no folder", shell("rm -r MODULES/pam_otpw"), "", 2,
		[]string{"error worker-unsafe  pam_otpw: no such file", "error worker-unsafe  worker: no such file", "error core-unsafe  no such file"}},
	{"folder is a link", shell("mv MODULES/pam_otpw MODULES/real; ln -s real MODULES/pam_otpw"), "", 2, []string{"error worker-unsafe  pam_otpw: not a folder"}},
	{"folder that others write to", shell("chmod 0775 MODULES/pam_otpw"), "", 2, []string{"error worker-unsafe  mode is 0775, want 0755"}},
	{"folder nobody passes", shell("chmod 0700 MODULES/pam_otpw"), "", 2, []string{"error worker-unsafe  mode is 0700"}},
	{"worker that can be read", shell("chmod 0755 MODULES/pam_otpw/worker"), "", 2, []string{"error worker-unsafe  mode is 0755.* chmod 0711 "}},
	{"worker set-user-id", shell("chmod 4711 MODULES/pam_otpw/worker"), "", 2, []string{"error worker-unsafe  mode is 4711"}},
	{"worker nobody runs", shell("chmod 0700 MODULES/pam_otpw/worker"), "", 2, []string{"error worker-unsafe  mode is 0700"}},
	{"worker of another owner", shell("chown alice MODULES/pam_otpw/worker"), "", 2, []string{"error worker-unsafe  owner is uid"}},
	{"worker is a link", shell("mv MODULES/pam_otpw/worker MODULES/w; ln -s ../w MODULES/pam_otpw/worker"), "", 2, []string{"error worker-unsafe  not a regular file"}},
	{"no core", shell("rm MODULES/pam_otpw/core.so"), "", 2, []string{"error core-unsafe  no such file"}},
	{"no core, of a package", shell("rm MODULES/pam_otpw/core.so; mkdir -p /var/lib/dpkg/info; echo MODULES/pam_otpw/core.so >/var/lib/dpkg/info/libpam-otpw.list"), "", 2, []string{"error core-unsafe  no such file.* apt install --reinstall libpam-otpw$"}},
	{"core that others write", shell("chmod 0664 MODULES/pam_otpw/core.so"), "", 2, []string{"error core-unsafe  mode is 0664.* chmod 0644 "}},
	{"core nobody reads", shell("chmod 0600 MODULES/pam_otpw/core.so"), "", 2, []string{"error core-unsafe  mode is 0600"}},
	{"core of another build", shell("sed -i 's/otpw-version:[^;]/otpw-version:X/' MODULES/pam_otpw/core.so"), "", 2, []string{"error version-mixed  core.so: version X"}},
	{"worker of another build", shell("sed -i 's/otpw-version:[^;]/otpw-version:X/' MODULES/pam_otpw/worker"), "", 2, []string{"error version-mixed  worker: version X"}},
	{"module of another build", shell("sed -i 's/otpw-version:[^;]/otpw-version:X/' MODULES/pam_otpw.so MODULES/pam_otpw/*"), "", 1, []string{"warning version-other  version X"}},
	{"SELinux without a policy", func(m *machine) { m.write("/sys/fs/selinux/enforce", 0o644, "1") }, "", 2, []string{"error selinux-policy"}},
	{"SELinux without a policy, for sudo", func(m *machine) {
		m.write("/sys/fs/selinux/enforce", 0o644, "1")
		m.Service(m.t, "sudo", goodPAM[:3]...)
	}, "--service sudo", 1, []string{"warning selinux-policy"}},
	{"set-user-id otpw-gen", setUserID("keeper", ""), "", 1, []string{"warning generator-setuid  /opt/bin/otpw-gen: .* chown root: /opt/bin/otpw-gen; chmod 0755 /opt/bin/otpw-gen; otpw-pseudo-user on --set-user-id$"}},
	{"set-user-id otpw-gen, at each upgrade", setUserID("keeper", "echo keeper root 4755 /opt/bin/otpw-gen >/var/lib/dpkg/statoverride"), "", 1,
		[]string{"warning generator-setuid  dpkg-statoverride --remove /opt/bin/otpw-gen; chown root: /opt/bin/otpw-gen; "}},
	{"set-user-id otpw-gen, for another account", setUserID("keeper", `printf '[module]\nuser=keeper\n' >/etc/otpw.conf; mv /home/alice/.otpw /home/keeper/alice; chown keeper: /home/keeper/alice`), "", 1,
		[]string{"warning generator-setuid  chmod 0755 /opt/bin/otpw-gen; chown keeper: /opt/libexec/otpw/otpw-gen-as-keeper; chmod 4755 /opt/libexec/otpw/otpw-gen-as-keeper$"}},
	{"set-user-id otpw-gen, for root", setUserID("root", ""), "", 2, []string{"error generator-setuid  it refuses to run. chown root: /opt/bin/otpw-gen; chmod 0755 /opt/bin/otpw-gen$"}},
	{"label of a home", func(m *machine) {
		m.write("/sys/fs/selinux/enforce", 0o644, "0")
		m.do(unix.Setxattr(m.modules+"/pam_otpw/worker", "security.selinux", []byte("unconfined_u:object_r:user_home_t:s0\x00"), 0))
	}, "", 1, []string{"warning selinux-label  worker: its label is user_home_t.* restorecon "}},
	{"worker without its label", enforcing("lib_t", "otpw_home_t"), "", 1, []string{`warning selinux-label  worker: its label is "lib_t".* restorecon -Fv `}},
	{"list without its label", enforcing("otpw_worker_exec_t", "user_home_t"), "--user alice", 1,
		[]string{`warning selinux-label  alice: /home/alice/.otpw: its label is "user_home_t".* as alice: restorecon -Fv /home/alice/.otpw`}},
	{"link without a label for links", func(m *machine) {
		m.shell("mkdir /home/away; mv /home/alice/.otpw /home/away/list; chown -R " + m.alice.Name + " /home/away; ln -s /home/away/list /home/alice/.otpw; chown -h alice /home/alice/.otpw")
		enforcing("otpw_worker_exec_t", "user_home_t")(m)
	}, "--user alice", 1, []string{`warning selinux-label  alice: /home/alice/.otpw -> .*: its label is "user_home_t".* as alice: chcon -t otpw_home_t /home/alice/.otpw`}},
	{"lists among other files, without their label", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "file=/etc/%u.otpw", "nolock")
		m.shell("mv /home/alice/.otpw /etc/alice.otpw")
		enforcing("otpw_worker_exec_t", "")(m)
		m.label("/etc/alice.otpw", "etc_t")
	}, "--user alice", 1, []string{`warning selinux-label  /etc/alice.otpw: its label is "etc_t".* file= with a folder that is for lists alone`}},
	{"shared lists without their label", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper", "file=/home/keeper/lists/%u")
		m.shell("mkdir -m 0700 /home/keeper/lists; mv /home/alice/.otpw /home/keeper/lists/alice; chown -R keeper:keeper /home/keeper")
		enforcing("otpw_worker_exec_t", "")(m)
		m.label("/home/keeper/lists/alice", "var_t")
	}, "--user alice", 1, []string{`warning selinux-label  alice: .*: its label is "var_t".* semanage fcontext -a -t otpw_var_lib_t '/home/keeper/lists\(/\.\*\)\?' && restorecon -RFv /home/keeper/lists`}},
}

var brokenPAM = []broken{
	{"not there", auth("auth required pam_unix.so"), "", 2, []string{"error pam-absent  /etc/pam.d/sshd: .* auth required pam_otpw.so in the place of `auth required pam_unix.so` ./etc/pam.d/sshd line 1.$"}},
	{"not there, everybody in", auth("auth required pam_permit.so"), "", 2, []string{"error pam-absent"}},
	{"no files", shell("rm -r /etc/pam.d; mkdir /etc/pam.d"), "", 2, []string{"error pam-missing"}},
	{"no file of its own", shell("mv /etc/pam.d/sshd /etc/pam.d/other"), "", 1, []string{"warning pam-other"}},
	{"no auth lines", shell("sed -i /auth/d /etc/pam.d/sshd"), "", 2, []string{"warning pam-other", "error pam-absent"}},
	{"written by others", shell("chmod 0664 /etc/pam.d/sshd"), "", 2, []string{"error pam-unsafe  chmod go-w /etc/pam.d/sshd"}},
	{"another's include", func(m *machine) {
		m.write("/etc/pam.d/x", 0o644, otpwLine)
		m.shell("chown alice /etc/pam.d/x")
		m.pam("@include x")
	}, "", 2, []string{"error pam-unsafe  /etc/pam.d/x: owner is uid 2001"}},
	{"a folder", shell("rm /etc/pam.d/sshd; mkdir /etc/pam.d/sshd; cp /etc/pam.d/other /tmp/other"), "", 2,
		[]string{"error pam-include  not a regular file", "warning pam-other", "error pam-absent", "error pam-account", "error pam-session"}},
	{"unknown type", auth("login required pam_permit.so", otpwLine), "", 2, []string{"error pam-syntax  line 1: \"login\".* pam.d.5.$", "error pam-nobody"}},
	{"unknown control", auth("auth requird pam_otpw.so"), "", 2, []string{"error pam-syntax  \"requird\"", "error pam-nobody"}},
	{"no module on the line", auth(otpwLine, "auth required"), "", 2, []string{"error pam-syntax  line 2: no module", "error pam-nobody"}},
	{"ends with a backslash", shell(`printf '%s' 'session optional pam_otpw.so \' >>/etc/pam.d/sshd`), "", 2, []string{"error pam-syntax  backslash", "error pam-include"}},
	{"include that is not there", auth("auth include nonesuch", otpwLine), "", 2, []string{"error pam-include  line 1: \"nonesuch\" cannot be included.* take the line out$", "error pam-nobody"}},
	{"@include that is not there", auth("@include nonesuch", otpwLine), "", 2, []string{"error pam-include  line 1: \"nonesuch\""}},
	{"includes itself", auth("auth include sshd", otpwLine), "", 2, []string{"error pam-include  include each other"}},
	{"another module is missing", auth("auth required pam_nonesuch.so", otpwLine), "", 2, []string{"error pam-module  line 1: there is no .*pam_nonesuch.so. install it, or take the line out$", "error pam-nobody"}},
	{"another module, silent and wanted", auth("-auth requisite pam_nonesuch.so", otpwLine), "", 2, []string{"error pam-module  line 1", "error pam-unreached"}},
	{"another module that need not be there", auth("auth optional pam_nonesuch.so", otpwLine), "", 1, []string{"warning pam-module  line 1"}},
	{"sufficient permit before", auth("auth sufficient pam_permit.so", otpwLine), "", 2, []string{"error pam-unreached", "error pam-everybody  nobody has to prove anything"}},
	{"die before", auth("auth requisite pam_deny.so", otpwLine), "", 2, []string{"error pam-unreached"}},
	{"jump over", auth("auth [default=1] pam_permit.so", otpwLine, "auth required pam_permit.so"), "", 2, []string{"error pam-unreached", "error pam-everybody"}},
	{"deny before", auth("auth required pam_deny.so", otpwLine), "", 2, []string{"error pam-nobody  in the place of `auth required pam_otpw.so` ./etc/pam.d/sshd line 2., and take `auth required pam_deny.so` ./etc/pam.d/sshd line 1. out$"}},
	{"deny behind", auth("auth sufficient pam_unix.so", otpwLine, "auth required pam_deny.so"), "", 2, []string{"warning pam-before  line 1 .pam_unix.so", "error pam-nobody"}},
	{"jump to nothing", auth("auth [success=1 default=die] pam_otpw.so", "auth requisite pam_deny.so"), "", 2, []string{"error pam-nobody"}},
	{"password before", auth("auth sufficient pam_unix.so", otpwLine), "", 1, []string{"warning pam-before  line 1 .pam_unix.so.: lets in whom it accepts"}},
	{"network before", auth("auth sufficient pam_access.so", otpwLine), "", 1, []string{"warning pam-before  line 1 .pam_access.so.: .* depending on"}},
	{"jump that has nothing to do with it", auth("auth [success=1 default=ignore] pam_localuser.so", "auth requisite pam_deny.so", "auth sufficient pam_unix.so", otpwLine), "", 1, []string{"warning pam-before  line 3 .pam_unix.so"}},
	{"network behind", auth("auth [success=1 default=ignore] pam_access.so", otpwLine, "auth required pam_permit.so"), "", 1, []string{"warning pam-before  line 1 .pam_access.so"}},
	{"no table of networks", auth("auth [perm_denied=1 default=ignore] pam_access.so accessfile=/etc/security/outside.conf nodefgroup", "auth [success=done default=die] pam_otpw.so", "auth required pam_unix.so"), "", 1, []string{"warning pam-file  sshd line 1: .*/etc/security/outside.conf"}},
	{"gate that ends the stack", auth("auth sufficient pam_nologin.so", otpwLine), "", 2, []string{"error pam-everybody  a way past it"}},
	{"optional", auth("auth optional pam_otpw.so", "auth required pam_permit.so"), "", 2, []string{
		"error pam-everybody  auth_err", "error pam-everybody  authinfo_unavail", "error pam-everybody  system_err", "error pam-everybody  user_unknown"}},
	{"optional, behind what counts failures", auth("auth required pam_faillock.so preauth", "auth optional pam_otpw.so"), "", 2, []string{
		"error pam-everybody  auth_err", "error pam-everybody  authinfo_unavail", "error pam-everybody  system_err", "error pam-everybody  user_unknown"}},
	{"whom the password's module does not know", auth("auth [success=die user_unknown=ignore default=die] pam_unix.so", "auth sufficient pam_otpw.so", "auth required pam_permit.so"), "", 2, []string{
		"error pam-everybody  auth_err", "error pam-everybody  authinfo_unavail", "error pam-everybody  system_err", "error pam-everybody  user_unknown"}},
	{"sufficient, nothing denies", auth("auth required pam_env.so", "auth sufficient pam_otpw.so"), "", 2, []string{
		"error pam-everybody  auth_err", "error pam-everybody  authinfo_unavail", "error pam-everybody  system_err", "error pam-everybody  user_unknown"}},
	{"who has no list is let in", auth("auth [success=ok authinfo_unavail=ignore default=die] pam_otpw.so", "auth required pam_permit.so"), "", 2, []string{"error pam-everybody  authinfo_unavail"}},
	{"the same behind a key", func(m *machine) {
		m.pam("auth [success=ok authinfo_unavail=ignore default=die] pam_otpw.so", "auth required pam_permit.so")
		m.sshd("AuthenticationMethods publickey,keyboard-interactive")
	}, "", 2, []string{"warning pam-everybody  authinfo_unavail", "error sshd-root-out"}},
	{"nullok and permit", auth("auth required pam_otpw.so nullok", "auth required pam_permit.so"), "", 2, []string{"error pam-no-list"}},
	{"nullok, and nothing behind", auth(otpwLine + " nullok"), "", 1, []string{"warning argument-nullok  sshd line 1: .* refused all the same"}},
	{"nullok, and nothing behind, of one", func(m *machine) { m.pam(otpwLine + " nullok"); m.shell("rm /home/alice/.otpw") }, "--user alice", 1, []string{"warning argument-nullok", "warning list-none"}},
	{"password instead", auth("auth sufficient pam_otpw.so", "auth required pam_unix.so"), "", 1, []string{"warning pam-instead  line 2 .pam_unix.so.* auth required pam_otpw.so in the place of `auth required pam_unix.so` ./etc/pam.d/sshd line 2., and take `auth sufficient pam_otpw.so` ./etc/pam.d/sshd line 1. out$"}},
	{"Debian's password instead", func(m *machine) {
		m.write("/etc/pam.d/common", 0o644, "auth [success=1 default=ignore] pam_unix.so nullok", "auth requisite pam_deny.so", "auth required pam_permit.so")
		m.pam("auth sufficient pam_otpw.so", "@include  common")
	}, "", 1, []string{"warning pam-instead  with /etc/pam.d/common line 1 .pam_unix.so.* in the place of `@include common` ./etc/pam.d/sshd line 2., and take"}},
	{"both in what is included", func(m *machine) {
		m.write("/etc/pam.d/common", 0o644, "auth sufficient pam_otpw.so", "auth required pam_unix.so")
		m.pam("auth include common")
	}, "", 1, []string{"warning pam-instead  in the place of `auth include common` ./etc/pam.d/sshd line 1.$"}},
	{"network instead", auth("auth sufficient pam_otpw.so", "auth sufficient pam_succeed_if.so user = x", "auth required pam_deny.so"), "", 1, []string{"warning pam-instead  line 2 .pam_succeed_if.so"}},
	{"twice", auth(otpwLine, otpwLine), "", 1, []string{"warning pam-twice"}},
	{"account denies", shell("sed -i 's/account.*/account required pam_deny.so/' /etc/pam.d/sshd"), "", 2, []string{"error pam-account"}},
	{"only pam_otpw in account", shell("sed -i 's/account.*/account required pam_otpw.so/' /etc/pam.d/sshd"), "", 2, []string{"error pam-account", "warning pam-useless"}},
	{"module that is gone in account", shell("echo 'account required /lib/old/pam_otpw.so' >>/etc/pam.d/sshd"), "", 2, []string{"error pam-account", "warning pam-useless"}},
	{"no account lines", shell("sed -i /account/d /etc/pam.d/sshd"), "", 2, []string{"error pam-account  of the service other"}},
	{"in password lines", shell("echo 'password required pam_otpw.so' >>/etc/pam.d/sshd"), "", 1, []string{"warning pam-useless  line 5: .* in password lines"}},
	{"session denies", shell("sed -i 's/session required.*/session required pam_deny.so/' /etc/pam.d/sshd"), "", 2, []string{"error pam-session"}},
	{"no notice", shell("sed -i '/session optional/d' /etc/pam.d/sshd"), "", 1, []string{"warning pam-notice  session optional pam_otpw.so"}},
	{"carriage returns", shell(`sed -i 's/$/\r/' /etc/pam.d/sshd`), "", 2, []string{
		`error pam-module  line 2`, `error pam-module  line 3`, `warning pam-module  line 4`, `error pam-module  line 1.*/pam_otpw.so\r`, `error pam-absent`, "error pam-account", "error pam-session"}},
	{"unknown argument", auth(otpwLine + " nolocks"), "", 1, []string{`warning argument-ignored  unknown argument "nolocks"`}},
	{"switch with a value", auth(otpwLine+" nullok=1", "auth required pam_permit.so"), "", 1, []string{`warning argument-ignored  unknown argument "nullok=1"`}},
	{"bad value", auth(otpwLine + " lock_timeout=soon"), "", 1, []string{`warning argument-ignored  lock_timeout=soon`}},
	{"arguments that exclude each other", auth(otpwLine + " nullok decoy"), "", 2, []string{"error argument-refused  nullok and decoy.* take it out"}},
	{"bad file=", auth(otpwLine + " file=x"), "", 2, []string{"error argument-refused  file=x", "warning argument-place"}},
	{"file= that otpw-gen does not know", auth(otpwLine + " file=/var/lib/lists/%u"), "", 2, []string{"warning argument-place  /etc/otpw.conf", "error list-unreachable  /var/lib/lists"}},
	{"user= that otpw-gen does not know", auth(otpwLine + " user=keeper"), "", 1, []string{"warning argument-place  /etc/otpw.conf", "warning list-elsewhere  alice: .*/home/keeper/alice", "warning list-nobody"}},
	{"user= that there is not", func(m *machine) { m.write("/etc/otpw.conf", 0o644, "[module]", "user=nonesuch") }, "--user alice", 2, []string{"error argument-user  /etc/otpw.conf line 2: "}},
	{"use_first_pass, alone", auth(otpwLine + " use_first_pass"), "", 2, []string{"error argument-first"}},
	{"use_first_pass, behind what does not ask", func(m *machine) {
		m.write("/etc/pam.d/x", 0o644, "auth required pam_env.so")
		m.pam("auth substack x", otpwLine+" use_first_pass")
	}, "", 2, []string{"error argument-first  sshd line 2"}},
	{"use_first_pass, behind the password", auth("auth requisite pam_unix.so", otpwLine+" use_first_pass"), "", 2, []string{"error argument-first  sshd line 2: .*line 1 .pam_unix.so.*: no text is both"}},
	{"use_first_pass, behind the password that must be right in the end", auth("auth required pam_unix.so", otpwLine+" use_first_pass"), "", 2, []string{"error argument-first"}},
	{"use_first_pass, behind what Debian includes", func(m *machine) {
		m.write("/etc/pam.d/common", 0o644, "auth [success=1 default=ignore] pam_unix.so nullok", "auth requisite pam_deny.so", "auth required pam_permit.so")
		m.pam("@include common", otpwLine+" use_first_pass")
	}, "", 2, []string{"error argument-first  sshd line 2: .*common line 1.* take use_first_pass out$"}},
	{"use_first_pass, and denied", auth("auth optional pam_unix.so", otpwLine+" use_first_pass", "auth required pam_deny.so"), "", 2, []string{"error pam-nobody"}},
	{"site: bad section", func(m *machine) { m.write("/etc/otpw.conf", 0o644, "[modul]") }, "", 2, []string{"error site  /etc/otpw.conf line 1: unknown section.* otpw.conf.5"}},
	{"site: bad argument", func(m *machine) { m.write("/etc/otpw.conf", 0o644, "# x", "[module]", "nolocks") }, "", 2, []string{"error site  line 3: .*nolocks"}},
	{"site: bad limit", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[generator]", "least_entropy=many", "[module]", "file=~/%u", "nullok")
		m.shell("mv /home/alice/.otpw /home/alice/alice")
	}, "--user alice", 2, []string{"error site  line 2: .*many.*: nobody can make a list", "warning argument-nullok  /etc/otpw.conf line 5"}},
	{"site: written by others", func(m *machine) { m.write("/etc/otpw.conf", 0o666, "[module]") }, "", 2, []string{"error site  /etc/otpw.conf: mode is 0666, want 0644: all logins are refused. chmod 0644 /etc/otpw.conf, when"}},
	{"site: of somebody else", func(m *machine) { m.write("/etc/otpw.conf", 0o644, "[module]"); m.shell("chown alice /etc/otpw.conf") }, "", 2, []string{"error site  /etc/otpw.conf: owner is uid .* chown root /etc/otpw.conf"}},
	{"site: for root only", func(m *machine) { m.write("/etc/otpw.conf", 0o600, "[module]") }, "", 1, []string{"warning site  mode is 0600: .* chmod 0644 /etc/otpw.conf$"}},
	{"site: a folder", shell("mkdir /etc/otpw.conf"), "", 2, []string{"error site  not a regular file.* put a file in its place"}},
	{"site: use_first_pass", func(m *machine) { m.write("/etc/otpw.conf", 0o644, "[module]", "", "use_first_pass") }, "", 2, []string{"error argument-first  /etc/otpw.conf line 3: "}},
	{"user= that there is not, in two places", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.pam(otpwLine + " user=nonesuch")
	}, "", 2, []string{"error argument-user  /etc/pam.d/sshd line 1: ", "warning argument-place"}},
	{"decoys without a secret", func(m *machine) { m.pam(otpwLine + " decoy"); m.shell("rm /var/lib/pam_otpw/decoy") }, "", 2, []string{"error decoy-state  no such file.* sudo /[^ .]*/libexec/otpw/decoy-secret /var/lib/pam_otpw/decoy"}},
	{"secret for all", func(m *machine) { m.pam(otpwLine + " decoy"); m.shell("chmod 0644 /var/lib/pam_otpw/decoy") }, "", 2, []string{"error decoy-state  mode is 0644.* rm it, for others may know it; sudo /[^ .]*/libexec/otpw/decoy-secret "}},
	{"secret for a group", func(m *machine) { m.pam(otpwLine + " decoy"); m.shell("chmod 0640 /var/lib/pam_otpw/decoy") }, "", 2, []string{"error decoy-state  mode is 0640"}},
	{"secret of another owner", func(m *machine) { m.pam(otpwLine + " decoy"); m.shell("chown alice /var/lib/pam_otpw/decoy") }, "", 2, []string{"error decoy-state  owner"}},
	{"short secret", func(m *machine) { m.pam(otpwLine + " decoy"); m.shell("truncate -s 15 /var/lib/pam_otpw/decoy") }, "", 2, []string{"error decoy-state  shorter"}},
	{"linked secret", func(m *machine) {
		m.pam(otpwLine + " decoy")
		m.shell("cd /var/lib/pam_otpw; mv decoy x; ln -s x decoy")
	}, "", 2, []string{"error decoy-state  not a regular file"}},
	{"decoys by the site", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "decoy")
		m.shell("rm /var/lib/pam_otpw/decoy")
	}, "", 2, []string{"error decoy-state"}},
}

var brokenSshd = []broken{
	{"bad settings", sshd("Nonesuch yes"), "", 2, []string{"error sshd-settings  /etc/ssh/sshd_config: line 1: Bad configuration option: Nonesuch.* until sshd -t says nothing$"}},
	{"no folder of sshd's", func(m *machine) {
		m.do(os.Remove("/run/sshd"))
		m.t.Cleanup(func() { _ = os.Mkdir("/run/sshd", 0o755) })
	}, "", 3, []string{"unchecked sshd-untested  /run/sshd"}},
	{"no folder of sshd's, and a hole", func(m *machine) { // that may be behind a key, or not
		m.do(os.Remove("/run/sshd"))
		m.t.Cleanup(func() { _ = os.Mkdir("/run/sshd", 0o755) })
		m.pam("auth [success=ok authinfo_unavail=ignore default=die] pam_otpw.so", "auth required pam_permit.so")
	}, "", 2, []string{"unchecked sshd-untested", "error pam-everybody"}},
	{"UsePAM no", sshd("UsePAM no"), "", 2, []string{"error sshd-pam  UsePAM is no ./etc/ssh/sshd_config line 1.*UsePAM yes, before any other, in /etc/ssh/sshd_config, then systemctl reload"}},
	{"capitals in the service", sshd("UsePAM no"), "--service SSHD", 2, []string{"error sshd-pam"}},
	{"no keyboard", sshd("KbdInteractiveAuthentication no"), "", 2, []string{"error sshd-keyboard"}},
	{"no keyboard in a file of its own", func(m *machine) {
		m.write("/etc/ssh/sshd_config.d/50-cloud.conf", 0o644, "KbdInteractiveAuthentication no")
		m.sshd("Include /etc/ssh/sshd_config.d/*.conf")
	}, "", 2, []string{"error sshd-keyboard  is no ./etc/ssh/sshd_config.d/50-cloud.conf line 1.: .* yes in /etc/ssh/sshd_config.d/00-otpw.conf, then systemctl reload ssh"}},
	{"a file that is not included", func(m *machine) {
		m.write("/etc/ssh/sshd_config.d/00-otpw", 0o644, "KbdInteractiveAuthentication yes")
		m.sshd("Include /etc/ssh/sshd_config.d/*.conf", "ChallengeResponseAuthentication no")
	}, "", 2, []string{"error sshd-keyboard  is no ./etc/ssh/sshd_config line 2.: .* yes in /etc/ssh/sshd_config.d/00-otpw.conf"}},
	{"passwords by default", func(m *machine) {
		m.write("/etc/ssh/sshd_config", 0o644, goodSshd[:3]...)
	}, "", 1, []string{"warning sshd-password  PasswordAuthentication is yes by default"}},
	{"bad settings in a file of its own", func(m *machine) {
		m.write("/etc/ssh/sshd_config.d/50-cloud.conf", 0o644, "# x", "Nonesuch no")
		m.sshd("Include /etc/ssh/sshd_config.d/*.conf")
	}, "", 2, []string{"error sshd-settings  refuses its settings: /etc/ssh/sshd_config.d/50-cloud.conf: line 2: Bad configuration option: Nonesuch"}},
	{"not reloaded", func(m *machine) {
		m.write("/etc/ssh/sshd_config.d/50-cloud.conf", 0o644, "# x")
		m.daemon("Include /etc/ssh/sshd_config.d/*.conf")
		m.shell("touch -d '30 minutes ago' /etc/ssh/sshd_config.d/50-cloud.conf")
	}, "", 1, []string{"warning sshd-reload  /etc/ssh/sshd_config.d/50-cloud.conf: .* systemctl reload ssh"}},
	{"passwords", sshd("PasswordAuthentication yes"), "", 1, []string{"warning sshd-password"}},
	{"keys only", sshd("AuthenticationMethods publickey"), "", 2, []string{"error sshd-methods"}},
	{"with a method that is off", sshd("AuthenticationMethods publickey hostbased,keyboard-interactive"), "", 2, []string{"error sshd-methods"}},
	{"of BSD", sshd("AuthenticationMethods keyboard-interactive:bsdauth"), "", 2, []string{"error sshd-methods", "error sshd-root-out"}},
	{"a Match block", func(m *machine) {
		m.write("/etc/ssh/sshd_config", 0o644, append(slices.Clone(goodSshd), "Match User alice Address 192.0.2.0/24", "AuthenticationMethods publickey")...)
	}, "--user alice", 1, []string{"warning sshd-methods  for alice: .* nothing, if that is meant; else take /etc/ssh/sshd_config line 6 out"}},
	{"a Match block with a method that is off", func(m *machine) {
		m.write("/etc/ssh/sshd_config", 0o644, append(slices.Clone(goodSshd), "Match User alice", "AuthenticationMethods hostbased")...)
	}, "--user alice", 2, []string{"error sshd-methods  for alice"}},
	{"a Match block for an address", func(m *machine) {
		m.write("/etc/ssh/sshd_config", 0o644, append(slices.Clone(goodSshd), "Match Address 2001:db8::/32", "KbdInteractiveAuthentication no")...)
	}, "--user alice --from 2001:db8::7", 2, []string{"error sshd-keyboard  for alice: .* is no ./etc/ssh/sshd_config line 6.: .* yes in /etc/ssh/sshd_config line 6, then"}},
	{"root", shell("cp /home/alice/.otpw /root/.otpw"), "--user root", 1, []string{"warning sshd-root"}},
	{"root with a key that is not enough", sshd("AuthenticationMethods publickey,keyboard-interactive"), "", 2, []string{"error sshd-root-out  for root: .* without-password .*`Match User root`"}},
	{"the same for a user", sshd("AuthenticationMethods publickey,keyboard-interactive"), "--user alice", 2, []string{"error sshd-root-out"}},
	{"root with a key, named", func(m *machine) {
		m.shell("cp /home/alice/.otpw /root/.otpw")
		m.sshd("AuthenticationMethods publickey,keyboard-interactive hostbased")
	}, "--user root", 2, []string{"error sshd-root-out"}},
	{"root with a forced command", sshd("AuthenticationMethods publickey,keyboard-interactive", "PermitRootLogin forced-commands-only"), "", 2, []string{"error sshd-root-out  forced-commands-only"}},
	{"settings elsewhere", func(m *machine) {
		m.Service(m.t, "door", goodPAM...)
		m.write("/etc/ssh/door", 0o644, append([]string{"UsePAM no"}, goodSshd...)...)
	}, "--service door --sshd-config /etc/ssh/door", 2, []string{"error sshd-pam  /etc/ssh/door"}},
	{"no sshd", func(m *machine) {
		for _, dir := range []string{"/usr/sbin"} {
			m.do(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"))
			m.t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		}
	}, "", 3, []string{"unchecked sshd-missing"}},
}

// list makes a set-up of alice's list by commands in her home, as root.
func list(commands string) func(m *machine) {
	return func(m *machine) { m.shell("cd /home/alice; " + commands) }
}

var brokenLists = []broken{
	{"no such user", func(*machine) {}, "--user nonesuch", 3, []string{"unchecked user-unknown"}},
	{"a uid is no name", func(*machine) {}, "--user 2001", 3, []string{"unchecked user-unknown"}},
	{"no list", list("rm .otpw"), "--user alice", 1, []string{"warning list-none  alice: /home/alice/.otpw: .* otpw-gen --user alice --print$"}},
	{"no list, named beside all", func(*machine) {}, "--all-lists --user keeper", 1, []string{"warning list-none  keeper: /home/keeper/.otpw"}},
	{"nobody's list", list("rm .otpw"), "--all-lists", 1, []string{"warning list-nobody  otpw-gen --user NAME --print$"}},
	{"lists that a new pseudo-user puts out of use", pseudoUser, "", 1, []string{"warning list-elsewhere  alice: /home/alice/.otpw: .* there is no /var/lib/otpw/alice", "warning list-nobody"}},
	{"the same, of all lists", pseudoUser, "--all-lists", 1, []string{"warning list-elsewhere", "warning list-nobody"}},
	{"the same, of one", pseudoUser, "--user alice", 1, []string{"warning list-none  /var/lib/otpw/alice", "warning list-elsewhere"}},
	{"a list in the home, and other lists", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.shell("cp /home/alice/.otpw /home/keeper/keeper; chown keeper /home/keeper/keeper")
	}, "", 1, []string{"warning list-elsewhere  alice"}},
	{"no home", shell("rm -r /home/alice"), "--user alice", 2, []string{"error list-unreachable  install -d -m 0700 -o alice /home/alice$"}},
	{"no home, with nullok", func(m *machine) {
		m.shell("rm -r /home/alice")
		m.pam("auth [success=done ignore=ignore default=die] pam_otpw.so nullok", "auth required pam_unix.so")
	}, "--user alice", 2, []string{"error list-unreachable"}},
	{"link to nothing", list("rm .otpw; ln -s /nonexistent/x .otpw; chown -h alice .otpw"), "--user alice", 2, []string{"error list-unreachable  as alice: rm /home/alice/.otpw, then otpw-gen --user alice --print$"}},
	{"a name that hides", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.shell("sed 's/^alice:/alice.lock:/;t;d' /etc/passwd >/tmp/x; cat /tmp/x >>/etc/passwd")
	}, "--user alice.lock", 2, []string{"error list-place  could be mistaken.* file= with %U"}},
	{"another's", list("chown root .otpw"), "--user alice", 2, []string{"error list-unsafe  owned by uid 0.* if you have put it there yourself: chown -h alice: /home/alice/.otpw; else as alice: rm /home/alice/.otpw, then otpw-gen --user alice --print$"}},
	{"another's that all can read", list("chown keeper .otpw; chmod 0666 .otpw"), "--user alice", 2, []string{"error list-unsafe  owned by uid"}},
	{"for all", list("chmod 0644 .otpw"), "--user alice", 2, []string{"error list-unsafe  mode 0644.* as alice: chmod 0600 /home/alice/.otpw$"}},
	{"for all, of all lists", list("chmod 0644 .otpw"), "--all-lists", 2, []string{"error list-unsafe"}},
	{"for all, of all lists and one", list("chmod 0644 .otpw"), "--all-lists --user keeper", 2, []string{"warning list-none  keeper", "error list-unsafe"}},
	{"a fifo", list("rm .otpw; mkfifo -m 0600 .otpw; chown alice .otpw"), "--user alice", 2, []string{"error list-unsafe  not a regular file.* as alice: rm /home/alice/.otpw, then otpw-gen --user alice --print$"}},
	{"a link of somebody else's", list("mv .otpw x; ln -s x .otpw; chown -h keeper .otpw"), "--user alice", 2, []string{"error list-unsafe  a link, owned by uid"}},
	{"too large", list("truncate -s 2M .otpw"), "--user alice", 2, []string{"error list-unsafe  bytes"}},
	{"damaged", list("sed -i 's/^entries: .*/entries: x/' .otpw; chown alice .otpw"), "--user alice", 2, []string{"error list-damaged  line 3: .* otpw-gen --user alice --print$"}},
	{"not a list", list("echo hello >.otpw"), "--user alice", 2, []string{"error list-damaged  line 1.* as alice: mv /home/alice/.otpw /home/alice/.otpw.old, then otpw-gen --user alice --print$"}},
	{"a closed home", shell("chown root /home/alice; chmod 0700 /home/alice"), "--user alice", 2, []string{"error list-unreadable  permission denied: /home/alice is owned by uid 0, with mode 0700.* chown -h alice: /home/alice$"}},
	{"a closed folder above", shell("chmod 0700 /home"), "--user alice", 2, []string{"error list-unreadable  /home is owned by uid 0.* chmod a.x /home$"}},
	{"a list that nobody reads", list("chmod 0000 .otpw"), "--user alice", 2, []string{"error list-unreadable  as alice: chmod 0600 /home/alice/.otpw$"}},
	{"a home that cannot be written", shell("chmod 0500 /home/alice"), "--user alice", 2, []string{"error list-readonly  /home/alice cannot be written.* as alice: chmod u.rwx /home/alice$"}},
	{"a home of root's", shell("chown root /home/alice; chmod 0755 /home/alice"), "--user alice", 2, []string{"error list-readonly  chown -h alice: /home/alice$"}},
	{"a list that cannot be written", list("chmod 0400 .otpw"), "--user alice", 2, []string{"error list-readonly  .otpw cannot be written.* as alice: chmod 0600 /home/alice/.otpw$"}},
	{"a read-only file system", func(m *machine) {
		m.do(unix.Mount("/home", "/home", "", unix.MS_BIND, ""))
		m.t.Cleanup(func() { _ = unix.Unmount("/home", unix.MNT_DETACH) })
		m.do(unix.Mount("", "/home", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	}, "--user alice", 2, []string{"error list-readonly  read-only file system.* mount that file system for writing"}},
	{"expired", list("sed -i 's/^created: .*/created: 2020-01-01T00:00:00Z\\nexpires: 2020-02-01T00:00:00Z/' .otpw; chown alice .otpw"), "--user alice", 2, []string{"error list-expired  otpw-gen --user alice --print$"}},
	{"used up", func(m *machine) { m.revoke(0) }, "--user alice", 2, []string{"error list-exhausted  otpw-gen --user alice --print$"}},
	{"few left", func(m *machine) { m.revoke(10) }, "--user alice", 1, []string{"warning list-low  10 of .* otpw-gen --user alice --print$"}},
	{"too few for three", func(m *machine) {
		m.revoke(5)
		m.shell("ln -s damaged /home/alice/.otpw.lock; chown -h alice /home/alice/.otpw.lock")
	}, "--user alice", 2, []string{"error list-few  otpw-gen unlock --user alice, or otpw-gen --user alice --print$"}},
	{"set aside", list("ln -s 001,002,003 .otpw.lock; chown -h alice .otpw.lock"), "--user alice", 1, []string{"warning list-aside  otpw-gen unlock --user alice, if"}},
	{"costs too much", list("sed -i 's/m=1024,t=1/m=1048576,t=1/' .otpw; chown alice .otpw"), "--user alice", 2, []string{"error list-cost  kdf_max_memory=.* otpw-gen --user alice --print$"}},
	{"costs too many passes", list("sed -i 's/m=1024,t=1/m=1024,t=21/' .otpw; chown alice .otpw"), "--user alice", 2, []string{"error list-cost  kdf_max_passes="}},
	{"costs more than the site wants", func(m *machine) {
		m.shell("sed -i 's/m=1024,t=1/m=2048,t=1/' /home/alice/.otpw; chown alice /home/alice/.otpw")
		m.write("/etc/otpw.conf", 0o644, "[module]", "kdf_max_memory=1")
	}, "--user alice", 2, []string{"error list-cost"}},
	{"a link to a secret", list("rm .otpw; ln -s /etc/shadow .otpw; chown -h alice .otpw"), "--user alice", 2, []string{"error list-unsafe  owned by uid 0"}},
	{"a file system of another host", func(m *machine) { m.fuse("/home/alice", m.alice, true) }, "--user alice", 1, []string{"warning list-remote"}},
	{"a file system that hangs", func(m *machine) { m.fuse("/home/alice", m.alice, false) }, "--user alice", 3, []string{"unchecked list-unchecked  no answer within 10s"}},
	{"keeper's list", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.shell("mv /home/alice/.otpw /home/keeper/alice")
	}, "--user alice", 2, []string{"error list-unsafe  /home/keeper/alice: .*owned by uid.* chown -h keeper: /home/keeper/alice$"}},
	{"a home that others write", shell("chmod 0777 /home/alice"), "--user alice", 2, []string{"error list-folder  folder /home/alice has mode 0777.* chmod go-w /home/alice$"}},
	{"a home that others write, and no list", shell("chmod 0770 /home/alice; rm /home/alice/.otpw"), "--user alice", 2, []string{"error list-folder  chmod go-w /home/alice$"}},
	{"a home that a group writes, of all lists", shell("chmod 0775 /home/alice"), "--all-lists", 2, []string{"error list-folder  alice: /home/alice/.otpw: .* mode 0775.* chmod go-w /home/alice$"}},
	{"a home that a group writes and no list, of all lists", shell("chmod 0775 /home/alice; rm /home/alice/.otpw"), "--all-lists", 1, []string{"warning list-nobody"}},
	{"link to nothing, of all lists", list("rm .otpw; ln -s /nonexistent/x .otpw; chown -h alice .otpw"), "--all-lists", 2, []string{"error list-unreachable  alice: "}},
	{"a home of somebody else's", shell("chown keeper /home/alice; chmod 0755 /home/alice"), "--user alice", 2, []string{"error list-folder  is owned by uid .* chown -h alice: /home/alice$"}},
	{"a folder in the home that others write", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "file=~/lists/mine")
		m.shell("cd /home/alice; mkdir lists; mv .otpw lists/mine; chown -R alice lists; chmod 0777 lists")
	}, "--user alice", 2, []string{"error list-folder  as alice: chmod go-w /home/alice/lists$"}},
	{"a folder in the home that is somebody else's", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "file=~/lists/mine")
		m.shell("cd /home/alice; mkdir -m 0755 lists; mv .otpw lists/mine; chown keeper lists")
	}, "--user alice", 2, []string{"error list-folder  /home/alice/lists must be a folder of alice$"}},
	{"a folder of all lists that others write", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.shell("chmod 0775 /home/keeper")
	}, "", 2, []string{"error list-folder  /home/keeper: .* mode 0775.* chmod go-w /home/keeper$"}},
	{"a folder of all lists that is somebody else's", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.shell("chown alice /home/keeper; chmod 0755 /home/keeper")
	}, "--user alice", 2, []string{"error list-folder  /home/keeper: .* chown -h keeper: /home/keeper$"}},
	{"a folder of all lists that is closed", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.shell("chown root /home/keeper; chmod 0700 /home/keeper")
	}, "", 2, []string{"error list-unreadable  /home/keeper: .* chown -h keeper: /home/keeper$"}},
	{"a folder of all lists that is not there", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
		m.shell("rm -r /home/keeper")
	}, "", 2, []string{"error list-unreachable  /home/keeper: .* install -d -m 0700 -o keeper /home/keeper$"}},
	{"a folder of all lists that is a user's", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "file=/var/lib/lists/%u")
		m.shell("mkdir /var/lib/lists; chown alice /var/lib/lists")
	}, "", 2, []string{"error list-folder  /var/lib/lists: .* chown -h root: /var/lib/lists$"}},
	{"a folder of all lists that is everybody's", func(m *machine) {
		m.write("/etc/otpw.conf", 0o644, "[module]", "file=/tmp/%u")
		m.shell("cp -a /home/alice/.otpw /tmp/alice")
		m.t.Cleanup(func() { os.Remove("/tmp/alice") })
	}, "", 1, []string{"warning list-folder  /tmp: everybody may write"}},
	{"no link in the place of the lock file", list("echo x >.otpw.lock; chown alice .otpw.lock"), "--user alice", 1, []string{"warning list-aside  as alice: rm -r /home/alice/.otpw.lock$"}},
	{"no link in the place of the lock file, and few left", func(m *machine) {
		m.revoke(5)
		m.shell("mkdir /home/alice/.otpw.lock")
	}, "--user alice", 2, []string{"error list-few  as alice: rm -r /home/alice/.otpw.lock, or otpw-gen --user alice --print$"}},
	{"last day near", list("sed -i \"s/^created: .*/created: 2020-01-01T00:00:00Z\\nexpires: $(date -u -d 'now + 3 days' +%Y-%m-%dT00:00:00Z)/\" .otpw; chown alice .otpw"), "--user alice", 1, []string{"warning list-low  its last day is near, .2.*80 of 80"}},
}

// pseudoUser makes the account that keeps all lists, and has none yet.
var pseudoUser = shell("echo otpw:x:150:150::/var/lib/otpw:/bin/false >>/etc/passwd; mkdir -m 0700 /var/lib/otpw; chown 150:150 /var/lib/otpw")

// revoke makes the entries of alice's list used up, all but the first so many.
func (m *machine) revoke(but int) {
	m.t.Helper()
	numbers := fmt.Sprintf("%03d-%03d", but, len(m.sheet.Passwords)-1)
	if r := m.Run(m.t, m.alice, "y\n", m.module.Generator, "revoke", numbers); r.Status != 0 {
		m.t.Fatalf("%+v", r)
	}
}

// An ordinary user learns what he can, and that this is not all.
var ordinary = []broken{
	{"own list", shell("chmod 0644 /etc/ssh/host_key"), "alice: --user alice", 3, []string{"unchecked not-root  sudo otpw-check", "unchecked not-root  worker: its version"}},
	{"another's list", func(*machine) {}, "alice: --user keeper", 3, []string{"unchecked not-root", "unchecked not-root  worker", "unchecked sshd-untested", "unchecked not-root  keeper: .*only root"}},
	{"all lists, which is the own", list("chmod 0644 .otpw"), "alice: --all-lists", 2, []string{"unchecked not-root", "unchecked not-root  worker", "unchecked sshd-untested", "error list-unsafe  as alice: chmod 0600 /home/alice/.otpw$"}},
	{"files for root only", shell("chmod 0600 /etc/pam.d/sshd"), "alice:", 2, []string{
		"unchecked not-root", "unchecked sshd-untested", "unchecked pam-unreadable  permission denied", "warning pam-other", "error pam-absent", "error pam-account", "error pam-session"}},
	{"no own list", list("rm .otpw"), "alice: --user alice", 3, []string{"unchecked not-root", "unchecked not-root  worker", "unchecked sshd-untested", "warning list-none  otpw-gen --print$"}},
	{"own list, broken", list("chmod 0644 .otpw"), "alice: --user alice", 2, []string{"unchecked not-root", "unchecked not-root  worker", "unchecked sshd-untested", "error list-unsafe"}},
}

// set-ups are all of them.
var setUps = slices.Concat(brokenModule, brokenPAM, stacks, brokenSshd, brokenLists, ordinary)

func TestBroken(t *testing.T) {
	for _, tt := range setUps {
		t.Run(tt.name, func(t *testing.T) {
			m := begin(t)
			tt.spoil(m)
			var as *world.Account
			args, alices := strings.CutPrefix(tt.args, "alice:")
			if alices {
				as = m.alice
			}
			m.check(as, tt.status, tt.want, strings.Fields(args)...)
		})
	}
}
