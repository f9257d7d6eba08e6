// SPDX-License-Identifier: MIT

package check

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/world"
)

const pidFile = "/run/sshd.pid"

// daemon starts the machine's sshd, as if an hour ago; its files are older.
func (m *machine) daemon(settings ...string) *world.Sshd {
	m.t.Helper()
	m.sshd(append(settings, "Port 2999", "ListenAddress 127.0.0.1")...)
	s := m.SshdCommand(m.t, "sshd", 2999, "/usr/sbin/sshd", "-D")
	m.t.Cleanup(func() { os.Remove(pidFile) })
	world.Until(m.t, "sshd writes its PidFile", func() bool { return world.Exists(pidFile) })
	m.shell("touch -d '1 hour ago' " + pidFile + "; find /etc/ssh -type f -exec touch -d '2 hours ago' {} +")
	return s
}

// A warning that sshd has not read its files is none when that is not certain.
func TestReload(t *testing.T) {
	changed := "touch -d '30 minutes ago' /etc/ssh/sshd_config; "
	for name, prepare := range map[string]func(m *machine){
		"not changed": func(m *machine) { m.daemon() },
		"reloaded": func(m *machine) {
			s := m.daemon()
			m.shell(changed)
			m.do(unix.Kill(s.PID, unix.SIGHUP))
			world.Until(m.t, "sshd writes its PidFile again", func() bool {
				fi, err := os.Stat(pidFile)
				return err == nil && fi.Size() > 0 && time.Since(fi.ModTime()) < 30*time.Minute
			})
		},
		"a clock that was wrong": func(m *machine) {
			m.daemon()
			m.shell("touch -d '1 day' /etc/ssh/sshd_config")
		},
		"not running": func(m *machine) {
			m.daemon().Stop()
			m.shell(changed + "echo 999999999 >" + pidFile + "; touch -d '1 hour ago' " + pidFile)
		},
		"another program": func(m *machine) {
			m.daemon().Stop()
			m.shell(changed + "echo $PPID >" + pidFile + "; touch -d '1 hour ago' " + pidFile)
		},
		"with other files": func(m *machine) {
			m.sshd("Port 2999", "ListenAddress 127.0.0.1")
			m.shell("cp /etc/ssh/sshd_config /etc/ssh/other")
			m.SshdCommand(m.t, "sshd", 2999, "/usr/sbin/sshd", "-D", "-f", "/etc/ssh/other")
			m.t.Cleanup(func() { os.Remove(pidFile) })
			world.Until(m.t, "sshd writes its PidFile", func() bool { return world.Exists(pidFile) })
			m.shell(changed + "touch -d '1 hour ago' " + pidFile)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := begin(t)
			prepare(m)
			m.check(nil, 0, nil)
		})
	}
}
