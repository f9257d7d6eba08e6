// SPDX-License-Identifier: MIT

package man

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestCommand(t *testing.T) {
	cmd := &cobra.Command{Use: "brew [flags] [POT...]", Short: "make coffee", Long: "brew <makes> *coffee* in a pot_of_mine.\n\n  brew -v | cat\n\nThat's it.", Example: "  brew one", Run: func(*cobra.Command, []string) {}}
	cmd.Flags().StringP("file", "f", "", "take the beans from this `bag`")
	cmd.Flags().Int("cups", 2, "so many")
	cmd.Flags().Bool("strong", false, "a strong one")
	cmd.AddCommand(&cobra.Command{Use: "stop", Short: "stop it", Run: func(*cobra.Command, []string) {}}, &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}})
	pages, err := Command(cmd, "8", "v1")
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != 2 || pages["brew-stop.8"] == nil {
		t.Fatalf("%d pages", len(pages))
	}
	for _, c := range []struct{ section, want string }{
		{"NAME", "brew \\- make coffee\n"},
		{"SYNOPSIS", ".B brew\n[options] [POT...]\n"},
		{"DESCRIPTION", "brew <makes> *coffee* in a pot_of_mine.\n.sp\n.RS 4\n.EX\nbrew \\-v | cat\n.EE\n.RE\n.PP\nThat\\(aqs it.\n"},
		{"OPTIONS", ".TP\n\\fB\\-\\-cups\\fP=\\fIint\\fP\nSo many. Default: 2.\n" +
			".TP\n\\fB\\-f\\fP, \\fB\\-\\-file\\fP=\\fIbag\\fP\nTake the beans from this bag.\n" +
			".TP\n\\fB\\-h\\fP, \\fB\\-\\-help\\fP\nShow this help.\n" +
			".TP\n\\fB\\-\\-strong\\fP\nA strong one.\n"},
		{"COMMANDS", ".TP\n\\fBbrew\\-stop\\fP(8)\nStop it.\n"},
		{"EXAMPLES", ".RS 4\n.EX\nbrew one\n.EE\n.RE\n"},
		{"SEE ALSO", "\\fBbrew\\-stop\\fP(8)\n"},
	} {
		if got := pages.Section("brew.8", c.section); strings.TrimSpace(got) != strings.TrimSpace(c.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", c.section, got, c.want)
		}
	}
	if got := strings.Join(pages.Terms("brew.8", "OPTIONS"), "; "); got != "--cups=int; -f, --file=bag; -h, --help; --strong" {
		t.Errorf("terms %s", got)
	}
}

// A text about a flag that is gone is an error.
func TestDescribeUnknownFlag(t *testing.T) {
	if err := describe(&cobra.Command{Use: "brew"}, map[string]string{"gone": "Text."}); err == nil {
		t.Error("no error")
	}
}
