// SPDX-License-Identifier: MIT

// Bench measures this project and the original, OTPW 1.5, in turn, in one
// private world (see package world), and prints medians and ratios as a
// Markdown table. OTPW_BUDGET multiplies the rounds.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otpw-go/otpw/e2e/world"
)

// measurements print the rows of the table, in this order; the last one has a table of its own.
var measurements = []func(*bench){logins, sizes, sshLogins, lists, guesses, sessions, decoys}

func main() { world.Script("bench", time.Hour, run) }

// bench is what the measurements share.
type bench struct {
	t              world.T
	w              *world.World
	factor         int // multiplies rounds
	ours, original *module
}

func run(t world.T, w *world.World) {
	b := &bench{t: t, w: w, factor: 1}
	if n, err := strconv.Atoi(os.Getenv("OTPW_BUDGET")); err == nil && n > 0 {
		b.factor = n
	}
	b.ours, b.original = b.install(w.Install(t)), b.install(w.InstallOriginal(t))
	fmt.Printf("%s, %d cores, Linux %s, %s\n\n", cpu(), runtime.NumCPU(), kernel(), b.sshVersion())
	fmt.Println("| median | this project | original | ratio |")
	fmt.Println("|---|---:|---:|---:|")
	for _, measure := range measurements {
		measure(b)
	}
}

// otpw1 makes our otpw-gen make lists of the original's format, cheap ones whose hashes cost next to nothing.
var (
	otpw1 = []string{"--format", "otpw1"}
	cheap = []string{"--kdf-memory", "1", "--kdf-passes", "1"}
)

// ourLists are the lists that logins are measured with; the original's own are of the format OTPW1.
var ourLists = []struct {
	name string
	args []string
}{
	{"OTPW1 list", otpw1},
	{"OTPW2 list, default cost", nil},
}

func logins(b *bench) {
	for _, l := range ourLists {
		v := b.compare(60, (*side).login, b.side(b.ours, l.args...), b.side(b.original))
		row("PAM login, a whole process, "+l.name+": wall time", milliseconds, v[0])
		row("PAM login, a whole process, "+l.name+": CPU time", milliseconds, v[1])
	}
}

// sizes shows what the number of entries costs. The original's lists are of our otpw-gen, for its own cannot make the largest.
func sizes(b *bench) {
	for _, n := range []string{"280", "1000", "9999"} {
		count := []string{"--count", n}
		original := b.sideOf(b.ours.Generator, b.original, slices.Concat(count, otpw1)...)
		for _, l := range []struct {
			name string
			args []string
		}{{"OTPW1 list", otpw1}, {"OTPW2 list, cheap hash", cheap}} {
			v := b.compare(60, (*side).login, b.side(b.ours, slices.Concat(count, l.args)...), original)
			row("PAM login, "+l.name+" of "+n+" entries: wall time", milliseconds, v[0])
		}
	}
}

func sshLogins(b *bench) {
	for _, l := range ourLists {
		v := b.compare(40, (*side).ssh, b.side(b.ours, l.args...), b.side(b.original))
		row("ssh login, "+l.name+": wall time", milliseconds, v[0])
	}
}

func lists(b *bench) {
	for _, l := range ourLists {
		v := b.compare(10, (*side).list, b.side(b.ours, l.args...), b.side(b.original))
		row("making 280 passwords, "+l.name+": CPU time", milliseconds, v[0])
		row("making 280 passwords, "+l.name+": wall time", milliseconds, v[1])
	}
}

func sessions(b *bench) {
	v := b.compare(5, (*side).session, b.side(b.ours), b.side(b.original))
	row("open ssh session: PSS of its sshd processes", kibibytes, v[0])
	row("open ssh session: private memory", kibibytes, v[1])
	row("open ssh session: processes", plain, v[2])
	row("open ssh session: threads", plain, v[3])
}

// compare measures two sides in turn and returns, for each of the values that
// measure returns, the medians of the two. A first round does not count.
func (b *bench) compare(rounds int, measure func(*side) []float64, sides ...*side) [][2]float64 {
	var samples [2][][]float64
	for round := range rounds*b.factor + 1 {
		for i, s := range sides {
			s.refill()
			values := measure(s)
			if round == 0 {
				samples[i] = make([][]float64, len(values))
				continue
			}
			for k, v := range values {
				samples[i][k] = append(samples[i][k], v)
			}
		}
	}
	medians := make([][2]float64, len(samples[0]))
	for i := range sides {
		for k := range medians {
			medians[k][i] = median(samples[i][k])
		}
	}
	return medians
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// row prints a row of the table: ours and the original's.
func row(what string, unit func(float64) string, v [2]float64) {
	fmt.Printf("| %s | %s | %s | %s |\n", what, unit(v[0]), unit(v[1]), digits(v[0]/v[1]))
}

func milliseconds(v float64) string {
	if v < 0.1 {
		return digits(v*1000) + " µs"
	}
	return digits(v) + " ms"
}

func kibibytes(v float64) string { return digits(v) + " KiB" }

func plain(v float64) string { return fmt.Sprintf("%g", v) }

// digits writes a number with those that say something.
func digits(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func cpu() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for _, line := range strings.Split(string(data), "\n") {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	data, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(data))
}

func (b *bench) sshVersion() string {
	version, _, _ := strings.Cut(b.w.Run(b.t, nil, "", "/usr/bin/ssh", "-V").Stderr, ",")
	return version
}
