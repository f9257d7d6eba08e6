// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otpw-go/otpw/e2e/strace"
	"github.com/otpw-go/otpw/e2e/world"
	"github.com/otpw-go/otpw/otp"
)

// While somebody types, the worker's memory is nobody's but root's, and no core
// dump would keep it.
func TestWorkerOutOfReach(t *testing.T) {
	t.Parallel()
	s := setUp(t)
	l := s.sshd.Login(s.a)
	number := l.Single()
	l.Type(s.sheet.Response(number))
	worker := s.sshd.Worker()
	if worker.UID != s.a.UID {
		t.Fatalf("the worker runs as uid %d", worker.UID)
	}
	proc := fmt.Sprintf("/proc/%d/", worker.PID)
	limits, err := os.ReadFile(proc + "limits")
	do(t, err)
	if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("limits of the worker:\n%s", limits)
	}
	for _, name := range []string{"mem", "maps", "environ", "fd", "cwd", "exe", "syscall", "stack"} {
		st, err := os.Lstat(proc + name)
		do(t, err)
		if uid := st.Sys().(*syscall.Stat_t).Uid; uid != 0 {
			t.Errorf("%s belongs to uid %d", name, uid)
		}
	}
	for _, argv := range [][]string{
		{"/bin/cat", proc + "mem"}, {"/bin/cat", proc + "maps"}, {"/bin/cat", proc + "environ"}, {"/bin/ls", proc + "fd"},
		{"/usr/bin/strace", "-p", fmt.Sprint(worker.PID)},
	} {
		r := s.Run(t, s.a, "", argv...)
		if r.Status == 0 || r.Stdout != "" || !strings.Contains(r.Stderr, "Permission denied") && !strings.Contains(r.Stderr, "Operation not permitted") {
			t.Errorf("%v: status %d\n%.200s%s", argv, r.Status, r.Stdout, r.Stderr)
		}
	}
	l.Enter("")
	l.Accepted()
}

// Right before the worker ends, what was typed is nowhere in its memory any more,
// nor what was made of it, but for a block that x/crypto's Argon2 leaves. (Without
// preemption: that saves registers, whatever is in them.)
func TestWorkerForgets(t *testing.T) {
	formats := map[string][]string{
		"otpw1": {"--format", "otpw1"},
		"otpw2": {"--format", "otpw2", "--kdf-memory", "19", "--kdf-passes", "2"}, // so much memory makes garbage be collected
	}
	onEachStage(t, formats, func(t *testing.T, s *stage) {
		for name, answer := range map[string]struct{ prefix, password string }{
			"right": {prefix: prefix},
			"wrong": {"another prefix, long enough to be in no register", "fhq %Tbk9"},
		} {
			t.Run(name, func(t *testing.T) {
				a := s.ready(t)
				last := strace.Point{Name: "write", N: 4} // prompt, log line, notice, result
				if name == "wrong" {
					last.N--
				}
				w := s.StartWorker(t, s.m, s.a, func(socket string) []string {
					return s.traced([]string{socket}, last, "signal=STOP")
				})
				a.Attempt = w.Prompt()
				var typed []string
				for _, n := range a.Asked {
					typed = append(typed, cmp.Or(answer.password, s.sheet.Passwords[n]))
				}
				w.Send('R', answer.prefix+strings.Join(typed, ""))
				world.Until(t, "the worker has stopped", func() bool {
					text, _ := os.ReadFile(s.log())
					return bytes.Contains(text, []byte("--- stopped by SIGSTOP ---"))
				})
				pid := w.PID()
				s.forgotten(t, pid, a.Asked, answer.prefix, typed)
				kill(t, world.Process{PID: pid})
				w.Answer(&a.Attempt, "")
				if len(a.Log) != 1 || !strings.Contains(a.Log[0], map[string]string{"right": "accepted", "wrong": "refused"}[name]) {
					t.Fatalf("%q", a.Log)
				}
			})
		}
	}, "single", "three set aside")
}

// forgotten looks for what was typed in the memory of a process.
func (s *stage) forgotten(t *testing.T, pid int, asked []string, prefix string, typed []string) {
	t.Helper()
	memory := world.Memory(t, pid)
	nowhere := func(what, secret string) {
		for _, m := range memory {
			if i := bytes.Index(m.Data, []byte(secret)); i >= 0 {
				t.Errorf("the %s is in the memory of the worker, behind %q, in %s", what, m.Data[max(0, i-32):i], m.Name)
			}
		}
	}
	// To be sure that this is the memory where the secrets were.
	if !slices.ContainsFunc(memory, func(m world.Mapping) bool { return bytes.Contains(m.Data, []byte(s.a.Path(".otpw"))) }) {
		t.Fatal("not even the path of the list is in the memory of the worker")
	}
	var passwords [][]byte
	for i := range asked {
		passwords = append(passwords, otp.Normalize([]byte(typed[i])))
		block := argon2Block(prefix + string(passwords[i]))
		for k, m := range memory {
			memory[k].Data = bytes.ReplaceAll(m.Data, block, make([]byte, len(block)))
		}
	}
	nowhere("response", prefix+strings.Join(typed, ""))
	nowhere("prefix", prefix)
	list, err := otp.Parse(s.list)
	do(t, err)
	for i, number := range asked {
		nowhere("password as typed", typed[i])
		nowhere("password", string(passwords[i]))
		// The hash of a right one is that of the list, which is no secret to its user.
		if typed[i] != s.sheet.Passwords[number] {
			l, err := otp.Recipe{Header: list.Header}.Make(t.Context(), []byte(prefix), []otp.Numbered{{Number: number, Password: passwords[i]}})
			do(t, err)
			lines := strings.Split(strings.TrimSpace(string(l.Bytes())), "\n")
			nowhere("hash", strings.TrimPrefix(lines[len(lines)-1], number))
		}
	}
}

// argon2Block is what Argon2 hashes first (RFC 9106, 3.2): the last two of its
// numbers, which are version and type, and the secret behind its length.
func argon2Block(secret string) []byte {
	block := []byte{0x13, 0, 0, 0, 2, 0, 0, 0}
	return append(binary.LittleEndian.AppendUint32(block, uint32(len(secret))), secret...)
}
