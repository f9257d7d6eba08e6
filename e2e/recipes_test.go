// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/otpw-go/otpw/e2e/world"
)

// The recipes of docs/recipes.md, as they are written there: their files and
// commands are read from that page, and applied to the PAM services of Debian.

// block is indented text of the page, with the paragraph before it.
type block struct{ lead, text string }

// section is what stands below one of the page's headings.
type section []block

// page reads docs/recipes.md: its sections, by their headings up to the first full stop.
var page = sync.OnceValues(func() (map[string]section, error) {
	data, err := os.ReadFile(filepath.Join(theWorld.Source, "docs/recipes.md"))
	sections := map[string]section{}
	var heading, lead string
	for _, p := range regexp.MustCompile(`\n(?: *\n)+`).Split(string(data), -1) {
		switch {
		case strings.HasPrefix(p, "## "):
			heading, _, _ = strings.Cut(strings.TrimPrefix(p, "## "), ".")
		case strings.HasPrefix(p, "    "):
			text := strings.ReplaceAll("\n"+strings.TrimRight(p, "\n"), "\n    ", "\n")
			sections[heading] = append(sections[heading], block{lead, text[1:] + "\n"})
		default:
			lead = p
		}
	}
	return sections, err
})

func readSection(t *testing.T, heading string) section {
	t.Helper()
	sections, err := page()
	if err != nil {
		t.Fatal(err)
	}
	if len(sections[heading]) == 0 {
		t.Fatalf("docs/recipes.md: nothing in section %q", heading)
	}
	return sections[heading]
}

