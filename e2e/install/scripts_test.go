// SPDX-License-Identifier: MIT

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// A secret is made where there is nothing, for root alone, and never replaced.
func TestDecoySecret(t *testing.T) {
	dir := t.TempDir()
	secret := func(name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if out, err := exec.Command("../../scripts/decoy-secret", path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		text, _ := os.ReadFile(path)
		return string(text)
	}
	one, other := secret("one"), secret("other")
	if len(one) != 16 || one == other {
		t.Errorf("secrets %q and %q, want two of 16 bytes", one, other)
	}
	if fi, err := os.Stat(filepath.Join(dir, "one")); err != nil || fi.Mode() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if secret("one") != one {
		t.Error("made anew")
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if secret("link") != "" {
		t.Error("a link was replaced")
	}
}

// What the source calls itself, in a repository of its own.
func TestVersion(t *testing.T) {
	dir := t.TempDir()
	run := func(argv ...string) {
		t.Helper()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_COMMITTER_DATE=2026-11-23T12:31:53+0100",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
	}
	want := func(pattern string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, "scripts/version"))
		cmd.Env = append(os.Environ(), "TZ=Asia/Tokyo")
		out, err := cmd.CombinedOutput()
		if err != nil || !regexp.MustCompile("^"+pattern+"\n$").Match(out) {
			t.Errorf("%s, %v: want %s", out, err, pattern)
		}
	}
	run("mkdir", "scripts")
	script, err := filepath.Abs("../../scripts/version")
	if err != nil {
		t.Fatal(err)
	}
	run("cp", script, "scripts")
	run("sh", "-c", "printf '# News\\n\\n## 3.1.0, unreleased\\n\\n## 3.0.0, long ago\\n' >NEWS.md")
	want(`3\.1\.0~unknown`)
	run("git", "init", "-q")
	run("git", "add", ".")
	run("git", "commit", "-q", "-m", "one")
	const between = `3\.1\.0~git20261123113153\.[0-9a-f]{7}`
	want(between)
	run("touch", "new") // which git does not know
	want(between)
	run("git", "tag", "other")
	want(between)
	run("git", "tag", "v3.1.0")
	want(`3\.1\.0`)
	run("sh", "-c", "echo >>NEWS.md")
	want(`3\.1\.0\+dirty`)
	run("sh", "-c", "echo 3.0.9 >VERSION")
	want(`3\.0\.9`)
}
