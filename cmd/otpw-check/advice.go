// SPDX-License-Identifier: MIT

//go:build man

package main

// advice is what to do about each finding, for the manual page; the line that
// otpw-check prints knows more of the machine.
var advice = map[string]string{
	"not-root": "Run it with sudo.",

	"module-missing": "Install the module, or write pam_otpw.so, without a folder, in PAM's configuration.",
	"module-foreign": "Install this project's module: the original cannot read lists of the format OTPW2.",
	"module-unsafe":  "See how the mode or owner came about, for who can write the module is root; then install it again.",
	"module-broken":  "Install it again, built for this machine.",
	"worker-unsafe":  "Install it again. The worker refuses to run so, and nobody gets in.",
	"core-unsafe":    "Install it again.",
	"version-mixed":  "Install all files of one build. Worker and core refuse each other else.",
	"version-other":  "Install otpw-check and the module of one build, then look again.",

	"generator-setuid": "Take the bit away, and turn on the small program that otpw-gen starts for that: otpw-pseudo-user(8). For root it is an error, for then otpw-gen refuses to run.",

	"pam-missing":    "Write /etc/pam.d/SERVICE, or look whether the service has another name.",
	"pam-other":      "Write auth lines for the service, if it shall not have those of other.",
	"pam-unreadable": "Run it as root; PAM's old file /etc/pam.conf it does not understand.",
	"pam-unsafe":     "See what is in the file, for who can write it is root; then chown root, chmod go-w.",
	"pam-syntax":     "Write the line right: pam.d(5). Until then PAM denies there.",
	"pam-include":    "Put the file back, or take the line out.",
	"pam-module":     "Install the module, or take the line out.",
	"pam-file":       "Make the table. Without it pam_access fails, and what that means is up to the line's control.",
	"pam-absent":     "Put auth required pam_otpw.so in the place of the line that asks for the password, or that includes what does; never into a file that other services include.",
	"pam-unreached":  "Move the line up, before what ends the stack.",
	"pam-before":     "If it is meant, as in a recipe for the local network, leave it. Else put pam_otpw before it.",
	"pam-everybody":  "At once: auth required pam_otpw.so in the place of the line, or of that of the service's own file which includes it; or the former file back. With AuthenticationMethods publickey,keyboard-interactive it is a warning: a key is needed, too.",
	"pam-no-list":    "Let a module that asks for a password stand behind pam_otpw, or take nullok out.",
	"pam-nobody":     "Look for pam_deny or a failing module beside it. Keep the root shell open.",
	"pam-instead":    "For a trial it is meant. Afterwards put auth required pam_otpw.so in the place of both lines; where they are in a file that other services include, as Debian's common-auth, in the place of the line that includes it.",
	"pam-twice":      "Take one of the lines out; each asks for a password of its own.",
	"pam-account":    "Put the account lines back, on Debian @include common-account.",
	"pam-session":    "Put the session lines back, on Debian @include common-session.",
	"pam-notice":     "Put session optional pam_otpw.so behind the last session line.",
	"pam-useless":    "Take the line out.",

	"argument-ignored": "Write it right: pam_otpw(8). The module works as if it were not there.",
	"argument-refused": "Take one of the arguments out; until then all logins are refused.",
	"argument-user":    "Make the account, or name another.",
	"argument-place":   "Write file= and user= into /etc/otpw.conf, below [module], which otpw-gen reads, too.",
	"argument-nullok":  "Let a module that asks for the ordinary password stand behind it, with success=done ignore=ignore default=die for pam_otpw; or take nullok out.",
	"argument-first":   "Take use_first_pass out; or put a module before it that asks, and is optional.",
	"site":             "otpw.conf(5) says what may stand there. Of root, mode 0644.",
	"decoy-state":      "Install the module again, which makes the secret.",

	"sshd-missing":  "Nothing, on a host without sshd.",
	"sshd-untested": "Run it as root, while sshd runs.",
	"sshd-settings": "Write that line right before sshd is restarted or the host is; the running one goes on.",
	"sshd-reload":   "systemctl reload ssh; sshd on Fedora.",
	"sshd-pam":      "UsePAM yes, in a file that sshd reads before all others.",
	"sshd-keyboard": "KbdInteractiveAuthentication yes, in a file that sshd reads before all others.",
	"sshd-password": "PasswordAuthentication no, in a file that sshd reads before all others.",
	"sshd-methods":  "Let one of the alternatives have keyboard-interactive. For a user with a Match block of his own it is a warning, for it may be meant.",
	"sshd-root":     "Nothing, if root has a key or the console; else PermitRootLogin yes, and a list for root.",
	"sshd-root-out": "A Match block for root with AuthenticationMethods publickey, behind all else; or PermitRootLogin yes, and a list for root; or PermitRootLogin no, if it is meant.",

	"selinux-policy": "Install the package otpw-selinux, or load the policy by hand: selinux/README.md of the source. For sudo, su and the like it is a warning. What is denied then, shows ausearch -m avc -c worker.",
	"selinux-label":  "restorecon; for lists that are not in homes, first semanage fcontext with the type otpw_var_lib_t.",

	"user-unknown":     "Write the name as getent passwd knows it.",
	"list-none":        "The user runs otpw-gen --print; or root, otpw-gen --user NAME --print.",
	"list-nobody":      "Let users make lists, as for list-none, before the root shell is closed. If there were lists, see where they are looked for: file=, user=, an account otpw.",
	"list-elsewhere":   "A new list; or root moves the old one, if nobody but its user could write it.",
	"list-unreachable": "Mount the file system, or make the folder.",
	"list-place":       "Give the user another name, or file= another pattern.",
	"list-unsafe":      "A list that others could write, or read, is to be made anew. With a wrong owner, chown it only if you know where it comes from.",
	"list-folder":      "chmod go-w, or chown, that folder; and new lists, if somebody may have put one there. A folder of all lists that is sticky, as /tmp, is a warning.",
	"list-damaged":     "A new list. What is no list at all otpw-gen leaves alone: move it away first.",
	"list-unreadable":  "Let its owner pass the folder that is named.",
	"list-readonly":    "Let its owner write it and its folder, for each password is overwritten.",
	"list-expired":     "A new list.",
	"list-exhausted":   "A new list.",
	"list-few":         "otpw-gen unlock, or a new list.",
	"list-cost":        "kdf_max_memory= or kdf_max_passes= for the module, or a new list that costs less.",
	"list-low":         "A new list.",
	"list-aside":       "The next success clears it, with three passwords; or otpw-gen unlock. What is no lock file has to be removed by hand.",
	"list-remote":      "trust_locks if the locks of that file system work between hosts, else legacy_lock.",
	"list-unchecked":   "Look whether the file system answers, and getent and id.",
}