// find returns the text of the one block that a paragraph leads to which contains lead.
func (s section) find(t *testing.T, lead string) string {
	t.Helper()
	var found []string
	for _, b := range s {
		if strings.Contains(b.lead, lead) {
			found = append(found, b.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("docs/recipes.md: %d blocks behind %q, want 1", len(found), lead)
	}
	return found[0]
}

// files are the blocks whose paragraph begins with a path, by that.
func (s section) files() map[string]string {
	files := map[string]string{}
	for _, b := range s {
		if m := regexp.MustCompile("^`(/[^`]+)`").FindStringSubmatch(b.lead); m != nil {
			files[m[1]] = b.text
		}
	}
	return files
}

const (
	inside    = "192.168.7.8"
	inside6   = "fd00::7"
	outside   = "203.0.113.9"
	outside6  = "2001:db8::9"
	emergency = "breakglass"
)

var prepared sync.Once

// prepare makes what recipes expect of a host: services that others include, addresses, a group.
func prepare(t *testing.T, w *world.World) {
	t.Helper()
	prepared.Do(func() {
		for _, name := range []string{
			"debian/common-auth", "debian/common-account", "debian/common-session", "debian/common-session-noninteractive",
			"debian/common-password", "fedora/password-auth", "fedora/postlogin",
		} {
			w.Service(t, filepath.Base(name), stock(t, w, name))
		}
		for _, address := range []string{inside, inside6, outside, outside6} {
			w.Address(t, address)
		}
		w.Group(t, emergency)
		do(t, os.MkdirAll("/etc/default", 0o755))
		do(t, os.WriteFile("/etc/default/locale", nil, 0o644))
	})
}

// stock is a PAM service as a distribution has it.
func stock(t *testing.T, w *world.World, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.Source, "e2e/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// kitchen is a host with a recipe for sshd.
type kitchen struct {
	*world.World
	m    world.Module
	sshd *world.Sshd
}

// cook follows a recipe for sshd on Debian.
func cook(t *testing.T, recipe string) *kitchen {
	t.Helper()
	return cookOn(t, "debian", recipe)
}

// cookOn follows a recipe for sshd: it starts a server as a distribution has it, but for what the recipe's files say, and
// runs the commands that turn the recipe on.
func cookOn(t *testing.T, distribution, recipe string) *kitchen {
	t.Helper()
	w := begin(t)
	prepare(t, w)
	files := readSection(t, recipe).files()
	folder, err := os.MkdirTemp("/etc/ssh", "sshd_config.d")
	do(t, err)
	do(t, os.WriteFile(folder+"/00-otpw.conf", []byte(files["/etc/ssh/sshd_config.d/00-otpw.conf"]), 0o644))
	k := &kitchen{World: w, m: w.Install(t)}
	k.sshd = w.Sshd(t, []string{stock(t, w, distribution+"/sshd")},
		"Include "+folder+"/*.conf",
		"KbdInteractiveAuthentication no", "PasswordAuthentication yes", "PubkeyAuthentication yes",
		"ListenAddress ::1")
	for path, text := range files {
		if !strings.HasPrefix(path, "/etc/ssh/") {
			do(t, os.WriteFile(k.own(path), []byte(k.own(text)), 0o644))
		}
	}
	r := k.run(t, readSection(t, "Trying, turning on, undoing").find(t, "**Turn it on**"))
	if n := strings.Count(r.Stdout, "\n"); n != 2 {
		t.Fatalf("%d lines with otpw in the service, the page promises 2:\n%s", n, r.Stdout)
	}
	return k
}

// own puts this server's names in the place of those of the page: many run at a time, and the module is not where PAM looks.
func (k *kitchen) own(text string) string {
	text = regexp.MustCompile(`(/etc/pam\.d/|\botpw-)sshd\b`).ReplaceAllString(text, "${1}"+k.sshd.Name)
	return strings.NewReplacer("pam_otpw.so", k.m.Path, "otpw-pseudo-user", k.pseudoUser()).Replace(text)
}

// pseudoUser is the program of that name, beside otpw-gen.
func (k *kitchen) pseudoUser() string {
	return filepath.Join(filepath.Dir(k.m.Generator), "otpw-pseudo-user")
}

// run runs commands of the page.
func (k *kitchen) run(t *testing.T, commands string) world.Result {
	t.Helper()
	r := k.Run(t, nil, "", "/bin/sh", "-ec", k.own(commands))
	if r.Status != 0 {
		t.Fatalf("status %d: %s%s", r.Status, k.own(commands), r.Stderr)
	}
	return r
}

// guest is somebody at the door: what he has, what he does, and what is to become of it.
type guest struct {
	name   string
	list   bool   // he has a list
	key    bool   // he has a key
	member bool   // he is in the group for emergencies
	from   string // his address; empty: 127.0.0.1
	types  string // when asked for a number: right, wrong, nothing, used, ordinary
	knows  string // when asked for the ordinary password: right, response, else wrong
	method string // of the client; empty: all
	nobody bool   // there is no such user
	want   string // what he is asked for, in order, and the end: number, password; in, refused
}

// numbers are the guests of somebody who is asked for a number, in the end.
func numbers(v guest, before string) []guest {
	var all []guest
	for types, end := range map[string]string{"right": "in", "wrong": "refused", "nothing": "refused", "used": "refused", "ordinary": "refused"} {
		one := v
		one.name, one.types, one.want = strings.TrimSpace(v.name+" answer: "+types), types, before+"number "+end
		all = append(all, one)
	}
	return all
}

// strangers know nothing and have nothing but a name, whoever's that is.
func strangers() []guest {
	var all []guest
	for i := range 16 {
		v := guest{list: i&1 != 0, member: i&2 != 0, types: "wrong", from: outside}
		if i&4 != 0 {
			v.from = inside
		}
		if i&8 != 0 {
			v.method = "password"
		}
		v.name = fmt.Sprintf("stranger: list %v, member %v, from %s, %s", v.list, v.member, v.from, v.method)
		all = append(all, v)
	}
	return append(all, guest{name: "stranger: no such user", nobody: true, types: "wrong"})
}

// receive runs a guest.
func (k *kitchen) receive(t *testing.T, v guest) {
	a, sheet := &world.Account{Name: "mallory", Home: "/nonexistent"}, (*world.Sheet)(nil)
	mark := k.Log.Mark()
	var options []string
	if !v.nobody {
		a = k.Account(t, "alice")
		k.SetPassword(t, a)
	}
	if v.list {
		sheet = cheapList(t, a, k.m, "-h", "20")
		defer noSecrets(t, k.World, sheet, mark)
	}
	if v.member {
		k.Join(t, a, emergency)
	}
	if v.key {
		options = append(options, "-o", "PubkeyAuthentication=yes", "-i", makeKey(t, k.World, a))
	}
	if strings.Contains(v.from, ":") {
		options = append(options, "-o", "HostName=::1")
	}
	if v.from != "" {
		options = append(options, "-o", "BindAddress="+v.from)
	}
	method := v.method
	if method == "" {
		method = "publickey,keyboard-interactive,password"
	}
	options = append(options, "-o", "PreferredAuthentications="+method)
	used := ""
	if v.types == "used" {
		first := v
		first.types = "right"
		_, used = k.enter(t, first, a, sheet, "", options)
	}
	var left []string
	if v.list {
		left = a.Unused(t)
	}
	got, _ := k.enter(t, v, a, sheet, used, options)
	if v.want == "" {
		got = strings.TrimPrefix(got, strings.TrimSuffix(got, "refused"))
		v.want = "refused"
	}
	if got != v.want {
		t.Errorf("%q, want %q", got, v.want)
	}
	if !v.list {
		return
	}
	spent := 0
	if strings.HasSuffix(got, "number in") {
		spent = 1
	}
	if n := len(left) - len(a.Unused(t)); n != spent {
		t.Errorf("%d passwords used up, want %d", n, spent)
	}
	if aside := a.Lock(t); aside != "" && v.want != "refused" && !strings.Contains(got, "number") {
		t.Errorf("%s set aside, though nothing was asked", aside)
	}
}

// enter comes to the door, and returns what was asked and became of it, and the latest response.
func (k *kitchen) enter(t *testing.T, v guest, a *world.Account, sheet *world.Sheet, used string, options []string) (story, response string) {
	l := k.sshd.Login(a, options...)
	defer l.Close()
	for range 5 {
		step, err := l.Next()
		switch {
		case err != nil:
			t.Fatalf("%s: %v\n%s", story, err, l.Output())
		case step.Numbers != nil:
			story += "number "
			response = answer(v.types, sheet, step.Numbers, used)
			l.Enter(response)
		case step.Ordinary:
			story += "password "
			switch v.knows {
			case "right":
				l.Enter(world.OrdinaryPassword)
			case "response":
				l.Enter(sheet.Response(a.Unused(t)[0]))
			default:
				l.Enter("wrong")
			}
		case step.In:
			return story + "in", response
		default:
			return story + "refused", response
		}
	}
	t.Fatalf("%s and so on", story)
	return "", ""
}

func answer(types string, sheet *world.Sheet, numbers []string, used string) string {
	switch types {
	case "right":
		return sheet.Response(numbers...)
	case "wrong":
		return prefix + "AAAAAAAA"
	case "used":
		return used
	case "ordinary":
		return world.OrdinaryPassword
	}
	return ""
}

func TestRecipesForSshd(t *testing.T) {
	needWorld(t)
	for recipe, guests := range map[string][]guest{
		"1": append(numbers(guest{list: true}, ""),
			guest{name: "no list", want: "refused"},
			guest{name: "key, no list", key: true, want: "in"},
			guest{name: "key and list", key: true, list: true, want: "in"},
		),
		"2": append(numbers(guest{list: true}, ""),
			guest{name: "no list", want: "refused"},
			guest{name: "key, no list", key: true, want: "in"},
			guest{name: "key and list", key: true, list: true, want: "in"},
		),
		"3": append(numbers(guest{list: true, key: true}, ""),
			guest{name: "no key", list: true, types: "right", want: "refused"},
			guest{name: "no list", key: true, want: "refused"},
		),
		"4": append(numbers(guest{list: true, knows: "right"}, "password "),
			guest{name: "wrong password", list: true, types: "right", want: "password refused"},
			guest{name: "response instead of password", list: true, types: "right", knows: "response", want: "password refused"},
			guest{name: "no list", knows: "right", want: "password refused"},
			guest{name: "key", key: true, want: "in"},
		),
		"5": append(append(numbers(guest{name: "outside", list: true, from: outside, knows: "right"}, ""),
			numbers(guest{name: "outside, IPv6", list: true, from: outside6, knows: "right"}, "")...),
			guest{name: "outside, no list", from: outside, knows: "right", want: "refused"},
			guest{name: "outside, key", from: outside, key: true, want: "in"},
			guest{name: "inside", list: true, from: inside, knows: "right", want: "password in"},
			guest{name: "inside, no list", from: inside, knows: "right", want: "password in"},
			guest{name: "inside, wrong", list: true, from: inside, types: "right", want: "password refused"},
			guest{name: "inside, response", list: true, from: inside, types: "right", knows: "response", want: "password refused"},
			guest{name: "inside, IPv6", from: inside6, knows: "right", want: "password in"},
			guest{name: "this host", knows: "right", want: "password in"},
		),
		"8": append(numbers(guest{list: true, knows: "right"}, ""),
			guest{name: "no list", knows: "right", want: "password in"},
			guest{name: "no list, wrong password", want: "password refused"},
			guest{name: "key", key: true, want: "in"},
		),
		"9": append(numbers(guest{list: true, key: true}, ""),
			guest{name: "no key", list: true, types: "right", want: "refused"},
			guest{name: "no list", key: true, want: "refused"},
			guest{name: "emergency", key: true, member: true, want: "in"},
			guest{name: "emergency without key", list: true, member: true, types: "right", knows: "right", want: "refused"},
		),
		"11": append(numbers(guest{list: true}, ""), guest{name: "no list", want: "refused"}),
		"12": append(numbers(guest{list: true}, ""), guest{name: "no list", want: "refused"}),
	} {
		t.Run(recipe, func(t *testing.T) {
			t.Parallel()
			k := cook(t, recipe)
			t.Run("guests", func(t *testing.T) { // is over when all are
				for _, v := range append(guests, strangers()...) {
					t.Run(v.name, func(t *testing.T) {
						t.Parallel()
						k.receive(t, v)
					})
				}
			})
		})
	}
}

// A done ends the recipe, and not the service that it is part of.
func TestRecipesOnFedora(t *testing.T) {
	needWorld(t)
	for recipe, guests := range map[string][]guest{
		"1": numbers(guest{list: true}, ""),
		"4": append(numbers(guest{list: true, knows: "right"}, "password "),
			guest{name: "wrong password", list: true, types: "right", want: "password refused"},
			guest{name: "no list", knows: "right", want: "password refused"}),
		"5": append(numbers(guest{list: true, from: outside, knows: "right"}, ""),
			guest{name: "inside", from: inside, knows: "right", want: "password in"}),
		"8": append(numbers(guest{list: true, knows: "right"}, ""),
			guest{name: "no list", knows: "right", want: "password in"}),
		"12": numbers(guest{list: true}, ""),
	} {
		t.Run(recipe, func(t *testing.T) {
			t.Parallel()
			k := cookOn(t, "fedora", recipe)
			t.Run("guests", func(t *testing.T) {
				for _, v := range append(guests, guest{name: "stranger", types: "wrong", from: outside}, guest{name: "nobody", nobody: true}) {
					t.Run(v.name, func(t *testing.T) {
						t.Parallel()
						k.receive(t, v)
					})
				}
			})
		})
	}
}

// What the page warns of: a done ends the recipe only, and sufficient in what is included ends more than one thinks.
func TestRecipeWarnings(t *testing.T) {
	t.Parallel()
	k := cook(t, "8")
	service := "/etc/pam.d/" + k.sshd.Name
	text, err := os.ReadFile(service)
	do(t, err)
	do(t, os.WriteFile(service, append(text, "auth required pam_deny.so\n"...), 0o644))
	s := k.alice(t)
	if got, _ := k.enter(t, guest{types: "right"}, s.a, s.sheet, "", nil); got != "number refused" {
		t.Errorf("what stands behind the recipe does not count: %q", got)
	}

	k = cookOn(t, "fedora", "4")
	service = "/etc/pam.d/otpw-" + k.sshd.Name
	do(t, os.WriteFile(service, []byte(k.own("auth include password-auth\nauth required pam_otpw.so\n")), 0o644))
	s = k.alice(t)
	if got, _ := k.enter(t, guest{knows: "right"}, s.a, s.sheet, "", nil); got != "password in" {
		t.Errorf("the page warns in vain: %q", got)
	}
}

// alice is somebody with a list at a kitchen's door.
func (k *kitchen) alice(t *testing.T) *scene {
	t.Helper()
	s := &scene{World: k.World, t: t, m: k.m, sshd: k.sshd, a: k.Account(t, "alice"), mark: k.Log.Mark()}
	k.SetPassword(t, s.a)
	s.newList("-h", "20")
	return s
}

// fail answers n prompts wrongly.
func (s *scene) fail(n int) {
	s.t.Helper()
	logins := make([]*world.Login, n)
	for i := range logins {
		logins[i] = s.sshd.Login(s.a)
		logins[i].Prompt()
	}
	for _, l := range logins {
		l.Enter("wrong")
	}
	for _, l := range logins {
		l.Refused()
	}
}

// failures is how many times pam_faillock has counted.
func (k *kitchen) failures(t *testing.T, a *world.Account) int {
	t.Helper()
	return strings.Count(k.run(t, "faillock --user "+a.Name).Stdout, " V\n")
}

func TestRecipeFaillock(t *testing.T) {
	t.Parallel()
	const deny = 5
	k := cook(t, "12")
	s := k.alice(t)
	s.fail(deny - 1)
	if n := k.failures(t, s.a); n != deny-1 {
		t.Errorf("%d failures counted, want %d", n, deny-1)
	}
	s.succeed()
	if n := k.failures(t, s.a); n != 0 {
		t.Errorf("%d failures counted after a success", n)
	}

	// What is no guess is not counted: no answer, no list.
	cut := s.sshd.Login(s.a)
	cut.Prompt()
	cut.Kill()
	s.quiet()
	bob := k.Account(t, "bob")
	s.sshd.Login(bob).Refused()
	for _, a := range []*world.Account{s.a, bob} {
		if n := k.failures(t, a); n != 0 {
			t.Errorf("%s: %d failures counted", a.Name, n)
		}
	}

	held := s.sshd.Login(s.a) // a prompt from before
	numbers := held.Prompt()
	s.fail(deny)
	left, aside, mark := s.a.Unused(t), s.a.Lock(t), k.Log.Mark()
	for range 2 {
		s.sshd.Login(s.a).Refused() // without a prompt
	}
	if got := s.a.Unused(t); len(got) != len(left) || s.a.Lock(t) != aside {
		t.Errorf("%d left and %q set aside, before %d and %q", len(got), s.a.Lock(t), len(left), aside)
	}
	if lines := k.Log.Find(mark, `pam_otpw.* user=`+s.a.Name+` `); len(lines) > 0 {
		t.Errorf("asked while locked:\n%s", world.Lines(lines))
	}
	// pam_faillock has the last word, when the password is used up already.
	held.Enter(s.sheet.Response(numbers...))
	held.Refused()
	s.usedUp(numbers...)

	k.run(t, "faillock --user "+s.a.Name+" --reset")
	s.succeed()
}

// Whatever is wrong with its file, pam_access must not let anybody from outside take the ordinary password.
func TestRecipeOutsideWithoutFile(t *testing.T) {
	t.Parallel()
	k := cook(t, "5")
	service := "/etc/pam.d/otpw-" + k.sshd.Name
	pam, err := os.ReadFile(service)
	do(t, err)
	mark := k.Log.Mark()
	k.receive(t, guest{from: inside, knows: "right", want: "password in"})
	if len(k.Log.Find(mark, `pam_access\(`+k.sshd.Name+`:auth\): access denied for user .* from .`+inside)) != 1 {
		t.Error("the page promises a line of pam_access")
	}
	good := readSection(t, "5").files()["/etc/security/otpw-outside.conf"]
	rules := strings.Split(strings.TrimSpace(good), "\n")
	file := t.TempDir() + "/outside.conf"
	do(t, os.WriteFile(service, []byte(strings.ReplaceAll(string(pam), "/etc/security/otpw-outside.conf", file)), 0o644))
	for _, tt := range []struct{ name, text string }{
		{"missing", ""},
		{"empty", "\n"},
		{"cut off", strings.Join(rules[:len(rules)-1], "\n") + "\n"},
		{"mistyped", strings.ReplaceAll(strings.ReplaceAll(good, "-:ALL:", "-:ALL "), "+:ALL:", "+:ALL ")},
	} {
		if tt.text != "" {
			do(t, os.WriteFile(file, []byte(tt.text), 0o644))
		}
		t.Run(tt.name, func(t *testing.T) {
			k.receive(t, guest{list: true, from: outside, types: "right", knows: "right", want: "number in"})
			k.receive(t, guest{from: outside, knows: "right", want: "refused"})
		})
	}
}

// A second sshd beside the real one, with a service of its own, then the real one: as the page tells, with the names of a real host.
func TestRecipeTrying(t *testing.T) {
	w := begin(t)
	prepare(t, w)
	w.Service(t, "sshd", stock(t, w, "debian/sshd"))
	trying := readSection(t, "Trying, turning on, undoing")
	const dropIn = "/etc/ssh/sshd_config.d/00-otpw.conf"
	files := readSection(t, "1").files()
	do(t, os.MkdirAll(filepath.Dir(dropIn), 0o755))
	do(t, os.WriteFile("/etc/ssh/sshd_config", []byte("Include /etc/ssh/sshd_config.d/*.conf\n"+
		"KbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding no\nPrintMotd no\nHostKey "+w.HostKey(t)+"\n"), 0o644))
	k := &kitchen{World: w, m: w.Install(t), sshd: &world.Sshd{Name: "sshd"}}
	before := w.SshdCommand(t, "sshd", 2198, "/usr/sbin/sshd", "-D", "-p", "2198") // as it is before anything is written

	for path, text := range files {
		do(t, os.WriteFile(path, []byte(k.own(text)), 0o644))
	}
	setUp, server, found := strings.Cut(trying.find(t, "**Try it**"), "/run/sshd-try -t")
	if !found {
		t.Fatal("the page starts no server")
	}
	k.run(t, setUp)
	try := w.SshdCommand(t, "sshd-try", 2199, "/bin/sh", "-c", "/run/sshd-try -t"+strings.ReplaceAll(server, "2222", "2199"))
	k.sshd = try
	k.receive(t, guest{list: true, types: "right", want: "number in"})
	k.receive(t, guest{knows: "right", want: "refused"})
	k.sshd = before // not reloaded: its own configuration, and its own service
	k.receive(t, guest{list: true, knows: "right", want: "password in"})

	k.run(t, trying.find(t, "**Turn it on**"))
	k.sshd = w.SshdCommand(t, "sshd", 2197, "/usr/sbin/sshd", "-D", "-p", "2197")
	k.receive(t, guest{list: true, types: "right", want: "number in"})
	k.receive(t, guest{knows: "right", want: "refused"})
	k.sshd = before
	k.receive(t, guest{knows: "right", want: "password refused"}) // PAM's files count at once, though sshd still asks in its way

	k.run(t, trying.find(t, "**Undo it**"))
	k.sshd = w.SshdCommand(t, "sshd", 2196, "/usr/sbin/sshd", "-D", "-p", "2196")
	k.receive(t, guest{list: true, knows: "right", want: "password in"})
	// A file that is included and not there.
	k.run(t, trying.find(t, "**Turn it on**"))
	k.receive(t, guest{list: true, types: "right", knows: "right", want: "password refused"})
}

// Homes shared with a host that runs the original.
func TestRecipeBesideOriginal(t *testing.T) {
	t.Parallel()
	k := cook(t, "11")
	s := k.alice(t)
	s.replaceList(s.m.Generator, "-h", "20", "--format", "otpw1")
	n := &neighbours{s, k.Neighbour(t).Sshd(t, pamLines(k.InstallOriginal(t)))}
	for i := range 4 {
		l := []*world.Sshd{n.sshd, n.there}[i%2].Login(n.a)
		n.logIn(l, l.Single())
	}
	for range 2 { // each way
		waiting := n.sshd.Login(n.a)
		number := waiting.Single()
		other := n.there.Login(n.a)
		n.logIn(other, other.Triple()...)
		n.logIn(waiting, number)
		n.sshd, n.there = n.there, n.sshd
	}
}

// Who has a list that is good for nothing, or a home that is not there, is not one without a list.
func TestRecipeEnrolment(t *testing.T) {
	t.Parallel()
	k := cook(t, "8")
	for name, spoil := range map[string]func(a *world.Account){
		"used up":      func(a *world.Account) { useAllBut(t, a, 0) },
		"broken":       func(a *world.Account) { writeList(t, a, "OTPW") },
		"not private":  func(a *world.Account) { do(t, os.Chmod(a.Path(".otpw"), 0o644)) },
		"home is gone": func(a *world.Account) { do(t, os.Rename(a.Home, a.Home+".away")) },
		"home is shut": func(a *world.Account) { do(t, os.Chmod(a.Home, 0)) },
		"dangling link": func(a *world.Account) {
			do(t, os.Remove(a.Path(".otpw")))
			do(t, os.Symlink("/nowhere/otpw", a.Path(".otpw")))
		},
	} {
		s := k.alice(t)
		spoil(s.a)
		if got, _ := k.enter(t, guest{knows: "right"}, s.a, nil, "", nil); got != "refused" {
			t.Errorf("%s: %q", name, got)
		}
	}
	s := k.alice(t)
	do(t, os.Remove(s.a.Path(".otpw")))
	if got, _ := k.enter(t, guest{knows: "right"}, s.a, nil, "", nil); got != "password in" {
		t.Errorf("list removed: %q", got)
	}
}

// Lists of a keeper. It changes the whole host: not beside other tests.
func TestRecipeKeeper(t *testing.T) {
	k := cook(t, "10")
	recipe := readSection(t, "10")
	mover := k.alice(t)
	k.AsKeeper(t, k.m)
	k.InstallPseudoUser(t, k.m)
	k.run(t, recipe.find(t, "With the root shell open"))
	t.Cleanup(func() {
		k.run(t, "rm -r /var/lib/otpw/*")
		k.run(t, recipe.find(t, "Undo"))
		if r := k.Run(t, nil, "", "/usr/bin/getent", "passwd", "otpw"); r.Status == 0 {
			t.Error("the user otpw is there still")
		}
	})
	alice := k.Account(t, "alice")
	r := k.Run(t, alice, prefix+"\n"+prefix+"\n", k.m.Generator, "--kdf-memory", "1", "--kdf-passes", "1", "-h", "20")
	if r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	sheet := &world.Sheet{Prefix: prefix, Passwords: world.ParseSheet(r.Stdout)}
	k.run(t, strings.ReplaceAll(recipe.find(t, "root moves"), "alice", mover.a.Name))

	for _, tt := range []struct {
		a     *world.Account
		sheet *world.Sheet
	}{{alice, sheet}, {mover.a, mover.sheet}} {
		for _, command := range []string{"cat /var/lib/otpw/$USER", "echo >/var/lib/otpw/$USER", "rm -f /var/lib/otpw/$USER"} {
			if r := k.Run(t, tt.a, "", "/bin/sh", "-c", command); r.Status == 0 {
				t.Errorf("%s may do this: %s", tt.a.Name, command)
			}
		}
		do(t, os.Rename(tt.a.Home, tt.a.Home+".encrypted"))
		got, used := k.enter(t, guest{types: "right"}, tt.a, tt.sheet, "", nil)
		if got != "number in" {
			t.Errorf("without a home: %q", got)
		}
		for _, g := range []guest{{types: "used"}, {types: "wrong"}} {
			if got, _ := k.enter(t, g, tt.a, tt.sheet, used, nil); got != "number refused" {
				t.Errorf("%s: %q", g.types, got)
			}
		}
	}
	bob := k.Account(t, "bob")
	k.SetPassword(t, bob)
	if got, _ := k.enter(t, guest{knows: "right"}, bob, nil, "", nil); got != "refused" {
		t.Errorf("no list: %q", got)
	}
	if st, err := os.Stat(k.m.Generator); err != nil || st.Sys().(*syscall.Stat_t).Uid != 0 || st.Mode() != 0o755 {
		t.Errorf("otpw-gen: %v, %v", st, err)
	}
	if r := k.Run(t, nil, "", k.m.Generator, "status", "--all"); !strings.Contains(r.Stdout, alice.Name) || !strings.Contains(r.Stdout, mover.a.Name) {
		t.Errorf("status --all:\n%s%s", r.Stdout, r.Stderr)
	}
}

// follow follows a recipe for a service that is called like its program. Not beside another test with that.
func follow(t *testing.T, recipe string) (*kitchen, section) {
	t.Helper()
	w := begin(t)
	prepare(t, w)
	k := &kitchen{World: w, m: w.Install(t), sshd: &world.Sshd{Name: "sshd"}}
	for _, service := range []string{"sudo", "sudo-i", "login"} {
		w.Service(t, service, stock(t, w, "debian/"+service))
	}
	s := readSection(t, recipe)
	for path, text := range s.files() {
		if !strings.HasPrefix(path, "/etc/ssh/") {
			mode := os.FileMode(0o644)
			if strings.HasPrefix(path, "/etc/sudoers.d/") {
				mode = 0o440
			}
			do(t, os.WriteFile(path, []byte(k.own(text)), mode))
		}
	}
	return k, s
}

func TestRecipeSudo(t *testing.T) {
	k, s := follow(t, "6")
	if r := k.Run(t, nil, "", "/usr/sbin/visudo", "-c"); r.Status != 0 {
		t.Errorf("visudo: %s%s", r.Stdout, r.Stderr)
	}
	if r := k.run(t, s.find(t, "turn it on")); strings.Count(r.Stdout, "\n") != 2 {
		t.Errorf("want a line of each service:\n%s", r.Stdout)
	}
	alice := k.alice(t)
	sudoer := func(a *world.Account) {
		do(t, os.WriteFile("/etc/sudoers.d/"+a.Name, []byte(a.Name+" ALL=(ALL) ALL\n"), 0o440))
	}
	sudoer(alice.a)
	for _, command := range [][]string{{"/usr/bin/sudo", "id", "-un"}, {"/usr/bin/sudo", "-i", "id", "-un"}} {
		for _, wrong := range []string{"", world.OrdinaryPassword} {
			sudo := k.Terminal(t, alice.a, command...)
			sudo.Expect(world.PromptPattern)
			sudo.Enter(wrong)
			if sudo.Wait() == 0 || strings.Count(sudo.Output(), "Password") != 1 {
				t.Errorf("%v with %q, want one question and no\n%s", command, wrong, sudo.Output())
			}
		}
		sudo := k.Terminal(t, alice.a, command...)
		numbers := strings.Split(sudo.Expect(world.PromptPattern)[1], "/")
		sudo.Enter(alice.sheet.Response(numbers...))
		sudo.Expect(`root\r\n`)
		if status := sudo.Wait(); status != 0 {
			t.Errorf("%v: status %d\n%s", command, status, sudo.Output())
		}
		// The response is worth nothing now.
		sudo = k.Terminal(t, alice.a, command...)
		sudo.Expect(world.PromptPattern)
		sudo.Enter(alice.sheet.Response(numbers...))
		if sudo.Wait() == 0 {
			t.Errorf("%v with a used password:\n%s", command, sudo.Output())
		}
	}
	bob := k.Account(t, "bob")
	k.SetPassword(t, bob)
	sudoer(bob)
	sudo := k.Terminal(t, bob, "/usr/bin/sudo", "id", "-un")
	if sudo.Wait() == 0 || regexp.MustCompile(`Password|assword for`).MatchString(sudo.Output()) {
		t.Errorf("sudo without a list:\n%s", sudo.Output())
	}
	k.run(t, s.find(t, "Undo"))
	sudo = k.Terminal(t, bob, "/usr/bin/sudo", "id", "-un")
	sudo.Expect(`assword for bob\d*: `)
	sudo.Enter(world.OrdinaryPassword)
	sudo.Expect(`root\r\n`)
}

// console tries to log in on a terminal with login(1), and returns what was asked and became of it.
func (k *kitchen) console(t *testing.T, a *world.Account, sheet *world.Sheet, g guest, used string) (story, response string) {
	t.Helper()
	login := k.Terminal(t, nil, "/bin/login", a.Name)
	defer login.Close()
	for range 3 {
		switch m := login.Expect(world.PromptPattern + `|(shell> )|(Login incorrect)|(Password: )`); {
		case m[1] != "":
			story += "number "
			response = answer(g.types, sheet, strings.Split(m[1], "/"), used)
			login.Enter(response)
		case m[2] != "":
			return story + "in", response
		case m[3] != "":
			return story + "refused", response
		default:
			story += "password "
			if g.knows == "right" {
				login.Enter(world.OrdinaryPassword)
			} else {
				login.Enter("wrong")
			}
		}
	}
	t.Fatalf("%s and so on\n%s", story, login.Output())
	return "", ""
}

// At the console, alone and with a way in for emergencies.
func TestRecipeLogin(t *testing.T) {
	for _, recipe := range []string{"7", "9"} {
		t.Run(recipe, func(t *testing.T) {
			k, _ := follow(t, recipe)
			s := readSection(t, "7")
			if r := k.run(t, s.find(t, "Turn it on")); strings.Count(r.Stdout, "\n") != 2 {
				t.Errorf("want two lines:\n%s", r.Stdout)
			}
			emergency := map[string][2]string{
				"7": {"number refused", "refused"},
				"9": {"password in", "password refused"},
			}[recipe]
			guests := append(numbers(guest{name: "list", list: true}, ""),
				guest{name: "no list", knows: "right", want: "refused"},
				guest{name: "member, right password", list: true, member: true, knows: "right", want: emergency[0]},
				guest{name: "member, wrong password", member: true, types: "wrong", want: emergency[1]})
			t.Run("guests", func(t *testing.T) {
				for _, g := range guests {
					t.Run(g.name, func(t *testing.T) {
						t.Parallel()
						k.comeToConsole(t, g)
					})
				}
			})
			k.run(t, s.find(t, "Undo"))
			got, _ := k.console(t, k.alice(t).a, nil, guest{knows: "right"}, "")
			if got != "password in" {
				t.Errorf("undone: %q", got)
			}
		})
	}
}

func (k *kitchen) comeToConsole(t *testing.T, g guest) {
	t.Helper()
	a, sheet := k.Account(t, "alice"), (*world.Sheet)(nil)
	k.SetPassword(t, a)
	if g.list {
		sheet = cheapList(t, a, k.m, "-h", "20")
	}
	if g.member {
		k.Join(t, a, emergency)
	}
	used := ""
	if g.types == "used" {
		_, used = k.console(t, a, sheet, guest{types: "right"}, "")
	}
	if got, _ := k.console(t, a, sheet, g, used); got != g.want {
		t.Errorf("%q, want %q", got, g.want)
	}
}
