// SPDX-License-Identifier: MIT

package check

import (
	"strings"
	"testing"
)

// Set-ups on which nothing is found.
func TestGood(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(m *machine)
		args    []string
	}{
		"plain":       {func(m *machine) {}, nil},
		"with a list": {func(m *machine) {}, []string{"--user", "alice"}},
		"all lists":   {func(m *machine) {}, []string{"--all-lists"}},
		"absolute path": {func(m *machine) {
			m.pam("auth required " + m.module.Path)
			m.shell("sed -i 's|session optional pam_otpw.so|session optional " + m.module.Path + "|' /etc/pam.d/sshd")
		}, nil},
		"link to the module": {func(m *machine) {
			m.shell("rm -r " + m.modules + "/pam_otpw.so " + m.modules + "/pam_otpw; ln -s " + m.module.Path + " " + m.modules + "/pam_otpw.so")
		}, nil},
		"includes, as on Debian": {func(m *machine) {
			m.write("/etc/pam.d/one-time", 0o644, "auth required pam_otpw.so")
			m.write("/etc/pam.d/common-account", 0o644, "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so", "account requisite pam_deny.so", "account required pam_permit.so")
			m.Service(m.t, "sshd", "@include one-time", "account required pam_nologin.so", "@include common-account",
				"session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close", "session required pam_permit.so", "session optional pam_otpw.so")
		}, nil},
		"substack, as on Fedora": {func(m *machine) {
			m.write("/etc/pam.d/password-auth", 0o644, "auth required pam_env.so", "auth required pam_faildelay.so delay=2000000", "auth required pam_otpw.so")
			m.pam("auth substack password-auth", "auth include postlogin")
			m.write("/etc/pam.d/postlogin", 0o644, "session optional pam_umask.so silent")
		}, nil},
		"key and one-time password": {func(m *machine) {
			m.sshd("AuthenticationMethods publickey,keyboard-interactive:pam", "PermitRootLogin no")
		}, []string{"--user", "alice"}},
		"both, but a key for root": {func(m *machine) {
			both := append([]string{"AuthenticationMethods publickey,keyboard-interactive"}, goodSshd...)
			m.write("/etc/ssh/sshd_config", 0o644, append(both, "Match User root", "AuthenticationMethods publickey")...)
		}, nil},
		"both, also for root": {func(m *machine) {
			m.sshd("AuthenticationMethods publickey,keyboard-interactive", "PermitRootLogin yes")
		}, nil},
		"both, for some and not him": {func(m *machine) { m.sshd("AuthenticationMethods publickey,keyboard-interactive", "AllowUsers alice") }, nil},
		"key or one-time password": {func(m *machine) {
			m.sshd("AuthenticationMethods publickey keyboard-interactive")
		}, nil},
		"jump to permit": {func(m *machine) {
			m.pam("auth [success=1 default=ignore] pam_otpw.so", "auth requisite pam_deny.so", "auth required pam_permit.so")
		}, nil},
		"password and one-time password": {func(m *machine) {
			m.pam("auth required pam_unix.so", "auth required pam_otpw.so")
		}, nil},
		"one-time password typed for another module": {func(m *machine) {
			m.pam("auth optional pam_unix.so", otpwLine+" use_first_pass")
		}, nil},
		"one-time password typed for a module that is not known": {func(m *machine) {
			m.shell("cp -L " + m.modules + "/pam_permit.so " + m.modules + "/pam_ask.so")
			m.pam("auth required pam_ask.so", otpwLine+" use_first_pass")
		}, nil},
		"both passwords, each asked for": {func(m *machine) {
			m.pam("auth required pam_unix.so", otpwLine+" try_first_pass")
		}, nil},
		"not enrolled yet": {func(m *machine) {
			m.pam("auth [success=done ignore=ignore default=die] pam_otpw.so nullok", "auth required pam_unix.so")
			m.shell("rm /home/alice/.otpw")
		}, []string{"--user", "alice"}},
		"nullok behind the password": {func(m *machine) {
			m.pam("auth required pam_unix.so", otpwLine+" nullok")
			m.shell("rm /home/alice/.otpw")
		}, []string{"--user", "alice"}},
		"no list needed at the console": {func(m *machine) {
			m.pam("auth [success=done ignore=ignore default=die] pam_otpw.so nullok", "auth sufficient pam_succeed_if.so tty = tty1", "auth required pam_deny.so")
		}, nil},
		"one-time passwords from outside": {func(m *machine) {
			m.pam("auth [success=2 default=ignore] pam_access.so noaudit", otpwLine, "auth [default=1] pam_permit.so", "auth required pam_unix.so", "auth required pam_env.so")
		}, nil},
		"sudo": {func(m *machine) {
			m.write("/etc/pam.d/otpw-sudo", 0o644, otpwLine)
			m.Service(m.t, "sudo", "auth substack otpw-sudo", "account required pam_permit.so", "session required pam_permit.so")
		}, []string{"--service", "sudo"}},
		"one-time passwords from outside, by a table": {func(m *machine) {
			m.write("/etc/security/outside.conf", 0o644, "-:ALL:192.168.0.0/16", "+:ALL:ALL")
			m.pam("auth [perm_denied=1 default=ignore] pam_access.so accessfile=/etc/security/outside.conf nodefgroup", "auth [success=done default=die] pam_otpw.so", "auth required pam_unix.so")
		}, nil},
		"a module that may be missing": {func(m *machine) { m.pam("-auth optional pam_nonesuch.so", otpwLine) }, nil},
		"root asks":                    {func(m *machine) { m.pam("auth sufficient pam_rootok.so", otpwLine) }, nil},
		"nothing else in the session":  {shell("sed -i '/session required/d' /etc/pam.d/sshd"), nil},
		"decoys":                       {func(m *machine) { m.pam("auth required pam_otpw.so decoy debug reask") }, nil},
		"site": {func(m *machine) {
			m.write("/etc/otpw.conf", 0o644, "[module]", "debug", "prompt=One-time password", "[generator]", "least_entropy=60")
		}, nil},
		"a hash that costs as much as it may": {func(m *machine) {
			m.write("/etc/otpw.conf", 0o644, "[module]", "kdf_max_memory=1", "kdf_max_passes=1")
		}, []string{"--user", "alice"}},
		"a hash that may cost more than usual": {func(m *machine) {
			m.shell("sed -i s/m=1024/m=524288/ /home/alice/.otpw; chown alice /home/alice/.otpw")
			m.write("/etc/otpw.conf", 0o644, "[module]", "kdf_max_memory=512")
		}, []string{"--user", "alice"}},
		"no lock file, so no folder to write": {func(m *machine) {
			m.pam(otpwLine + " nolock")
			m.shell("chmod 0500 /home/alice")
		}, []string{"--user", "alice"}},
		"another host's locks work":     {network("trust_locks"), []string{"--user", "alice"}},
		"another host has the original": {network("legacy_lock"), []string{"--user", "alice"}},
		"another host, and no locks":    {network("nolock"), []string{"--user", "alice"}},
		"a name that hides, of all": {func(m *machine) {
			m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
			m.shell("mv /home/alice/.otpw /home/keeper/alice; chown keeper:keeper /home/keeper/alice")
			m.shell("sed 's/^alice:/alice.lock:/;t;d' /etc/passwd >/tmp/x; cat /tmp/x >>/etc/passwd")
		}, []string{"--all-lists"}},
		"nobody is enrolled yet": {func(m *machine) {
			m.pam("auth [success=done ignore=ignore default=die] pam_otpw.so nullok", "auth required pam_unix.so")
			m.shell("rm /home/alice/.otpw")
		}, []string{"--all-lists"}},
		"a list that was copied, and not moved": {func(m *machine) {
			m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
			m.shell("cp /home/alice/.otpw /home/keeper/alice; chown keeper:keeper /home/keeper/alice")
		}, nil},
		"lists of a keeper": {func(m *machine) {
			m.write("/etc/otpw.conf", 0o644, "[module]", "user=keeper")
			m.shell("mv /home/alice/.otpw /home/keeper/alice; chown keeper:keeper /home/keeper/alice")
		}, []string{"--user", "alice"}},
		"the pseudo-user": {func(m *machine) {
			m.shell("echo otpw:x:150:150::/var/lib/otpw:/bin/false >>/etc/passwd; mkdir -m 0700 /var/lib/otpw; mv /home/alice/.otpw /var/lib/otpw/alice; chown -R 150:150 /var/lib/otpw")
		}, []string{"--user", "alice"}},
		"a user called like the pseudo-user": {shell("echo otpw:x:1500:1500::/var/lib/otpw:/bin/false >>/etc/passwd"), []string{"--user", "alice"}},
		"linked list": {func(m *machine) {
			m.shell("mkdir /home/away; mv /home/alice/.otpw /home/away/list; chown -R " + m.alice.Name + " /home/away; ln -s /home/away/list /home/alice/.otpw; chown -h alice /home/alice/.otpw")
		}, []string{"--user", "alice"}},
		"a Match block for others": {func(m *machine) {
			m.write("/etc/ssh/sshd_config", 0o644, append(append([]string{}, goodSshd...), "Match User bob", "KbdInteractiveAuthentication no")...)
		}, []string{"--user", "alice"}},
		"SELinux with a policy":                          {enforcing("otpw_worker_exec_t", "otpw_home_t"), []string{"--user", "alice"}},
		"SELinux, and lists of another host":             {enforcing("otpw_worker_exec_t", "nfs_t"), []string{"--user", "alice"}},
		"SELinux, and lists of Windows":                  {enforcing("otpw_worker_exec_t", "cifs_t"), []string{"--user", "alice"}},
		"SELinux, and a pseudo-user's list":              {enforcing("otpw_worker_exec_t", "otpw_var_lib_t"), []string{"--user", "alice"}},
		"SELinux that only tells":                        {func(m *machine) { m.write("/sys/fs/selinux/enforce", 0o644, "0") }, nil},
		"capitals in the service":                        {func(m *machine) {}, []string{"--service", "SSHD"}},
		"a home that a group writes, and another's list": {shell("chmod 0775 /home/keeper"), []string{"--all-lists"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := begin(t)
			tt.prepare(m)
			m.check(nil, 0, nil, tt.args...)
		})
	}
}

