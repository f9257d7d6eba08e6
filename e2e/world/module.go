// SPDX-License-Identifier: MIT

package world

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
)

// Module is an installed PAM module with the otpw-gen that belongs to it.
type Module struct {
	Dir       string // holds pam_otpw.so
	Path      string // of pam_otpw.so, for PAM service files
	Generator string // the path of otpw-gen
}

// Install installs the module under test in a new folder that every account
// can reach, with the owners and modes of a real installation.
func (w *World) Install(t T) Module {
	t.Helper()
	m := w.newModule(t)
	w.copy(t, w.Built(t, "pam_otpw.so"), m.Path, 0o644)
	w.copy(t, w.Built(t, "pam_otpw/core.so"), m.Core(), 0o644)
	w.copy(t, w.Built(t, "pam_otpw/worker"), m.Worker(), 0o711)
	w.copy(t, w.Built(t, "otpw-gen"), m.Generator, 0o755)
	w.makeDecoyState(t)
	return m
}

// DecoyState is the secret of decoys.
const DecoyState = "/var/lib/pam_otpw/decoy"

// makeDecoyState makes it as an installation does, once.
func (w *World) makeDecoyState(t T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if Exists(DecoyState) {
		return
	}
	secret := make([]byte, 16)
	rand.Read(secret)
	err := os.MkdirAll(filepath.Dir(DecoyState), 0o700)
	if err == nil {
		err = os.WriteFile(DecoyState, secret, 0o600)
	}
	if err != nil {
		t.Fatalf("install: %v", err)
	}
}

// InstallOriginal installs Debian's OTPW 1.5, unpacked beside the build by scripts/original, likewise.
func (w *World) InstallOriginal(t T) Module {
	t.Helper()
	m := w.newModule(t)
	dir := originalDir(w.Source)
	w.copy(t, dir+"/lib/security/pam_otpw.so", m.Path, 0o644)
	w.copy(t, dir+"/usr/bin/otpw-gen", m.Generator, 0o755)
	return m
}

// Worker is the path of the module's worker.
func (m Module) Worker() string { return filepath.Join(m.Dir, "pam_otpw", "worker") }

// Core is the path of the module's core.
func (m Module) Core() string { return filepath.Join(m.Dir, "pam_otpw", "core.so") }

// AsKeeper is otpw-gen-as-keeper beside a generator, compiled for it.
func (w *World) AsKeeper(t T, m Module) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(m.Generator), "../libexec/otpw/otpw-gen-as-keeper")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("install: %v", err)
	}
	w.compile(t, path, "cmd/otpw-gen-as-keeper/main.c", `-DOTPW_GEN="`+m.Generator+`"`)
	return path
}

// InstallPseudoUser installs otpw-pseudo-user beside a generator, with what it needs.
func (w *World) InstallPseudoUser(t T, m Module) {
	t.Helper()
	from, bin := filepath.Join(w.Source, "packaging/pseudo-user"), filepath.Dir(m.Generator)
	w.copy(t, filepath.Join(from, "otpw-pseudo-user"), filepath.Join(bin, "otpw-pseudo-user"), 0o755)
	share := filepath.Join(bin, "../share/otpw")
	if err := os.MkdirAll(share, 0o755); err != nil {
		t.Fatalf("install: %v", err)
	}
	w.copy(t, filepath.Join(from, "sysusers.conf"), filepath.Join(share, "sysusers.conf"), 0o644)
}

// Host is the path of one of the C programs of e2e/hosts, where every account
// can run it: what make built, or what the compiler makes of it here.
func (w *World) Host(t T, name string) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	path := "/opt/hosts/" + name
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if built := filepath.Join(w.Build, "hosts", name); Exists(built) {
		w.copy(t, built, path, 0o755)
		return path
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("compile %s: %v", name, err)
	}
	w.compile(t, path, "e2e/hosts/"+name+".c", "-lpam", "-lpthread", "-ldl")
	return path
}

// compile makes a program of a file of the source.
func (w *World) compile(t T, path, source string, flags ...string) {
	t.Helper()
	args := append([]string{"/usr/bin/cc", "-O2", "-D_GNU_SOURCE", "-o", path, filepath.Join(w.Source, source)}, flags...)
	if r := w.Run(t, nil, "", args...); r.Status != 0 {
		t.Fatalf("compile %s:\n%s", source, r.Stderr)
	}
}

// Exists reports whether there is a file.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (w *World) newModule(t T) Module {
	t.Helper()
	w.mu.Lock()
	w.modules++
	root := fmt.Sprintf("/opt/otpw%d", w.modules)
	w.mu.Unlock()
	m := Module{Dir: root + "/security", Path: root + "/security/pam_otpw.so", Generator: root + "/bin/otpw-gen"}
	for _, dir := range []string{m.Dir + "/pam_otpw", root + "/bin"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatalf("install module: %v", err)
		}
	}
	return m
}

func (w *World) copy(t T, from, to string, mode os.FileMode) {
	t.Helper()
	err := CopyFile(from, to)
	if err == nil {
		err = os.Chmod(to, mode)
	}
	if err != nil {
		t.Fatalf("install: %v", err)
	}
}
