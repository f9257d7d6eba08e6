// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/printsheet"
)

// options are the values of the flags.
type options struct {
	page        printsheet.Page
	pdf         string // file, - for standard output
	printer     string // of the PDF sheet
	paper       printsheet.Paper
	style       printsheet.Style
	force       bool
	form        int
	entropy     int
	file        string
	user        string
	ordered     bool
	masterKey   bool
	fromKey     bool
	keyForm     int
	keyEntropy  int
	suggest     bool
	unlock      bool
	debug       bool
	format      otp.Format
	formatGiven bool
	kdfMemory   int // MiB
	kdfPasses   int
	expires     string
	label       string
	emptyPrefix bool
	noConfirm   bool

	// what check makes of them
	now   time.Time
	until time.Time              // the end of the day in expires; zero: never
	same  func(count int) string // what prints this sheet again
}

const (
	longHelp = `otpw-gen makes one-time passwords. It prints them, on paper (--print), into a PDF
file (--pdf) or as text on standard output, and keeps only their hashes, in the
list file.

It asks for a prefix password. At a login you type that first, and the one-time
password with the number you are asked for right behind it.

A new list replaces the one before: the old sheet is of no use any more.

The list is of the format OTPW2, whose hashes are slow: making one takes some
seconds. A host with the original module, OTPW 1.5, needs --format otpw1.`

	examples = `  otpw-gen --print                   print a page
  otpw-gen --print --layout wallet   one that folds to the size of a credit card
  otpw-gen --pdf sheet.pdf           into a file, to print it elsewhere
  otpw-gen | lpr                     as plain text
  otpw-gen -m --print                with a master key, to print the sheet again:
  otpw-gen -k --print
  otpw-gen --format otpw1 --print    for a host with the original module`
)

