// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// PAM's configuration, read as Linux-PAM reads it (libpam/pam_handlers.c): what it
// makes of a mistake is what matters, for it makes something of any.

// A line is one of a stack: a module, or something that always fails.
type line struct {
	file   string
	number int    // of the line in the file, from 1
	kind   string // auth, account, session, password
	silent bool   // `-auth`: nothing is logged of a module that is missing
	level  int    // of substacks
	// control says what to do about each result.
	control [results]action
	module  string // as written; "": none, PAM denies here
	args    []string
	top     *line  // that of the service's own file by which it is there; nil: itself
	text    string // as written, blanks made one
	// substack marks where one begins; nothing is called there.
	substack bool
}

// stand says which line of the service's own file it is, or is there by.
func (l line) stand() string {
	if l.top != nil {
		return l.top.stand()
	}
	return fmt.Sprintf("`%s` (%s)", l.text, l.where())
}

func (l line) where() string { return fmt.Sprintf("%s line %d", l.file, l.number) }

// name is the module's, without folder: pam_unix.so.
func (l line) name() string { return filepath.Base(l.module) }

// An action is what a control makes of a result: one of those below, or how many
// lines to skip.
type action int

const (
	undefined action = -iota
	ignore
	ok
	done
	bad
	die
	reset
)

var actionNames = []struct {
	name string
	action
}{{"ignore", ignore}, {"ok", ok}, {"done", done}, {"bad", bad}, {"die", die}, {"reset", reset}}

// Results of modules, by the names they have in a control; the index is the number.
var resultNames = []string{
	"success", "open_err", "symbol_err", "service_err", "system_err", "buf_err", "perm_denied", "auth_err",
	"cred_insufficient", "authinfo_unavail", "user_unknown", "maxtries", "new_authtok_reqd", "acct_expired",
	"session_err", "cred_unavail", "cred_expired", "cred_err", "no_module_data", "conv_err", "authtok_err",
	"authtok_recover_err", "authtok_lock_busy", "authtok_disable_aging", "try_again", "ignore", "abort",
	"authtok_expired", "module_unknown", "bad_item", "conv_again", "incomplete",
}

// A result is what a module returns.
type result int

const (
	success         result = 0
	systemErr       result = 4
	permDenied      result = 6
	authErr         result = 7
	authinfoUnavail result = 9
	userUnknown     result = 10
	newAuthtokReqd  result = 12
	ignored         result = 25
	moduleUnknown   result = 28
	results                = 32
)

// setDefault sets what is not set yet.
func (l *line) setDefault(a action) {
	for i := range l.control {
		if l.control[i] == undefined {
			l.control[i] = a
		}
	}
}

// A service is what PAM does for one.
type service struct {
	name  string
	files []string // that were read
	lines []line
	other []line // of the service `other`, for kinds that the service has nothing of
	found bool   // there is a file of the service's own
	// stuck: PAM gives up on the service as a whole.
	stuck bool
}

// main is the file that the service begins with.
func (s *service) main() string {
	if len(s.files) == 0 {
		return s.name
	}
	return s.files[0]
}

// stack returns the lines of a kind, and whether they are those of `other`.
func (s *service) stack(kind string) (stack []line, other bool) {
	of := func(lines []line) (some []line) {
		for _, l := range lines {
			if l.kind == kind {
				some = append(some, l)
			}
		}
		return some
	}
	if own := of(s.lines); len(own) > 0 {
		return own, false
	}
	return of(s.other), true
}

// A mistake is something in a file that PAM does not understand.
type mistake struct {
	where string
	text  string
	err   error // of a file that cannot be read; nil: a mistake in a line
}

// A pamReader reads configurations from the folders that PAM reads.
type pamReader struct {
	dirs     []string
	mistakes []mistake
	files    []string
	reads    int
	stuck    bool
}

// maxIncludes is how deep files may include each other: PAM_SUBSTACK_MAX_LEVEL.
const maxIncludes = 32

// maxReads bounds how often files are read: two that include each other twice are
// read 2^32 times before they are too deep.
const maxReads = 1000

