// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/aclements/go-moremath/stats"

	"github.com/otpw-go/otpw/e2e/world"
)

// decoys measures what a stranger could: how long it takes until he is asked, and
// until his answer is refused, depending on whom he says he is and on what is
// wrong. A p-value near 0 says that the times of a row can be told from those of
// the first one; the smaller the difference, the more prompts that takes.
func decoys(b *bench) {
	t, w, rounds := b.t, b.w, 100*b.factor
	const service = "decoys"
	m := w.Install(t)
	w.Service(t, service, "auth required "+m.Path+" decoy", "account required pam_permit.so")
	host := w.Host(t, "login")
	owner, other := w.Account(t, "owner"), w.Account(t, "other")
	sheet := w.MakeList(t, owner, m.Generator, prefix)
	first := sheet.Response(owner.Unused(t)[0])

	cases := []struct{ name, user, answer string }{
		{"wrong password", owner.Name, first[:len(first)-1] + "#"},
		{"the same again", owner.Name, first[:len(first)-1] + "#"},
		{"wrong prefix", owner.Name, "x" + first},
		{"too short", owner.Name, "x"},
		{"empty", owner.Name, ""},
		{"no list", other.Name, first},
		{"no such user", "mallory", first},
	}
	toPrompt, toResult := make([][]float64, len(cases)), make([][]float64, len(cases))
	for round := range rounds + 1 { // the first does not count
		for i, c := range cases {
			// first contact, each time
			_ = os.Remove(owner.Path(".otpw.lock"))
			if err := os.Truncate(world.DecoyState, 16); err != nil {
				t.Fatalf("%v", err)
			}
			cmd := exec.Command(host, "-a", "-m", "/etc/pam.d", service, c.user)
			cmd.Stdin = strings.NewReader(c.answer + "\n")
			_, _, out := b.timed(cmd)
			_, after, _ := strings.Cut(string(out), "times: ")
			var prompt, result float64
			if _, err := fmt.Sscan(after, &prompt, &result); err != nil || !strings.Contains(string(out), "authenticate: 7\n") {
				t.Fatalf("%s: %v\n%s", c.name, err, out)
			}
			if round > 0 {
				toPrompt[i], toResult[i] = append(toPrompt[i], prompt/1000), append(toResult[i], result/1000)
			}
		}
	}
	fmt.Printf("\n| refused with `decoy`, medians of %d | to the prompt | p | response to result | p |\n|---|---:|---:|---:|---:|\n", rounds)
	for i, c := range cases {
		fmt.Printf("| %s | %.2f ms | %s | %.2f ms | %s |\n", c.name,
			median(toPrompt[i]), same(toPrompt[0], toPrompt[i]), median(toResult[i]), same(toResult[0], toResult[i]))
	}
}

// same is the p-value of the Mann-Whitney U test: how likely samples differ as
// much as these when both are of the same distribution.
func same(a, b []float64) string {
	r, err := stats.MannWhitneyUTest(a, b, stats.LocationDiffers)
	if err != nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", r.P)
}