// newCommand returns the command; c does the work.
func newCommand(c *command) *cobra.Command {
	o := &c.opts
	cmd := &cobra.Command{
		Use:                   "otpw-gen [options]",
		Short:                 "make a list of one-time passwords",
		Long:                  longHelp,
		Example:               examples,
		Version:               version,
		Args:                  o.onlyPrinter,
		DisableFlagsInUseLine: true,
		SilenceErrors:         true,
		SilenceUsage:          true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.readSite(); err != nil {
				return err
			}
			if c.limits != nil {
				return c.limits
			}
			if err := o.check(cmd.Flags(), time.Now(), c.site.Limits); err != nil {
				return err
			}
			return c.run()
		},
	}
	cmd.SetVersionTemplate("otpw-gen {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	o.define(cmd.Flags())
	cmd.PersistentFlags().VarP((*fileName)(&o.file), "file", "f", "the list file, instead of ~/.otpw, which logins read")
	cmd.PersistentFlags().Var(&word{&o.user, "name"}, "user", "the list of this user, for root")
	cmd.AddCommand(c.statusCommand(), c.revokeCommand(), c.unlockCommand(), c.suggestCommand(), c.completionCommand())
	for name, values := range map[string][]string{
		"format": {"otpw2", "otpw1"},
		"paper":  {string(printsheet.A4), string(printsheet.Letter)},
		"layout": {string(printsheet.FullPage), string(printsheet.Wallet)},
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.SetHelpCommand(&cobra.Command{Hidden: true}) // there is --help
	return cmd
}

// define makes the flags. The single letters are those of the original.
func (o *options) define(f *pflag.FlagSet) {
	f.SortFlags = false
	number := numbers(f)
	f.VarP((*printerName)(&o.printer), "print", "", "print the sheet on this printer, or on the default one")
	f.Lookup("print").NoOptDefVal = defaultPrinter
	f.VarP((*fileName)(&o.pdf), "pdf", "", "the sheet as PDF in a file, or - for standard output")
	f.BoolVar(&o.force, "force", false, "replace that file if it is there already")
	o.style, o.paper = printsheet.FullPage, printsheet.A4
	f.Var(&word{(*string)(&o.style), "name"}, "layout", "of --print and --pdf: page, or wallet to fold and carry")
	f.Var(&word{(*string)(&o.paper), "size"}, "paper", "for --print and --pdf: a4 or letter")
	number(&o.page.Pages, "pages", "s", 1, "pages")
	number(&o.page.Count, "count", "", 0, "passwords, on as many pages as they need")
	number(&o.page.Height, "height", "h", printsheet.DefaultHeight, "lines on a page of text")
	number(&o.page.Width, "width", "w", printsheet.DefaultWidth, fmt.Sprintf("characters in a line of text, at least %d", printsheet.MinWidth))
	f.BoolVarP(&o.page.Bare, "no-header", "n", false, "no header and footer on pages of text")
	o.defineForm(f)
	f.BoolVarP(&o.ordered, "ordered", "o", false, "logins ask for the passwords in the order of the sheet")
	f.BoolVarP(&o.masterKey, "master-key", "m", false, "make the passwords of a master key, and show that")
	f.BoolVarP(&o.fromKey, "from-master-key", "k", false, "print the sheet of a master key again, and leave the list and its options alone")
	number(&o.keyEntropy, "key-entropy", "E", otp.DefaultKeyEntropy, "bits of randomness in the master key, at least")
	number(&o.keyForm, "key-form", "P", int(otp.Base32), "form of the master key, as for -p")
	f.BoolVarP(&o.suggest, "suggest", "r", false, "the same as otpw-gen suggest")
	f.BoolVarP(&o.unlock, "unlock", "l", false, "the same as otpw-gen unlock")
	o.format = otp.OTPW2
	f.Var((*format)(&o.format), "format", "of the list: otpw2, or otpw1 for hosts with the original module")
	number(&o.kdfMemory, "kdf-memory", "", otp.DefaultKDFMemory>>10, "MiB that checking a password takes")
	number(&o.kdfPasses, "kdf-passes", "", otp.DefaultKDFPasses, "passes over that memory")
	f.Var(&word{&o.expires, "day"}, "expires", "the last day on which the list is good: in so many days (90d), or a date (2027-02-28)")
	f.Var(&word{&o.label, "text"}, "label", "a text for the list and its sheet")
	f.BoolVar(&o.emptyPrefix, "allow-empty-prefix", false, "do without a prefix password")
	f.BoolVar(&o.noConfirm, "no-confirm", false, "do not ask whether the sheet came out before the old list goes")
	f.BoolVarP(&o.debug, "debug", "d", false, "say what is being done (sizes, no secrets)")
	// without single letters: -h is the height, as it was in the original
	f.Bool("help", false, "show this help")
	f.Bool("version", false, "show the version")
}

// numbers returns what defines flags that are numbers.
func numbers(f *pflag.FlagSet) func(to *int, name, letter string, value int, usage string) {
	return func(to *int, name, letter string, value int, usage string) {
		*to = value
		f.VarP((*number)(to), name, letter, usage)
	}
}

// defineForm makes the flags for what passwords look like.
func (o *options) defineForm(f *pflag.FlagSet) {
	number := numbers(f)
	number(&o.entropy, "entropy", "e", otp.DefaultEntropy, "bits of randomness in a password, at least")
	number(&o.form, "form", "p", int(otp.Base64),
		"0 (default): letters, digits and :%=+/, 1: words, 2: small letters and digits")
}

// check refuses what does not go together or is out of bounds. -k has nothing
// against options that concern only the list, so that those of -m can be given
// again.
func (o *options) check(f *pflag.FlagSet, now time.Time, limits otp.Limits) error {
	o.now = now
	switch {
	case o.masterKey && o.fromKey:
		return usage("-m makes a master key, -k asks for one: not both")
	case o.suggest && o.unlock:
		return usage("-r and -l are two different things: not both")
	case f.Changed("count") && f.Changed("pages"):
		return usage("--count and -s both say how many passwords there will be: not both")
	case f.Changed("count") && o.page.Count < 1:
		return usage("--count: %d passwords, want at least 1", o.page.Count)
	}
	if err := o.checkSheet(f); err != nil {
		return err
	}
	if !o.fromKey { // which makes no list
		if err := o.limit(f, limits); err != nil {
			return err
		}
	}
	if err := o.checkFormat(f); err != nil {
		return err
	}
	if !o.fromKey {
		if err := o.limitLife(limits); err != nil {
			return err
		}
	}
	o.same = func(count int) string { return o.sheetFlags(f, count) }
	return o.checkForms()
}

// limit refuses what the site does not want; what was not given becomes what it wants.
func (o *options) limit(f *pflag.FlagSet, l otp.Limits) error {
	if l.Format != 0 && !f.Changed("format") {
		o.format = l.Format
	}
	if l.Format != 0 && o.format != l.Format {
		return site("--format %v", (*format)(&l.Format))
	}
	if o.format == otp.OTPW1 {
		l.LeastKDFMemory, l.LeastKDFPasses = 0, 0
		if l.LongestLife != 0 {
			return site("lists with a last day, which those of the format otpw1 do not have")
		}
	}
	for _, least := range []struct {
		name  string
		value *int
		least int
	}{
		{"entropy", &o.entropy, l.LeastEntropy},
		{"kdf-memory", &o.kdfMemory, l.LeastKDFMemory >> 10},
		{"kdf-passes", &o.kdfPasses, l.LeastKDFPasses},
	} {
		if *least.value < least.least {
			if f.Changed(least.name) {
				return site("--%s of at least %d", least.name, least.least)
			}
			*least.value = least.least
		}
	}
	return nil
}

// limitLife gives a list the longest life that the site allows, if it would have a longer one.
func (o *options) limitLife(l otp.Limits) error {
	if l.LongestLife == 0 {
		return nil
	}
	days := int(l.LongestLife / (24 * time.Hour))
	longest := endOfDay(o.now.AddDate(0, 0, days))
	// In a time zone that the caller has made (TZ) a day can be as long as he likes.
	if most := o.now.Add(l.LongestLife + 48*time.Hour); longest.After(most) {
		longest = most
	}
	if o.until.After(longest) {
		return site("lists whose last day is at most %d days away", days)
	}
	if o.until.IsZero() {
		o.until = longest
	}
	return nil
}

// site is an error about what the administrator has decided.
func site(format string, args ...any) error {
	return usage("%s wants "+format, append([]any{otp.SitePath}, args...)...)
}

// isPDF reports whether the sheet is to be PDF.
func (o *options) isPDF() bool { return o.pdf != "" || o.printer != "" }

// checkSheet refuses what the kind of sheet does not have.
func (o *options) checkSheet(f *pflag.FlagSet) error {
	if o.pdf != "" && o.printer != "" {
		return usage("--print prints the sheet, --pdf makes a file of it: not both")
	}
	if o.force && (o.pdf == "" || o.pdf == "-") {
		return usage("--force belongs to --pdf FILE")
	}
	others, kind := []string{"layout", "paper"}, "--print and --pdf"
	if o.isPDF() {
		others, kind = []string{"height", "width", "no-header"}, "sheets of text, not to --print and --pdf"
	}
	for _, name := range others {
		if f.Changed(name) {
			return usage("%s belongs to %s", letter(f.Lookup(name)), kind)
		}
	}
	return nil
}

// checkFormat refuses what the list's format cannot hold.
func (o *options) checkFormat(f *pflag.FlagSet) error {
	o.formatGiven = f.Changed("format")
	if o.format == otp.OTPW1 {
		for _, name := range []string{"kdf-memory", "kdf-passes", "expires", "label"} {
			if f.Changed(name) {
				return usage("--%s belongs to the format otpw2: leave it out, or leave out --format otpw1", name)
			}
		}
		return nil
	}
	switch {
	case o.kdfMemory < 1 || o.kdfMemory > otp.MaxKDFMemory>>10:
		return usage("--kdf-memory: %d MiB, want 1 to %d", o.kdfMemory, otp.MaxKDFMemory>>10)
	case o.kdfPasses < 1 || o.kdfPasses > otp.MaxKDFPasses:
		return usage("--kdf-passes: %d, want 1 to %d", o.kdfPasses, otp.MaxKDFPasses)
	}
	if f.Changed("label") {
		if err := otp.CheckText(o.label); err != nil {
			return usage("--label: the text %w", err)
		}
	}
	if f.Changed("expires") {
		if o.fromKey && strings.HasSuffix(o.expires, "d") {
			return usage("--expires: with -k, want the date that is on the sheet: days would be counted from now")
		}
		until, err := expiry(o.expires, o.now)
		if err != nil {
			return usage("--expires: %w", err)
		}
		o.until = until
	}
	return nil
}

// expiry returns the end of a day: of a date, or so many days from now.
func expiry(s string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n < 1 || n > otp.MaxLife {
			return time.Time{}, fmt.Errorf("%q: want 1d to %dd", s, otp.MaxLife)
		}
		return endOfDay(now.AddDate(0, 0, int(n))), nil
	}
	day, err := time.ParseInLocation(time.DateOnly, s, now.Location())
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: want days like 90d, or a date like 2027-02-28", s)
	}
	end := endOfDay(day)
	switch {
	case !end.After(now):
		return time.Time{}, fmt.Errorf("%s is over", s)
	case end.After(endOfDay(now.AddDate(0, 0, otp.MaxLife))):
		return time.Time{}, fmt.Errorf("%s is too far away: want at most %d days from now", s, otp.MaxLife)
	}
	return end, nil
}

