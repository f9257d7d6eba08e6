// SPDX-License-Identifier: MIT

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otpw-go/otpw/otp"
)

func (c *command) suggestCommand() *cobra.Command {
	o := &c.opts
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "print one random password, for whatever you like",
		Long:  "suggest prints one random password, and does nothing else.",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := o.checkForms(); err != nil {
				return err
			}
			return c.suggest()
		},
	}
	o.defineForm(cmd.Flags())
	return cmd
}

// suggest prints a password.
func (c *command) suggest() error {
	form := otp.Form(c.opts.form)
	p := otp.NewPassword(form, c.opts.entropy)
	if _, err := fmt.Fprintf(c.out, "%s\n", form.Printed(p)); err != nil {
		return stdoutError(err)
	}
	return nil
}

const unlockHelp = `unlock removes the lock file, which names the numbers that are set aside: those
that were asked for alone and not answered rightly. Logins may then ask for them
again, and ask for one password again instead of three.

Do that only if you have not typed those passwords where somebody could see
them. If you have, make a new list.`

func (c *command) unlockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unlock",
		Short: "have logins ask for one password again, instead of three",
		Long:  unlockHelp,
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := c.findList(); err != nil {
				return err
			}
			return c.unlock()
		},
	}
}

// unlock removes the lock file.
func (c *command) unlock() error {
	var names string
	err := c.ids.asKeeper(func() (err error) {
		names, err = otp.Unlock(c.path)
		return err
	})
	switch {
	case err != nil:
		return err
	case names == "":
		fmt.Fprintf(c.msg, "There is no lock file beside %s.\n", c.path)
	case names == "damaged":
		fmt.Fprintf(c.msg, "Removed the lock file of %s. It was damaged.\n", c.path)
	default:
		fmt.Fprintf(c.msg, "Removed the lock file of %s, which named %s.\n%s\n", c.path, names, unlockNote+c.call("--print"))
	}
	return nil
}

var shells = []string{"bash", "zsh", "fish"}

const completionHelp = `completion prints what a shell needs to complete the commands and options of
otpw-gen when the Tab key is pressed:

  bash: otpw-gen completion bash >~/.local/share/bash-completion/completions/otpw-gen
  zsh:  otpw-gen completion zsh >a folder of $fpath/_otpw-gen
  fish: otpw-gen completion fish >~/.config/fish/completions/otpw-gen.fish`

func (c *command) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "print completions for a shell",
		Long:      completionHelp,
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("say for which shell: bash, zsh or fish")
			}
			root := cmd.Root()
			var err error
			switch args[0] {
			case "bash":
				err = root.GenBashCompletionV2(c.out, true)
			case "zsh":
				err = root.GenZshCompletion(c.out)
			case "fish":
				err = root.GenFishCompletion(c.out, true)
			default:
				return usage("there are no completions for %q, but for bash, zsh and fish", args[0])
			}
			if err != nil {
				return stdoutError(err)
			}
			return nil
		},
	}
}
