// SPDX-License-Identifier: MIT

package main

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
	as := "as " + quoted(s.who.Name) + ": "
	switch s.ID {
	case "list-unsafe":
		if s.Mode {
			return as + "chmod 0600 " + quoted(s.path)
		}
		return as + "rm " + quoted(s.path) + ", then " + c.newList(s.Name)
	case "list-none", "list-damaged", "list-expired", "list-exhausted":
		return c.newList(s.Name)
	case "list-few":
		return c.unlock(s.Name) + ", or " + c.newList(s.Name)
	case "list-cost":
		return "kdf_max_memory= or kdf_max_passes= for the module, or " + c.newList(s.Name)
	}
	return ""
}
