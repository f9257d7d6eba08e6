// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otpw-go/otpw/e2e/strace"
)

// otpw-gen on a disk that has room for none, some or all of the new list beside
// the old one: the kernel writes what fits. There is the old list, or the new one.
func TestFillingDisk(t *testing.T) {
	const page = 4096
	w := begin(t)
	m := w.Install(t)
	short := 0
	for room := range 6 { // pages
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			a := w.Account(t, "alice")
			options := append([]string{"--count", "1000"}, formats["otpw1"]...)
			w.MakeList(t, a, m.Generator, prefix, options...)
			old := readList(t, a)
			need := (len(old) + page - 1) / page
			do(t, unix.Mount("tmpfs", a.Home, "tmpfs", 0, fmt.Sprintf("mode=0700,uid=%d,size=%d", a.UID, (need+room)*page)))
			t.Cleanup(func() { do(t, unix.Unmount(a.Home, 0)) })
			writeList(t, a, old)

			r := w.Run(t, nil, "y\n"+prefix+"\n"+prefix+"\n", append([]string{"/usr/bin/strace", "-f", "--seccomp-bpf", "-u", a.Name, "-o", "/tmp/filling",
				"-e", "trace=write", "-P", a.Path(".otpw.tmp"), m.Generator}, options...)...)
			log, err := os.ReadFile("/tmp/filling")
			do(t, err)
			for _, c := range strace.Parse(string(log)) {
				if n, err := strconv.Atoi(c.Result); err == nil && !strings.HasSuffix(c.Args, fmt.Sprintf(" %d", n)) {
					short++
				}
			}
			if fits := room >= need; fits != (r.Status == 0) || fits != (readList(t, a) != old) {
				t.Errorf("status %d, new list: %v, room for %d pages of %d\n%s", r.Status, readList(t, a) != old, room, need, r.Stderr)
			}
			if n := len(a.Unused(t)); n != 1000 {
				t.Errorf("%d entries left", n)
			}
			if _, err := os.Lstat(a.Path(".otpw.tmp")); !os.IsNotExist(err) {
				t.Errorf(".otpw.tmp: %v", err)
			}
		})
	}
	if short == 0 {
		t.Error("no write was short")
	}
}
