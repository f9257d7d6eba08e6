// SPDX-License-Identifier: MIT

// Package selinux tests the policy: its rules, and, in a virtual machine with
// SELinux enforcing, all that people do with one-time passwords. `make
// selinux-test` makes what it needs, and says where that is.
package selinux

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/otpw-go/otpw/e2e/world"
)

// hang is how long the machine, which is emulated, may take for anything.
const hang = 2 * time.Minute

// build is the folder of the packages, the policy and the system.
func build(t *testing.T, path ...string) string {
	t.Helper()
	return world.Made(t, "selinux-test", path...)
}

// output runs a program of this machine.
func output(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace changes a text that must be there.
func replace(t *testing.T, path, old, new string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s: no %q:\n%s", path, old, text)
	}
	write(t, path, strings.Replace(string(text), old, new, 1))
}

// unpack unpacks the system, or some of it, without its kernel's /dev.
func unpack(t *testing.T, dir string, names ...string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	output(t, append([]string{"tar", "-xpf", build(t, "selinux", "tree.tar"), "-C", dir, "--numeric-owner"}, names...)...)
}

// A machine runs Debian with SELinux enforcing.
type machine struct {
	address string
	key     ssh.Signer
	root    *ssh.Client // logged in with the key
	serial  string      // socket of the serial console
	marks   int
	seen    int // bytes of audit.log that were looked at
}

// users of the machine, and the SELinux users they are, if not the usual one
var users = map[string]string{"alice": "", "bob": "user_u", "carol": "staff_u", "dave": ""}

