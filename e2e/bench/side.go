// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/otpw-go/otpw/e2e/world"
)

const prefix = "geHeim"

// module is one of the two that are compared, with a server of its own.
type module struct {
	world.Module
	sshd *world.Sshd
}

func (b *bench) install(m world.Module) *module {
	return &module{m, b.w.Sshd(b.t, []string{
		"auth required " + m.Path,
		"account required pam_permit.so",
		"session required pam_permit.so",
		"session optional " + m.Path,
	})}
}

// side is a user of a module, with a list of a kind of its own.
type side struct {
	*bench
	m         *module
	generator string
	args      []string
	a         *world.Account
	sheet     *world.Sheet
	table     string // prefix and passwords, for the host
}

// side makes a user whose list is made by the module's otpw-gen.
func (b *bench) side(m *module, args ...string) *side { return b.sideOf(m.Generator, m, args...) }

func (b *bench) sideOf(generator string, m *module, args ...string) *side {
	s := &side{bench: b, m: m, generator: generator, args: args, a: b.w.Account(b.t, "bench")}
	s.table = "/root/" + s.a.Name
	s.newSheet()
	return s
}

// newSheet makes the list that the logins use up.
func (s *side) newSheet() {
	s.sheet = s.w.MakeList(s.t, s.a, s.generator, prefix, s.args...)
	table := prefix + "\n"
	for number, password := range s.sheet.Passwords {
		table += number + " " + password + "\n"
	}
	if err := os.WriteFile(s.table, []byte(table), 0o600); err != nil {
		s.t.Fatalf("%v", err)
	}
}

// refill comes before each measurement: a new list when the one there is is half used up.
func (s *side) refill() {
	if len(s.a.Unused(s.t)) < len(s.sheet.Passwords)/2 {
		s.newSheet()
	}
}

// login is a login by a host that does nothing else: wall and CPU time in ms of all its processes.
func (s *side) login() []float64 {
	cmd := exec.Command(s.w.Host(s.t, "login"), "-t", s.table, "/etc/pam.d", s.m.sshd.Name, s.a.Name)
	wall, cpu, out := s.timed(cmd)
	if !bytes.Contains(out, []byte("authenticate: 0\n")) || !bytes.Contains(out, []byte("open_session: 0\n")) {
		s.t.Fatalf("login failed:\n%s", out)
	}
	return []float64{wall, cpu}
}

// ssh is a login by ssh with a remote command that does nothing, in ms.
func (s *side) ssh() []float64 {
	start := time.Now()
	l := s.m.sshd.Command(s.a, "exit 42")
	l.Enter(s.sheet.Response(l.Single()))
	status := l.Wait()
	wall := ms(time.Since(start))
	if status != 42 {
		s.t.Fatalf("ssh ended with status %d:\n%s", status, l.Output())
	}
	s.quiet()
	return []float64{wall}
}

func (s *side) quiet() {
	world.Until(s.t, "the connection is gone", func() bool { return len(s.m.sshd.Family()) == 0 })
}

// list makes a list: CPU and wall time in ms.
func (s *side) list() []float64 {
	const file = "measured"
	if err := os.Remove(s.a.Path(file)); err != nil && !os.IsNotExist(err) {
		s.t.Fatalf("%v", err)
	}
	cmd := exec.Command(s.generator, append(s.args, "-f", file)...)
	cmd.Dir = s.a.Home
	cmd.Env = []string{"HOME=" + s.a.Home, "PATH=/usr/bin:/bin", "LANG=C", "TERM=dumb"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.a.UID), Gid: uint32(s.a.UID)}}
	cmd.Stdin = strings.NewReader(prefix + "\n" + prefix + "\n")
	wall, cpu, out := s.timed(cmd)
	if n := len(world.ParseSheet(string(out))); n != 280 {
		s.t.Fatalf("%d passwords on the sheet, want 280:\n%s", n, out)
	}
	return []float64{cpu, wall}
}

// session looks at sshd's processes of an open connection: PSS and private
// memory in KiB, number of processes and of threads.
func (s *side) session() []float64 {
	l := s.m.sshd.Login(s.a)
	l.Enter(s.sheet.Response(l.Single()))
	l.Accepted()
	var pss, private, processes, threads float64
	for _, p := range s.m.sshd.Family() {
		if exe := filepath.Base(p.Executable); !strings.HasPrefix(exe, "sshd") && exe != "worker" {
			continue // the user's shell
		}
		memory := s.rollup(p.PID)
		pss += memory["Pss"]
		private += memory["Private_Clean"] + memory["Private_Dirty"]
		processes++
		threads += float64(p.Threads)
	}
	l.Leave()
	s.quiet()
	return []float64{pss, private, processes, threads}
}

func (b *bench) rollup(pid int) map[string]float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	values := map[string]float64{}
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "kB" {
			values[strings.TrimSuffix(f[0], ":")], _ = strconv.ParseFloat(f[1], 64)
		}
	}
	return values
}

// timed runs a program: wall and CPU time in ms, those of its children included, and its standard output.
func (b *bench) timed(cmd *exec.Cmd) (wall, cpu float64, out []byte) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	wall = ms(time.Since(start))
	if err != nil {
		b.t.Fatalf("%s: %v\n%s%s", cmd.Path, err, stdout.String(), stderr.String())
	}
	return wall, ms(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()), stdout.Bytes()
}