func endOfDay(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, t.Location())
}

func (o *options) checkForms() error {
	const forms = "want 0, 1 or 2"
	form, keyForm := otp.Form(o.form), otp.Form(o.keyForm)
	if !form.Valid() {
		return usage("-p: there is no form %d, "+forms, o.form)
	}
	if !keyForm.Valid() {
		return usage("-P: there is no form %d, "+forms, o.keyForm)
	}
	if err := form.CheckEntropy(o.entropy); err != nil {
		return usage("-e: %w", err)
	}
	if err := keyForm.CheckKeyEntropy(o.keyEntropy); err != nil {
		return usage("-E: %w", err)
	}
	return nil
}

// sheetFlags returns the options given that shape a sheet of so many passwords, each
// with a blank before it: with them, -k prints the same sheet again, on whatever
// day, and whatever a page holds then.
func (o *options) sheetFlags(f *pflag.FlagSet, count int) string {
	var b strings.Builder
	if o.isPDF() {
		fmt.Fprintf(&b, " --count %d", count)
	}
	f.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "no-header":
			if f.Value.String() == "true" {
				b.WriteString(" -n")
			}
		case "ordered":
			if o.isPDF() && o.ordered { // a text sheet does not show it
				b.WriteString(" -o")
			}
		case "pages", "count":
			if !o.isPDF() { // else the count stands first
				fmt.Fprintf(&b, " --%s %s", f.Name, f.Value)
			}
		case "height", "width", "form":
			fmt.Fprintf(&b, " -%s %s", f.Shorthand, f.Value)
		case "layout", "paper":
			fmt.Fprintf(&b, " --%s %s", f.Name, f.Value)
		case "print":
			b.WriteString(" --print")
			if o.printer != defaultPrinter {
				b.WriteString("=" + quoted(o.printer))
			}
		case "pdf", "label":
			fmt.Fprintf(&b, " --%s %s", f.Name, quoted(f.Value.String()))
		}
	})
	if o.entropy != otp.DefaultEntropy {
		fmt.Fprintf(&b, " -e %d", o.entropy)
	}
	if !o.until.IsZero() {
		fmt.Fprintf(&b, " --expires %s", otp.LastDay(o.until))
	}
	return b.String()
}

