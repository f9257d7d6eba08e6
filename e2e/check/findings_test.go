// SPDX-License-Identifier: MIT

package check

import (
	"os"
	"strings"
	"testing"
)

// The names of findings are what scripts look for: they are in a golden list, and
// each is produced by some broken set-up.
func TestFindings(t *testing.T) {
	m := begin(t)
	r := m.Run(t, nil, "", m.program, "findings")
	golden, err := os.ReadFile("testdata/findings.golden")
	m.do(err)
	if r.Status != 0 || r.Stdout != string(golden) {
		t.Errorf("otpw-check findings says\n%s\nand the golden list\n%s", r.Stdout, golden)
	}
	produced := map[string]bool{}
	for _, s := range setUps {
		for _, w := range s.want {
			produced[strings.Fields(w)[1]] = true
		}
	}
	for _, l := range strings.Split(strings.TrimSpace(r.Stdout), "\n") {
		if id := strings.Fields(l)[0]; !produced[id] {
			t.Errorf("no set-up produces %s", id)
		}
	}
}
