// SPDX-License-Identifier: MIT

package module

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/docs/man"
	"github.com/otpw-go/otpw/docs/man/mantest"
	"github.com/otpw-go/otpw/otp"
)

const page = "pam_otpw.8"

// pam_otpw(8) has the arguments that there are, with bounds and defaults.
func TestManArguments(t *testing.T) {
	switches, values := new(arguments).define()
	mantest.Names(t, page, "ARGUMENTS", slices.Concat(slices.Collect(maps.Keys(switches)), slices.Collect(maps.Keys(values))))
	bounds := regexp.MustCompile(`1 to \d+`)
	for name, v := range values {
		text := mantest.About(t, page, "ARGUMENTS", name)
		if want := bounds.FindString(v.want); !strings.Contains(text, want) {
			t.Errorf("%s: %q does not say %q", name, text, want)
		}
	}
	for name, value := range map[string]string{
		"lock_timeout":   fmt.Sprint(int(otp.DefaultLockTimeout.Seconds())),
		"kdf_max_memory": fmt.Sprint(otp.DefaultKDFMaxMemory >> 10),
		"kdf_max_passes": fmt.Sprint(otp.DefaultKDFMaxPasses),
		"prompt":         "Password",
		"file":           otp.DefaultPlace,
	} {
		if text := mantest.About(t, page, "ARGUMENTS", name); !strings.Contains(text, "Default: "+value) {
			t.Errorf("%s: %q does not say %q", name, text, "Default: "+value)
		}
	}
	examples := strings.ReplaceAll(man.Text(mantest.Written(t).Section(page, "EXAMPLES")), "\\\n", " ")
	for _, example := range regexp.MustCompile(`(?m)^auth.*pam_otpw\.so(.*)$`).FindAllStringSubmatch(examples, -1) {
		args := regexp.MustCompile(`\[[^]]*\]|[^ ]+`).FindAllString(example[1], -1)
		for i, arg := range args {
			args[i] = strings.Trim(arg, "[]")
		}
		if _, complaints, err := CheckArgs(nil, args); err != nil || complaints != nil {
			t.Errorf("the example %q: %v %v", args, complaints, err)
		}
	}
}

// The README lists the arguments, too.
func TestReadmeArguments(t *testing.T) {
	switches, values := new(arguments).define()
	there := slices.Sorted(slices.Values(slices.AppendSeq(slices.Collect(maps.Keys(switches)), maps.Keys(values))))
	rows := matches(t, "(?m)^\\| (`[^|]*`) \\|", "README.md")
	listed := slices.Compact(slices.Sorted(slices.Values(matchesIn(strings.Join(rows, ","), "`([a-z_]+)[=`]"))))
	if !slices.Equal(there, listed) {
		t.Errorf("the table has %q, the code %q", listed, there)
	}
}

// matches returns the first groups of all matches in files of the source.
func matches(t *testing.T, pattern string, files ...string) (found []string) {
	t.Helper()
	for _, glob := range files {
		names, err := filepath.Glob("../../" + glob)
		if err != nil || names == nil {
			t.Fatalf("%s: no such file (%v)", glob, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, matchesIn(string(text), pattern)...)
		}
	}
	if found == nil {
		t.Fatalf("nothing like %s in %v", pattern, files)
	}
	return found
}

func matchesIn(text, pattern string) (found []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// pam_otpw(8) has the results that there are.
func TestManResults(t *testing.T) {
	there := map[string]bool{}
	for _, word := range slices.Concat(matches(t, `return "([a-z]+)", pam`, "pam/module/serve.go"),
		matches(t, `logResult\(\w+, "([a-z]+)`, "pam/module/serve.go"), matches(t, `result=([a-z]+)`, "pam/entry/*.c", "pam/protocol.h")) {
		there[word] = true
	}
	section := mantest.Written(t).Section(page, "DIAGNOSTICS")
	_, results, _ := strings.Cut(section, "The values of")
	results, _, _ = strings.Cut(results, ".PP\nThe ")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`\.TP\n\\fB(.*)\\fP\n`).FindAllStringSubmatch(results, -1) {
		listed[m[1]] = true
	}
	if !maps.Equal(there, listed) {
		t.Errorf("the page has %v, the code %v", listed, there)
	}
}

// reasonsElsewhere are never in a line of the log.
var reasonsElsewhere = []string{
	otp.ErrNotList.Error(), otp.ErrInPlace.Error(), // of those who make lists
	otp.ErrNoAccount.Error(), // of those who look for accounts in Go
	errEnd.Error(),           // always behind errAbandoned
	"does not begin with",    // always behind otp.ErrFormat
}

// pam_otpw(8) has each reason, at least its beginning, and no other.
func TestManReasons(t *testing.T) {
	const quoted = `"((?:[^"\\]|\\.)*)"`
	const entry, worker = "pam/entry/pam_otpw.c", "pam/worker/worker.c"
	reasons := slices.Concat(
		matches(t, `(?i)err\w* += errors\.New\(`+quoted, "otp/errors.go", "otp/place.go", "otp/list.go", "pam/module/args.go", "pam/module/serve.go", "pam/module/wire.go"),
		matches(t, `logResult\(logErr, "error[^"]*", `+quoted, "pam/module/serve.go"),
		matches(t, `log_error\([^"]*?`+quoted, entry),
		matches(t, `(?:disbelieve|strcpy)\(l[^"]*`+quoted, entry),
		matches(t, `give_up\([a-z, ]*`+quoted, "pam/entry/child.c", worker),
	)
	section := mantest.Written(t).Section(page, "DIAGNOSTICS")
	told := mantest.Bold(section)
	for _, reason := range reasons {
		reason, _, _ = strings.Cut(strings.TrimPrefix(reason, "%s: "), "%")
		reason = strings.TrimSpace(reason)
		if reason == "" || slices.Contains(reasonsElsewhere, reason) {
			continue
		}
		if !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(reason, s) }) {
			t.Errorf("the page has no %q", reason)
		}
	}
	code := strings.Join(matches(t, `(?s)^(.*)$`, "otp/*.go", "pam/module/[a-l]*.go", "pam/module/[s-z]*.go", "pam/entry/*.c", "pam/entry/*.h", "pam/protocol.h", worker), "")
	code = strings.ReplaceAll(code, `%s line %d`, otp.SitePath+" line %d")
	_, heads, _ := strings.Cut(section, "The values of")
	for _, m := range regexp.MustCompile(`\.TP\n(.*)\n`).FindAllStringSubmatch(heads, -1) {
		for _, told := range mantest.Bold(m[1]) {
			if !strings.Contains(code, told) {
				t.Errorf("the page has %q, which no line of the log says", told)
			}
		}
	}
}
