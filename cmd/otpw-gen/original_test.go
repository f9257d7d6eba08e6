// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	keyLine  = regexp.MustCompile(`(?m)^Master key: (.*)$`)
	timeLine = regexp.MustCompile(`(?m)^(OTPW list )(re)?(generated) \S+ \S+ `)
)

// runGen runs an otpw-gen and returns its sheet, without the time, and messages.
func runGen(t *testing.T, gen, stdin string, args ...string) (sheet, messages string) {
	t.Helper()
	cmd := exec.Command(gen, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", gen, args, err, msg.String())
	}
	return timeLine.ReplaceAllString(out.String(), "$1$3 TIME "), msg.String()
}

// Either program prints the sheets of the other's master keys again, byte for
// byte, whatever they look like.
func TestSheetsLikeOriginal(t *testing.T) {
	theirs, ours := original(t), program(t)
	heights := []string{"5", "6", "20", "60", "203", "204", "205", "300"}
	widths := []string{"64", "72", "73", "79", "132", "200"}
	if testing.Short() {
		heights, widths = []string{"5", "60"}, []string{"79"}
	}
	for _, form := range []string{"0", "2"} {
		for _, entropy := range []string{"30", "31", "48", "60", "198"} {
			t.Run("p"+form+"e"+entropy, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for _, gens := range [][2]string{{theirs, ours}, {ours, theirs}} {
					// the key of the first, the sheets of both
					list := filepath.Join(dir, "list")
					os.Remove(list)
					// (with ours a key of an OTPW2 list)
					_, msg := runGen(t, gens[0], "pre\npre\n", "-f", list, "-m", "-h", "5", "-E", "6"+entropy[:1])
					m := keyLine.FindStringSubmatch(msg)
					if m == nil {
						t.Fatalf("no key in %q", msg)
					}
					for _, h := range heights {
						for _, w := range widths {
							sameSheet(t, gens, m[1], "-p", form, "-e", entropy, "-h", h, "-w", w)
						}
					}
					for _, more := range []string{"-s 2", "-s 3 -n", "-n -h 1 -w 1", "-n -h 1 -w 2000", "-n -h 3 -w 10 -s 4"} {
						sameSheet(t, gens, m[1], append([]string{"-p", form, "-e", entropy, "-h", "7"}, strings.Fields(more)...)...)
					}
				}
			})
		}
	}
}

func sameSheet(t *testing.T, gens [2]string, key string, args ...string) {
	t.Helper()
	args = append([]string{"-k"}, args...)
	a, _ := runGen(t, gens[0], key+"\n", args...)
	b, _ := runGen(t, gens[1], key+"\n", args...)
	if a != b {
		t.Errorf("%s: sheets differ:\n%s\n%s", args, head(a), head(b))
	}
	if a == "" {
		t.Errorf("%s: no sheet", args)
	}
}

func head(s string) string { return fmt.Sprintf("%.300q (%d bytes)", s, len(s)) }

// Fresh sheets of words look the same, but for the words.
func TestWordSheetsLikeOriginal(t *testing.T) {
	theirs, ours := original(t), program(t)
	word := regexp.MustCompile(`\b[a-z]{4}\b`)
	for _, args := range []string{"-h 60", "-h 10 -s 3", "-h 7 -w 132 -e 99", "-n -h 3 -e 33"} {
		var sheets [2]string
		for i, gen := range []string{theirs, ours} {
			list := filepath.Join(t.TempDir(), "list")
			args := "-p 1 " + args
			if gen == ours {
				args += " --format otpw1"
			}
			sheet, _ := runGen(t, gen, "pre\npre\n", append(strings.Fields(args), "-f", list)...)
			first, rest, _ := strings.Cut(sheet, "\n")
			if strings.Contains(args, "-n") {
				first, rest = "", sheet
			}
			sheets[i] = first + word.ReplaceAllString(rest, "WORD")
		}
		if sheets[0] != sheets[1] {
			t.Errorf("%s: sheets differ:\n%s\n%s", args, head(sheets[0]), head(sheets[1]))
		}
	}
}

// What the original reads from a pipe, we read the same way, except for a last
// line without its newline (the original takes its last character away).
func TestPrefixLikeOriginal(t *testing.T) {
	theirs, ours := original(t), program(t)
	for _, c := range []struct {
		name, stdin string
		ok          bool
	}{
		{"plain", "pre\npre\n", true},
		{"empty", "\n\n", true},
		{"blanks", " p r e \n p r e \n", true},
		{"carriage return", "pre\r\npre\r\n", true},
		{"backspace", "pr\be\npr\be\n", true},
		{"backspace does not erase", "pr\be\npe\n", false},
		{"bytes", "\x80\xff\x01\n\x80\xff\x01\n", true},
		{"different", "pre\npri\n", false},
		{"longer", "pre\nprefix\n", false},
		{"one line", "pre\n", false},
		{"nothing", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, gen := range [][]string{{theirs}, {ours, "--format", "otpw1"}} {
				cmd := exec.Command(gen[0], append(gen[1:], "-h", "5", "-f", filepath.Join(t.TempDir(), "list"))...)
				cmd.Stdin = strings.NewReader(c.stdin)
				if err := cmd.Run(); (err == nil) != c.ok {
					t.Errorf("%s: %v", gen, err)
				}
			}
		})
	}
}
