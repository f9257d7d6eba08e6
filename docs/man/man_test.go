// SPDX-License-Identifier: MIT

package man

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commandFolders are the folders of programs that have pages.
func commandFolders(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../cmd/*/man.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cmd/*/man.go: %v", err)
	}
	for i, f := range files {
		files[i] = filepath.Dir(f)
	}
	return files
}

// makePages makes all pages as the Makefile does.
func makePages(t *testing.T, epoch string) Pages {
	t.Helper()
	dir := t.TempDir()
	for _, program := range append(commandFolders(t), "./write") {
		cmd := exec.Command("go", "run", "-buildvcs=false", "-tags", "man", "-ldflags", "-X main.version=v1.2.3", "./"+program, dir)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "SOURCE_DATE_EPOCH="+epoch, "TZ=Asia/Tokyo")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	pages := Pages{}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if pages[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return pages
}

// All that formatters have against a page is a defect.
func TestLint(t *testing.T) {
	dir := t.TempDir()
	pages := makePages(t, "1700000000")
	if err := pages.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, linter := range [][]string{
		{"groff", "-ww", "-t", "-z", "-man", "-Tutf8"},
		{"man", "--warnings", "-l", "-Tutf8", "-Z"},
		{"mandoc", "-T", "lint", "-W", "warning"},
	} {
		t.Run(linter[0], func(t *testing.T) {
			if _, err := exec.LookPath(linter[0]); err != nil {
				if os.Getenv("CI") != "" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			for name := range pages {
				cmd := exec.Command(linter[0], append(linter[1:], filepath.Join(dir, name))...)
				cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
				var said bytes.Buffer
				cmd.Stderr = &said
				if linter[0] == "mandoc" { // says it there
					cmd.Stdout = &said
				}
				if err := cmd.Run(); err != nil || said.Len() > 0 {
					t.Errorf("%s: %v\n%s", name, err, said.Bytes())
				}
			}
		})
	}
}

// The same source makes the same pages, at any time and in any place.
func TestReproducible(t *testing.T) {
	pages := makePages(t, "1700000000")
	if again := makePages(t, "1700000000"); !maps.EqualFunc(pages, again, bytes.Equal) {
		t.Error("made twice, the pages differ")
	}
	undated := makePages(t, "")
	for name, page := range pages {
		title := regexp.MustCompile(`(?m)^\.TH .*$`)
		if th := string(title.Find(page)); !strings.Contains(th, ` "2023-11-14" "OTPW v1.2.3" `) {
			t.Errorf("%s: %s", name, th)
		}
		if th := string(title.Find(undated[name])); !strings.Contains(th, ` "" "OTPW v1.2.3" `) {
			t.Errorf("%s, without a date: %s", name, th)
		}
	}
}

// What a page refers to is there, and is in SEE ALSO if it is ours.
func TestReferences(t *testing.T) {
	others := map[string]bool{"sudo.8": true, "sshd.8": true, "pam.8": true, "pam.d.5": true, "sshd_config.5": true, "lp.1": true, "getent.1": true, "systemd-sysusers.8": true, "systemd-tmpfiles.8": true}
	pages := makePages(t, "")
	for name, page := range pages {
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"} {
			if pages.Section(name, section) == "" {
				t.Errorf("%s has no section %s", name, section)
			}
		}
		also := Text(pages.Section(name, "SEE ALSO"))
		for _, m := range regexp.MustCompile(`([a-z_.-]+)\((\d)\)`).FindAllStringSubmatch(Text(string(page)), -1) {
			to := m[1] + "." + m[2]
			switch {
			case pages[to] == nil && !others[to]:
				t.Errorf("%s refers to %s, which there is not", name, m[0])
			case pages[to] != nil && to != name && !strings.Contains(also, m[0]):
				t.Errorf("%s refers to %s, but not in SEE ALSO", name, m[0])
			}
		}
	}
}

// What is written is on a page.
func TestSources(t *testing.T) {
	files, err := sources.ReadDir(".")
	pages := makePages(t, "")
	for _, f := range files {
		if pages[strings.TrimSuffix(f.Name(), ".md")] == nil {
			t.Errorf("%s is on no page", f.Name())
		}
	}
	if err != nil || len(files) == 0 {
		t.Errorf("%d files: %v", len(files), err)
	}
}

// Text that no formatter changes, and no line of it is taken for a request.
func TestASCII(t *testing.T) {
	for name, page := range makePages(t, "") {
		for i, line := range strings.Split(string(page), "\n") {
			control := strings.HasPrefix(line, ".") || i == 0 && line == `'\" t`
			if control && !regexp.MustCompile(`^\.(TH|nh|nr|ad|SH|SS|TP|PP|IP|B|sp|RS|RE|EX|EE)\b`).MatchString(line) {
				t.Errorf("%s line %d: %q would be a request", name, i+1, line)
			}
			if !control && strings.ContainsAny(strings.ReplaceAll(line, `\-`, ""), "-~^'`") || strings.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
				t.Errorf("%s line %d: %q", name, i+1, line)
			}
		}
	}
}

// What is installed, and may be set-user-id, has nothing of this.
func TestNotLinked(t *testing.T) {
	for _, program := range commandFolders(t) {
		list := func(args ...string) string {
			cmd := exec.Command("go", append([]string{"list", "-deps"}, append(args, "./"+program)...)...)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %v", cmd.Args, err)
			}
			return string(out)
		}
		forbidden := regexp.MustCompile(`(?m)^.*(/docs/man|cobra/doc|go-md2man|blackfriday|yaml).*$`)
		if found := forbidden.FindAllString(list(), -1); found != nil {
			t.Errorf("%s links %v", program, found)
		}
		if !forbidden.MatchString(list("-tags", "man")) {
			t.Errorf("%s does not make its pages with the tag man", program)
		}
	}
}
