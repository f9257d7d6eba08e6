// SPDX-License-Identifier: MIT

package world

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What an administrator does to a host: passwords, groups, addresses.

// OrdinaryPassword is that of all accounts that have one.
const OrdinaryPassword = "Alltags-Wort 7"

// As openssl passwd -6 makes it, with fewer rounds.
const ordinaryHash = "$6$rounds=1000$otpwtest$LBu32hukhiGJVKjelO9OKfjE.8qznYPJRIpzZwAXi3jKQy3VzveVmeXxcoexuwl0BWjD.ZdYthsXLJFr9Gp/61"

// SetPassword gives an account its ordinary password.
func (w *World) SetPassword(t T, a *Account) {
	t.Helper()
	w.edit(t, "/etc/shadow", a.Name, func(fields []string) { fields[1] = ordinaryHash })
}

// Group makes a group without members.
func (w *World) Group(t T, name string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups++
	if err := appendTo("/etc/group", fmt.Sprintf("%s:x:%d:", name, 900+w.groups)); err != nil {
		t.Fatalf("make group %s: %v", name, err)
	}
}

// Join makes an account a member of a group.
func (w *World) Join(t T, a *Account, group string) {
	t.Helper()
	w.edit(t, "/etc/group", group, func(fields []string) {
		fields[3] = strings.TrimPrefix(fields[3]+","+a.Name, ",")
	})
}

// edit changes the line of name in one of the tables in /etc.
func (w *World) edit(t T, path, name string, change func(fields []string)) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("edit %s: %v", path, err)
	}
	lines, found := strings.Split(string(data), "\n"), false
	for i, line := range lines {
		if fields := strings.Split(line, ":"); fields[0] == name {
			change(fields)
			lines[i], found = strings.Join(fields, ":"), true
		}
	}
	if !found {
		t.Fatalf("edit %s: no line of %s", path, name)
	}
	if err := replaceFile(path, []byte(strings.Join(lines, "\n"))); err != nil {
		t.Fatalf("edit %s: %v", path, err)
	}
}

// Address gives the world one more address of its own, as if it were another machine's.
func (w *World) Address(t T, address string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addresses++
	add := addAddress4
	ip := netip.MustParseAddr(address)
	if ip.Is6() {
		add = addAddress6
	}
	if err := add(w.addresses, ip); err != nil {
		t.Fatalf("add address %s: %v", address, err)
	}
}

// addAddress4 makes the nth alias of the loopback device.
func addAddress4(n int, ip netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	alias, err := unix.NewIfreq(fmt.Sprintf("lo:%d", n))
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr(ip.AsSlice()); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias)
}

func addAddress6(_ int, ip netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request := struct { // struct in6_ifreq
		addr   [16]byte
		prefix uint32
		index  int32
	}{ip.As16(), 128, 1} // the loopback device is always the first
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}
