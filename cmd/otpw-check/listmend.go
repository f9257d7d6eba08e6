// SPDX-License-Identifier: MIT

package main

import (
	"path/filepath"
	"strings"
)

// What helps with what was found of a list. Root shall not be told to change anything
// below a path that a user says leads to his list, or chose: that is said to its owner.

// generator is a command line of otpw-gen for the list of a user, by whoever runs this.
func (c *checker) generator(command, user string) string {
	if !c.root {
		return "otpw-gen" + command
	}
	return "otpw-gen" + command + " --user " + quoted(user)
}

func (c *checker) newList(user string) string { return c.generator("", user) + " --print" }

func (c *checker) unlock(user string) string { return c.generator(" unlock", user) }

// mendList returns what helps with what a child found; "": nothing that is known.
func (c *checker) mendList(s *subject) string {
	switch s.ID {
	case "list-unsafe":
		return c.mendUnsafe(s)
	case "list-folder", "list-unreadable", "list-readonly":
		return s.mendAccess()
	case "list-unreachable":
		if s.Link {
			return s.as("rm "+quoted(s.path)) + ", then " + c.newList(s.Name)
		}
		return "mount what is missing; or install -d -m 0700 -o " + quoted(s.who.Name) + " " + quoted(filepath.Dir(s.path))
	case "list-damaged":
		if s.Alien {
			return s.as("mv "+quoted(s.path)+" "+quoted(s.path+".old")) + ", then " + c.newList(s.Name)
		}
		return c.newList(s.Name)
	case "list-none", "list-expired", "list-exhausted":
		return c.newList(s.Name)
	case "list-few":
		if s.Lock {
			return s.mendLock() + ", or " + c.newList(s.Name)
		}
		return c.unlock(s.Name) + ", or " + c.newList(s.Name)
	case "list-cost":
		return "kdf_max_memory= or kdf_max_passes= for the module, or " + c.newList(s.Name)
	}
	return ""
}

// as is a command for the list's owner.
func (s *subject) as(command string) string { return "as " + quoted(s.who.Name) + ": " + command }

// mendUnsafe is about a list with the wrong owner, mode or type.
func (c *checker) mendUnsafe(s *subject) string {
	anew := s.as("rm "+quoted(s.path)) + ", then " + c.newList(s.Name)
	give := "chown -h " + quoted(s.who.Name+":") + " " + quoted(s.path)
	switch {
	case s.Mode:
		return s.as("chmod 0600 " + quoted(s.path))
	case s.Owner && s.who.Name != s.Name: // only root and the keeper can put it there
		return give
	case s.Owner:
		return "if you have put it there yourself: " + give + "; else " + anew
	}
	return anew
}

// mendAccess is about a folder in the way, or a list that cannot be opened or written.
func (s *subject) mendAccess() string {
	dir := filepath.Dir(s.path)
	switch {
	case s.ReadOnly:
		return "mount that file system for writing; or keep lists elsewhere, with file= or user="
	case s.Link:
		return s.as("a list, and not a link, in the place of " + quoted(s.path))
	case s.Folder == "" && s.Mode:
		return s.as("chmod 0600 " + quoted(s.path))
	case s.Folder != dir && strings.HasPrefix(dir, s.Folder+"/") && s.fixed: // further up
		return "chmod a+x " + quoted(s.Folder)
	case s.Folder != dir:
		return ""
	case s.Owner && s.fixed:
		return "chown -h " + quoted(s.who.Name+":") + " " + quoted(dir)
	case s.Owner:
		return quoted(dir) + " must be a folder of " + quoted(s.who.Name)
	case s.ID != "list-folder":
		return s.as("chmod u+rwx " + quoted(dir))
	case s.fixed:
		return "chmod go-w " + quoted(dir)
	}
	return s.as("chmod go-w " + quoted(dir))
}

// mendLock is about something in the place of the lock file, which otpw-gen leaves alone.
func (s *subject) mendLock() string {
	if s.Link {
		return s.as("rm what is called .lock beside the list")
	}
	return s.as("rm -r " + quoted(s.path+".lock"))
}