// quoted returns a word as a shell wants it.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r == '/' || r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// onlyPrinter is for the bare command: a printer may stand behind --print.
func (o *options) onlyPrinter(cmd *cobra.Command, args []string) error {
	if o.printer == defaultPrinter && len(args) == 1 {
		return (*printerName)(&o.printer).Set(args[0])
	}
	if o.printer == defaultPrinter && len(args) > 1 {
		return usage("--print takes one printer: %q is one too many", args[1])
	}
	return noArgs(cmd, args)
}

// noArgs is for commands that take none. The bare command may have been meant to
// be another.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		return usage("%s takes no %q", cmd.CommandPath(), args[0])
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return usage("there is no command %q, but %s", args[0], strings.Join(names, ", "))
}

// A fileName is the value of a flag.
type fileName string

func (f *fileName) String() string { return string(*f) }
func (f *fileName) Type() string   { return "file" }

func (f *fileName) Set(s string) error {
	if s == "" || s[0] == '-' && s != "-" { // an option, swallowed
		return errors.New("not the name of a file (./ before it makes it one)")
	}
	*f = fileName(s)
	return nil
}

// A word is the value of a flag; kind says what it is.
type word struct {
	to   *string
	kind string
}

func (w *word) String() string {
	if w.to == nil { // of pflag, to learn the zero value
		return ""
	}
	return *w.to
}
func (w *word) Type() string       { return w.kind }
func (w *word) Set(s string) error { *w.to = s; return nil }

