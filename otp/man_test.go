// SPDX-License-Identifier: MIT

package otp

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/docs/man"
	"github.com/otpw-go/otpw/docs/man/mantest"
)

// otpw.conf(5) has the settings that there are, with their bounds, and its example, which is in the README, too, has them all.
func TestManSite(t *testing.T) {
	const page, settings = "otpw.conf.5", "GENERATOR SETTINGS"
	names := slices.Collect(maps.Keys(new(Limits).define()))
	mantest.Names(t, page, settings, names)
	for name, bounds := range map[string]string{
		"least_entropy":    fmt.Sprintf("1 to %d bits", Base64.MaxEntropy()),
		"least_kdf_memory": fmt.Sprintf("1 to %d", MaxKDFMemory>>10),
		"least_kdf_passes": fmt.Sprintf("1 to %d", MaxKDFPasses),
		"longest_life":     fmt.Sprintf("1d to %dd", MaxLife),
		"format":           "otpw1 or otpw2",
	} {
		if text := mantest.About(t, page, settings, name); !strings.Contains(text, bounds) {
			t.Errorf("%s: %q does not say %q", name, text, bounds)
		}
	}
	text := man.Text(string(mantest.Written(t)[page]))
	for _, bound := range []int{maxSite, maxSiteArgs, maxSiteLine} {
		if !strings.Contains(text, fmt.Sprint(bound)) {
			t.Errorf("the page does not say %d", bound)
		}
	}
	_, example, _ := strings.Cut(mantest.Written(t).Section(page, "EXAMPLES"), ".EX\n")
	example, _, _ = strings.Cut(example, ".EE\n")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, copied, _ := strings.Cut(string(readme), "\n    # comments begin with #\n")
	copied, _, _ = strings.Cut(copied, "\n\n")
	packaged, err := os.ReadFile("../packaging/otpw.conf")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := parseSite(packaged); err != nil || s.Module != nil || s.Limits != (Limits{}) {
		t.Errorf("the file in packages says something: %v, %v", s, err)
	}
	chosen := regexp.MustCompile("(?m)^#([a-z])").ReplaceAllString(string(packaged), "$1")
	for _, example := range []string{man.Text(example), copied, chosen} {
		s, err := parseSite([]byte(example))
		if err != nil || len(s.Module) == 0 {
			t.Errorf("%s\nmakes %v: %v", example, s, err)
		}
		for i := range reflect.TypeFor[Limits]().NumField() { // all of them
			if reflect.ValueOf(s.Limits).Field(i).IsZero() {
				t.Errorf("no %s in\n%s", reflect.TypeFor[Limits]().Field(i).Name, example)
			}
		}
	}
}

// otpw(5) has the fields of both formats with their bounds.
func TestManList(t *testing.T) {
	text := strings.Join(strings.Fields(man.Text(string(mantest.Written(t)["otpw.5"]))), " ")
	for _, want := range []string{
		fmt.Sprintf("entries (1 to %d), digits of a number (1 to %d), characters of a hash (%d), characters of a password (%d to %d,",
			MaxEntries, maxNumberLen, hashLen1, MinPasswordLen, MaxPasswordLen),
		fmt.Sprintf("As in OTPW1: 1 to %d, 1 to %d, %d to %d.", MaxEntries, maxNumberLen, MinPasswordLen, MaxPasswordLen),
		fmt.Sprintf("(%d to %d), t passes (1 to %d)", MinKDFMemory, MaxKDFMemory, MaxKDFPasses),
		fmt.Sprintf("at most %d MiB and %d passes", DefaultKDFMaxMemory>>10, DefaultKDFMaxPasses),
		fmt.Sprintf("1 to %d bytes", MaxTextLen),
		fmt.Sprintf("at most %d MiB", MaxFileSize>>20),
		fmt.Sprintf("A line has at most %d bytes", maxHeaderLine),
		fmt.Sprintf("of at most %d characters", maxCommentLen),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("otpw(5) does not say %q", want)
		}
	}
	fields := mantest.Written(t).Terms("otpw.5", "OTPW2")
	if got := strings.Join(fields, ", "); got != "kdf, entries, digits, password, id, host, created, expires, label" {
		t.Errorf("fields %s", got)
	}
}
