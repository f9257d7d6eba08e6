// SPDX-License-Identifier: MIT

package world

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A Neighbour is a machine that shares all homes with the world: a root of its
// own, with accounts of its own whose homes lie in another place.
type Neighbour struct {
	w    *World
	root string
}

// homes is where a neighbour has them.
const homes = "/net/home"

// Neighbour makes one that knows the accounts made so far. Programs, and what is
// installed, are the world's.
func (w *World) Neighbour(t T) *Neighbour {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.neighbours++
	n := &Neighbour{w, fmt.Sprintf("/mnt/neighbour%d", w.neighbours)}
	if err := n.build(); err != nil {
		t.Fatalf("make neighbour: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(n.root, unix.MNT_DETACH) })
	return n
}

// build makes the root. w.mu is held.
func (n *Neighbour) build() error {
	etc := n.root + ".etc"
	for _, dir := range []string{n.root, homes} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := copyTree("/etc", etc); err != nil {
		return err
	}
	passwd, err := os.ReadFile(etc + "/passwd")
	if err != nil {
		return err
	}
	elsewhere := strings.ReplaceAll(string(passwd), ":/home/", ":"+homes+"/")
	if err := os.WriteFile(etc+"/passwd", []byte(elsewhere), 0o644); err != nil {
		return err
	}
	for _, m := range []struct {
		from, to string
		flags    uintptr
	}{
		{"/", "", unix.MS_REC},
		{etc, "/etc", 0},
		{"/etc/pam.d", "/etc/pam.d", 0},
		{"/etc/ssh", "/etc/ssh", 0},
		{"/home", homes, 0},
	} {
		if err := unix.Mount(m.from, n.root+m.to, "", unix.MS_BIND|m.flags, ""); err != nil {
			return fmt.Errorf("bind %s: %w", m.from, err)
		}
	}
	return unix.Mount("tmpfs", n.root+"/home", "tmpfs", 0, "mode=0755") // nothing is there
}

// Sshd starts a server there, as World.Sshd does in the world.
func (n *Neighbour) Sshd(t T, pam []string, options ...string) *Sshd {
	t.Helper()
	return n.w.SshdBehind(t, []string{"/usr/sbin/chroot", n.root}, pam, options...)
}