// A printerName is the value of --print.
type printerName string

const defaultPrinter = "default" // that of lp

func (p *printerName) String() string { return string(*p) }
func (p *printerName) Type() string   { return "printer" }

func (p *printerName) Set(s string) error {
	if s == "" || strings.HasPrefix(s, "-") || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errors.New("not the name of a printer")
	}
	*p = printerName(s)
	return nil
}

// lpArgs tells lp where to print what. A sheet to be cut and folded must not be
// scaled, nor may its second page come on the back of the first.
func (o *options) lpArgs() []string {
	args := []string{"-t", "OTPW sheet", "-o", "media=" + strings.ToUpper(string(o.paper[:1])) + string(o.paper[1:])}
	if o.printer != defaultPrinter {
		args = append(args, "-d", o.printer)
	}
	if o.style == printsheet.Wallet {
		args = append(args, "-o", "print-scaling=none", "-o", "sides=one-sided")
	}
	return args
}

// A number is the value of a flag. Its bounds are checked later: they depend on
// other flags.
type number int

func (n *number) String() string { return strconv.Itoa(int(*n)) }
func (n *number) Type() string   { return "number" }

func (n *number) Set(s string) error {
	v, err := strconv.ParseInt(s, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return errors.New("out of range")
	case err != nil:
		return errors.New("not a number")
	}
	*n = number(v)
	return nil
}

// A format is the value of --format.
type format otp.Format

func (f *format) String() string { return fmt.Sprintf("otpw%d", int(*f)) }
func (f *format) Type() string   { return "name" }

func (f *format) Set(s string) error {
	for _, known := range []otp.Format{otp.OTPW1, otp.OTPW2} {
		if k := format(known); strings.EqualFold(s, k.String()) {
			*f = k
			return nil
		}
	}
	return errors.New("no format of lists, want otpw2 or otpw1")
}

// A usageError is the fault of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// flagError puts into our words what pflag has against the command line.
func flagError(err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		return usage("unknown option %s", dashed(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()))
	case errors.As(err, &missing):
		return usage("option %s needs a value%s", letter(missing.GetFlag()), notHelp(missing.GetFlag()))
	case errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "bool":
		return usage("option %s takes no value", letter(invalid.GetFlag()))
	case errors.As(err, &invalid):
		return usage("option %s: %q is %w%s", letter(invalid.GetFlag()), invalid.GetValue(), invalid.Unwrap(), notHelp(invalid.GetFlag()))
	}
	return usageError{err}
}

func dashed(name, bundle string) string {
	if bundle != "" {
		if len(bundle) > 1 {
			return fmt.Sprintf("-%s in -%s", name, bundle)
		}
		return "-" + name
	}
	return "--" + name
}

func letter(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand
	}
	return "--" + f.Name
}

// notHelp helps those who expect help of -h.
func notHelp(f *pflag.Flag) string {
	if f.Name == "height" {
		return " (-h is the height of a page)"
	}
	return ""
}
