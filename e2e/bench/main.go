// SPDX-License-Identifier: MIT

// Bench measures this project and the original, OTPW 1.5, in turn, in one
// private world (see package world), and prints medians and ratios as a
// Markdown table. OTPW_BUDGET multiplies the rounds.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/otpw-go/otpw/e2e/world"
)

const prefix = "geHeim"

func main() { world.Script("bench", time.Hour, bench) }

// side is one of the two that are compared.
type side struct {
	m     world.Module
	a     *world.Account
	sheet *world.Sheet
	sshd  *world.Sshd
	table string // prefix and passwords, for the host
	lists *world.Account
}

func bench(t world.T, w *world.World) {
	sides := [2]*side{{m: w.Install(t)}, {m: w.InstallOriginal(t)}}
	for i, s := range sides {
		s.setUp(t, w, fmt.Sprintf("bench%d", i))
	}
	host := w.Host(t, "login")
	factor, err := strconv.Atoi(os.Getenv("OTPW_BUDGET"))
	if err != nil || factor < 1 {
		factor = 1
	}

	fmt.Printf("%s, %d cores, Linux %s, %s\n\n", cpu(), runtime.NumCPU(), kernel(), sshVersion(t, w))
	fmt.Println("| median | this project | original | ratio |")
	fmt.Println("|---|---:|---:|---:|")

	login := compare(sides, 60*factor, func(s *side) []float64 { s.next(t, w); return s.login(t, host) })
	row("PAM login, a whole process: wall time", "ms", login[0])
	row("PAM login, a whole process: CPU time", "ms", login[1])
	ssh := compare(sides, 40*factor, func(s *side) []float64 { s.next(t, w); return s.ssh(t) })
	row("ssh login: wall time", "ms", ssh[0])
	list := compare(sides, 20*factor, func(s *side) []float64 { return s.list(t) })
	row("list of 280 passwords: CPU time", "ms", list[0])
	row("list of 280 passwords: wall time", "ms", list[1])
	session := compare(sides, 5*factor, func(s *side) []float64 { s.next(t, w); return s.session(t) })
	row("open ssh session: PSS of its sshd processes", "KiB", session[0])
	row("open ssh session: private memory", "KiB", session[1])
	row("open ssh session: processes", "", session[2])
	row("open ssh session: threads", "", session[3])
	decoys(t, w, 100*factor)
}

func (s *side) setUp(t world.T, w *world.World, name string) {
	service := []string{
		"auth required " + s.m.Path,
		"account required pam_permit.so",
		"session required pam_permit.so",
		"session optional " + s.m.Path,
	}
	s.a, s.lists = w.Account(t, name), w.Account(t, name+"list")
	s.sshd = w.Sshd(t, service)
	s.table = "/root/" + name
	s.newSheet(t, w)
}