// readService reads the configuration of a service, whose name PAM takes in small
// letters and without folders.
func readService(dirs []string, name string) (*service, []mistake) {
	r := &pamReader{dirs: dirs}
	s := &service{name: strings.ToLower(filepath.Base(name))}
	lines, err := r.read(s.name, "", 0, 0)
	s.found = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.mistakes = append(r.mistakes, mistake{s.name, err.Error(), err})
	}
	s.lines = lines
	if other, err := r.read("other", "", 0, 0); err == nil {
		s.other = other
	}
	s.files, s.stuck = r.files, r.stuck
	return s, r.mistakes
}

// open finds a file, as PAM does: the first folder that has one it can open.
func (r *pamReader) open(name string) (*os.File, string, error) {
	paths := []string{name}
	if !strings.HasPrefix(name, "/") {
		paths = nil
		for _, dir := range r.dirs {
			paths = append(paths, dir+"/"+name)
		}
	}
	var first error
	for _, path := range paths {
		// A fifo hangs PAM; it shall not hang this program.
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err == nil {
			return f, path, nil
		}
		if first == nil || errors.Is(first, fs.ErrNotExist) {
			first = err
		}
	}
	return nil, "", first
}

const maxPAMFile = 1 << 20 // bytes; more is no configuration

// read reads a file; of lines of the given kind only, if there is one.
func (r *pamReader) read(name, kind string, depth, level int) ([]line, error) {
	r.reads++
	if depth >= maxIncludes || r.reads > maxReads {
		return nil, errDepth
	}
	f, path, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPAMFile))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.files, path) {
		r.files = append(r.files, path)
	}
	texts, whole := assemble(string(data))
	if !whole {
		r.mistakes = append(r.mistakes, mistake{path, "the last line ends with a backslash: PAM denies", nil})
		if depth == 0 {
			r.stuck = true
		}
		return nil, errTorn
	}
	var lines []line
	for _, t := range texts {
		top := line{file: path, number: t.number, text: strings.Join(strings.Fields(t.string), " ")}
		for _, l := range r.parse(t, path, kind, depth, level) {
			l.top = &top
			lines = append(lines, l)
		}
	}
	return lines, nil
}

var errTorn = errors.New("the last line ends with a backslash")

var errDepth = errors.New("files include each other, or too many")

// A text is a line as PAM sees it.
type text struct {
	number int // of its first line in the file
	string
}

// assemble joins lines that end with a backslash, over empty ones and comments, and
// drops comments. It fails when the last line wants another, as PAM does.
func assemble(data string) (lines []text, whole bool) {
	current, more := text{}, false
	for i, s := range strings.Split(data, "\n") {
		s, _, comment := strings.Cut(strings.TrimLeft(s, " \t"), "#")
		s = strings.TrimRight(s, " \t")
		if s == "" {
			continue
		}
		if !more {
			current = text{number: i + 1}
		}
		s, more = strings.CutSuffix(s, "\\")
		more = more && !comment
		if current.string != "" {
			current.string += " "
		}
		current.string += s
		if !more {
			lines = append(lines, current)
		}
	}
	return lines, !more
}

// token cuts the next word off: up to a blank, or what stands in brackets, where
// \] means a bracket.
func token(s string) (word, rest string, found bool) {
	s = strings.TrimLeft(s, " \t\n")
	if s == "" {
		return "", "", false
	}
	if s[0] != '[' {
		i := strings.IndexAny(s, " \t\n")
		if i < 0 {
			return s, "", true
		}
		return s[:i], s[i+1:], true
	}
	var b strings.Builder
	i := 1
	for ; i < len(s) && s[i] != ']'; i++ {
		if s[i] == '\\' && i+1 < len(s) && s[i+1] == ']' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), s[min(i+1, len(s)):], true
}

