// SPDX-License-Identifier: MIT

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// The forms and options of lists that both generators make and both modules read.
var listArguments = [][]string{
	{"-p", "0"}, {"-p0"}, {"-p1"}, {"-p", "2"},
	{"-e", "30"}, {"-e", "48"}, {"-e", "66"}, {"-e", "120"},
	{"-p1", "-e", "30"}, {"-p1", "-e", "120"}, {"-p", "2", "-e", "30"}, {"-p", "2", "-e", "120"},
	{"-o"}, {"-m"}, {"-p", "2", "-e", "66", "-o"}, {"-p1", "-m"}, {"-p", "2", "-m", "-E", "100", "-P", "0"},
}

// otpw1 makes our otpw-gen make lists that the original module reads.
var otpw1 = []string{"--format", "otpw1"}

// Lists made by either otpw-gen log in through the other's module: asked for one number and for three.
func TestInterchange(t *testing.T) {
	for name, tt := range map[string]struct {
		pick   func(ours, original world.Module) (generator string, module world.Module)
		format []string
	}{
		"original list, our module": {func(o, d world.Module) (string, world.Module) { return d.Generator, o }, nil},
		"our list, original module": {func(o, d world.Module) (string, world.Module) { return o.Generator, d }, otpw1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			generator, module := tt.pick(w.Install(t), w.InstallOriginal(t))
			sshd := w.Sshd(t, pamLines(module))
			for _, args := range listArguments {
				t.Run(strings.Join(args, " "), func(t *testing.T) {
					a := w.Account(t, "alice")
					sheet := w.MakeList(t, a, generator, prefix, slices.Concat(tt.format, []string{"-h", "20"}, args)...)
					order := a.Unused(t)
					if slices.Contains(args, "-o") && !slices.IsSorted(order) {
						t.Errorf("list is not in the order of the sheet: %v", order)
					}
					single := sshd.Login(a)
					if got := single.Single(); got != order[0] {
						t.Errorf("asked for %s, the first unused entry is %s", got, order[0])
					}
					multi := sshd.Login(a)
					numbers := multi.Triple()
					multi.Enter(sheet.Response(numbers...))
					multi.Accepted()
					single.Enter(sheet.Response(order[0]))
					single.Accepted()
					want := len(order) - 4
					if slices.Contains(numbers, order[0]) { // the original does that now and then
						want++
					}
					if got := len(a.Unused(t)); got != want {
						t.Errorf("%d entries left, want %d", got, want)
					}
				})
			}
		})
	}
}

// The original module asks nobody for a password of an OTPW2 list, and leaves that as it was.
func TestOriginalModuleWithOTPW2(t *testing.T) {
	t.Parallel()
	w := begin(t)
	ours, original := w.Install(t), w.InstallOriginal(t)
	sshd := w.Sshd(t, pamLines(original))
	a := w.Account(t, "alice")
	cheapList(t, a, ours, "-h", "20")
	list := readList(t, a)
	sshd.Login(a).Refused()
	if now := readList(t, a); now != list {
		t.Errorf("the list is now\n%s", now)
	}
}
