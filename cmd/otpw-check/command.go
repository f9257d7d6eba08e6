// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/otpw-go/otpw/otp"
)

const (
	longHelp = `otpw-check looks whether one-time logins work on this host, and let nobody in who
should not get in: the module's files, PAM's configuration of a service, sshd's
settings, /etc/otpw.conf, lists. It changes nothing. Run it as root, before the
root shell is closed.

It prints one line for each thing that is not as it should be: how bad it is, a
name for scripts, where, what is wrong, and the line or command that mends it.

Exit status: 0 all is fine; 1 there are warnings; 2 there are errors: somebody is
locked out, or gets in who should not, or --login was refused; 3 something could
not be looked at, and there are no errors.`

	examples = `  otpw-check                        the service sshd
  otpw-check --user alice           and her list, and what sshd has for her
  otpw-check --service sudo --all-lists
  otpw-check --login alice          and then try a password`

	findingsHelp = `findings prints the names of all that otpw-check may find, each with the usual
severity and its meaning.`
)

// A checker looks at a machine.
type checker struct {
	report
	options
	pam    libpam
	site   otp.Site
	root   bool
	otpw   []line // auth lines of the module
	nullok bool   // who has no list can get in, by nullok
	keyToo bool   // sshd asks PAM only of those who have a key, or something like it
}

// options are the values of the flags.
type options struct {
	service    string
	users      []string
	allLists   bool
	from       string
	sshdConfig string
	json       bool
	verbose    bool
	login      bool
}

func newCommand() *cobra.Command {
	c := &checker{root: os.Geteuid() == 0}
	cmd := &cobra.Command{
		Use:                   "otpw-check [options] [--login [USER]]",
		Short:                 "look whether one-time logins work on this host",
		Long:                  longHelp,
		Example:               examples,
		Version:               version,
		DisableFlagsInUseLine: true,
		SilenceErrors:         true,
		SilenceUsage:          true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:                  c.onlyUser,
		RunE:                  func(_ *cobra.Command, args []string) error { return c.run(args) },
	}
	cmd.SetVersionTemplate("otpw-check {{.Version}}\n")
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.service, "service", "sshd", "the `name` of the PAM service")
	f.StringArrayVar(&c.users, "user", nil, "look at this `user`'s list, too, and at what sshd has for him (may be repeated)")
	f.BoolVar(&c.allLists, "all-lists", false, "look at all lists of this host")
	f.StringVar(&c.from, "from", "192.0.2.1", "the `address` that --user comes from, for sshd's Match blocks")
	f.StringVar(&c.sshdConfig, "sshd-config", "", "sshd's settings are in this `file`; also for a service that is not sshd")
	f.BoolVar(&c.json, "json", false, "for programs")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "say also what is fine")
	f.BoolVar(&c.login, "login", false, "then try a login as USER (who runs this, if none is named), without a session; a password that is accepted is used up")
	cmd.AddCommand(findingsCommand())
	cmd.SetHelpCommand(&cobra.Command{Hidden: true}) // there is --help
	return cmd
}

// onlyUser allows an argument for --login.
func (c *checker) onlyUser(_ *cobra.Command, args []string) error {
	switch {
	case len(args) > 1 || len(args) == 1 && !c.login:
		return fmt.Errorf("%q is not wanted here: see otpw-check --help", args[len(args)-1])
	case c.login && c.json:
		return errors.New("--login speaks with people, --json with programs: not both")
	}
	if addr, err := netip.ParseAddr(c.from); err != nil || strings.ContainsAny(addr.Zone(), ",=") {
		return fmt.Errorf("--from: %q is not an address", c.from)
	}
	if strings.ContainsAny(c.service, "/\x00") || strings.HasPrefix(c.service, ".") || c.service == "" {
		return fmt.Errorf("--service: %q is not the name of one", c.service)
	}
	for _, user := range c.users {
		if user == "" || strings.ContainsAny(user, ",=:\n\x00") {
			return fmt.Errorf("--user: %q is not a name", user)
		}
	}
	return nil
}

// run looks at everything, and reports.
func (c *checker) run(args []string) error {
	c.pam = findLibpam()
	if !c.root {
		c.add("not-root", "", "sudo otpw-check", "not all can be looked at without root's rights")
	}
	c.checkSite()
	if strings.EqualFold(c.service, "sshd") || c.sshdConfig != "" {
		c.checkSshd()
	}
	c.checkService()
	c.checkSELinux()
	c.checkGenerator()
	c.checkLists()
	var err error
	if c.json {
		err = c.writeJSON(os.Stdout, c.service, c.verbose)
	} else {
		err = c.write(os.Stdout, c.service, c.verbose)
	}
	if err != nil {
		return err
	}
	status := c.status()
	if c.login {
		accepted, err := tryLogin(c.service, args)
		if err != nil {
			return err
		}
		if !accepted {
			status = exitRefused
		}
	}
	if status != 0 {
		return statusError{nil, status}
	}
	return nil
}

func findingsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "findings",
		Short: "list all that may be found",
		Long:  findingsHelp,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			for _, k := range kindsOfFindings {
				fmt.Fprintf(w, "%s\t%s\t%s\n", k.id, k.severity, k.meaning)
			}
			return w.Flush()
		},
	}
}