// parse makes of a line what PAM makes of it.
func (r *pamReader) parse(t text, file, kind string, depth, level int) []line {
	l := line{file: file, number: t.number, level: level}
	word, rest, _ := token(t.string)
	if strings.EqualFold(word, "@include") { // of Debian
		name, _, _ := token(rest)
		return r.include(l, name, kind, depth, level, true)
	}
	valid := l.setKind(word, kind)
	if kind != "" && kind != l.kind {
		return nil
	}
	if !valid {
		r.wrong(l, "%q is none of auth, account, session, password: PAM denies here", word)
	}
	control, rest, found := token(rest)
	if !found {
		r.wrong(l, "nothing but %q: PAM denies here", word)
		l.setDefault(bad)
		return []line{l}
	}
	module, rest, found := token(rest)
	switch low := strings.ToLower(control); {
	case low == "include":
		return r.include(l, module, l.kind, depth, level, false)
	case low == "substack":
		return r.include(l, module, l.kind, depth, level+1, false)
	case !l.setControl(control):
		r.wrong(l, "%q is not a control: PAM takes any result for a failure", control)
	}
	if !found {
		r.wrong(l, "no module: PAM denies here")
	} else if valid {
		l.module = module
	}
	for arg, rest, found := token(rest); found; arg, rest, found = token(rest) {
		l.args = append(l.args, arg)
	}
	return []line{l}
}

func (r *pamReader) wrong(l line, format string, args ...any) {
	r.mistakes = append(r.mistakes, mistake{l.where(), fmt.Sprintf(format, args...), nil})
}

// setKind reads the kind. A word that is none stands for what is being included, or
// for the most sensitive one.
func (l *line) setKind(word, included string) (valid bool) {
	word, l.silent = strings.CutPrefix(word, "-")
	l.kind = strings.ToLower(word)
	if slices.Contains(kinds, l.kind) {
		return true
	}
	l.kind = "auth"
	if included != "" {
		l.kind = included
	}
	return false
}

var kinds = []string{"auth", "account", "session", "password"}

// include reads another file in the place of the line. A substack begins with a
// line of its own.
func (r *pamReader) include(l line, name, kind string, depth, level int, all bool) []line {
	var before []line
	if level > l.level {
		mark := l
		mark.substack, mark.module = true, name
		before = []line{mark}
	}
	lines, err := r.read(name, kind, depth+1, level)
	if err == nil {
		return append(before, lines...)
	}
	if !(errors.Is(err, errDepth) && depth < maxIncludes-1) { // said once, by the innermost
		r.mistakes = append(r.mistakes, mistake{l.where(), fmt.Sprintf("%q cannot be included: %v", name, bareError(err)), err})
	}
	l.setDefault(bad)
	if errors.Is(err, errDepth) { // Debian's libpam, for one, crashes
		r.stuck = true
	}
	if all && kind == "" { // PAM knows of no kind to add a failure to, and gives up
		r.stuck = true
		return nil
	}
	l.kind, l.module = kind, ""
	return append(before, l)
}

// bareError leaves out what a file was called, for where that is said already.
func bareError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// setControl reads a control: a word, or what stood in brackets.
func (l *line) setControl(control string) bool {
	set := func(good, other action, also ...result) bool {
		l.control[success], l.control[newAuthtokReqd] = good, good
		for _, r := range also {
			l.control[r] = ignore
		}
		l.setDefault(other)
		return true
	}
	switch strings.ToLower(control) {
	case "required":
		return set(ok, bad, ignored)
	case "requisite":
		return set(ok, die, ignored)
	case "optional":
		return set(ok, ignore)
	case "sufficient":
		return set(done, ignore)
	}
	for rest := strings.TrimSpace(control); rest != ""; {
		m := controlPart.FindStringSubmatch(rest)
		to, valid := actionOf(m)
		if !valid {
			for i := range l.control {
				l.control[i] = bad
			}
			return false
		}
		if m[1] == "default" {
			l.setDefault(to)
		} else {
			l.control[slices.Index(resultNames, m[1])] = to
		}
		rest = strings.TrimLeft(rest[len(m[0]):], " \t\n\v\f\r")
	}
	l.setDefault(bad)
	return true
}

// controlPart is one `name = action` of a control. PAM wants no blank behind it.
var controlPart = regexp.MustCompile(`^(default|` + strings.Join(resultNames, "|") + `)\s*=\s*(ignore|ok|done|bad|die|reset|[0-9]+)`)

// actionOf returns the action of such a part. PAM refuses to jump over nothing.
func actionOf(part []string) (to action, valid bool) {
	if part == nil {
		return 0, false
	}
	for _, a := range actionNames {
		if a.name == part[2] {
			return a.action, true
		}
	}
	var n int
	_, err := fmt.Sscan(strings.TrimLeft(part[2], "0"), &n)
	return action(n), err == nil && n > 0
}
