// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/otpw-go/otpw/otp"
)

// checkSite reads what the administrator has decided for the whole host.
func (c *checker) checkSite() {
	site, err := otp.ReadSite(otp.SitePath)
	c.site = site
	var se *otp.SiteError
	if errors.As(err, &se) {
		what := "all logins are refused"
		if se.Limits {
			what = "nobody can make a list"
		}
		c.reportSite(se, what)
		return
	}
	if fi, err := os.Stat(otp.SitePath); err == nil && fi.Mode()&0o004 == 0 {
		c.addAs(warning, "site", otp.SitePath, mendSite, "mode is %04o: who cannot read it cannot make a list", fi.Mode().Perm())
	}
}

// reportSite says what is wrong with the file, or with a line of it.
func (c *checker) reportSite(e *otp.SiteError, what string) {
	if e.Line > 0 {
		c.add("site", siteLine(e.Line), "write the line right, or take it out: otpw.conf(5)", "%s: %s", e.Reason, what)
		return
	}
	mend := ""
	fi, err := os.Lstat(otp.SitePath)
	switch {
	case err != nil:
	case fi.Mode().Type() != fs.ModeSymlink && !fi.Mode().IsRegular():
		mend = "put a file in its place: otpw.conf(5)"
	case fi.Mode().IsRegular() && fi.Sys().(*syscall.Stat_t).Uid != 0:
		mend = "chown root " + otp.SitePath + ", when you have read what is in it"
	case fi.Mode().IsRegular() && fi.Mode()&0o022 != 0:
		mend = mendSite + ", when you have read what is in it"
	}
	c.add("site", otp.SitePath, mend, "%s: %s", e.Reason, what)
}

const mendSite = "chmod 0644 " + otp.SitePath

func siteLine(n int) string { return fmt.Sprintf("%s line %d", otp.SitePath, n) }

// source says where an argument stands that the module takes for a line: there, or in
// the site's file.
func (c *checker) source(l line, name string) string {
	is := func(arg string) bool { return arg == name || strings.HasPrefix(arg, name+"=") }
	if l.file != "" && slices.ContainsFunc(l.args, is) {
		return l.where()
	}
	where := otp.SitePath
	for _, a := range c.site.Module {
		if is(a.Text) {
			where = siteLine(a.Line)
		}
	}
	return where
}
