// SPDX-License-Identifier: MIT

package main

import "golang.org/x/sys/unix"

// harden keeps the prefix password and the master key out of core dumps and
// other processes' reach. Where that fails, the program is as good as most.
func harden() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}