// newMachine makes the system, with the packages of OTPW but for its policy, and starts it.
func newMachine(t *testing.T) *machine {
	left, _ := filepath.Glob(build(t, "selinux", "vm-*"))
	for _, dir := range left { // by a run that was killed
		os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(build(t, "selinux"), "vm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{serial: filepath.Join(dir, "serial")}
	if m.key, err = ssh.NewSignerFromKey(private); err != nil {
		t.Fatal(err)
	}
	tree, disk := filepath.Join(dir, "tree"), filepath.Join(dir, "disk")
	start := time.Now()
	unpack(t, tree)
	m.furnish(t, tree)
	output(t, "setfiles", "-F", "-r", tree, filepath.Join(tree, "etc/selinux/default/contexts/files/file_contexts"), tree)
	output(t, "mkfs.ext4", "-q", "-d", tree, disk, "1G")
	t.Logf("made the disk: %v", time.Since(start).Round(time.Second))
	start = time.Now()
	m.boot(t, world.One(t, filepath.Join(tree, "boot/vmlinuz-*")), world.One(t, filepath.Join(tree, "boot/initrd.img-*")), disk)
	t.Logf("started the machine: %v", time.Since(start).Round(time.Second))
	return m
}

// furnish configures the system, which is not yet running.
func (m *machine) furnish(t *testing.T, tree string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(tree, name) }
	chroot := func(argv ...string) { t.Helper(); output(t, append([]string{"chroot", tree}, argv...)...) }
	for _, name := range []string{"otpw-bin", "libpam-otpw", "otpw-selinux"} {
		if err := world.CopyFile(world.One(t, build(t, "deb", name+"_*.deb")), at("srv/"+name+".deb")); err != nil {
			t.Fatal(err)
		}
	}
	chroot("dpkg", "--install", "/srv/otpw-bin.deb", "/srv/libpam-otpw.deb")

	replace(t, at("etc/selinux/config"), "SELINUX=permissive", "SELINUX=enforcing")
	write(t, at("etc/fstab"), "/dev/vda / ext4 errors=remount-ro 0 1\n")
	write(t, at("etc/network/interfaces.d/vm"), "allow-hotplug eth0\niface eth0 inet static\n address 10.0.2.15/24\n")
	write(t, at("etc/hostname"), "vm\n")
	write(t, at("etc/ssh/sshd_config.d/00-otpw.conf"), "UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\nPermitRootLogin yes\nUseDNS no\n")
	for _, service := range []string{"sshd", "login", "sudo", "su"} {
		replace(t, at("etc/pam.d/"+service), "@include common-auth\n", "auth required pam_otpw.so\n")
	}
	write(t, at("etc/sudoers.d/carol"), "carol ALL=(ALL) ALL\n")

	seusers := ""
	for name, seuser := range users {
		chroot("useradd", "-m", "-s", "/bin/bash", name)
		if seuser != "" {
			seusers += name + ":" + seuser + ":s0\n"
		}
		write(t, at("home/"+name+"/.ssh/authorized_keys"), string(ssh.MarshalAuthorizedKey(m.key.PublicKey())))
		chroot("chown", "-R", name+":", "/home/"+name+"/.ssh")
	}
	write(t, at("root/.ssh/authorized_keys"), string(ssh.MarshalAuthorizedKey(m.key.PublicKey())))
	write(t, at("var/lib/selinux/default/active/seusers.local"), seusers)
	chroot("semodule", "-n", "-B")
}

// freeAddress is one on which nothing listens now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// boot starts the machine, and waits until root can log in with the key.
func (m *machine) boot(t *testing.T, kernel, initrd, disk string) {
	t.Helper()
	m.address = freeAddress(t)
	cmd := exec.Command("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
		"-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot", "-chardev", "socket,id=c,path="+m.serial+",server=on,wait=off,logfile="+m.serial+".log", "-serial", "chardev:c",
		"-drive", "file="+disk+",format=raw,if=virtio,cache=unsafe",
		"-netdev", "user,id=n,restrict=on,hostfwd=tcp:"+m.address+"-:22", "-device", "virtio-net-pci,netdev=n",
		"-kernel", kernel, "-initrd", initrd,
		"-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0 net.ifnames=0 "+
			"security=selinux selinux=1 enforcing=1 audit=1 audit_backlog_limit=8192")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	runtime.LockOSThread() // whose end ends the machine, also when this program is killed
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(hang); ; {
		client, err := m.dial("root", ssh.PublicKeys(m.key))
		if err == nil {
			m.root = client
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the machine does not answer: %v\n%s", err, said.String())
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("qemu: %v\n%s", err, said.String())
		case <-time.After(time.Second):
		}
	}
}

// dial logs in through sshd.
func (m *machine) dial(user string, how ssh.AuthMethod) (*ssh.Client, error) {
	conn, err := net.DialTimeout("tcp", m.address, hang)
	if err != nil {
		return nil, err
	}
	return m.handshake(conn, user, how)
}

func (m *machine) handshake(conn net.Conn, user string, how ssh.AuthMethod) (*ssh.Client, error) {
	conn.SetDeadline(time.Now().Add(hang))
	c, channels, requests, err := ssh.NewClientConn(conn, m.address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{how}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // our own machine
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// in runs a command in a session, with that input, and returns all that it prints.
func in(client *ssh.Client, input, command string) (string, error) {
	s, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer s.Close()
	s.Stdin = strings.NewReader(input)
	out, err := s.CombinedOutput(command)
	return string(out), err
}

// run runs a command as root, which must succeed.
func (m *machine) run(t *testing.T, format string, args ...any) string {
	t.Helper()
	command := fmt.Sprintf(format, args...)
	out, err := in(m.root, "", command)
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// as runs a command as a user, who logs in with the key, with that input.
func (m *machine) as(t *testing.T, user, input, command string) string {
	t.Helper()
	client, err := m.dial(user, ssh.PublicKeys(m.key))
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	defer client.Close()
	out, err := in(client, input, command)
	if err != nil {
		t.Fatalf("%s: %s: %v\n%s", user, command, err, out)
	}
	return out
}

// Denials that Debian's own policy has for these programs, whatever PAM does.
var stock = regexp.MustCompile(`comm="agetty" capability=40 |` +
	`comm="login" .*:sshd_t:.* tclass=key|` +
	`comm="sudo" name="1" dev="proc" .*:init_t:.* tclass=dir|` +
	`comm="systemd-logind" name="[0-9]+" dev="proc" .*:staff_su_t:.* tclass=dir|` +
	`comm="su" path="/run/systemd/sessions/.* tclass=fd`)

// denials are those since the last time that it was called. A mark in the log
// tells that all has been written.
func (m *machine) denials(t *testing.T) []string {
	t.Helper()
	m.marks++
	mark := fmt.Sprintf("otpw-mark-%d-", m.marks)
	m.run(t, "auditctl -m %s", mark)
	var text string
	for deadline := time.Now().Add(hang); ; time.Sleep(100 * time.Millisecond) {
		text = m.run(t, "tail -c +%d /var/log/audit/audit.log", m.seen+1)
		if i := strings.Index(text, mark); i >= 0 {
			text = text[:i]
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s in audit.log:\n%s", mark, text)
		}
	}
	m.seen += len(text)
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "denied") && !stock.MatchString(line) || strings.HasPrefix(line, "type=SELINUX_ERR") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// An attempt is a login through sshd that waits for its answers.
type attempt struct {
	conn    net.Conn
	prompts chan string
	answers chan string
	ended   chan struct{} // closed when client and err are final
	client  *ssh.Client
	err     error
}

func (m *machine) attempt(t *testing.T, user string) *attempt {
	t.Helper()
	conn, err := net.DialTimeout("tcp", m.address, hang)
	if err != nil {
		t.Fatal(err)
	}
	a := &attempt{conn: conn, prompts: make(chan string), answers: make(chan string, 1), ended: make(chan struct{})}
	ask := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		select {
		case a.prompts <- strings.Join(questions, "|"):
			return []string{<-a.answers}, nil
		case <-time.After(hang):
			return nil, io.ErrUnexpectedEOF
		}
	}
	go func() {
		defer close(a.ended)
		a.client, a.err = m.handshake(conn, user, ssh.KeyboardInteractive(ask))
	}()
	t.Cleanup(func() { conn.Close() })
	return a
}

// prompt is what the login asks; empty: nothing, for it has ended.
func (a *attempt) prompt(t *testing.T) string {
	t.Helper()
	select {
	case p := <-a.prompts:
		return p
	case <-a.ended:
		return ""
	case <-time.After(hang):
		t.Fatal("neither a prompt nor an end")
		return ""
	}
}

// answer gives one, and tells whether the user is in.
func (a *attempt) answer(t *testing.T, text string) bool {
	t.Helper()
	a.answers <- text
	if next := a.prompt(t); next != "" {
		return false // sshd lets people try again
	}
	return a.err == nil
}