// newSheet makes the list of 280 passwords that the logins use up.
func (s *side) newSheet(t world.T, w *world.World) {
	s.sheet = w.MakeList(t, s.a, s.m.Generator, prefix)
	table := prefix + "\n"
	for number, password := range s.sheet.Passwords {
		table += number + " " + password + "\n"
	}
	if err := os.WriteFile(s.table, []byte(table), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
}

// next is what comes before each login: a new list when the one there is is half used up.
func (s *side) next(t world.T, w *world.World) {
	if len(s.a.Unused(t)) < 140 {
		s.newSheet(t, w)
	}
}

// compare measures both sides in turn and returns, for each of the values that
// measure returns, the medians of the two. A first round does not count.
func compare(sides [2]*side, rounds int, measure func(*side) []float64) [][2]float64 {
	var samples [2][][]float64
	for round := range rounds + 1 {
		for i := range sides {
			values := measure(sides[i])
			if round == 0 {
				samples[i] = make([][]float64, len(values))
				continue
			}
			for k, v := range values {
				samples[i][k] = append(samples[i][k], v)
			}
		}
	}
	medians := make([][2]float64, len(samples[0]))
	for i := range sides {
		for k := range medians {
			medians[k][i] = median(samples[i][k])
		}
	}
	return medians
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func row(what, unit string, medians [2]float64) {
	number := func(v float64) string {
		switch {
		case unit == "":
			return fmt.Sprintf("%g", v)
		case v < 100:
			return fmt.Sprintf("%.2f %s", v, unit)
		}
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	fmt.Printf("| %s | %s | %s | %.2f |\n", what, number(medians[0]), number(medians[1]), medians[0]/medians[1])
}

// login is a login by a host that does nothing else: wall and CPU time in ms of all its processes.
func (s *side) login(t world.T, host string) []float64 {
	cmd := exec.Command(host, "-t", s.table, "/etc/pam.d", s.sshd.Name, s.a.Name)
	wall, cpu, out := timed(t, cmd)
	if !bytes.Contains(out, []byte("authenticate: 0\n")) || !bytes.Contains(out, []byte("open_session: 0\n")) {
		t.Fatalf("login failed:\n%s", out)
	}
	return []float64{wall, cpu}
}

// ssh is a login by ssh with a remote command that does nothing, in ms.
func (s *side) ssh(t world.T) []float64 {
	start := time.Now()
	l := s.sshd.Command(s.a, "exit 42")
	l.Enter(s.sheet.Response(l.Single()))
	status := l.Wait()
	wall := ms(time.Since(start))
	if status != 42 {
		t.Fatalf("ssh ended with status %d:\n%s", status, l.Output())
	}
	world.Until(t, "the connection is gone", func() bool { return len(s.sshd.Family()) == 0 })
	return []float64{wall}
}

// list makes a list: CPU and wall time in ms.
func (s *side) list(t world.T) []float64 {
	if err := os.Remove(s.lists.Path(".otpw")); err != nil && !os.IsNotExist(err) {
		t.Fatalf("%v", err)
	}
	cmd := exec.Command(s.m.Generator)
	cmd.Dir = s.lists.Home
	cmd.Env = []string{"HOME=" + s.lists.Home, "PATH=/usr/bin:/bin", "LANG=C", "TERM=dumb"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.lists.UID), Gid: uint32(s.lists.UID)}}
	cmd.Stdin = strings.NewReader(prefix + "\n" + prefix + "\n")
	wall, cpu, out := timed(t, cmd)
	if n := len(world.ParseSheet(string(out))); n != 280 {
		t.Fatalf("%d passwords on the sheet, want 280:\n%s", n, out)
	}
	return []float64{cpu, wall}
}

// session looks at sshd's processes of an open connection: PSS and private
// memory in KiB, number of processes and of threads.
func (s *side) session(t world.T) []float64 {
	l := s.sshd.Login(s.a)
	l.Enter(s.sheet.Response(l.Single()))
	l.Accepted()
	var pss, private, processes, threads float64
	for _, p := range s.sshd.Family() {
		if exe := filepath.Base(p.Executable); !strings.HasPrefix(exe, "sshd") && exe != "worker" {
			continue // the user's shell
		}
		memory := rollup(t, p.PID)
		pss += memory["Pss"]
		private += memory["Private_Clean"] + memory["Private_Dirty"]
		processes++
		threads += float64(p.Threads)
	}
	l.Leave()
	world.Until(t, "the connection is gone", func() bool { return len(s.sshd.Family()) == 0 })
	return []float64{pss, private, processes, threads}
}

func rollup(t world.T, pid int) map[string]float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatalf("%v", err)
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
func timed(t world.T, cmd *exec.Cmd) (wall, cpu float64, out []byte) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	wall = ms(time.Since(start))
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd.Path, err, stdout.String(), stderr.String())
	}
	return wall, ms(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()), stdout.Bytes()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func cpu() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for _, line := range strings.Split(string(data), "\n") {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	data, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(data))
}

func sshVersion(t world.T, w *world.World) string {
	version, _, _ := strings.Cut(w.Run(t, nil, "", "/usr/bin/ssh", "-V").Stderr, ",")
	return version
}