// network makes a set-up with alice's home on a file system of another host.
func network(argument string) func(m *machine) {
	return func(m *machine) {
		m.pam(otpwLine + " " + argument)
		m.fuse("/home/alice", m.alice, true)
	}
}

// People see one line; with --verbose also what is fine.
func TestText(t *testing.T) {
	m := begin(t)
	if r := m.Run(t, nil, "", m.program, "--user", "alice"); r.Status != 0 || r.Stderr != "" || r.Stdout != "sshd: 4 ok\n" {
		t.Errorf("%+v", r)
	}
	r := m.Run(t, nil, "", m.program, "--user", "alice", "--verbose")
	if lines := strings.Split(r.Stdout, "\n"); r.Status != 0 || len(lines) != 6 || !strings.Contains(r.Stdout, `ok: alice: /home/alice/.otpw: "OTPW2, 80 of 80 passwords left"`) {
		t.Errorf("%+v", r)
	}
	m.pam("auth optional pam_otpw.so", "auth required pam_permit.so")
	want := "error: pam-everybody: /etc/pam.d/sshd line 1: whom it refuses is let in all the same (auth_err). To mend it: auth required pam_otpw.so in the place of `auth optional pam_otpw.so` (/etc/pam.d/sshd line 1)\n"
	if r := m.Run(t, nil, "", m.program); r.Status != 2 || !strings.Contains(r.Stdout, want) {
		t.Errorf("%+v", r)
	}
}

// What is wrong on the command line.
func TestUsage(t *testing.T) {
	m := begin(t)
	for _, args := range []string{"alice", "--login a b", "--login --json", "--service a/b", "--service .", "--user a,b", "--from here", "--nonesuch", "findings x"} {
		if r := m.Run(t, nil, "", append([]string{m.program}, strings.Fields(args)...)...); r.Status != 3 || !strings.HasPrefix(r.Stderr, "otpw-check: ") {
			t.Errorf("%s: %+v", args, r)
		}
	}
	if r := m.Run(t, nil, "", m.program, "--version"); r.Status != 0 || !strings.HasPrefix(r.Stdout, "otpw-check ") {
		t.Errorf("%+v", r)
	}
}
